//! Server-sent events.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::client::{Request, Server};
use crate::report::contract::live::EventKind;
use crate::report::contract::round::Outcome;
use crate::serve::samples;

/// A client that reads events.
struct Reader(BufReader<TcpStream>);

/// An event: its number, name and data.
#[derive(Debug, Default, PartialEq)]
struct Event {
    id: String,
    name: String,
    data: serde_json::Value,
}

impl Reader {
    async fn start(server: &Server, last: Option<&str>) -> Self {
        let request = Request::get("/api/v1/events");
        let request = match last {
            Some(last) => request.header("last-event-id", last),
            None => request,
        };
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request.to_string(server.address).as_bytes()).await.unwrap();
        let mut reader = Self(BufReader::new(stream));
        let status = reader.line().await.unwrap();
        assert!(status.contains(" 200 "), "{status}");
        while reader.line().await.unwrap() != "retry: 3000" {}
        reader
    }

    /// The next line; none at the end.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).await.unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; none at the end.
    async fn event(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                // Comments, the lengths of chunks, and ends of events.
                _ if line.is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}

fn skipped(number: u32) -> EventKind {
    EventKind::SlotSkipped {
        schedule: "hourly".to_owned(),
        scheduled_at: samples::now(),
        reason: number.to_string(),
    }
}

#[tokio::test]
async fn a_client_gets_events_as_they_happen_and_those_that_it_missed() {
    let server = Server::local().await;
    server.app.live().add(skipped(1));
    let mut reader = Reader::start(&server, None).await;
    server.app.live().add(skipped(2));
    let event = reader.event().await.unwrap();
    // Those before it came are not news.
    assert_eq!((event.id.as_str(), event.name.as_str()), ("2", "slot_skipped"));
    assert_eq!(
        (&event.data["document"], &event.data["reason"]),
        (&"service-event".into(), &"2".into())
    );
    drop(reader);
    for number in 3..6 {
        server.app.live().add(skipped(number));
    }
    let mut reader = Reader::start(&server, Some("2")).await;
    for id in ["3", "4", "5"] {
        assert_eq!(reader.event().await.unwrap().id, id);
    }
}

#[tokio::test]
async fn a_client_learns_that_events_are_missing() {
    let server = Server::local().await;
    server.app.live().add(skipped(1));
    // A number of an earlier process.
    let mut reader = Reader::start(&server, Some("900")).await;
    let gap = reader.event().await.unwrap();
    assert_eq!((gap.name.as_str(), gap.id.as_str()), ("gap", ""));
    assert_eq!(
        (&gap.data["document"], &gap.data["first"]),
        (&"service-event-gap".into(), &1.into())
    );
    assert_eq!(reader.event().await.unwrap().id, "1");
    server.get("/api/v1/status").await;
    let wrong = Request::get("/api/v1/events").header("last-event-id", "x");
    server.send(&wrong).await.problem(400);
}

#[tokio::test]
async fn a_client_sees_the_progress_of_the_round_that_runs() {
    let server = Server::local().await;
    let round = serde_json::from_value(serde_json::json!({
        "id": "a-1", "schedule": "hourly", "trigger": "schedule", "scheduled_at": samples::now(),
        "attempt": 1, "replica": "r", "started_at": samples::now(), "parts": [], "phase": null,
        "objects": 0, "copied_bytes": 0, "messages": []
    }));
    let progress = server.app.live().start(round.unwrap());
    let mut reader = Reader::start(&server, None).await;
    let event = reader.event().await.unwrap();
    assert_eq!((event.name.as_str(), event.id.as_str()), ("progress", ""));
    assert_eq!(event.data["phase"], serde_json::Value::Null);
    // An unchanged snapshot is not repeated.
    let _phase = progress.phase("listing", 3);
    let event = reader.event().await.unwrap();
    assert_eq!(
        (event.name.as_str(), &event.data["phase"]["name"]),
        ("progress", &"listing".into())
    );
    server.app.live().end(Outcome::Clean, true);
    assert_eq!(reader.event().await.unwrap().name, "round_ended");
}

#[tokio::test]
async fn streams_end_when_the_service_stops() {
    let server = Server::local().await;
    let mut reader = Reader::start(&server, None).await;
    server.stopper.request();
    assert_eq!(reader.event().await, None);
    assert!(server.task.await.unwrap().is_ok());
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn the_number_of_readers_is_limited() {
    let server = Server::local().await;
    let mut readers = Vec::new();
    for _ in 0..64 {
        readers.push(Reader::start(&server, None).await);
    }
    let answer = server.get("/api/v1/events").await;
    answer.problem(503);
    assert!(answer.header("retry-after").is_some());
    // Others are answered as before.
    assert_eq!(server.get("/api/v1/status").await.status, 200);
}
