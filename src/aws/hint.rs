//! What to do about a failed call.

use super::{AwsError, ErrorKind};

/// What can be done about a failure.
pub(super) fn of(error: &AwsError) -> Option<String> {
    let who = error.principal.as_deref().map_or("the caller", short_principal);
    Some(match error.kind {
        ErrorKind::AccessDenied if error.operation == "AssumeRole" => format!(
            "the role must exist, its trust policy must name {who} and the external id from the \
             configuration, and {who} must be allowed sts:AssumeRole on it; see [roles]"
        ),
        ErrorKind::AccessDenied => {
            let action = iam_action(error);
            let message = error.message.as_deref().unwrap_or_default();
            if action == "kms:Decrypt" {
                let key = resource(message).unwrap_or("the key");
                let by = denied_by(message).map(|by| format!(" (by {by})")).unwrap_or_default();
                return Some(format!(
                    "{who} lacks kms:Decrypt on {key}{by}: log files and digests that are \
                     encrypted with it cannot be read"
                ));
            }
            if action == "s3:GetObject" && resource(message).is_none() {
                return Some(format!(
                    "{who} lacks s3:GetObject, or kms:Decrypt on the key that the object is \
                     encrypted with"
                ));
            }
            if error.service == "glue" && message.contains("Lake Formation") {
                return Some(format!(
                    "AWS Lake Formation governs the data catalog: as its administrator, grant {who} \
                     CREATE_DATABASE on the catalog, and ALL on the database and its tables"
                ));
            }
            match denied_by(error.message.as_deref().unwrap_or_default()) {
                Some(policy) => format!("{action} is denied to {who} by {policy}"),
                None => format!("{who} lacks {action}"),
            }
        }
        ErrorKind::Throttled => {
            "other clients use up this account's rate limit for the call: try again later".into()
        }
        ErrorKind::Propagating if names_nobody(error) => {
            "a role or user that the policy names does not exist: check archive.readers, \
             key.readers, key.administrators and the statements of others"
                .into()
        }
        ErrorKind::Propagating => {
            "policies and roles can take a minute to propagate; if the error persists, the policy lacks a permission that CloudTrail needs"
                .into()
        }
        ErrorKind::Timeout => {
            "check that the endpoint is reachable (proxy, VPC endpoint, firewall) and that the Region is correct"
                .into()
        }
        ErrorKind::Expired => expired(error),
        ErrorKind::Network => {
            "check the network, name resolution of the endpoint, and AWS_ENDPOINT_URL if it is set"
                .into()
        }
        ErrorKind::Busy => {
            "another client is changing the same resource: run the same command again".into()
        }
        ErrorKind::Stopped => "run the same command again".into(),
        ErrorKind::NotFound | ErrorKind::Conflict => return None,
        _ if error.is_plain_http() => {
            "anyone on the network path could read and change the traffic: use an https:// endpoint, or \
             `--allow-plain-http` where you trust that network"
                .into()
        }
        ErrorKind::Other => match error.code.as_deref() {
            Some("SignatureDoesNotMatch") => {
                "the secret access key does not belong to the access key id".into()
            }
            Some("RequestTimeTooSkewed") => "this machine's clock is wrong".into(),
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed") => elsewhere(error),
            _ => return None,
        },
    })
}

/// What to do about a bucket that was looked for in the wrong Region.
fn elsewhere(error: &AwsError) -> String {
    let asked = error.region.as_ref().map(|region| format!(", not in {region}"));
    let asked = asked.unwrap_or_default();
    match &error.bucket_region {
        Some(there) => {
            format!("the bucket is in {there}{asked}: correct its Region in the configuration")
        }
        None => format!(
            "the bucket is in another Region{asked}: `aws s3api get-bucket-location` returns it"
        ),
    }
}

/// Whether a policy was refused because of whom it names.
fn names_nobody(error: &AwsError) -> bool {
    let message = error.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    message.contains("invalid principal")
}

fn expired(error: &AwsError) -> String {
    let region = error.region.as_ref().filter(|region| region.is_opt_in());
    match error.code.as_deref() {
        // A Region that is not enabled knows none of an account's credentials.
        Some("UnrecognizedClientException" | "InvalidClientTokenId") if region.is_some() => {
            let region = region.map_or("", |region| region.as_str());
            format!(
                "the account may not have enabled {region}: `orgtrail accounts` lists its Regions"
            )
        }
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "the credentials expired: sign in again (`aws sso login`) or renew the session, then \
             run the same command again"
                .into()
        }
        Some(_) => {
            "AWS rejects these credentials: check AWS_PROFILE, AWS_ACCESS_KEY_ID and, for temporary ones, AWS_SESSION_TOKEN"
                .into()
        }
        None => "no usable credentials: set AWS_PROFILE, sign in (`aws sso login`), or export \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            .into(),
    }
}

/// The IAM action that was missing: as AWS's message names it, else the one that
/// was called for.
pub(super) fn iam_action(error: &AwsError) -> String {
    let named = error.message.as_deref().and_then(|message| {
        let (_, rest) = message.split_once("not authorized to perform: ")?;
        rest.split_whitespace().next()
    });
    if let Some(action) = named {
        return action.trim_end_matches(',').to_owned();
    }
    format!("{}:{}", error.service, error.operation)
}

