//! The server as its clients see it, on real connections.

mod access;
mod api;
mod client;
mod events;
mod evidence;
mod hostile;
mod limits;
mod metrics;
mod openapi;
mod scopes;
mod tls;
