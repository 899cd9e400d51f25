//! `orgtrail.toml`, read once into plain typed values.
//!
//! The only reader of files and environment variables; everything else is
//! handed a [`Config`]. Each section is one file that declares its keys, their
//! types and defaults, and from that one declaration come the reading, the JSON
//! Schema and the reference. `check` holds what no single type can say: what
//! AWS would refuse, and what contradicts itself.

mod alarms;
#[cfg(test)]
pub(crate) mod arbitrary;
mod archive;
mod athena;
mod check;
mod check_id;
mod cloudwatch_logs;
mod consolidate;
mod derived;
mod document;
mod drift;
mod environment;
mod events;
mod finding;
mod guardrail;
mod key;
mod landing_zone;
mod lifecycle;
mod load;
mod new_accounts;
mod notifications;
mod organization;
mod principal;
mod read;
mod records;
mod reference;
mod replication;
mod retire;
mod roles;
mod s3_location;
mod schema;
mod section;
mod selectors;
mod service;
mod show;
mod text;
mod topic;
mod trail;

pub use alarms::Alarms;
pub use archive::{AccessLogging, Archive, MfaDelete, ObjectLock, ObjectLockMode, TlsFloor};
pub use athena::{AccountProjection, Athena};
pub use check_id::{CHECK_IDS, CheckId};
pub use cloudwatch_logs::CloudWatchLogs;
pub use consolidate::{
    Consolidate, CopyStorageClass, DeclaredSource, Exclusion, OtherAccounts, UnprovenDigests,
    matches_any,
};
pub use drift::{Drift, Neighbor, Suppress};
pub use environment::Environment;
pub use events::{Detect, Events};
pub use finding::{Finding, Origin, Severity};
pub use guardrail::{Guardrail, GuardrailTarget};
pub use key::Key;
pub use landing_zone::LandingZone;
pub use lifecycle::{Lifecycle, MinimumTransitionSize, StorageClass, Tier};
pub use load::{ConfigError, InvalidConfig, Loaded};
pub use new_accounts::NewAccounts;
pub use notifications::Notification;
pub use organization::{Organization, Regions};
pub use principal::Principal;
pub(crate) use read::nearest;
pub use records::Records;
pub use replication::{Replication, ReplicationStorageClass};
pub use retire::Retire;
pub use roles::{MemberRole, Roles};
pub use s3_location::S3Location;
pub use selectors::{
    AdvancedEventSelector, DataEvents, DataResource, EventSelector, FieldSelector,
    ManagementEventSource, ReadWriteType, Selectors,
};
pub use service::{
    Access, AccessScope, ChannelName, CronPattern, HeaderName, HostName, ListenAddress,
    ListenPlace, Network, Notify, NotifyKind, NotifySeverity, NotifyTarget, Place, RoundPart,
    Schedule, ScheduleName, Secret, SecretError, Service, StatePlace, WebUrl, ZoneName,
};
pub use topic::Topic;
pub use trail::{InsightEvents, Insights, Trail, TrailManager};

use crate::names::Partition;

/// The smallest complete config.
pub const SMALLEST: &str = r#"[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
[archive]
bucket = "acme-log-archive"
"#;

section::section! {
    /// What `orgtrail.toml` declares, complete: every key has its value, given
    /// or default.
    pub struct Config {
        /// The organization: its accounts and its Regions.
        organization: Organization = required,
        /// The roles that orgtrail assumes.
        roles: Roles = section,
        /// Settings of `orgtrail bootstrap`.
        landing_zone: LandingZone = section,
        /// The organization trail and what it records.
        trail: Trail = section,
        /// The bucket in the log-archive account that stores the logs, and its guards.
        archive: Archive = required,
        /// The KMS key in the log-archive account that encrypts the logs.
        key: Key = section,
        /// The copy of the trail's events in CloudWatch Logs, in the management
        /// account.
        cloudwatch_logs: CloudWatchLogs = section,
        /// An SNS topic that is notified of every delivered log file. Off without this section.
        topic: Option<Topic> = default(None::<Topic>),
        /// Alarms on the trail's log group. Off without this section, because each alarm costs
        /// money.
        alarms: Option<Alarms> = default(None::<Alarms>),
        /// Tables and queries over the archive for Amazon Athena. Off without this section.
        athena: Option<Athena> = default(None::<Athena>),
        /// A service control policy that denies members changes to the trail.
        guardrail: Guardrail = section,
        /// Accounts that join the organization, and the queue of their events.
        new_accounts: NewAccounts = section,
        /// Settings of `orgtrail drift`.
        drift: Drift = section,
        /// Settings of `orgtrail events`.
        events: Events = section,
        /// Consolidation of logs from other buckets.
        consolidate: Consolidate = section,
        /// Conditions for retiring a legacy trail.
        retire: Retire = section,
        /// Authentication of the records that orgtrail writes below `orgtrail/` in the archive,
        /// where everyone with write access can add one.
        records: Records = section,
        /// The service: `orgtrail serve`.
        service: Service = section,
    }
}

impl Config {
    /// The partition that everything here is in: the home Region's.
    #[must_use]
    pub fn partition(&self) -> Partition {
        Partition::of(&self.organization.home_region)
    }
}
