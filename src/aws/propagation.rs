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
    retry_while(bounds, |error| error.kind() == ErrorKind::Propagating, call).await
}

/// The same for a call about something that was made a moment before, and may not
/// be found yet.
pub(crate) async fn retry_until_found<T, F, Fut>(
    bounds: Propagation,
    call: F,
) -> Result<T, AwsError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, AwsError>>,
{
    let not_yet = |error: &AwsError| error.kind() == ErrorKind::Propagating || error.is_not_found();
    retry_while(bounds, not_yet, call).await
}

async fn retry_while<T, F, Fut>(
    bounds: Propagation,
    again: impl FnMut(&AwsError) -> bool,
    call: F,
) -> Result<T, AwsError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, AwsError>>,
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
                operation = %error.operation,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "not yet in effect everywhere, trying again"
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
    async fn nothing_else_is_tried_again() {
        for kind in
            [ErrorKind::AccessDenied, ErrorKind::NotFound, ErrorKind::Throttled, ErrorKind::Other]
        {
            assert_eq!(calls_until(1, kind).await.0, 1, "{kind}");
        }
    }

    #[tokio::test]
    async fn what_was_just_made_is_looked_for_until_it_is_found() {
        for (kind, wanted) in [(ErrorKind::NotFound, 3), (ErrorKind::AccessDenied, 1)] {
            let mut calls = 0;
            let _ = retry_until_found(AT_ONCE, || {
                calls += 1;
                std::future::ready(if calls < 3 { Err(failure(kind)) } else { Ok(()) })
            })
            .await;
            assert_eq!(calls, wanted, "{kind}");
        }
    }
}
