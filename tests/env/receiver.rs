//! A receiver of requests on this machine, for the tests of channels.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// How a receiver responds.
pub(crate) enum Answer {
    /// With a status and a body.
    Status(u16, String),
    /// With another address.
    Redirect(String),
    /// Never.
    Silence,
    /// With a body that does not end.
    Endless,
}

/// A request as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

/// A server on this machine.
pub(crate) struct Receiver {
    pub(crate) origin: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// A server that gives these responses, and then 200.
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let seen = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                    async move {
                        let (parts, body) = request.into_parts();
                        let path = parts.uri.path_and_query().unwrap().to_string();
                        let body = body.collect().await.unwrap().to_bytes();
                        seen.lock().push(Received { path, headers: parts.headers, body });
                        let answer = answers.lock().pop_front();
                        Ok::<_, Infallible>(answered(answer).await)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { origin, received }
    }

    /// What was received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }
}

async fn answered(answer: Option<Answer>) -> http::Response<BoxBody<Bytes, Infallible>> {
    let response = http::Response::builder();
    let full = |text: String| Full::new(Bytes::from(text)).boxed();
    match answer.unwrap_or(Answer::Status(200, "{}".to_owned())) {
        Answer::Status(status, body) => response.status(status).body(full(body)).unwrap(),
        Answer::Redirect(to) => {
            response.status(307).header("location", to).body(full(String::new())).unwrap()
        }
        Answer::Silence => std::future::pending().await,
        Answer::Endless => {
            let piece = || Ok(Frame::data(Bytes::from(vec![b'x'; 64 << 10])));
            let pieces = futures::stream::iter(std::iter::repeat_with(piece));
            response.body(BoxBody::new(StreamBody::new(pieces))).unwrap()
        }
    }
}
