//! The service: rounds at the times of the schedules, shared by replicas, with their
//! results in the state.

pub mod accounts;
pub mod app;
pub mod board;
pub mod claims;
pub mod doctor;
pub mod evidence;
pub mod http;
mod keeper;
pub mod live;
pub mod notify;
pub mod open;
mod outgoing;
pub mod pages;
mod record;
pub mod rounds;
#[cfg(test)]
mod samples;
pub mod scheduler;
pub mod slots;
pub mod status;
pub mod tokens;
