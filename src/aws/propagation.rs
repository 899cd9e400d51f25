//! Waiting, for a bounded time, for what was just written to be seen.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::{AwsError, ErrorKind};

/// How long a propagating change is waited for, and how often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// The wait before the second try; it grows by half each time.
    pub first_wait: Duration,
    /// No single wait is longer.
    pub longest_wait: Duration,
    /// All waits together are no longer.
    pub at_most: Duration,
}

impl Propagation {
    /// The same pace, for another time in all.
    #[must_use]
    pub fn at_most(at_most: Duration) -> Self {
        let usual = Self::default();
        Self {
            // Never none: waits of no time would have no end.
            first_wait: usual.first_wait.min(at_most / 16).max(Duration::from_millis(1)),
            longest_wait: usual.longest_wait.min(at_most / 4),
            at_most,
        }
    }
}

impl Default for Propagation {
    /// Two minutes in all: IAM and bucket policies are seen everywhere within
    /// seconds, rarely a minute.
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(10),
            at_most: Duration::from_mins(2),
        }
    }
}

/// Tries a call again while it fails with [`ErrorKind::Propagating`], and only
/// then, until `bounds` are used up.
///
/// # Errors
/// The last failure, whatever its kind.
pub async fn retry_propagation<T, F, Fut>(bounds: Propagation, call: F) -> Result<T, AwsError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, AwsError>>,
{
    retry_while(bounds, |error: &AwsError| error.kind() == ErrorKind::Propagating, call).await
}

/// Errors that a call answers for a while after something it depends on was
/// created, by service, code and a part of the message. Long afterwards they mean
/// what they say, so they are retried only in the run that created it.
///
/// That the thing is not found needs no row: see [`is_transient`].
/// Source: the errors of each operation in its API reference.
const AFTER_CREATE: [(&str, &str, &str); 6] = [
    // Trusted access was enabled, or the service-linked role was created.
    ("cloudtrail", "CloudTrailAccessNotEnabledException", ""),
    ("cloudtrail", "InsufficientDependencyServiceAccessPermissionException", ""),
    // The bucket was created.
    ("cloudtrail", "S3BucketDoesNotExistException", ""),
    // Versioning was enabled, or the bucket was created with Object Lock.
    ("s3", "InvalidBucketState", ""),
    ("s3", "InvalidRequest", "ersioning"),
    // A key is in state `Creating` at first.
    ("kms", "KMSInvalidStateException", ""),
];

/// Whether a failed call is documented to succeed a little later: something is
/// busy, or not in effect everywhere; and, once something was created in this
/// run, that it is not seen yet.
pub(crate) fn is_transient(error: &AwsError, after_create: bool) -> bool {
    let not_seen = || {
        error.is_not_found()
            || AFTER_CREATE.iter().any(|(service, code, part)| {
                error.service == *service
                    && error.is_code(code)
                    && error.message.as_deref().unwrap_or_default().contains(part)
            })
    };
    matches!(error.kind(), ErrorKind::Propagating | ErrorKind::Busy) || after_create && not_seen()
}

/// Tries a call again while its failure is one of those, until `bounds` are used up.
///
/// # Errors
/// The last failure, whatever it is.
pub(crate) async fn retry_while<T, E, F, Fut>(
    bounds: Propagation,
    again: impl FnMut(&E) -> bool,
    call: F,
) -> Result<T, E>
where
    E: std::fmt::Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let waits = ExponentialBuilder::default()
        .with_min_delay(bounds.first_wait)
        .with_factor(1.5)
        .with_max_delay(bounds.longest_wait)
        .with_total_delay(Some(bounds.at_most))
        .without_max_times()
        .with_jitter();
    call.retry(waits)
        .sleep(tokio::time::sleep)
        .when(again)
        .notify(|error, wait| {
            tracing::info!(
                %error,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "not yet propagated, trying again"
            );
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::super::Failure;
    use super::*;

    const AT_ONCE: Propagation = Propagation {
        first_wait: Duration::from_nanos(1),
        longest_wait: Duration::from_nanos(1),
        at_most: Duration::from_nanos(8),
    };

    fn failure(kind: ErrorKind) -> AwsError {
        Failure {
            operation: "CreateTrail".into(),
            service: "cloudtrail".into(),
            account: None,
            region: None,
            principal: None,
            kind,
            code: None,
            message: None,
            request_id: None,
            bucket_region: None,
            source: None,
        }
        .into()
    }

    async fn calls_until(fails: usize, kind: ErrorKind) -> (usize, Result<(), AwsError>) {
        let mut calls = 0;
        let result = retry_propagation(AT_ONCE, || {
            calls += 1;
            let answer = if calls <= fails { Err(failure(kind)) } else { Ok(()) };
            std::future::ready(answer)
        })
        .await;
        (calls, result)
    }

    #[tokio::test]
    async fn what_propagates_is_tried_again_until_it_is_there() {
        let (calls, result) = calls_until(3, ErrorKind::Propagating).await;
        assert_eq!(calls, 4);
        result.unwrap();
    }

    #[tokio::test]
    async fn waiting_has_an_end() {
        let (calls, result) = calls_until(usize::MAX, ErrorKind::Propagating).await;
        assert!((2..=20).contains(&calls), "{calls}");
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Propagating);
    }

    #[tokio::test]
    async fn no_time_to_wait_is_one_try() {
        let mut calls = 0;
        let result: Result<(), _> = retry_propagation(Propagation::at_most(Duration::ZERO), || {
            calls += 1;
            std::future::ready(Err(failure(ErrorKind::Propagating)))
        })
        .await;
        assert_eq!((calls, result.unwrap_err().kind()), (1, ErrorKind::Propagating));
    }

    #[tokio::test]
    async fn nothing_else_is_tried_again() {
        for kind in
            [ErrorKind::AccessDenied, ErrorKind::NotFound, ErrorKind::Throttled, ErrorKind::Other]
        {
            assert_eq!(calls_until(1, kind).await.0, 1, "{kind}");
        }
    }

    #[test]
    fn what_was_just_created_is_waited_for_and_what_is_missing_for_long_is_not() {
        for (kind, after_create, always) in [
            (ErrorKind::NotFound, true, false),
            (ErrorKind::AccessDenied, false, false),
            (ErrorKind::Conflict, false, false),
            (ErrorKind::Busy, true, true),
            (ErrorKind::Propagating, true, true),
        ] {
            let error = failure(kind);
            assert_eq!(is_transient(&error, true), after_create, "{kind}");
            assert_eq!(is_transient(&error, false), always, "{kind}");
        }
    }

    #[test]
    fn an_invalid_request_is_waited_for_only_where_it_is_about_versioning() {
        let invalid = |message: &str| {
            let of = failure(ErrorKind::Other);
            AwsError::from(Failure {
                service: "s3".into(),
                code: Some("InvalidRequest".into()),
                message: Some(message.into()),
                ..(*of).clone()
            })
        };
        let about =
            "Versioning must be 'Enabled' on the bucket to apply a replication configuration";
        assert!(is_transient(&invalid(about), true));
        assert!(!is_transient(&invalid(about), false));
        assert!(!is_transient(&invalid("The XML is wrong"), true));
    }
}
