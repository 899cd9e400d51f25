-- What do the answers cover?
-- Change: the first day.
-- A day without a row has no events: nothing happened, nothing was delivered, or the log files
-- are gone. `orgtrail coverage` and `orgtrail verify` tell which.
SELECT account, region, day,
       count(*) AS events,
       count(DISTINCT eventid) AS distinct_events,
       count_if(eventcategory = 'Data') AS data_events,
       min(eventtime) AS first_event, max(eventtime) AS last_event
FROM {table}
WHERE {accounts}
  AND day >= {a week ago}
GROUP BY account, region, day
ORDER BY account, region, day
