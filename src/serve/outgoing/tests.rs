use super::*;
use crate::test_env::receiver::{Answer, Receiver};

const QUICK: Limits = Limits {
    tries: 3,
    first_wait: Duration::from_millis(1),
    one: Duration::from_secs(20),
    all: Duration::from_mins(1),
    response: 1 << 20,
};

fn server(url: &str, limits: Limits) -> Server {
    Server::new(url.parse().unwrap(), true, limits).unwrap()
}

async fn post(server: &Server) -> Result<Bytes, String> {
    let url = server.url().as_str().to_owned();
    let sent = server.post(Post { url, headers: Vec::new(), body: Bytes::from("{}") }).await;
    sent.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_failing_server_is_tried_again_until_it_accepts() {
    let failures = (0..2).map(|_| Answer::Status(503, "busy".to_owned())).collect();
    let receiver = Receiver::start(failures).await;
    let sent = post(&server(&receiver.origin, QUICK)).await;
    assert_eq!(sent.as_deref(), Ok(&b"{}"[..]));
    assert_eq!(receiver.received().len(), 3);
    assert_eq!(receiver.received()[0].body, "{}");
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_tried_a_few_times() {
    let failures = (0..9).map(|_| Answer::Status(500, "out of memory".to_owned())).collect();
    let receiver = Receiver::start(failures).await;
    let error = post(&server(&receiver.origin, QUICK)).await.unwrap_err();
    assert!(error.contains("responded with 500: out of memory"), "{error}");
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_tried_again() {
    for status in [400, 401, 403, 404, 410] {
        let receiver = Receiver::start(vec![Answer::Status(status, String::new())]).await;
        let error = post(&server(&receiver.origin, QUICK)).await.unwrap_err();
        assert!(error.ends_with(&format!("responded with {status}")), "{error}");
        assert_eq!(receiver.received().len(), 1);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Receiver::start(Vec::new()).await;
    let redirect = Answer::Redirect(format!("{}/metadata", other.origin));
    let receiver = Receiver::start(vec![redirect]).await;
    let error = post(&server(&receiver.origin, QUICK)).await.unwrap_err();
    assert!(error.contains("redirects (307)"), "{error}");
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_respond_is_given_up() {
    let receiver = Receiver::start(vec![Answer::Silence, Answer::Silence]).await;
    let limits = Limits { tries: 2, one: Duration::from_millis(100), ..QUICK };
    let error = post(&server(&receiver.origin, limits)).await.unwrap_err();
    assert!(error.contains("no response within"), "{error}");
}

#[tokio::test]
async fn a_response_that_does_not_end_is_cut_off() {
    let receiver = Receiver::start(vec![Answer::Endless]).await;
    let error = post(&server(&receiver.origin, QUICK)).await.unwrap_err();
    assert!(error.contains("longer than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_no_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = post(&server(&origin, QUICK)).await.unwrap_err();
    assert!(error.starts_with(&origin) && error.contains("no connection"), "{error}");
}

#[tokio::test]
async fn this_machine_is_refused_by_address_and_by_name_unless_it_is_allowed() {
    let receiver = Receiver::start(Vec::new()).await;
    let port = receiver.origin.rsplit(':').next().unwrap();
    let closed = |url: &str| Server::new(url.parse().unwrap(), false, QUICK);
    for url in ["https://127.0.0.1", "https://[::1]/x", "https://10.0.0.1", "https://169.254.1.1"] {
        let error = closed(url).unwrap_err().to_string();
        assert!(error.contains("private network"), "{url}: {error}");
    }
    let named = closed(&format!("https://localhost:{port}/x")).unwrap();
    let error = post(&named).await.unwrap_err();
    assert!(error.contains("127.0.0.1 is on this machine") || error.contains("::1 is"), "{error}");
    let error = closed(&receiver.origin).unwrap_err().to_string();
    assert!(error.contains("not encrypted"), "{error}");
    // Not even if private networks are allowed.
    let metadata = Server::new("http://169.254.169.254/".parse().unwrap(), true, QUICK);
    assert!(metadata.unwrap_err().to_string().contains("no address of a server"));
    let plain = Server::new("http://203.0.113.7/".parse().unwrap(), true, QUICK);
    assert!(plain.unwrap_err().to_string().contains("expected https://"));
    assert!(receiver.received().is_empty());
    // The neighbor that is allowed.
    let allowed = server(&format!("http://localhost:{port}/x"), QUICK);
    assert!(post(&allowed).await.is_ok());
    assert_eq!(receiver.received()[0].path, "/x");
}

#[tokio::test]
async fn no_error_has_a_path_that_may_be_a_secret() {
    let echo = "no such hook: /services/T0000/B0000/s3cr3ttoken";
    let receiver = Receiver::start(vec![Answer::Status(404, echo.to_owned())]).await;
    let server = server(&format!("{}/services/T0000/B0000/s3cr3ttoken", receiver.origin), QUICK);
    let error = post(&server).await.unwrap_err();
    assert!(error.contains("404") && !error.contains("s3cr3ttoken"), "{error}");
    assert!(!format!("{server:?}").contains("s3cr3ttoken"));
    let echo = Answer::Status(401, "the password `pa55` is wrong".to_owned());
    let receiver = Receiver::start(vec![echo]).await;
    let server = super::tests::server(&receiver.origin, QUICK);
    let error = post(&server.with_secret(Some(Secret::new("user:pa55")))).await.unwrap_err();
    assert!(error.contains("401") && !error.contains("pa55"), "{error}");
}

#[test]
fn a_secret_with_a_colon_is_a_user_and_a_password() {
    assert_eq!(authorization(&Secret::new("user:pass")), "Basic dXNlcjpwYXNz");
    assert_eq!(authorization(&Secret::new("token")), "Bearer token");
}
