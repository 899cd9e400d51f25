//! Who is admitted.

use std::fs;

use serde_json::json;

use super::client::{Request, Server, token};
use crate::config::AccessScope;
use crate::serve::http::access::signer;
use crate::serve::http::bind;
use crate::serve::samples;
use crate::store::{DirectoryStore, Store};
use crate::test_env::receiver::{Answer, Receiver};

const STATUS: &str = "/api/v1/status";

#[tokio::test]
async fn a_user_of_this_machine_needs_no_token_if_there_are_none() {
    let server = Server::local().await;
    for path in ["/", STATUS, "/metrics", "/api/v1/evidence"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    // A client with a token expects to be known by it.
    server.send(&Request::get(STATUS).bearer("wrong")).await.problem(401);
}

#[tokio::test]
async fn with_tokens_also_users_of_this_machine_authenticate() {
    let (server, tokens) = Server::with_tokens().await;
    let answer = server.get(STATUS).await;
    assert_eq!(answer.problem(401), "authentication is required");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    let (_, read) = tokens.iter().find(|(scope, _)| *scope == AccessScope::Read).unwrap();
    assert_eq!(server.send(&Request::get(STATUS).bearer(read)).await.status, 200);
    for header in ["Basic dTpw", "Bearer", "bearer ", read, "Bearer x y"] {
        let request = Request::get(STATUS).header("authorization", header);
        server.send(&request).await.problem(401);
    }
    let twice = Request::get(STATUS).bearer(read).bearer(read);
    server.send(&twice).await.problem(401);
    // Not in an address, which logs and browsers keep.
    server.get(&format!("{STATUS}?token={read}")).await.problem(401);
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_refused_at_once() {
    let server = Server::prepared("tokens = \"FOLDER/tokens.toml\"", |folder| {
        token(folder, &[AccessScope::Read], 90);
    });
    let server = server.await;
    let added = token(server.folder.path(), &[AccessScope::Read], 90);
    let request = Request::get(STATUS).bearer(&added);
    assert_eq!(server.send(&request).await.status, 200, "added while the service runs");
    let file = server.folder.path().join("tokens.toml");
    let text = fs::read_to_string(&file).unwrap();
    let expired = text.replace("expires_at = \"2027", "expires_at = \"2025");
    assert_ne!(text, expired);
    fs::write(&file, &expired).unwrap();
    server.send(&request).await.problem(401);
    fs::write(&file, &text).unwrap();
    assert_eq!(server.send(&request).await.status, 200);
    // A file that cannot be used allows nothing.
    fs::write(&file, "[[token]]").unwrap();
    server.send(&request).await.problem(401);
    fs::remove_file(&file).unwrap();
    server.send(&request).await.problem(401);
}

#[tokio::test]
async fn requests_for_other_hosts_are_refused() {
    let server = Server::with("hosts = [\"orgtrail.example.com\"]").await;
    let with_host =
        async |host: &str| server.send(&Request::get(STATUS).header("host", host)).await.status;
    for host in [
        "localhost",
        "LOCALHOST:8686",
        "127.0.0.1",
        "[::1]:80",
        "orgtrail.example.com",
        "orgtrail.example.com:443",
    ] {
        assert_eq!(with_host(host).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "orgtrail.example.com.evil.example",
        "127.0.0.1.nip.io",
        "203.0.113.1",
        "user@localhost",
    ] {
        assert_eq!(with_host(host).await, 421, "{host}");
    }
    assert_eq!(with_host("local host").await, 400);
    assert_eq!(with_host("").await, 400);
    let two = Request::get(STATUS).header("host", "localhost").header("host", "evil.example");
    assert_eq!(server.send(&two).await.status, 400);
    let none = server.send_raw(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert_eq!(none.status, 400);
    // The address in the first line counts too.
    let absolute =
        "GET http://evil.example/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(server.send_raw(absolute.as_bytes()).await.status, 421);
    // Nothing about the service is known to others: health checks too are for its hosts.
    let health = Request::get("/livez").header("host", "evil.example");
    assert_eq!(server.send(&health).await.status, 421);
}

#[tokio::test]
async fn requests_that_another_site_causes_are_refused() {
    let server = Server::local().await;
    let address = server.address.to_string();
    let form = || Request::form("/api/v1/rounds", "schedule=unknown");
    // 422: the request was admitted, and there is no such schedule.
    for admitted in [
        form().header("origin", &format!("http://{address}")),
        form()
            .header("origin", &format!("http://{address}"))
            .header("sec-fetch-site", "same-origin"),
        Request::json("/api/v1/rounds", &serde_json::json!({ "schedule": "unknown" })),
    ] {
        server.send(&admitted).await.problem(422);
    }
    for refused in [
        form(),
        form().header("origin", "https://evil.example"),
        form().header("origin", "null"),
        form().header("origin", &format!("http://{address}.evil.example")),
        form().header("origin", "http://127.0.0.1:1"),
        form().header("sec-fetch-site", "cross-site"),
        form().header("sec-fetch-site", "same-site").header("origin", &format!("http://{address}")),
        form().header("content-type", "text/plain"),
    ] {
        server.send(&refused).await.problem(403);
    }
    // Another site may link to a page, and load nothing.
    let link = Request::get("/").header("sec-fetch-site", "cross-site");
    let navigates = link.clone().header("sec-fetch-mode", "navigate");
    assert_eq!(server.send(&navigates).await.status, 200);
    let document = navigates.clone().header("sec-fetch-dest", "document");
    assert_eq!(server.send(&document).await.status, 200);
    for refused in
        [link.header("sec-fetch-mode", "no-cors"), navigates.header("sec-fetch-dest", "iframe")]
    {
        assert_eq!(server.send(&refused).await.status, 403);
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_names_the_user() {
    let access = "identity_header = \"X-User\"\nidentity_scopes = [\"read\"]\n";
    let trusted = Server::with(&format!("{access}trusted_proxies = [\"127.0.0.1\"]")).await;
    let user = Request::get(STATUS).header("x-user", "ann@example.com");
    assert_eq!(trusted.send(&user).await.status, 200);
    trusted.get(STATUS).await.problem(401);
    trusted.send(&Request::get(STATUS).header("x-user", "")).await.problem(401);
    trusted.send(&user.clone().header("x-user", "root")).await.problem(401);
    let run = Request::json("/api/v1/rounds", &serde_json::json!({ "schedule": "hourly" }));
    let detail = trusted.send(&run.header("x-user", "ann")).await.problem(403);
    assert!(detail.contains("`run`"), "{detail}");
    let other = Server::with(&format!("{access}trusted_proxies = [\"10.0.0.0/8\"]")).await;
    other.send(&user).await.problem(401);
}

#[tokio::test]
async fn a_load_balancer_names_the_user_if_it_signed_the_name() {
    const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/a/1";
    let (pem, sign) = signer();
    let not_yet = Answer::Status(404, "unknown".to_owned());
    let keys = Receiver::start(vec![not_yet, Answer::Status(200, pem)]).await;
    let access = |proxies: &str| {
        format!(
            "load_balancer = \"{ARN}\"\nload_balancer_keys = \"{}\"\n\
             trusted_proxies = [\"{proxies}\"]\n",
            keys.origin
        )
    };
    let server = Server::with(&access("127.0.0.1")).await;
    let token = |signer: &str, key: &str| {
        let expires_at = server.app.now().as_second() + 120;
        let head = json!({ "alg": "ES256", "kid": key, "signer": signer, "exp": expires_at });
        sign(&head, &json!({ "sub": "4f1c", "email": "ann@example.com" }))
    };
    let with = |token: &str| Request::get(STATUS).header("x-amzn-oidc-data", token);
    let valid = token(ARN, "k-1");
    // Nobody reads keys for a client that is no proxy.
    let other = Server::with(&access("10.0.0.0/8")).await;
    other.send(&with(&valid)).await.problem(401);
    assert_eq!(keys.received().len(), 0);
    let detail = server.send(&with(&valid)).await.problem(503);
    assert!(detail.contains("key"), "{detail}");
    for _ in 0..2 {
        assert_eq!(server.send(&with(&valid)).await.status, 200);
    }
    // The key is read once, after the try that failed.
    let paths: Vec<String> = keys.received().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, ["/k-1", "/k-1"]);
    server.get(STATUS).await.problem(401);
    let impostor = ARN.replace("111111111111", "999999999999");
    for refused in [token(&impostor, "k-1"), token(ARN, "../k-1"), token(ARN, ""), "x".to_owned()] {
        server.send(&with(&refused)).await.problem(401);
    }
    server.send(&with(&valid).header("x-amzn-oidc-data", &valid)).await.problem(401);
    assert_eq!(keys.received().len(), 2);
    // Users of the load balancer may read, and nothing else.
    let run = Request::json("/api/v1/rounds", &json!({ "schedule": "hourly" }));
    server.send(&run.header("x-amzn-oidc-data", &valid)).await.problem(403);
}

#[tokio::test]
async fn a_browser_signs_in_with_a_token_and_out_again() {
    let (server, tokens) = Server::with_tokens().await;
    let (_, read) = tokens.iter().find(|(scope, _)| *scope == AccessScope::Read).unwrap();
    let html = |path: &str| Request::get(path).header("accept", "text/html");
    let answer = server.send(&html("/coverage?state=dark")).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/sign-in?next=%2Fcoverage%3Fstate%3Ddark"));
    let form = server.send(&html("/sign-in?next=%2Fcoverage%3Fstate%3Ddark")).await;
    assert_eq!(form.status, 200);
    assert!(form.text().contains("value=\"/coverage?state=dark\""), "{}", form.text());
    let origin = format!("http://{}", server.address);
    let sign_in = |body: &str| Request::form("/sign-in", body).header("origin", &origin);
    let answer = server.send(&sign_in(&format!("token={read}&next=%2Fcoverage"))).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/coverage")));
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=7776000"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(server.send(&html("/coverage").header("cookie", cookie)).await.status, 200);
    assert_eq!(
        server.send(&html("/").header("cookie", &format!("{cookie}; {cookie}"))).await.status,
        303
    );
    // The cookie has the token's scope, and no more.
    let metrics = Request::get("/metrics").header("cookie", cookie);
    server.send(&metrics).await.problem(403);
    let post = Request::form("/rounds", "").header("origin", &origin).header("accept", "text/html");
    let answer = server.send(&post).await;
    assert!(answer.status == 401 && answer.text().contains("/sign-in"), "{}", answer.text());
    let answer = server.send(&post.header("cookie", cookie)).await;
    assert!(answer.status == 403 && answer.text().contains("`run`"), "{}", answer.text());
    // Another site cannot sign a browser in, nor lead it away.
    let other = Request::form("/sign-in", "token=x").header("origin", "https://evil.example");
    assert_eq!(server.send(&other).await.status, 403);
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "x"] {
        let answer = server.send(&sign_in(&format!("token={read}&next={next}"))).await;
        assert_eq!(answer.header("location"), Some("/"), "{next}");
    }
    let wrong = server.send(&sign_in("token=wrong")).await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    let out = server.send(&sign_in("").clone()).await;
    assert_eq!(out.status, 401);
    let out = Request::form("/sign-out", "").header("origin", &origin).header("cookie", cookie);
    let answer = server.send(&out).await;
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_browsers() {
    let (server, _) = Server::with_tokens().await;
    for (path, status) in [("/livez", 200), ("/sign-in", 200), (STATUS, 401), ("/x", 401)] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        // With `no-referrer`, browsers would hide the origin of the service's own forms.
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        // Only over TLS.
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
    }
}

#[tokio::test]
async fn an_address_that_others_can_reach_needs_authentication_to_listen() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::Directory(DirectoryStore::open(folder.path()).unwrap());
    let app = samples::empty_app(store, "");
    let mut config = (*app.config()).clone();
    config.service.listen = "0.0.0.0:0".parse().unwrap();
    let error = bind(&config).await.unwrap_err();
    assert_eq!(error.outcome(), crate::ops::Outcome::Usage);
    assert!(error.render().contains("service.access.tokens"), "{}", error.render());
    // The neighbour: with tokens it listens, and answers for any address but for no name.
    token(folder.path(), &[AccessScope::Read], 1);
    config.service.access.tokens =
        Some(folder.path().join("tokens.toml").to_str().unwrap().to_owned());
    assert!(bind(&config).await.is_ok());
    config.service.access.tokens = Some("/nonexistent".to_owned());
    assert!(bind(&config).await.is_err());
}
