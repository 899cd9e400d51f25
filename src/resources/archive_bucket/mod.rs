//! The bucket that keeps the logs, and one file for each of its guards.

mod access_logging;
mod bucket;
mod encryption;
mod lifecycle;
mod mfa_delete;
mod notifications;
mod object_lock;
mod ownership;
mod policy;
mod public_access;
mod replication;
mod tags;
mod versioning;
mod versioning_answer;

pub use access_logging::AccessLogging;
pub(in crate::resources) use access_logging::access_log_prefix;
pub use bucket::ArchiveBucket;
pub(crate) use bucket::elsewhere;
pub(in crate::resources) use bucket::{create as create_bucket, diff as bucket_diff};
pub use encryption::Encryption;
pub use lifecycle::{Lifecycle, Rule};
pub use mfa_delete::MfaDelete;
pub(crate) use mfa_delete::runbook;
pub use notifications::Notifications;
pub use object_lock::ObjectLock;
pub use ownership::Ownership;
pub use policy::Policy;
pub(in crate::resources) use policy::tls;
pub use public_access::PublicAccess;
pub use replication::Replication;
pub use tags::Tags;
pub(in crate::resources) use tags::missing_tags;
pub use versioning::Versioning;
pub(in crate::resources) use versioning::readable;

/// The id of the bucket itself, which all guards need.
pub(super) const BUCKET: &str = "archive-bucket";