/// The resource that AWS's message names.
fn resource(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("on resource: ")?;
    rest.split_whitespace().next().map(|arn| arn.trim_end_matches(','))
}

/// What AWS's message says about an explicit deny.
fn denied_by(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("with an explicit deny in ")?;
    Some(rest.trim_end_matches('.'))
}

/// `role OrgTrailMember` of a role's or session's ARN, else the ARN.
fn short_principal(arn: &str) -> &str {
    match arn.split_once(":assumed-role/") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(arn),
        None => arn
            .split_once(":role/")
            .map_or(arn, |(_, path)| path.rsplit('/').next().unwrap_or(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Failure;
    use super::*;

    fn failure(service: &str, operation: &str, kind: ErrorKind) -> Failure {
        Failure {
            operation: operation.into(),
            service: service.into(),
            account: Some("222222222222".parse().unwrap()),
            region: None,
            principal: Some("arn:aws:iam::222222222222:role/path/OrgTrailMember".into()),
            kind,
            code: None,
            message: None,
            request_id: None,
            bucket_region: None,
            source: None,
        }
    }

    #[test]
    fn access_denied_names_the_action_and_the_role() {
        let error: AwsError =
            failure("s3", "GetBucketObjectLockConfiguration", ErrorKind::AccessDenied).into();
        assert_eq!(
            error.hint().unwrap(),
            "OrgTrailMember lacks s3:GetBucketObjectLockConfiguration"
        );
    }

    #[test]
    fn the_action_in_the_message_of_aws_wins() {
        let error: AwsError = Failure {
            message: Some(
                "User: x is not authorized to perform: kms:GetKeyPolicy on resource: y with an \
                 explicit deny in a service control policy"
                    .into(),
            ),
            ..failure("kms", "PutKeyPolicy", ErrorKind::AccessDenied)
        }
        .into();
        assert_eq!(
            error.hint().unwrap(),
            "kms:GetKeyPolicy is denied to OrgTrailMember by a service control policy"
        );
    }

    #[test]
    fn what_cannot_be_decrypted_names_the_key() {
        let key = "arn:aws:kms:us-east-1:222222222222:key/k";
        let denied = |message: Option<String>| -> String {
            let error: AwsError =
                Failure { message, ..failure("s3", "GetObject", ErrorKind::AccessDenied) }.into();
            error.hint().unwrap()
        };
        let said = denied(Some(format!(
            "User: x is not authorized to perform: kms:Decrypt on resource: {key} because no \
             identity-based policy allows the kms:Decrypt action"
        )));
        assert!(said.contains("OrgTrailMember lacks kms:Decrypt on arn:aws:kms"), "{said}");
        assert!(said.contains(key), "{said}");
        // An answer that says no more than that.
        assert!(denied(Some("Access Denied".to_owned())).contains("or kms:Decrypt"));
    }

    #[test]
    fn lake_formation_is_named_where_it_denies() {
        let message =
            "Insufficient Lake Formation permission(s): Required Create Database on Catalog";
        let error: AwsError = Failure {
            message: Some(message.into()),
            ..failure("glue", "CreateDatabase", ErrorKind::AccessDenied)
        }
        .into();
        let hint = error.hint().unwrap();
        assert!(hint.contains("grant OrgTrailMember CREATE_DATABASE"), "{hint}");
    }

    #[test]
    fn a_session_is_named_by_its_role() {
        let arn = "arn:aws:sts::111111111111:assumed-role/Hub/orgtrail";
        assert_eq!(short_principal(arn), "Hub");
    }

    #[test]
    fn a_bucket_in_another_region_is_named_with_its_region() {
        let asked = Failure {
            code: Some("PermanentRedirect".into()),
            region: Some("us-east-1".parse().unwrap()),
            bucket_region: Some("eu-central-1".parse().unwrap()),
            ..failure("s3", "ListBucket", ErrorKind::Other)
        };
        let error: AwsError = asked.clone().into();
        assert!(error.hint().unwrap().contains("is in eu-central-1, not in us-east-1"));
        let error: AwsError = Failure { bucket_region: None, ..asked }.into();
        assert!(error.hint().unwrap().contains("get-bucket-location"));
    }

    #[test]
    fn a_region_that_is_not_enabled_is_not_taken_for_dead_credentials() {
        let asked = Failure {
            code: Some("UnrecognizedClientException".into()),
            region: Some("eu-south-2".parse().unwrap()),
            ..failure("cloudtrail", "ListPublicKeys", ErrorKind::Expired)
        };
        let error: AwsError = asked.clone().into();
        assert!(error.hint().unwrap().contains("not have enabled eu-south-2"));
        let error: AwsError =
            Failure { region: Some("us-east-1".parse().unwrap()), ..asked }.into();
        assert!(error.hint().unwrap().contains("rejects these credentials"));
    }

    #[test]
    fn dead_credentials_say_how_to_get_live_ones() {
        let error: AwsError = Failure {
            code: Some("ExpiredToken".into()),
            ..failure("sts", "AssumeRole", ErrorKind::Expired)
        }
        .into();
        assert!(error.hint().unwrap().contains("aws sso login"));
    }
}
