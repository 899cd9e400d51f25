//! Documents as responses.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use orgtrail_base::cloudtrail::digest::sha256_hex;

use super::super::problem::Problem;
use crate::report::contract::{Document, Emitted};

/// A document, with a tag by which a client recognizes it.
pub(in crate::serve::http) fn document<T: Document>(body: T) -> Result<Response, Problem> {
    document_with(StatusCode::OK, body)
}

/// The same with another status.
pub(in crate::serve::http) fn document_with<T: Document>(
    status: StatusCode,
    body: T,
) -> Result<Response, Problem> {
    let json = serde_json::to_vec(&Emitted::new(body)).map_err(|error| {
        tracing::error!(%error, document = T::NAME, "a document has no JSON form");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the document could not be written")
    })?;
    let mut response = json_response(json.into());
    *response.status_mut() = status;
    Ok(response)
}

/// JSON that is stored or was made before.
pub(super) fn json_response(json: Bytes) -> Response {
    let mut tag = sha256_hex(&json);
    tag.truncate(32);
    let mut response = Body::from(json).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        headers.insert(header::ETAG, tag);
    }
    response
}
