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
        /// What stands before `AWSLogs/` in its keys.
        prefix: Option<KeyPrefix> = default(None::<KeyPrefix>),
        /// The bucket's Region, and with it the key's.
        region: Region = derived("`organization.home_region`"),
        /// Days that a log is kept; 2557 are seven years with their leap days.
        retention_days: u32 = default(2557_u32),
        /// Storage tiers, and what happens at the end.
        lifecycle: Lifecycle = section,
        /// Object Lock: what nobody can delete, and for how long.
        object_lock: ObjectLock = section,
        /// How deleting a version is bound to a second factor.
        mfa_delete: MfaDelete = default(MfaDelete::Policy),
        /// With `mfa_delete = "policy"`: how many seconds old the second factor
        /// may be.
        mfa_max_age_seconds: u32 = default(3600_u32),
        /// The oldest TLS version that the bucket answers to.
        tls_floor: TlsFloor = default(TlsFloor::Tls12),
        /// S3 server access logging, into a bucket of its own.
        access_logging: AccessLogging = section,
        /// Replication into a vault. Without this section there is none.
        replication: Option<Replication> = default(None::<Replication>),
        /// What is told of new objects.
        notifications: Vec<Notification> = default(Vec::<Notification>::new()),
        /// Who may read the logs from outside the log-archive account: account
        /// ids or IAM ARNs. List them in `key.readers` too.
        readers: Vec<Principal> = default(Vec::<Principal>::new()),
    }
}

section! {
    /// The default retention of Object Lock, for every new object.
    pub struct ObjectLock {
        /// `GOVERNANCE`, `COMPLIANCE` or `off`.
        mode: ObjectLockMode = default(ObjectLockMode::Governance),
        /// Days that an object stays locked after its delivery.
        days: u32 = default(365_u32),
    }
}

section! {
    /// S3 server access logging of the archive.
    pub struct AccessLogging {
        /// Whether it is on.
        enabled: bool = default(true),
        /// The bucket that takes the access logs: SSE-S3, no Object Lock.
        bucket: BucketName = derived("`archive.bucket` and `-access-logs`"),
        /// What stands before their keys.
        prefix: Option<KeyPrefix> = default(None::<KeyPrefix>),
        /// Days that access logs are kept.
        retention_days: u32 = default(365_u32),
    }
}

choice! {
    /// The mode of Object Lock's default retention.
    pub enum ObjectLockMode {
        /// Nobody deletes, save who is allowed to bypass governance.
        Governance = "GOVERNANCE",
        /// Nobody deletes, not even root, and nobody can shorten it.
        Compliance = "COMPLIANCE",
        /// No lock.
        Off = "off",
    }
}

choice! {
    /// How deleting a version of a log is bound to a second factor.
    pub enum MfaDelete {
        /// A bucket policy refuses it without a fresh second factor.
        Policy = "policy",
        /// S3's own MFA delete, which only the bucket owner's root can switch
        /// on, and which excludes every lifecycle rule.
        Root = "root",
        /// Lifecycle here; MFA delete on the bucket that this one replicates
        /// into.
        Vault = "vault",
        /// Not at all.
        Off = "off",
    }
}

choice! {
    /// The oldest TLS version that the bucket answers to.
    pub enum TlsFloor {
        /// TLS 1.2.
        Tls12 = "1.2",
        /// TLS 1.3.
        Tls13 = "1.3",
    }
}
