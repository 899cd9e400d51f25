//! What each route requires.
//!
//! The rules cover every path, also of routes that do not exist: what is added later is
//! guarded before anybody thinks of it.

use http::Method;

use crate::config::AccessScope;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve::http) enum Required {
    /// Nothing: anybody may send it.
    Nothing,
    /// An identity with this scope.
    Scope(AccessScope),
}

/// Health checks have no credentials, and signing in needs none.
const PUBLIC: [&str; 4] = ["/livez", "/readyz", "/sign-in", "/sign-out"];
/// The files of pages, which are the same for everybody.
const FILES: &str = "/assets/";
/// Bundles contain logs.
const EVIDENCE: &str = "/api/v1/evidence";

/// What a request needs.
pub(in crate::serve::http) fn required(method: &Method, path: &str) -> Required {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if PUBLIC.contains(&path) || (is_read && path.starts_with(FILES)) {
        return Required::Nothing;
    }
    let is_evidence = path.starts_with(EVIDENCE) || (!is_read && path.starts_with("/evidence"));
    Required::Scope(match (is_read, path) {
        _ if is_evidence => AccessScope::Evidence,
        (false, _) => AccessScope::Run,
        (true, "/metrics") => AccessScope::Metrics,
        (true, _) => AccessScope::Read,
    })
}

/// Whether a path is for people: not the API, the metrics and the health checks.
pub(in crate::serve::http) fn is_page(path: &str) -> bool {
    !path.starts_with("/api/") && !["/livez", "/readyz", "/metrics"].contains(&path)
}
