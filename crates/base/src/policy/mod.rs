//! Policy documents: typed, compared by meaning, merged with what others wrote,
//! and described in words.
//!
//! One document serves every policy of AWS: bucket, key, topic, role trust,
//! role permission and service control policies.

mod changes;
mod deleted;
mod denies;
mod document;
pub mod eval;
mod limits;
mod meaning;
mod merge;

pub use changes::policy_changes;
pub use denies::forbids_less;
pub use document::{Effect, PolicyDocument, PolicyError, Principal, Statement, Strings};
pub use limits::{PolicyKind, TooLarge};
pub use merge::{Merged, OWN_SID_PREFIX, Unmanaged, merge};

/// CloudTrail's service principal, the same in every partition.
///
/// Source: CloudTrail User Guide, "Amazon S3 bucket policy for CloudTrail".
pub const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";

/// The service principal of CloudWatch alarms, the same in every partition.
///
/// Source: CloudWatch User Guide, "Notifying users on alarm changes".
pub const CLOUDWATCH: &str = "cloudwatch.amazonaws.com";

/// `EventBridge`'s service principal, the same in every partition.
///
/// Source: EventBridge User Guide, "Using resource-based policies for Amazon EventBridge".
pub const EVENT_BRIDGE: &str = "events.amazonaws.com";
