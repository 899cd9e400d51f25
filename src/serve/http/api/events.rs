//! `GET /api/v1/events`: what happens, as it happens (server-sent events).
//!
//! Events are named by their kind and numbered. `progress` is a snapshot of the round that
//! runs, at most one a second and without a number. `gap` says that events are missing: the
//! client was away for too long, or the process was started anew.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures::Stream;
use http::HeaderMap;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::endpoint::{Answer, Content, Endpoint, schema};
use super::query::{NoParameters, Parameters};
use super::state::Service;
use crate::report::contract::Emitted;
use crate::report::contract::api::Gap;
use crate::report::contract::live::{EventKind, LiveRound};
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

/// How often a snapshot of the progress is sent.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// How often a comment keeps the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After how long a client connects again.
const RETRY: Duration = Duration::from_secs(3);

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    query: Some(schema::<NoParameters>),
    headers: &[("Last-Event-ID", "The number of the last event that the client has.")],
    answers: &[
        Answer {
            status: 200,
            description: "The documents `service-event`, `service-live-round` (`progress`) and \
                          `service-event-gap` (`gap`), until the client leaves.",
            content: Content::Media(&["text/event-stream"]),
        },
        Answer::problem(503, "Too many clients read events."),
    ],
    ..Endpoint::read(
        "/api/v1/events",
        "events",
        "What happens, as it happens: server-sent events.",
        || get(events),
    )
}];

/// What a client is sent next.
struct Reader {
    service: Service,
    /// The number of the last event that was sent.
    last: u64,
    waiting: VecDeque<Event>,
    newest: watch::Receiver<u64>,
    ticks: Interval,
    /// The last snapshot, which is not repeated.
    progress: Option<LiveRound>,
    _place: OwnedSemaphorePermit,
}

async fn events(
    State(service): Here,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = service.reader()?;
    let live = service.app.live();
    let newest = live.newest();
    let last = match headers.get("last-event-id") {
        // A new client sees what happens from now on, and the progress of what runs.
        None => *newest.borrow(),
        Some(id) => id
            .to_str()
            .ok()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Problem::bad_request("`Last-Event-ID` is no number"))?,
    };
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader {
        service,
        last,
        // An answer begins at once, so that the client knows that it is connected.
        waiting: VecDeque::from([Event::default().retry(RETRY)]),
        newest,
        ticks,
        progress: None,
        _place: place,
    };
    let stream = Sse::new(stream(reader)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let mut response = stream.into_response();
    let headers = response.headers_mut();
    headers.insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    // Proxies that collect answers before they pass them on leave this one alone.
    headers.insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(response)
}

fn stream(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(reader, |mut reader| async move {
        loop {
            if let Some(event) = reader.waiting.pop_front() {
                return Some((Ok(event), reader));
            }
            reader.collect();
            if !reader.waiting.is_empty() {
                continue;
            }
            let stop = reader.service.stop.clone();
            tokio::select! {
                changed = reader.newest.changed() => if changed.is_err() { return None },
                _ = reader.ticks.tick() => reader.snapshot(),
                () = stop.requested() => return None,
            }
        }
    })
}

impl Reader {
    /// Takes the events that the client does not have.
    fn collect(&mut self) {
        self.newest.mark_unchanged();
        let after = self.service.app.live().events_after(self.last);
        if after.is_incomplete {
            let first = after.events.first().map(|event| event.id);
            self.waiting.extend(named("gap", Gap { first }));
            self.last = *self.newest.borrow();
        }
        for event in after.events {
            self.last = event.id;
            let (id, name) = (event.id.to_string(), name(&event.kind));
            self.waiting.extend(named(name, event).map(|event| event.id(id)));
        }
    }

    /// Takes a snapshot of the round that runs, if it differs from the last one.
    fn snapshot(&mut self) {
        let progress = self.service.app.live().round();
        if progress != self.progress {
            if let Some(round) = progress.clone() {
                self.waiting.extend(named("progress", round));
            }
            self.progress = progress;
        }
    }
}

/// A document as an event.
fn named<T: crate::report::contract::Document>(name: &str, document: T) -> Option<Event> {
    fn json<T: Serialize>(value: &T) -> Option<String> {
        serde_json::to_string(value).ok()
    }
    Some(Event::default().event(name).data(json(&Emitted::new(document))?))
}

fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::RoundStarted { .. } => "round_started",
        EventKind::PartStarted { .. } => "part_started",
        EventKind::PartEnded { .. } => "part_ended",
        EventKind::RoundEnded { .. } => "round_ended",
        EventKind::SlotSkipped { .. } => "slot_skipped",
    }
}
