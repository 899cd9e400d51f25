-- What came from a network?
-- Change: the network, and the first day.
-- Calls that an AWS service made have the service's name instead of an address.
SELECT sourceipaddress, account, useridentity.arn AS principal, eventsource, eventname,
       count(*) AS calls, count_if(errorcode IS NOT NULL) AS errors,
       min(eventtime) AS first_call, max(eventtime) AS last_call
FROM {table}
WHERE {accounts}
  AND day >= {a week ago}
  AND contains('203.0.113.0/24', try_cast(sourceipaddress AS ipaddress))
GROUP BY sourceipaddress, account, useridentity.arn, eventsource, eventname
ORDER BY first_call
