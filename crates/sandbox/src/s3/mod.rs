//! Amazon S3: buckets, objects, versions, locks.
//!
//! The crate `s3s` reads and writes the protocol and checks signatures; what is
//! here is the backend. A request goes `session` (whose credentials) →
//! `backend` (which operation) → `context` (may they) → the operation's file.
//!
//! The endpoint is plain HTTP on loopback and stands for TLS 1.3: a request that
//! carries `x-orgtrail-insecure: true` counts as plain HTTP, one that carries
//! `x-orgtrail-tls: 1.1` as that version. Neither header need be signed.
//!
//! Limits: no SSE-C, access points, SELECT, inventory, acceleration, analytics,
//! metrics, website or CORS settings. Replication copies new objects at once,
//! without asking its role's policies, and no delete markers. Uploads under way
//! are lost on a restart.

mod acl;
mod acl_calls;
mod backend;
mod bucket;
mod bucket_policy;
mod buckets;
mod checksum;
mod context;
mod copy;
mod delete;
mod encryption;
mod error;
mod get;
mod key_encoding;
mod lifecycle;
mod lifecycle_check;
mod listing;
mod lock;
mod mfa;
mod multipart;
mod multipart_listing;
mod object;
mod page;
mod persist;
mod put;
mod raw;
mod recorded;
mod replication;
mod restore;
mod service_access;
mod session;
mod settings;
mod store;
mod tags;
mod time;
mod versioning;

use std::sync::Arc;

pub(super) use persist::{Packs, PersistError};
use s3s::service::{S3Service, S3ServiceBuilder};
pub(super) use service_access::{Delivery, check, deliver};
pub(super) use store::Store;

use super::simulation::Simulation;

/// The service that answers requests signed for S3, and unsigned ones.
pub(super) fn service(simulation: Arc<Simulation>) -> S3Service {
    let mut builder = S3ServiceBuilder::new(backend::Backend(Arc::clone(&simulation)));
    builder.set_auth(session::Keys(Arc::clone(&simulation)));
    builder.set_access(session::S3Authenticator(simulation));
    builder.build()
}
