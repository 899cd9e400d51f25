-- Who used a bucket, a role or another resource?
-- Change: the resource's ARN, twice; its name; the first day.
-- Reads and writes of objects, items and functions are data events. data_events counts those
-- of all resources in these accounts and days: 0 means that none are recorded.
WITH events AS (
  SELECT eventtime, account, region, eventcategory, eventsource, eventname,
         useridentity.arn AS principal, useridentity.invokedby AS invoked_by,
         sourceipaddress, errorcode, requestparameters, resources, eventid,
         count_if(eventcategory = 'Data') OVER () AS data_events
  FROM {table}
  WHERE {accounts}
    AND day >= {a week ago}
)
SELECT eventtime, account, region, eventcategory, eventsource, eventname, principal, invoked_by,
       sourceipaddress, errorcode, requestparameters, eventid, data_events
FROM events
WHERE any_match(resources, resource -> resource.arn = 'arn:aws:s3:::example-bucket')
   OR any_match(resources, resource -> starts_with(resource.arn, 'arn:aws:s3:::example-bucket/'))
   OR strpos(requestparameters, '"example-bucket"') > 0
ORDER BY eventtime
