-- What did a user do, directly, through roles and through services?
-- Change: the user's ARN, three times; the source identity; the days.
-- A role session counts if its key was issued to the user in these accounts, Regions and days.
WITH events AS (
  SELECT eventtime, account, region, eventsource, eventname, errorcode, sourceipaddress, eventid,
         useridentity.arn AS principal,
         useridentity.accesskeyid AS access_key,
         useridentity.invokedby AS invoked_by,
         useridentity.sessioncontext.sourceidentity AS source_identity,
         json_extract_scalar(responseelements, '$.credentials.accessKeyId') AS issued_key
  FROM {table}
  WHERE {accounts}
    AND day BETWEEN {a week ago} AND {today}
),
issued AS (
  SELECT DISTINCT issued_key
  FROM events
  WHERE eventsource = 'sts.amazonaws.com' AND issued_key IS NOT NULL
    AND principal = 'arn:aws:iam::111111111111:user/alice'
)
SELECT eventtime, account, region, eventsource, eventname, principal,
       CASE
         WHEN invoked_by IS NOT NULL THEN 'through ' || invoked_by
         WHEN principal = 'arn:aws:iam::111111111111:user/alice' THEN 'directly'
         WHEN access_key IN (SELECT issued_key FROM issued) THEN 'through a role'
         ELSE 'source identity'
       END AS how,
       errorcode, sourceipaddress, eventid
FROM events
WHERE principal = 'arn:aws:iam::111111111111:user/alice'
   OR access_key IN (SELECT issued_key FROM issued)
   OR source_identity = 'alice'
ORDER BY eventtime
