//! The archive bucket and one file for each of its settings, the bucket of its access
//! logs, and the vault that it replicates into.

mod access_log_bucket;
mod access_logging;
mod archive_bucket;
mod closed_bucket;
mod encryption;
mod expiring_bucket;
mod lifecycle;
mod mfa_delete;
mod notifications;
mod object_lock;
mod ownership;
mod policy;
mod public_access;
mod replication;
mod replication_role;
mod state_bucket;
mod tags;
mod vault;
mod versioning;
mod versioning_answer;

pub use access_log_bucket::AccessLogBucket;
pub use access_logging::AccessLogging;
use access_logging::access_log_prefix;
pub use archive_bucket::ArchiveBucket;
pub(crate) use archive_bucket::taken_name;
use archive_bucket::{create as create_bucket, diff as bucket_diff, read_setting};
pub use closed_bucket::ClosedBucket;
pub use encryption::Encryption;
pub use expiring_bucket::ExpiringBucket;
pub(in crate::resources) use expiring_bucket::{DeclaredExpiring, Expiration};
pub use lifecycle::{Lifecycle, Rule};
pub use mfa_delete::MfaDelete;
pub(crate) use mfa_delete::runbook;
pub use notifications::Notifications;
pub use object_lock::ObjectLock;
pub use ownership::Ownership;
pub use policy::Policy;
use policy::tls;
pub use public_access::PublicAccess;
pub use replication::Replication;
pub(crate) use replication_role::ReplicationRole;
pub(crate) use state_bucket::StateBucket;
pub use tags::Tags;
pub(in crate::resources) use tags::missing_tags;
pub use vault::{Vault, VaultMfaDelete};
pub use versioning::Versioning;

/// The id of the archive bucket, which all of its settings depend on.
const BUCKET: &str = "archive-bucket";
