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
            match denied_by(error.message.as_deref().unwrap_or_default()) {
                Some(policy) => format!("{action} is denied to {who} by {policy}"),
                None => format!("{who} lacks {action}"),
            }
        }
        ErrorKind::Throttled => {
            "something else uses up this account's rate for the call; try again later".into()
        }
        ErrorKind::Propagating if names_nobody(error) => {
            "a role or user that the policy names does not exist: check archive.readers, \
             key.readers, key.administrators and the statements of others"
                .into()
        }
        ErrorKind::Propagating => {
            "policies and roles can take a minute to be seen everywhere; if it stays so, the \
             policy itself lacks what CloudTrail needs"
                .into()
        }
        ErrorKind::Timeout => {
            "is the endpoint reachable from here (proxy, VPC endpoint, firewall), and is the \
             Region right?"
                .into()
        }
        ErrorKind::Expired => expired(error),
        ErrorKind::Network => {
            "is there a network, does the endpoint's name resolve, and is AWS_ENDPOINT_URL right \
             if it is set?"
                .into()
        }
        ErrorKind::NotFound | ErrorKind::Conflict => return None,
        ErrorKind::Other => match error.code.as_deref() {
            Some("SignatureDoesNotMatch") => {
                "the secret access key does not belong to the access key id".into()
            }
            Some("RequestTimeTooSkewed") => "this machine's clock is wrong".into(),
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed") => {
                "the bucket lies in another Region".into()
            }
            _ => return None,
        },
    })
}

/// Whether a policy was refused because of whom it names.
fn names_nobody(error: &AwsError) -> bool {
    let message = error.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    message.contains("invalid principal")
}

fn expired(error: &AwsError) -> String {
    match error.code.as_deref() {
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "the credentials expired: sign in again (`aws sso login`) or renew the session, then \
             run the same command again"
                .into()
        }
        Some(_) => {
            "AWS does not know these credentials: check AWS_PROFILE, AWS_ACCESS_KEY_ID and, for \
             temporary ones, AWS_SESSION_TOKEN"
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
    fn a_session_is_named_by_its_role() {
        let arn = "arn:aws:sts::111111111111:assumed-role/Hub/orgtrail";
        assert_eq!(short_principal(arn), "Hub");
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
