-- Console logins without MFA, and what root users did
-- Change: the first day.
-- MFA of federated users is with their identity provider: for them, mfa_used is always No.
SELECT eventtime, account, region, eventsource, eventname,
       useridentity.type AS principal_type, useridentity.arn AS principal,
       json_extract_scalar(additionaleventdata, '$.MFAUsed') AS mfa_used,
       json_extract_scalar(responseelements, '$.ConsoleLogin') AS login,
       sourceipaddress, useragent, errorcode, errormessage, eventid
FROM {table}
WHERE {accounts}
  AND day >= {a week ago}
  AND ((eventname = 'ConsoleLogin'
        AND coalesce(json_extract_scalar(additionaleventdata, '$.MFAUsed'), 'No') <> 'Yes')
    OR (useridentity.type = 'Root'
        AND useridentity.invokedby IS NULL
        AND eventtype <> 'AwsServiceEvent'))
ORDER BY eventtime
