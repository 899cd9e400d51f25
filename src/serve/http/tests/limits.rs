//! Connections that are slow, or too many.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::client::{Request, Server, exchange};
use crate::serve::evidence::Bundles;
use crate::serve::http::{bind, serve};
use crate::serve::samples;
use crate::stop::Stop;
use crate::store::{DirectoryStore, Store};

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_until_others_end() {
    let server = Server::local().await;
    let mut open = Vec::new();
    for _ in 0..512 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // It has been accepted once it answers.
        let request = format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        open.push(stream);
    }
    let answer = server.get("/livez").await;
    assert!(answer.status == 503 || answer.status == 0, "{}", answer.status);
    drop(open);
    // The server notices ended connections in its own time.
    while server.get("/livez").await.status != 200 {
        tokio::task::yield_now().await;
    }
}

/// Sends bytes, and waits until the server closes the connection: its answer, and how long it
/// took.
async fn wait_for_end(server: &Server, bytes: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let start = Instant::now();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    (String::from_utf8_lossy(&answer).into_owned(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_slow_or_idle_is_given_up() {
    let server = Server::local().await;
    let limit = Duration::from_secs(10);
    for half in ["", "GET /api/v1/sta", "GET / HTTP/1.1\r\nhost: local"] {
        let (answer, took) = wait_for_end(&server, half).await;
        assert!(took <= limit + Duration::from_secs(1), "{half:?}: {took:?}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{half:?}: {answer}");
    }
    // A body that does not come: the answer is no failure of a handler, and does not wait.
    let head = "POST /api/v1/rounds HTTP/1.1\r\nhost: localhost\r\ncontent-length: 40\r\n\
                content-type: application/json\r\nconnection: close\r\n\r\n{";
    let (answer, took) = wait_for_end(&server, head).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("no answer within 30 seconds"), "{answer}");
    assert!(took <= Duration::from_secs(31), "{took:?}");
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_finished_at_a_stop() {
    let server = Server::local().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let text = Request::get("/api/v1/coverage").to_string(server.address);
    let (first, rest) = text.split_at(20);
    slow.write_all(first.as_bytes()).await.unwrap();
    assert_eq!(server.get("/livez").await.status, 200);
    server.stopper.request();
    let _ = slow.write_all(rest.as_bytes()).await;
    let mut answer = Vec::new();
    // Before the first byte of a request was read, there is nothing to finish.
    let _ = slow.read_to_end(&mut answer).await;
    assert!(server.task.await.unwrap().is_ok());
    assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_unix_socket_is_for_its_owner_and_group_and_is_removed_at_the_end() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("orgtrail.sock");
    let store = Store::Directory(DirectoryStore::open(&folder.path().join("state")).unwrap());
    let service = format!("[service]\nlisten = \"unix:{}\"\n", socket.display());
    let app = samples::empty_app(store, &service);
    let bound = bind(&app.config()).await.unwrap();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    // Another process does not take it over.
    let error = bind(&app.config()).await.unwrap_err();
    assert!(error.message().contains("use"), "{}", error.message());
    let (stopper, stop) = Stop::by_hand();
    let bundles = Bundles::open(folder.path()).unwrap();
    let task = tokio::spawn(serve(app.clone(), bound, bundles, stop));
    let stream = UnixStream::connect(&socket).await.unwrap();
    let request = "GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(exchange(stream, request.as_bytes()).await.status, 200);
    let stream = UnixStream::connect(&socket).await.unwrap();
    let other = request.replace("localhost", "evil.example");
    assert_eq!(exchange(stream, other.as_bytes()).await.status, 421);
    stopper.request();
    task.await.unwrap().unwrap();
    assert!(!socket.exists());
    // What a killed process left is replaced; what is no socket stays.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    drop(bind(&app.config()).await.unwrap());
    std::fs::write(&socket, "mine").unwrap();
    assert!(bind(&app.config()).await.is_err());
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "mine");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let server = Server::local().await;
    let mut config = (*server.app.config()).clone();
    config.service.listen = server.address.to_string().parse().unwrap();
    let error = bind(&config).await.unwrap_err();
    assert_eq!(error.outcome(), crate::ops::Outcome::Usage);
    assert!(error.message().contains(&server.address.to_string()), "{}", error.message());
}
