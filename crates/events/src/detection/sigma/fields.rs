//! The fields of records.
//!
//! Source: CloudTrail User Guide, "CloudTrail record contents" and "CloudTrail userIdentity
//! element".

/// The fields at the top of a record.
const TOP: &[&str] = &[
    "addendum",
    "additionalEventData",
    "apiVersion",
    "awsRegion",
    "edgeDeviceDetails",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventContext",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "insightDetails",
    "managementEvent",
    "readOnly",
    "recipientAccountId",
    "requestID",
    "requestParameters",
    "resources",
    "responseElements",
    "serviceEventDetails",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "tlsDetails",
    "userAgent",
    "userIdentity",
    "vpcEndpointAccountId",
    "vpcEndpointId",
];

/// The members of objects whose members are known.
const WITHIN: &[(&str, &[&str])] = &[
    (
        "userIdentity",
        &[
            "accessKeyId",
            "accountId",
            "arn",
            "credentialId",
            "identityProvider",
            "inScopeOf",
            "invokedBy",
            "onBehalfOf",
            "principalId",
            "sessionContext",
            "type",
            "userName",
        ],
    ),
    (
        "userIdentity.sessionContext",
        &[
            "assumedRoot",
            "attributes",
            "ec2RoleDelivery",
            "sessionIssuer",
            "sourceIdentity",
            "webIdFederationData",
        ],
    ),
    ("userIdentity.sessionContext.attributes", &["creationDate", "mfaAuthenticated"]),
    (
        "userIdentity.sessionContext.sessionIssuer",
        &["accountId", "arn", "principalId", "type", "userName"],
    ),
    ("userIdentity.onBehalfOf", &["identityStoreArn", "userId"]),
    ("tlsDetails", &["cipherSuite", "clientProvidedHostHeader", "keyExchange", "tlsVersion"]),
    ("resources", &["ARN", "ARNPrefix", "accountId", "type"]),
];

/// What is wrong with the name of a field, if anything.
pub(super) fn field_problem(field: &str) -> Option<String> {
    let mut within = String::new();
    for part in field.split('.') {
        // The selection of an item of an array.
        let part = part.split_once('[').map_or(part, |(name, _)| name);
        let known = if within.is_empty() {
            TOP
        } else {
            match WITHIN.iter().find(|(of, _)| *of == within) {
                Some((_, members)) => *members,
                // What else is within is the service's.
                None => return None,
            }
        };
        if !known.contains(&part) {
            let near = known.iter().find(|name| name.eq_ignore_ascii_case(part));
            let place =
                if within.is_empty() { "a record".to_owned() } else { format!("`{within}`") };
            return Some(match near {
                Some(name) => format!("CloudTrail writes `{name}` for `{part}` in {place}"),
                None => format!("{place} has no field `{part}`"),
            });
        }
        if !within.is_empty() {
            within.push('.');
        }
        within.push_str(part);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_records_lack_are_found() {
        for known in [
            "eventName",
            "userIdentity.sessionContext.sessionIssuer.userName",
            "requestParameters.anything.at.all",
            "resources[any].ARN",
        ] {
            assert_eq!(field_problem(known), None, "{known}");
        }
        for (unknown, says) in [
            ("EventName", "`eventName`"),
            ("userIdentity.username", "`userName`"),
            ("eventname.x", "`eventName`"),
            ("CommandLine", "no field `CommandLine`"),
            ("userIdentity.sessionContext.mfaAuthenticated", "no field `mfaAuthenticated`"),
        ] {
            let problem = field_problem(unknown).unwrap();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
