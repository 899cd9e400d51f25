//! The causes of errors that have no response of AWS.

use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};

use super::{AwsError, ErrorKind, Source};
use crate::aws::stopping::Stopped;

/// The cause without the SDK's own wrappers, which only say "dispatch failure" and
/// "other".
pub(super) fn below<E>(error: SdkError<E, HttpResponse>) -> Source
where
    E: std::error::Error + Send + Sync + 'static,
{
    match error.into_source() {
        Ok(source) => {
            // An error of ours says more than what is wrapped around it.
            let mut next: Option<&(dyn std::error::Error + 'static)> = Some(source.as_ref());
            while let Some(error) = next {
                if let Some(own) = error.downcast_ref::<AwsError>() {
                    return Arc::new(own.clone());
                }
                next = error.source();
            }
            match source.downcast::<ConnectorError>() {
                Ok(connector) => Arc::from(connector.into_source()),
                Err(source) => Arc::from(source),
            }
        }
        Err(error) => Arc::new(error),
    }
}

/// The kind of failure that a cause shows.
pub(super) fn kind_of_source(
    source: &(dyn std::error::Error + Send + Sync + 'static),
) -> ErrorKind {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(source);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<AwsError>() {
            return own.kind();
        }
        if error.is::<Stopped>() {
            return ErrorKind::Stopped;
        }
        if let Some(credentials) = error.downcast_ref::<CredentialsError>() {
            return match credentials {
                CredentialsError::ProviderTimedOut(_) => ErrorKind::Timeout,
                _ => ErrorKind::Expired,
            };
        }
        next = error.source();
    }
    ErrorKind::Other
}
