//! From AWS's error codes to kinds of failure.

use super::ErrorKind;

/// Codes that neither their ending nor their HTTP status gives away.
pub(super) const BY_CODE: [(&str, ErrorKind); 62] = [
    ("AccessDenied", ErrorKind::AccessDenied),
    ("AccessDeniedException", ErrorKind::AccessDenied),
    ("AllAccessDisabled", ErrorKind::AccessDenied),
    ("AuthorizationError", ErrorKind::AccessDenied),
    ("AuthorizationErrorException", ErrorKind::AccessDenied),
    ("Forbidden", ErrorKind::AccessDenied),
    ("NotAuthorized", ErrorKind::AccessDenied),
    ("OptInRequired", ErrorKind::AccessDenied),
    ("RegionDisabledException", ErrorKind::AccessDenied),
    ("UnauthorizedAccess", ErrorKind::AccessDenied),
    ("UnauthorizedOperation", ErrorKind::AccessDenied),
    ("EC2ThrottledException", ErrorKind::Throttled),
    ("BandwidthLimitExceeded", ErrorKind::Throttled),
    ("PriorRequestNotComplete", ErrorKind::Throttled),
    ("RequestLimitExceeded", ErrorKind::Throttled),
    ("RequestThrottled", ErrorKind::Throttled),
    ("RequestThrottledException", ErrorKind::Throttled),
    ("SlowDown", ErrorKind::Throttled),
    ("Throttled", ErrorKind::Throttled),
    ("ThrottledException", ErrorKind::Throttled),
    ("Throttling", ErrorKind::Throttled),
    ("ThrottlingException", ErrorKind::Throttled),
    ("TooManyRequestsException", ErrorKind::Throttled),
    // CloudTrail tries the bucket, key, topic and log group while it creates a
    // trail; what was written a moment before may not be in effect.
    ("InsufficientEncryptionPolicyException", ErrorKind::Propagating),
    ("InsufficientS3BucketPolicyException", ErrorKind::Propagating),
    ("InsufficientSnsTopicPolicyException", ErrorKind::Propagating),
    ("InvalidCloudWatchLogsLogGroupArnException", ErrorKind::Propagating),
    ("InvalidCloudWatchLogsRoleArnException", ErrorKind::Propagating),
    ("CloudWatchLogsDeliveryUnavailableException", ErrorKind::Propagating),
    // Another change of the same thing is under way, or it is not ready for one: all
    // of them are documented with "try again".
    ("ConcurrentAccess", ErrorKind::Busy),
    ("ConcurrentAccessException", ErrorKind::Busy),
    ("ConcurrentModification", ErrorKind::Busy),
    ("ConcurrentModificationException", ErrorKind::Busy),
    ("ConflictException", ErrorKind::Busy),
    ("FinalizingOrganizationException", ErrorKind::Busy),
    ("OperationInProgressException", ErrorKind::Busy),
    ("PolicyChangesInProgressException", ErrorKind::Busy),
    ("OperationAborted", ErrorKind::Busy),
    ("OperationAbortedException", ErrorKind::Busy),
    ("BucketAlreadyExists", ErrorKind::Conflict),
    ("BucketAlreadyOwnedByYou", ErrorKind::Conflict),
    ("BucketNotEmpty", ErrorKind::Conflict),
    ("DeleteConflict", ErrorKind::Conflict),
    ("EntityAlreadyExists", ErrorKind::Conflict),
    ("CreatedButModifiedException", ErrorKind::Conflict),
    ("NameAlreadyExistsException", ErrorKind::Conflict),
    ("StackSetNotEmptyException", ErrorKind::Conflict),
    ("PreconditionFailed", ErrorKind::Conflict),
    ("ExpiredToken", ErrorKind::Expired),
    ("ExpiredTokenException", ErrorKind::Expired),
    ("InvalidAccessKeyId", ErrorKind::Expired),
    ("InvalidClientTokenId", ErrorKind::Expired),
    ("InvalidToken", ErrorKind::Expired),
    ("RequestExpired", ErrorKind::Expired),
    ("TokenRefreshRequired", ErrorKind::Expired),
    ("UnrecognizedClientException", ErrorKind::Expired),
    ("RequestTimeout", ErrorKind::Timeout),
    ("AWSOrganizationsNotInUseException", ErrorKind::NotFound),
    // SQS, in the JSON protocol and in the query protocol.
    ("QueueDoesNotExist", ErrorKind::NotFound),
    ("AWS.SimpleQueueService.NonExistentQueue", ErrorKind::NotFound),
    // For a minute after a queue of that name was deleted.
    ("QueueDeletedRecently", ErrorKind::Busy),
    ("AWS.SimpleQueueService.QueueDeletedRecently", ErrorKind::Busy),
];

