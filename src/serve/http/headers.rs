//! The headers of every response.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::server::Peer;
use crate::serve::pages::CONTENT_SECURITY_POLICY;

/// What data may load: nothing, even if a browser shows it as a page.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// Adds the headers, and leaves out the body of an answer that the client already has.
pub(super) async fn add(request: Request, next: Next) -> Response {
    let is_encrypted = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_encrypted);
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let mut response = next.run(request).await;
    let is_page = is_html(response.headers());
    let headers = response.headers_mut();
    let policy = if is_page { CONTENT_SECURITY_POLICY } else { DATA_POLICY };
    set(headers, header::CONTENT_SECURITY_POLICY, policy);
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Not `no-referrer`: with it, browsers hide the origin of forms from this site too.
    set(headers, header::REFERRER_POLICY, "same-origin");
    set(headers, header::X_FRAME_OPTIONS, "DENY");
    set(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    let permissions = HeaderName::from_static("permissions-policy");
    set(headers, permissions, "camera=(), geolocation=(), microphone=()");
    if is_encrypted {
        set(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    // Files with a fixed content say themselves how long they may be kept.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if response.status() == StatusCode::OK && is_known(known.as_ref(), response.headers()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().remove(header::CONTENT_TYPE);
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

fn is_html(headers: &HeaderMap) -> bool {
    let is_download = headers.contains_key(header::CONTENT_DISPOSITION);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    !is_download && kind.is_some_and(|kind| kind.starts_with("text/html"))
}

/// Whether the client has the content already.
fn is_known(known: Option<&HeaderValue>, headers: &HeaderMap) -> bool {
    let (Some(known), Some(tag)) = (known, headers.get(header::ETAG)) else { return false };
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else { return false };
    known.split(',').map(str::trim).any(|one| one.trim_start_matches("W/") == tag)
}
