//! All that the sandbox knows: the control plane under one lock, the objects
//! under their own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::{auth::Identity, clock::Clock, s3, services};
use crate::names::{AccountId, Partition, Region};

/// The whole simulated AWS.
///
/// INVARIANT: locks are taken in this order: `control`, then a bucket's. Code
/// that holds `control` hands `&Control` on; it never locks again.
#[derive(Debug)]
pub(super) struct World {
    /// The partition all of it lies in.
    pub(super) partition: Partition,
    /// The simulated clock.
    pub(super) clock: Clock,
    /// Everything but objects. Service handlers run under its write lock; they
    /// never wait.
    pub(super) control: RwLock<Control>,
    /// Buckets and objects.
    pub(super) s3: s3::Store,
}

/// Everything but objects.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Control {
    /// Every account, members of the organization or not.
    pub(super) accounts: BTreeMap<AccountId, Account>,
    /// The organization, once there is one.
    pub(super) organization: Option<services::organizations::Organization>,
    /// Every access key that works, temporary ones too.
    pub(super) access_keys: HashMap<String, AccessKey>,
}

/// One account and what its services hold.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Account {
    /// Regions that the account has enabled.
    pub(super) enabled_regions: BTreeSet<Region>,
    pub(super) iam: services::iam::State,
    pub(super) cloudtrail: services::cloudtrail::State,
    pub(super) kms: services::kms::State,
    pub(super) logs: services::logs::State,
    pub(super) cloudwatch: services::cloudwatch::State,
    pub(super) sns: services::sns::State,
}

/// A pair of credentials and whom it stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccessKey {
    pub(super) secret: String,
    /// Present for temporary credentials, and then demanded.
    pub(super) session_token: Option<String>,
    pub(super) account: AccountId,
    pub(super) identity: Identity,
    /// By the real clock; `None` for long-term keys.
    pub(super) expires_at: Option<jiff::Timestamp>,
    /// By the real clock.
    pub(super) mfa_at: Option<jiff::Timestamp>,
    pub(super) session_policy: Option<String>,
}
