//! From which site a request comes.
//!
//! Browsers add a user's cookie, certificate and place on this machine to requests that any
//! site makes. They also say which site that is.

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{Identity, IdentityKind, Refusal};

/// Refuses requests that another site may have caused.
pub(super) fn check(
    method: &Method,
    headers: &HeaderMap,
    identity: Option<&Identity>,
) -> Result<(), Refusal> {
    let refusal = |reason: &str| {
        Err(Refusal::new(StatusCode::FORBIDDEN, "requests of other sites are refused")
            .because(reason))
    };
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_own_site = matches!(site, None | Some(b"same-origin" | b"none"));
    if matches!(*method, Method::GET | Method::HEAD) {
        // Links from elsewhere may lead to a page. Nothing else may load from here.
        let mode = headers.get("sec-fetch-mode").map(HeaderValue::as_bytes);
        let target = headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
        let is_link = mode == Some(b"navigate") && matches!(target, None | Some(b"document"));
        if is_own_site || is_link {
            return Ok(());
        }
        return refusal("another site loads data");
    }
    if !is_own_site {
        return refusal("another site sends a request");
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(_), Some(_)) => refusal("there are two origins"),
        (Some(origin), None) if is_own(origin, headers) => Ok(()),
        (Some(_), None) => refusal("the origin is another site"),
        (None, _) => {
            let has_token = identity.is_some_and(|it| it.kind == IdentityKind::Token);
            // A browser asks before it sends JSON to another site, and is never allowed to.
            if site.is_some() || has_token || is_json(headers) {
                return Ok(());
            }
            refusal("neither `Origin`, `Sec-Fetch-Site`, a token, nor JSON")
        }
    }
}

/// Whether an origin is the host to which the request is addressed.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| {
        origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))
    });
    let parsed = |text: &str| text.parse::<Authority>().ok();
    match (host.and_then(parsed), origin.and_then(parsed)) {
        (Some(host), Some(origin)) => host == origin,
        _ => false,
    }
}

/// Whether the body is JSON, which no form can send.
pub(in crate::serve::http) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}
