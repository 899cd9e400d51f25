//! A bucket: who owns it, how it is set, what is in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, BucketName, Region};
use parking_lot::RwLock;
use s3s::dto;
use serde::{Deserialize, Serialize};

use super::acl::Acl;
use super::multipart::Upload;
use super::object::{LockMode, Versions};
use crate::policy::Document;

/// A bucket. Its name, owner and place never change.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(super) name: BucketName,
    pub(super) owner: AccountId,
    pub(super) region: Region,
    pub(super) created: Timestamp,
    pub(super) state: RwLock<State>,
}

/// What changes about a bucket.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) settings: Arc<Settings>,
    /// By key, in the order of their UTF-8 bytes.
    pub(super) objects: BTreeMap<Box<str>, Versions>,
    /// By key, then upload id.
    pub(super) uploads: BTreeMap<(String, String), Upload>,
    /// INVARIANT: set under the lock when the bucket is taken off the store, so
    /// that no one writes to a deleted bucket.
    pub(super) deleted: bool,
}

/// All bucket settings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) versioning: Versioning,
    pub(super) mfa_delete: bool,
    /// Whether MFA delete was ever named, on or off: only then is it reported.
    #[serde(default)]
    pub(super) mfa_delete_named: bool,
    pub(super) lock: Option<LockSettings>,
    pub(super) policy: Option<Policy>,
    pub(super) public_access: Option<dto::PublicAccessBlockConfiguration>,
    /// `None` once deleted: then as `ObjectWriter`.
    pub(super) ownership: Option<Ownership>,
    pub(super) acl: Option<Acl>,
    pub(super) encryption: DefaultEncryption,
    pub(super) lifecycle: Option<dto::BucketLifecycleConfiguration>,
    pub(super) transition_minimum: Option<String>,
    pub(super) replication: Option<dto::ReplicationConfiguration>,
    pub(super) logging: Option<Logging>,
    pub(super) notification: Option<dto::NotificationConfiguration>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) requester_pays: bool,
}

/// Where server access logs go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Logging {
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) key_format: Option<KeyFormat>,
}

/// How the keys of server access logs are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeyFormat {
    Simple,
    /// By date, of the event or of the delivery.
    Partitioned(Option<String>),
}

/// The state of versioning; it never goes back to `Off`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Versioning {
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// Object Lock of a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockSettings {
    pub(super) default: Option<DefaultRetention>,
}

/// What new objects are locked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DefaultRetention {
    pub(super) mode: LockMode,
    pub(super) period: Period,
}

/// A lock's length, in the unit that it was given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Period {
    Days(i32),
    Years(i32),
}

/// Who owns objects that others write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ownership {
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    ObjectWriter,
}

/// What uploads are encrypted with that do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DefaultEncryption {
    /// `None` is SSE-S3.
    pub(super) kms: Option<DefaultKms>,
    pub(super) bucket_key: bool,
}

/// SSE-KMS by default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DefaultKms {
    /// As it was given; `None` is the AWS managed key.
    pub(super) key: Option<String>,
    pub(super) dual_layer: bool,
}

/// A bucket policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Policy {
    pub(super) document: Document,
    /// Whether it opens the bucket to everybody.
    pub(super) is_public: bool,
}

impl TryFrom<String> for Policy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        super::bucket_policy::parse(text)
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.document.text().to_owned()
    }
}

impl Settings {
    /// How AWS sets up a new bucket.
    pub(super) fn of_new_bucket() -> Self {
        Self {
            ownership: Some(Ownership::BucketOwnerEnforced),
            public_access: Some(dto::PublicAccessBlockConfiguration {
                block_public_acls: Some(true),
                block_public_policy: Some(true),
                ignore_public_acls: Some(true),
                restrict_public_buckets: Some(true),
            }),
            ..Self::default()
        }
    }

    pub(super) fn acls_disabled(&self) -> bool {
        self.ownership == Some(Ownership::BucketOwnerEnforced)
    }

    /// One of the four switches of the public access block.
    pub(super) fn blocks(
        &self,
        switch: fn(&dto::PublicAccessBlockConfiguration) -> Option<bool>,
    ) -> bool {
        self.public_access.as_ref().and_then(switch).unwrap_or(false)
    }
}

impl Bucket {
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.state.read().settings)
    }

    /// Changes a bucket's settings; requests under way keep those they saw.
    pub(super) fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(Arc::make_mut(&mut self.state.write().settings));
    }
}
