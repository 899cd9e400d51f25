-- Who was a role session?
-- Change: the session, and the first day, which must be 2 days before the session began.
-- Each row is one session of that name, with the call that issued its credentials. Without
-- issued_by, no such call is in these accounts, Regions and days. Several rows are several
-- sessions: compare first_event and last_event with the time that you ask about.
WITH events AS (
  SELECT eventtime, account, region, eventsource, eventname, errorcode, eventid,
         useridentity.type AS principal_type,
         useridentity.arn AS principal,
         useridentity.principalid AS principal_id,
         useridentity.accesskeyid AS access_key,
         useridentity.sessioncontext.attributes.creationdate AS created,
         useridentity.sessioncontext.sourceidentity AS source_identity,
         json_extract_scalar(responseelements, '$.credentials.accessKeyId') AS issued_key
  FROM {table}
  WHERE {accounts}
    AND day >= {a week ago}
),
sessions AS (
  SELECT principal_id, access_key, created,
         max(source_identity) AS source_identity,
         min(eventtime) AS first_event, max(eventtime) AS last_event, count(*) AS events
  FROM events
  WHERE principal_id = 'AROAEXAMPLE:deploy'
  GROUP BY principal_id, access_key, created
)
SELECT sessions.*,
       issued.eventname AS issued_by_call, issued.principal AS issued_by,
       issued.principal_type AS issued_by_type, issued.principal_id AS issued_by_id,
       issued.account AS issued_in_account, issued.region AS issued_in_region,
       issued.eventid AS issued_event
FROM sessions
LEFT JOIN events AS issued
  ON issued.issued_key = sessions.access_key AND issued.eventsource = 'sts.amazonaws.com'
ORDER BY first_event
