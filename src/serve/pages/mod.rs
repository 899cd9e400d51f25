//! The pages of the service: rendered here, and complete without a script. They only read.
//!
//! Every page shows what [`Board`](super::board::Board) knows at one moment, the same for the
//! API, the metrics and `orgtrail status`. If the state cannot be read, no page shows older
//! results: it says what failed, and since when.

mod account;
mod assets;
mod attribution;
mod chain;
mod changes;
mod components;
mod coverage;
mod drift;
mod errors;
mod events;
mod evidence;
mod findings;
mod heat_map;
mod landing_zone;
mod layout;
mod overview;
mod query;
mod reading;
mod role_stacks;
mod round;
mod rounds;
mod running;
mod sign_in;
mod sources;
mod strip;
#[cfg(test)]
mod tests;
mod time;
mod timeline;
mod view;

use axum::Router;
use axum::routing::get;

pub(in crate::serve) use self::errors::{not_found_at, refused};
pub use self::layout::CONTENT_SECURITY_POLICY;
pub(in crate::serve) use self::sign_in::sign_in;
pub(in crate::serve) use self::view::Allowed;
use super::app::App;

/// The routes of the pages. All are reads: forms send to the API, which checks what a client
/// may do.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(overview::page))
        .route("/coverage", get(coverage::page))
        .route("/chains/{account}", get(account::page))
        .route("/chains/{account}/{region}", get(chain::page))
        .route("/drift", get(drift::page))
        .route("/sources", get(sources::page))
        .route("/rounds", get(rounds::page))
        .route("/rounds/{id}", get(round::page))
        .route("/events", get(events::page))
        .route("/events/who", get(attribution::page))
        .route("/evidence", get(evidence::page))
        .route("/landing-zone", get(landing_zone::page))
        .route("/assets/{name}", get(assets::asset))
}
