//! Refusals and failures as documents.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::report::contract::{Emitted, api};
use crate::serve::rounds::RoundsError;
use crate::store::StoreError;
use crate::words::in_one_line;

/// A request that is refused or failed.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Problem {
    status: StatusCode,
    detail: String,
    headers: Vec<(http::HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), headers: Vec::new() }
    }

    /// A request that means nothing.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Something that is missing.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn with_header(mut self, name: http::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, detail, headers } = self;
        let body = Emitted::new(api::Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail,
        });
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, Body::from(body)).into_response();
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}

/// The state cannot be read. The details are logged: they name buckets and requests.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::warn!(error = in_one_line(error), "a request needs the state");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the state of the service cannot be read")
        .with_header(header::RETRY_AFTER, "30")
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        unreachable(&error)
    }
}

impl From<RoundsError> for Problem {
    fn from(error: RoundsError) -> Self {
        unreachable(&error)
    }
}
