//! The sandbox's own calls, which AWS has not: time, faults and state.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use jiff::SignedDuration;
use s3s::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::route::plain;
use crate::faults::{Fault, Propagation};
use crate::simulation::Simulation;
use crate::simulator::SignIn;

/// What the paths of the sandbox's own calls begin with.
pub(super) const PREFIX: &str = "/_sandbox/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tick {
    seconds: u32,
}

/// What is to go wrong; what is not named stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Forget all that was set before.
    #[serde(default)]
    clear: bool,
    #[serde(default)]
    inject: Vec<Fault>,
    propagation: Option<Propagation>,
    /// Account ids and principal ARNs that may do nothing.
    #[serde(default)]
    revoke: Vec<String>,
    /// Let all sessions expire.
    #[serde(default)]
    expire_sessions: bool,
}

/// Answers one of the sandbox's own calls.
pub(super) fn answer(simulation: &Simulation, parts: &Parts, body: &[u8]) -> Response<Body> {
    // Pages in a browser have no business here, whatever name they reach it by.
    if parts.headers.contains_key("origin") {
        return plain(StatusCode::FORBIDDEN, "not for web pages");
    }
    if !is_for_this_machine(parts) {
        return plain(
            StatusCode::FORBIDDEN,
            "the Host must be localhost or an address of loopback",
        );
    }
    let path = parts.uri.path();
    let done = match (&parts.method, path.strip_prefix(PREFIX).unwrap_or(path)) {
        (&Method::POST, "tick") => read::<Tick>(body).map(|tick| {
            simulation.tick(SignedDuration::from_secs(i64::from(tick.seconds)));
            json!({ "now": simulation.clock.now().to_string() })
        }),
        (&Method::POST, "confirm") => {
            Ok(json!({ "confirmed": simulation.confirm_subscriptions() }))
        }
        (&Method::POST, "sign-in") => read::<SignIn>(body).and_then(|sign_in| {
            let signed_in = simulation.sign_in(&sign_in);
            signed_in.then(|| json!({})).ok_or_else(|| "there is no such account or user".into())
        }),
        (&Method::POST, "faults") => read::<Change>(body).map(|change| {
            apply(simulation, change);
            faults(simulation)
        }),
        (&Method::GET, "faults") => Ok(faults(simulation)),
        (&Method::GET, "state") => Ok(state(simulation)),
        _ => return plain(StatusCode::NOT_FOUND, "the sandbox does not support this call"),
    };
    match done {
        Ok(value) => json_answer(&value),
        Err(message) => plain(StatusCode::BAD_REQUEST, &message),
    }
}

/// Whether every name that the request gives for its server stands for this machine: a
/// name that a page's owner points here (DNS rebinding) does not.
fn is_for_this_machine(parts: &Parts) -> bool {
    let is_loopback = |authority: &http::uri::Authority| {
        let host = authority.host().trim_matches(['[', ']']);
        let is_address = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        is_address || host.eq_ignore_ascii_case("localhost")
    };
    let mut hosts = parts.headers.get_all("host").iter();
    let (first, second) = (hosts.next(), hosts.next());
    let host = first.and_then(|name| name.to_str().ok()?.parse().ok());
    second.is_none()
        && host.as_ref().is_some_and(is_loopback)
        && parts.uri.authority().is_none_or(is_loopback)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn apply(simulation: &Simulation, change: Change) {
    if change.clear {
        simulation.faults.clear();
        simulation.control.write().revoked.clear();
    }
    for fault in change.inject {
        simulation.faults.inject(fault);
    }
    if let Some(propagation) = change.propagation {
        simulation.faults.delay_propagation(propagation);
    }
    for principal in change.revoke {
        simulation.revoke(&principal);
    }
    if change.expire_sessions {
        simulation.expire_sessions();
    }
}

fn faults(simulation: &Simulation) -> Value {
    let triggered: Vec<Value> = simulation
        .faults
        .triggered()
        .into_iter()
        .map(|(fault, triggered)| json!({ "fault": fault, "triggered": triggered }))
        .collect();
    json!({ "faults": triggered, "revoked": simulation.control.read().revoked })
}

fn state(simulation: &Simulation) -> Value {
    let control = simulation.control.read();
    let organization = control.organization.as_ref();
    json!({
        "now": simulation.clock.now().to_string(),
        "pid": std::process::id(),
        "home_region": simulation.home_region,
        "organization": organization.map(|organization| &organization.id),
        "management_account": organization.map(|organization| &organization.management_account),
        "accounts": control.accounts.keys().collect::<Vec<_>>(),
    })
}

fn json_answer(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
