-- Which sessions descend from an access key?
-- Change: the access key, and the first day.
-- Up to three hops: a session of the key, one that it assumed, and one that that one assumed.
WITH issued AS (
  SELECT eventtime, account, region, eventname, eventid,
         useridentity.accesskeyid AS by_key,
         json_extract_scalar(responseelements, '$.credentials.accessKeyId') AS key,
         coalesce(json_extract_scalar(responseelements, '$.assumedRoleUser.arn'),
                  json_extract_scalar(responseelements, '$.federatedUser.arn')) AS session
  FROM {table}
  WHERE {accounts}
    AND day >= {a week ago}
    AND eventsource = 'sts.amazonaws.com'
    AND json_extract_scalar(responseelements, '$.credentials.accessKeyId') IS NOT NULL
),
first_hop AS (SELECT * FROM issued WHERE by_key = 'AKIAEXAMPLE'),
second_hop AS (SELECT issued.* FROM issued JOIN first_hop ON issued.by_key = first_hop.key),
third_hop AS (SELECT issued.* FROM issued JOIN second_hop ON issued.by_key = second_hop.key)
SELECT 1 AS hop, * FROM first_hop
UNION
SELECT 2 AS hop, * FROM second_hop
UNION
SELECT 3 AS hop, * FROM third_hop
ORDER BY eventtime, hop