/// Codes of a policy that names a principal that does not exist, or not yet.
const POLICY_CODES: [&str; 4] = [
    "MalformedPolicy",
    "MalformedPolicyDocument",
    "MalformedPolicyDocumentException",
    "InvalidParameter",
];

/// The kind of an answer with this code, message and HTTP status.
pub(super) fn of_code(code: Option<&str>, message: Option<&str>, status: Option<u16>) -> ErrorKind {
    if let Some(code) = code {
        if let Some((_, kind)) = BY_CODE.iter().find(|(known, _)| *known == code) {
            return *kind;
        }
        if POLICY_CODES.contains(&code)
            && message.is_some_and(|message| {
                let message = message.to_ascii_lowercase();
                // SNS has a word of its own for it.
                message.contains("invalid principal") || message.contains("principalnotfound")
            })
        {
            return ErrorKind::Propagating;
        }
        if code.starts_with("NoSuch")
            || ["NotFound", "NotFoundException", "NotFoundError", "NotFoundFault", "NotExist"]
                .iter()
                .any(|ending| code.ends_with(ending))
        {
            return ErrorKind::NotFound;
        }
        if code.ends_with("AlreadyExistsException")
            || code.ends_with("ConflictException")
            || code == "DuplicatePolicyAttachmentException"
        {
            return ErrorKind::Conflict;
        }
    }
    match status {
        Some(401 | 403) if code.is_none() => ErrorKind::AccessDenied,
        Some(404) => ErrorKind::NotFound,
        Some(408) => ErrorKind::Timeout,
        Some(409 | 412) => ErrorKind::Conflict,
        Some(429) => ErrorKind::Throttled,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_every_service_find_their_kind() {
        for (code, kind) in [
            ("AccessDeniedException", ErrorKind::AccessDenied),
            ("NoSuchBucketPolicy", ErrorKind::NotFound),
            ("ObjectLockConfigurationNotFoundError", ErrorKind::NotFound),
            ("TrailNotFoundException", ErrorKind::NotFound),
            ("NoSuchEntity", ErrorKind::NotFound),
            ("ThrottlingException", ErrorKind::Throttled),
            ("SlowDown", ErrorKind::Throttled),
            ("TrailAlreadyExistsException", ErrorKind::Conflict),
            ("DuplicatePolicyAttachmentException", ErrorKind::Conflict),
            ("ConcurrentModificationException", ErrorKind::Busy),
            ("ConflictException", ErrorKind::Busy),
            ("OperationAbortedException", ErrorKind::Busy),
            ("InsufficientS3BucketPolicyException", ErrorKind::Propagating),
            ("ExpiredToken", ErrorKind::Expired),
            ("InvalidTrailNameException", ErrorKind::Other),
        ] {
            assert_eq!(of_code(Some(code), None, Some(400)), kind, "{code}");
        }
    }

    #[test]
    fn a_refusal_without_a_body_is_access_denied_and_never_absent() {
        assert_eq!(of_code(None, None, Some(403)), ErrorKind::AccessDenied);
        assert_eq!(of_code(Some("AccessDenied"), None, Some(404)), ErrorKind::AccessDenied);
    }

    #[test]
    fn only_a_policy_with_an_unknown_principal_is_propagating() {
        let kind = |message| of_code(Some("MalformedPolicy"), Some(message), Some(400));
        assert_eq!(kind("Invalid principal in policy"), ErrorKind::Propagating);
        assert_eq!(kind("Missing required field Resource"), ErrorKind::Other);
        let topics = "Invalid parameter: Policy Error: PrincipalNotFound";
        assert_eq!(
            of_code(Some("InvalidParameter"), Some(topics), Some(400)),
            ErrorKind::Propagating
        );
    }

    #[test]
    fn no_code_is_listed_twice() {
        let mut codes: Vec<_> = BY_CODE.iter().map(|(code, _)| code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), BY_CODE.len());
    }
}
