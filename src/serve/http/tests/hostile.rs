//! Requests that no honest client sends: they are refused, and never break anything.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::client::{Request, Server};

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::local().await;
    let long = "x".repeat(20 << 10);
    assert_eq!(server.send(&Request::get("/").header("x", &long)).await.status, 431);
    let status = server.send(&Request::get(&format!("/{long}"))).await.status;
    assert!((400..500).contains(&status), "{status}");
    let mut many = Request::get("/");
    for number in 0..100 {
        many = many.header(&format!("x-{number}"), "1");
    }
    assert_eq!(server.send(&many).await.status, 431);
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = Server::local().await;
    let schedule = "x".repeat(65 << 10);
    let body = serde_json::json!({ "schedule": schedule });
    for path in ["/api/v1/rounds", "/api/v1/evidence"] {
        assert_eq!(server.send(&Request::json(path, &body)).await.status, 413, "{path}");
    }
    // The length is not known before.
    let head = format!(
        "POST /api/v1/rounds HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         connection: close\r\ntransfer-encoding: chunked\r\n\r\n",
        server.address
    );
    let chunked = format!("{head}{:x}\r\n{schedule}\r\n0\r\n\r\n", schedule.len());
    assert_eq!(server.send_raw(chunked.as_bytes()).await.status, 413);
    // A body where none belongs is not read.
    let get = Request::json("/api/v1/status", &body);
    let get = get.to_string(server.address).replacen("POST", "GET", 1);
    let status = server.send_raw(get.as_bytes()).await.status;
    assert!(status == 200 || status == 0, "{status}");
}

#[tokio::test]
async fn two_meanings_of_where_a_body_ends_are_refused() {
    let server = Server::local().await;
    let both = format!(
        "POST /api/v1/rounds HTTP/1.1\r\nhost: {}\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
        server.address
    );
    assert_eq!(server.send_raw(both.as_bytes()).await.status, 400);
}

#[test]
fn no_bytes_bring_the_server_down() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::local());
    let piece = prop_oneof![
        Just("GET ".to_owned()),
        Just("POST ".to_owned()),
        Just("/api/v1/rounds".to_owned()),
        Just("/api/v1/coverage?limit=".to_owned()),
        Just(" HTTP/1.1\r\n".to_owned()),
        Just(format!("host: {}\r\n", server.address)),
        Just("connection: close\r\n".to_owned()),
        Just("content-length: 3\r\n".to_owned()),
        Just("transfer-encoding: chunked\r\n".to_owned()),
        Just("content-type: application/json\r\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("{}\u{0}".to_owned()),
        "[ -~]{0,12}",
    ];
    let bytes = prop_oneof![
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let ended = runner.run(&bytes, |mut bytes| {
        // So that the server never waits for the rest of a head.
        bytes.extend_from_slice(b"\r\n\r\n");
        let status = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
            shut_after(stream, &bytes).await
        });
        prop_assert!(status < 500, "{status}");
        Ok(())
    });
    ended.unwrap();
    assert_eq!(runtime.block_on(server.get("/livez")).status, 200);
}

/// Sends bytes, says that no more follow, and reads the status of the answer.
async fn shut_after(mut stream: tokio::net::TcpStream, bytes: &[u8]) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let status = answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok());
    status.and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn no_value_of_a_header_or_a_parameter_causes_a_failure() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::local());
    let header = prop::sample::select(vec![
        "host",
        "origin",
        "cookie",
        "authorization",
        "if-none-match",
        "idempotency-key",
        "accept",
        "content-type",
        "sec-fetch-site",
        "x-forwarded-for",
        "range",
    ]);
    let path = prop::sample::select(vec![
        "/api/v1/rounds",
        "/api/v1/coverage",
        "/api/v1/findings",
        "/api/v1/chains",
        "/api/v1/accounts",
        "/api/v1/status",
        "/sign-in",
        "/metrics",
    ]);
    let name =
        prop::sample::select(vec!["limit", "before", "after", "since", "account", "state", "next"]);
    let case = (header, "[ -~\u{80}-\u{ff}]{0,40}", path, name, "[!-~]{0,20}", any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 300, ..Config::default() });
    let ended = runner.run(&case, |(header, value, path, name, parameter, is_post)| {
        let parameter = parameter.replace('#', "");
        let method = if is_post { "POST" } else { "GET" };
        let request =
            Request::new(method, &format!("{path}?{name}={parameter}")).header(header, &value);
        let status = runtime.block_on(server.send(&request)).status;
        prop_assert!(status < 500, "{status}: {request:?}");
        Ok(())
    });
    ended.unwrap();
}
