-- Which APIs, Regions and accounts are used for the first time?
-- Change: both days, the earlier one twice.
-- baseline_days counts the days before with any events of the account in the Region: if it is
-- small, the baseline has gaps, and a first use means little.
WITH events AS (
  SELECT eventtime, day, account, region, eventsource, eventname,
         coalesce(useridentity.arn, useridentity.principalid, useridentity.type) AS principal
  FROM {table}
  WHERE {accounts}
    AND day >= {90 days ago}
),
first_uses AS (
  SELECT account, region, eventsource, eventname,
         min(eventtime) AS first_time, min(day) AS first_day,
         min_by(principal, eventtime) AS principal
  FROM events
  GROUP BY account, region, eventsource, eventname
),
baseline AS (
  SELECT account, region, count(DISTINCT day) AS days
  FROM events
  WHERE day < {a week ago}
  GROUP BY account, region
)
SELECT first_uses.first_time, first_uses.account, first_uses.region, first_uses.eventsource,
       first_uses.eventname, first_uses.principal,
       coalesce(baseline.days, 0) AS baseline_days
FROM first_uses
LEFT JOIN baseline
  ON baseline.account = first_uses.account AND baseline.region = first_uses.region
WHERE first_uses.first_day >= {a week ago}
ORDER BY first_uses.first_time
