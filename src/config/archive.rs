use super::lifecycle::Lifecycle;
use super::notifications::Notification;
use super::principal::Principal;
use super::replication::Replication;
use super::section::{choice, section};
use crate::names::{BucketName, KeyPrefix, Region};

section! {
    /// The bucket in the log-archive account that keeps the logs, and its
    /// guards. Versioning, ownership by the bucket's owner, the public access
    /// block and default encryption are always on.
    pub struct Archive {
        /// The bucket's name.
        bucket: BucketName = required,
        /// The prefix before `AWSLogs/` in its keys.
        prefix: Option<KeyPrefix> = default(None::<KeyPrefix>),
        /// The Region of the bucket and of the key.
        region: Region = derived("`organization.home_region`"),
        /// How many days to keep a log. 2557 days are seven years.
        retention_days: u32 = default(2557_u32),
        /// Storage tiers and expiration.
        lifecycle: Lifecycle = section,
        /// Object Lock: its mode and duration.
        object_lock: ObjectLock = section,
        /// How deleting a version requires a second factor.
        mfa_delete: MfaDelete = default(MfaDelete::Policy),
        /// With `mfa_delete = "policy"`: the maximum age of the second factor, in seconds.
        mfa_max_age_seconds: u32 = default(3600_u32),
        /// The oldest TLS version that the bucket accepts.
        tls_floor: TlsFloor = default(TlsFloor::Tls12),
        /// S3 server access logging, to a separate bucket.
        access_logging: AccessLogging = section,
        /// Replication to a vault. Off without this section.
        replication: Option<Replication> = default(None::<Replication>),
        /// Notifications about new objects.
        notifications: Vec<Notification> = default(Vec::<Notification>::new()),
        /// Principals outside the log-archive account that can read the logs: account ids or
        /// IAM ARNs. Also list them in `key.readers`.
        readers: Vec<Principal> = default(Vec::<Principal>::new()),
    }
}

section! {
    /// The default retention of Object Lock, for every new object.
    pub struct ObjectLock {
        /// `GOVERNANCE`, `COMPLIANCE` or `off`.
        mode: ObjectLockMode = default(ObjectLockMode::Governance),
        /// How many days an object stays locked after its delivery.
        days: u32 = default(365_u32),
    }
}

section! {
    /// S3 server access logging of the archive.
    pub struct AccessLogging {
        /// Whether access logging is on.
        enabled: bool = default(true),
        /// The bucket for the access logs: SSE-S3, no Object Lock.
        bucket: BucketName = derived("`archive.bucket` and `-access-logs`"),
        /// The prefix of their keys.
        prefix: Option<KeyPrefix> = default(None::<KeyPrefix>),
        /// How many days to keep access logs.
        retention_days: u32 = default(365_u32),
    }
}

choice! {
    /// The mode of Object Lock's default retention.
    pub enum ObjectLockMode {
        /// Only principals that may bypass governance can delete.
        Governance = "GOVERNANCE",
        /// Nobody can delete or shorten the lock, not even root.
        Compliance = "COMPLIANCE",
        /// No lock.
        Off = "off",
    }
}

choice! {
    /// How deleting a version of a log requires a second factor.
    pub enum MfaDelete {
        /// The bucket policy denies it without a recent second factor.
        Policy = "policy",
        /// S3's own MFA delete, which only the root user of the bucket's account can enable,
        /// and which excludes lifecycle rules.
        Root = "root",
        /// Lifecycle rules here, and MFA delete on the bucket that this one replicates to.
        Vault = "vault",
        /// No second factor.
        Off = "off",
    }
}

choice! {
    /// The oldest TLS version that the bucket accepts.
    pub enum TlsFloor {
        /// TLS 1.2.
        Tls12 = "1.2",
        /// TLS 1.3.
        Tls13 = "1.3",
    }
}
