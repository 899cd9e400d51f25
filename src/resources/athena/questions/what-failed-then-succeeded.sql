-- What failed and then succeeded?
-- Change: the first day, and how many failures are of interest.
WITH calls AS (
  SELECT eventtime, account, eventsource, eventname,
         coalesce(useridentity.arn, useridentity.principalid, useridentity.type) AS principal,
         coalesce(errorcode, errormessage) IS NOT NULL
           OR json_extract_scalar(responseelements, '$.ConsoleLogin') = 'Failure' AS failed
  FROM {table}
  WHERE {accounts}
    AND day >= {a week ago}
)
SELECT account, principal, eventsource, eventname,
       count_if(coalesce(failed, false)) AS failures,
       min(CASE WHEN failed THEN eventtime END) AS first_failure,
       max(CASE WHEN failed THEN NULL ELSE eventtime END) AS last_success
FROM calls
GROUP BY account, principal, eventsource, eventname
HAVING count_if(coalesce(failed, false)) >= 3
   AND max(CASE WHEN failed THEN NULL ELSE eventtime END)
     > min(CASE WHEN failed THEN eventtime END)
ORDER BY failures DESC
