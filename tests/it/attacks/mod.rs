//! What an attacker tries, one file per attacker of `docs/security-model.md`: each
//! attack fails with its documented exit code and message, and what looks like it
//! and is legitimate still works.

mod archive_deleter;
mod archive_writer;
mod bootstrap_names;
mod endpoint;
mod management_administrator;
mod member_administrator;
mod name_owner;
mod queue_sender;
mod root_session;
mod second_operator;
mod service_client;
mod supplier;
