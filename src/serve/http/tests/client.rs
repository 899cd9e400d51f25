//! A server on a free port, and a client that sends what it is given.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::config::AccessScope;
use crate::ops::OpError;
use crate::serve::app::App;
use crate::serve::evidence::Bundles;
use crate::serve::http::{bind, serve};
use crate::serve::samples;
use crate::serve::tokens::{NewToken, create};
use crate::stop::{Stop, Stopper};

/// How many accounts the organization of these tests has: each state occurs.
pub(super) const ACCOUNTS: usize = 40;

/// A server that answers.
pub(super) struct Server {
    pub(super) app: App,
    pub(super) address: SocketAddr,
    pub(super) stopper: Stopper,
    pub(super) task: JoinHandle<Result<(), OpError>>,
    pub(super) folder: TempDir,
}

impl Server {
    /// One without authentication.
    pub(super) async fn local() -> Self {
        Self::with("").await
    }

    /// One with lines in `[service.access]`, where `FOLDER` is a folder of its own.
    pub(super) async fn with(access: &str) -> Self {
        Self::prepared(access, |_| {}).await
    }

    /// The same after files were written into the folder.
    pub(super) async fn prepared(access: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let state = folder.path().join("state");
        let app = samples::app(&state, ACCOUNTS, &config(access, &folder)).await;
        Self::of(app, folder).await
    }

    /// One of a service.
    pub(super) async fn of(app: App, folder: TempDir) -> Self {
        let bound = bind(&app.config()).await.unwrap();
        let address = bound.address().unwrap();
        let (stopper, stop) = Stop::by_hand();
        let bundles = Bundles::open(&folder.path().join("own")).unwrap();
        let task = tokio::spawn(serve(app.clone(), bound, bundles, stop));
        Self { app, address, stopper, task, folder }
    }

    /// One with a token for each scope.
    pub(super) async fn with_tokens() -> (Self, Vec<(AccessScope, String)>) {
        let mut tokens = Vec::new();
        let server = Self::prepared("tokens = \"FOLDER/tokens.toml\"", |folder| {
            for scope in AccessScope::ALL {
                tokens.push((*scope, token(folder, &[*scope], 90)));
            }
        });
        (server.await, tokens)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(&Request::get(path)).await
    }

    pub(super) async fn send(&self, request: &Request) -> Answer {
        self.send_raw(request.to_string(self.address).as_bytes()).await
    }

    /// Sends bytes, and reads until the server closes the connection.
    pub(super) async fn send_raw(&self, bytes: &[u8]) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        exchange(stream, bytes).await
    }
}

fn config(access: &str, folder: &TempDir) -> String {
    let folder = folder.path().to_str().unwrap();
    format!(
        "[service]\nlisten = \"127.0.0.1:0\"\n[service.access]\n{}\n",
        access.replace("FOLDER", folder)
    )
}

/// Creates a token in `tokens.toml`.
pub(super) fn token(folder: &Path, scopes: &[AccessScope], days: u32) -> String {
    let new = NewToken { name: "test".to_owned(), scopes: scopes.iter().copied().collect(), days };
    let (token, _) = create(&folder.join("tokens.toml"), &new, samples::now()).unwrap();
    token.secret().to_owned()
}

/// Sends bytes, and reads the answer.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    bytes: &[u8],
) -> Answer {
    // The server may refuse before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Answer::parse(&answer)
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Request {
    pub(super) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(super) fn new(method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, headers: Vec::new(), body: None }
    }

    pub(super) fn json(path: &str, body: &Value) -> Self {
        let request = Self::new("POST", path).header("content-type", "application/json");
        Self { body: Some(body.to_string()), ..request }
    }

    pub(super) fn form(path: &str, body: &str) -> Self {
        let kind = "application/x-www-form-urlencoded";
        let request = Self::new("POST", path).header("content-type", kind);
        Self { body: Some(body.to_owned()), ..request }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(super) fn to_string(&self, address: SocketAddr) -> String {
        let Self { method, path, headers, body } = self;
        let mut lines = vec![format!("{method} {path} HTTP/1.1"), "connection: close".to_owned()];
        if !headers.iter().any(|(name, _)| name == "host") {
            lines.push(format!("host: {address}"));
        }
        for (name, value) in headers {
            lines.push(format!("{name}: {value}"));
        }
        if let Some(body) = body {
            lines.push(format!("content-length: {}", body.len()));
        }
        lines.join("\r\n") + "\r\n\r\n" + body.as_deref().unwrap_or_default()
    }
}

/// An answer; its status is 0 if there is none.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            return Self { status: 0, headers: Vec::new(), body: Vec::new() };
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = without_chunks(&answer.body);
        }
        answer
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    /// That it is a problem of this status; its detail.
    #[track_caller]
    pub(super) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let json = self.json();
        assert_eq!(json["status"], status, "{json}");
        assert_eq!(json["document"], "service-problem");
        json["detail"].as_str().unwrap().to_owned()
    }
}

fn without_chunks(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let length =
            usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        let Some(chunk) = bytes.get(end + 2..end + 2 + length) else { break };
        if length == 0 {
            break;
        }
        body.extend_from_slice(chunk);
        bytes = &bytes[end + 2 + length + 2..];
    }
    body
}
