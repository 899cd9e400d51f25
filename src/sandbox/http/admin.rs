//! The sandbox's own calls, which AWS has not: time and state.

use http::{HeaderValue, Method, Response, StatusCode, request::Parts};
use jiff::SignedDuration;
use s3s::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::route::plain;
use crate::sandbox::world::World;

/// What the paths of the sandbox's own calls begin with.
pub(super) const PREFIX: &str = "/_sandbox/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tick {
    seconds: i64,
}

/// Answers one of the sandbox's own calls.
pub(super) fn answer(world: &World, parts: &Parts, body: &[u8]) -> Response<Body> {
    let path = parts.uri.path();
    match (&parts.method, path.strip_prefix(PREFIX).unwrap_or(path)) {
        (&Method::POST, "tick") => match serde_json::from_slice::<Tick>(body) {
            Ok(tick) if tick.seconds >= 0 => {
                world.tick(SignedDuration::from_secs(tick.seconds));
                json_answer(&json!({ "now": world.clock.now().to_string() }))
            }
            Ok(_) => plain(StatusCode::BAD_REQUEST, "the clock cannot be put back"),
            Err(error) => plain(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        (&Method::GET, "state") => json_answer(&state(world)),
        _ => plain(StatusCode::NOT_FOUND, "the sandbox has no such call"),
    }
}

fn state(world: &World) -> Value {
    let control = world.control.read();
    json!({
        "now": world.clock.now().to_string(),
        "accounts": control.accounts.keys().collect::<Vec<_>>(),
    })
}

fn json_answer(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
