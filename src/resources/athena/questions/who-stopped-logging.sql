-- Who stopped logging, or changed what the trail records?
-- Change: the first day.
SELECT eventtime, account, region, eventname,
       useridentity.arn AS principal,
       useridentity.accesskeyid AS access_key,
       useridentity.sessioncontext.sessionissuer.arn AS role,
       useridentity.sessioncontext.sourceidentity AS source_identity,
       sourceipaddress, useragent, errorcode, requestparameters, eventid
FROM {table}
WHERE {accounts}
  AND day >= {a week ago}
  AND eventsource = 'cloudtrail.amazonaws.com'
  AND eventname IN ('StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors',
                    'PutInsightSelectors', 'DeregisterOrganizationDelegatedAdmin')
ORDER BY eventtime
