//! Refusals in S3's own words.

use std::borrow::Cow;

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

/// A refusal with one of S3's usual codes and statuses.
pub(super) fn refuse(code: S3ErrorCode, message: impl Into<Cow<'static, str>>) -> S3Error {
    S3Error::with_message(code, message)
}

/// A refusal whose code the protocol crate does not know, or knows with another
/// status.
pub(super) fn custom(
    code: &'static str,
    status: StatusCode,
    message: impl Into<Cow<'static, str>>,
) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

/// HTTP 404 with a code of its own.
pub(super) fn absent(code: &'static str, message: impl Into<Cow<'static, str>>) -> S3Error {
    custom(code, StatusCode::NOT_FOUND, message)
}

/// HTTP 400 `InvalidRequest`.
pub(super) fn invalid_request(message: impl Into<Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::InvalidRequest, message)
}

/// HTTP 400 `InvalidArgument`.
pub(super) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::InvalidArgument, message)
}

/// HTTP 400 `MalformedXML`.
pub(super) fn malformed_xml(message: impl Into<Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::MalformedXML, message)
}

/// HTTP 403 `AccessDenied`.
pub(super) fn access_denied(message: impl Into<Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::AccessDenied, message)
}

/// HTTP 412 `PreconditionFailed`.
pub(super) fn precondition_failed() -> S3Error {
    refuse(
        S3ErrorCode::PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold",
    )
}

/// HTTP 404 `NoSuchKey`.
pub(super) fn no_such_key() -> S3Error {
    refuse(S3ErrorCode::NoSuchKey, "The specified key does not exist.")
}

/// HTTP 404 `NoSuchVersion`.
pub(super) fn no_such_version() -> S3Error {
    refuse(S3ErrorCode::NoSuchVersion, "The specified version does not exist.")
}

/// HTTP 404 `NoSuchBucket`.
pub(super) fn no_such_bucket() -> S3Error {
    refuse(S3ErrorCode::NoSuchBucket, "The specified bucket does not exist")
}
