//! A token allows its scopes, and nothing else, on every route.

use http::Method;
use proptest::prelude::*;

use super::client::{Request, Server};
use crate::config::AccessScope;
use crate::serve::http::access::route::{Required, required};
use crate::serve::http::api::{Endpoint, endpoints};

fn method(endpoint: &Endpoint) -> Method {
    endpoint.method.as_str().to_uppercase().parse().unwrap()
}

/// A path with values for its names.
fn path(endpoint: &Endpoint) -> String {
    endpoint.path.replace("{id}", "a-1").replace("{other}", "a-2")
}

#[test]
fn the_rules_and_the_description_of_each_endpoint_agree() {
    for endpoint in endpoints() {
        let expected = endpoint.scope.map_or(Required::Nothing, Required::Scope);
        let found = required(&method(&endpoint), &path(&endpoint));
        assert_eq!(found, expected, "{} {}", endpoint.method.as_str(), endpoint.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_routes_of_its_scope_and_no_others() {
    let (server, tokens) = Server::with_tokens().await;
    for endpoint in endpoints() {
        // It answers for as long as the client stays.
        let is_stream = endpoint.path == "/api/v1/events";
        let request = Request::new(method(&endpoint).as_str(), &path(&endpoint));
        for (scope, token) in &tokens {
            let is_allowed = endpoint.scope.is_none_or(|needed| needed == *scope);
            if is_allowed && is_stream {
                continue;
            }
            let status = server.send(&request.clone().bearer(token)).await.status;
            let place =
                format!("{} {} with {scope}: {status}", request_line(&endpoint), path(&endpoint));
            assert_eq!(status == 403, !is_allowed, "{place}");
            assert_ne!(status, 401, "{place}");
        }
        let status = server.send(&request).await.status;
        // Without a token, a request that changes something has no origin either.
        let is_refused = status == 401 || status == 403;
        assert_eq!(is_refused, endpoint.scope.is_some(), "{}: {status}", path(&endpoint));
    }
}

fn request_line(endpoint: &Endpoint) -> &'static str {
    endpoint.method.as_str()
}

fn any_path() -> impl Strategy<Value = String> {
    let known: Vec<String> = endpoints().iter().map(path).collect();
    let pages = ["/", "/coverage", "/drift", "/rounds/x", "/evidence", "/sign-in", "/assets/x.css"];
    let known = known.into_iter().chain(pages.map(str::to_owned)).collect::<Vec<_>>();
    let word = prop::sample::select(known);
    prop_oneof![
        word.clone(),
        (word, "[/.a-z%0-9]{0,8}").prop_map(|(path, rest)| path + &rest),
        "/[/.a-z%0-9]{0,20}",
    ]
}

proptest! {
    /// Whatever the path: what changes something needs `run` or `evidence`, and only files and
    /// health checks need nothing.
    #[test]
    fn no_path_escapes_the_rules(path in any_path(), is_post: bool) {
        let method = if is_post { Method::POST } else { Method::GET };
        let found = required(&method, &path);
        let is_public = ["/livez", "/readyz", "/sign-in", "/sign-out"].contains(&path.as_str())
            || (!is_post && path.starts_with("/assets/"));
        prop_assert_eq!(found == Required::Nothing, is_public);
        if is_post && !is_public {
            let changes = [AccessScope::Run, AccessScope::Evidence].map(Required::Scope);
            prop_assert!(changes.contains(&found));
        }
        prop_assert_eq!(required(&Method::HEAD, &path), required(&Method::GET, &path));
        prop_assert_eq!(required(&Method::DELETE, &path), required(&Method::POST, &path));
    }
}
