//! `POST /api/v1/rounds`: asks for a round of a schedule.

use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::endpoint::{Answer, Body, Content, Endpoint, Method, emitted, schema};
use super::query::read_body;
use super::respond::document_with;
use crate::config::AccessScope;
use crate::report::contract::api::RequestedRound;
use crate::serve::app::{RequestError, Requested};
use crate::serve::http::Here;
use crate::serve::http::access::Identity;
use crate::serve::http::problem::Problem;

/// How many requests are known by their keys.
const MOST_KEYS: usize = 256;
/// For how long.
const KEY_AGE: Duration = Duration::from_hours(24);
/// The longest key.
const LONGEST_KEY: usize = 128;

pub(super) const IDEMPOTENCY_KEY: (&str, &str) = (
    "Idempotency-Key",
    "Makes repeated requests one: for a day, the same key from the same client has the same \
     answer.",
);

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    method: Method::Post,
    scope: Some(AccessScope::Run),
    headers: &[IDEMPOTENCY_KEY],
    body: Some(Body { schema: schema::<NewRound> }),
    answers: &[
        Answer {
            status: 202,
            description: "The round starts; `Location` is its progress, and later its result.",
            content: Content::Document(emitted::<RequestedRound>),
        },
        Answer {
            status: 303,
            description: "The round starts; a form leads to its page.",
            content: Content::Nothing,
        },
        Answer::problem(409, "A round is running, or another request waits."),
        Answer::problem(413, "The body is too long."),
        Answer::problem(415, "The body is neither JSON nor a form."),
        Answer::problem(422, "There is no such schedule, or the key belongs to another one."),
    ],
    ..Endpoint::read("/api/v1/rounds", "start_round", "Asks for a round of a schedule now.", || {
        post(start)
    })
}];

/// A request for a round.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewRound {
    /// The name of the schedule.
    schedule: String,
}

/// A request and its answer.
#[derive(Debug, Clone)]
pub(super) struct KnownRequest {
    client: String,
    key: String,
    at: Instant,
    requested: Requested,
}

async fn start(
    State(service): Here,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let (NewRound { schedule }, is_form) = read_body(&headers, &body)?;
    let key = key(&headers)?;
    // Locked until the request is known by its key: the same one at the same time waits.
    let mut known = service.requests.lock();
    known.retain(|it| it.at.elapsed() < KEY_AGE);
    let earlier = key
        .as_ref()
        .and_then(|key| known.iter().find(|it| it.key == *key && it.client == identity.name));
    let requested = match earlier {
        Some(earlier) if earlier.requested.schedule.as_str() != schedule => {
            let detail = "the idempotency key belongs to a request for another schedule";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        Some(earlier) => earlier.requested.clone(),
        None => {
            let requested = service.app.request(&schedule)?;
            tracing::info!(round = requested.id, client = identity.name, "a round was requested");
            if let Some(key) = key {
                if known.len() == MOST_KEYS {
                    known.pop_front();
                }
                let (client, at) = (identity.name, Instant::now());
                known.push_back(KnownRequest { client, key, at, requested: requested.clone() });
            }
            requested
        }
    };
    drop(known);
    let Requested { id, schedule, requested_at } = requested;
    if is_form {
        let location = format!("/rounds/{id}");
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response());
    }
    let location = format!("/api/v1/rounds/{id}");
    let schedule = schedule.as_str().to_owned();
    let mut response =
        document_with(StatusCode::ACCEPTED, RequestedRound { id, schedule, requested_at })?;
    response.headers_mut().remove(header::ETAG);
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// The idempotency key of a request.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY.0).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let wrong = || {
        Problem::bad_request(format!(
            "expected one `Idempotency-Key` of 1 to {LONGEST_KEY} visible characters"
        ))
    };
    let key = key.to_str().map_err(|_| wrong())?;
    let is_key = !key.is_empty() && key.len() <= LONGEST_KEY && keys.next().is_none();
    if is_key { Ok(Some(key.to_owned())) } else { Err(wrong()) }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let status = match error {
            RequestError::UnknownSchedule { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            RequestError::Running { .. } => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}
