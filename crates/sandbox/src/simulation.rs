//! All that the sandbox knows: the control plane under one lock, the objects
//! under their own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::SignedDuration;
use orgtrail_base::names::{AccountId, Partition, Region};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::auth::Identity;
use super::clock::Clock;
use super::faults::Faults;
use super::policy::{Audit, Document};
use super::recorder::Recorder;
use super::{s3, services, simulator};

/// The whole simulated AWS.
///
/// INVARIANT: locks are taken in this order: `control`, then a bucket's. Code
/// that has locked `control` passes `&Control` on, and never locks it again.
#[derive(Debug)]
pub(super) struct Simulation {
    /// The partition all of it is in.
    pub(super) partition: Partition,
    /// The simulated clock.
    pub(super) clock: Clock,
    /// Everything but objects. Service handlers run under its write lock; they
    /// never wait.
    pub(super) control: RwLock<Control>,
    /// Buckets and objects.
    pub(super) s3: s3::Store,
    /// What is to go wrong.
    pub(super) faults: Faults,
    /// The requests to S3, if they are recorded.
    pub(super) recorder: Recorder,
    /// The Region that the organization's trail belongs in by default.
    pub(super) home_region: Region,
    /// Ids, keys and secrets come from here: the same seed gives the same ones.
    random: Mutex<fastrand::Rng>,
    /// Whether anything changed since the last save.
    changed: AtomicBool,
    /// Notifies everyone who waits for a change or a fault.
    events: watch::Sender<()>,
    /// Whether changes are to be saved.
    saves: AtomicBool,
    /// The endpoint's URL, which URLs of queues begin with.
    endpoint: OnceLock<String>,
}

impl Simulation {
    pub(super) fn new(
        clock: Clock,
        control: Control,
        s3: s3::Store,
        home_region: Region,
        random: fastrand::Rng,
    ) -> Self {
        Self {
            partition: Partition::of(&home_region),
            clock,
            control: RwLock::new(control),
            s3,
            faults: Faults::new(random.clone().u64(..)),
            recorder: Recorder::default(),
            home_region,
            random: Mutex::new(random),
            changed: AtomicBool::new(true),
            events: watch::Sender::new(()),
            saves: AtomicBool::new(false),
            endpoint: OnceLock::new(),
        }
    }

    /// Sets the endpoint's URL, once.
    pub(super) fn set_endpoint(&self, endpoint: String) {
        // There is one endpoint.
        let _ = self.endpoint.set(endpoint);
    }

    /// The endpoint's URL.
    pub(super) fn endpoint(&self) -> &str {
        self.endpoint.get().map(String::as_str).unwrap_or_default()
    }

    /// Puts the clock forward and delivers what came due on the way.
    pub(super) fn tick(&self, by: SignedDuration) {
        self.clock.advance(by);
        simulator::advance(self);
        services::cloudformation::advance(self);
        self.s3.apply_lifecycle(self.clock.now());
        self.touch();
    }

    /// Lets an account join the organization, as invited; whether there are both.
    pub(super) fn join(&self, account: &AccountId) -> bool {
        let now = self.clock.now();
        let mut control = self.control.write();
        if !control.accounts.contains_key(account) {
            return false;
        }
        let (name, email) = (format!("invited-{account}"), format!("{account}@example.com"));
        services::organizations::membership::join(
            &mut control,
            self,
            now,
            account,
            &name,
            &email,
            false,
        )
        .is_ok()
    }

    /// Lets an account (by id) or a principal (by ARN) do nothing from now on.
    pub(super) fn revoke(&self, principal: &str) {
        self.control.write().revoked.insert(principal.to_owned());
    }

    /// Confirms every subscription that waits for it, and says how many did.
    pub(super) fn confirm_subscriptions(&self) -> usize {
        let mut control = self.control.write();
        let confirmed = control.accounts.values_mut().map(|one| one.sns.confirm_all()).sum();
        drop(control);
        self.touch();
        confirmed
    }

    /// Records a login to the console; whether there is such an account and user.
    pub(super) fn sign_in(&self, sign_in: &simulator::SignIn) -> bool {
        let signed_in = simulator::sign_in(&mut self.control.write(), self, sign_in);
        self.touch();
        signed_in
    }

    /// Lets all temporary credentials that were given out expire.
    pub(super) fn expire_sessions(&self) {
        for key in self.control.write().access_keys.values_mut() {
            if key.session_token.is_some() {
                key.expires_at = Some(jiff::Timestamp::UNIX_EPOCH);
            }
        }
    }

    /// Notes that something changed and wants saving.
    pub(super) fn touch(&self) {
        self.changed.store(true, Ordering::Release);
        self.notify();
    }

    /// Wakes everyone who waits for a change or a fault.
    pub(super) fn notify(&self) {
        self.events.send_replace(());
    }

    /// What changes with every change and fault from now on.
    pub(super) fn events(&self) -> watch::Receiver<()> {
        self.events.subscribe()
    }

    /// Lets changes be saved from now on.
    pub(super) fn begin_saving(&self) {
        self.saves.store(true, Ordering::Release);
    }

    /// Whether anything changed since the last call, and must be saved.
    pub(super) fn take_changed(&self) -> bool {
        self.saves.load(Ordering::Acquire) && self.changed.swap(false, Ordering::AcqRel)
    }

    /// `count` characters of `alphabet` (ASCII), from the seeded generator.
    pub(super) fn random_text(&self, alphabet: &str, count: usize) -> String {
        random_text(&mut self.random.lock(), alphabet, count)
    }

    /// What the seeded generator goes on from.
    pub(super) fn random_seed(&self) -> u64 {
        self.random.lock().get_seed()
    }

    /// Any number, from the seeded generator.
    pub(super) fn random_number(&self) -> u64 {
        self.random.lock().u64(..)
    }

    /// A fresh request id.
    pub(super) fn request_id(&self) -> String {
        let mut random = self.random.lock();
        uuid(&mut random)
    }

    /// A fresh UUID.
    pub(super) fn uuid(&self) -> String {
        self.request_id()
    }
}

/// Capital letters and digits as AWS uses them in key ids.
pub(super) const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Letters and digits.
pub(super) const ALPHANUMERIC: &str =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Small letters and digits.
pub(super) const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// `count` characters of `alphabet` (ASCII).
pub(super) fn random_text(random: &mut fastrand::Rng, alphabet: &str, count: usize) -> String {
    let alphabet = alphabet.as_bytes();
    (0..count).map(|_| char::from(alphabet[random.usize(..alphabet.len())])).collect()
}

fn uuid(random: &mut fastrand::Rng) -> String {
    let bits = random.u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xfff,
        0x8000 | ((bits >> 48) & 0x3fff),
        bits & 0xffff_ffff_ffff
    )
}

/// Everything but objects.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Control {
    /// Every account, members of the organization or not.
    pub(super) accounts: BTreeMap<AccountId, Account>,
    /// The organization, once there is one.
    pub(super) organization: Option<services::organizations::Organization>,
    /// What delivers log files and digests.
    #[serde(default)]
    pub(super) simulator: simulator::State,
    /// Every access key that works, temporary ones too.
    pub(super) access_keys: HashMap<String, AccessKey>,
    /// Accounts and principal ARNs that a fault lets do nothing.
    #[serde(skip)]
    pub(super) revoked: BTreeSet<String>,
    /// The decisions for principals, if they are recorded.
    #[serde(skip)]
    pub(super) audit: Audit,
}

/// One account and what its services hold.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Account {
    /// When it was made; `None` if that is not known.
    #[serde(default)]
    pub(super) created_at: Option<jiff::Timestamp>,
    /// Regions that the account has enabled.
    pub(super) enabled_regions: BTreeSet<Region>,
    pub(super) iam: services::iam::State,
    #[serde(default)]
    pub(super) athena: services::athena::State,
    #[serde(default)]
    pub(super) cloudformation: services::cloudformation::State,
    pub(super) cloudtrail: services::cloudtrail::State,
    pub(super) kms: services::kms::State,
    pub(super) logs: services::logs::State,
    pub(super) cloudwatch: services::cloudwatch::State,
    #[serde(default)]
    pub(super) config: services::config::State,
    #[serde(default)]
    pub(super) control_tower: services::control_tower::State,
    #[serde(default)]
    pub(super) glue: services::glue::State,
    #[serde(default)]
    pub(super) guardduty: services::guardduty::State,
    pub(super) sns: services::sns::State,
    #[serde(default)]
    pub(super) sqs: services::sqs::State,
    #[serde(default)]
    pub(super) events: services::events::State,
    #[serde(default)]
    pub(super) security_hub: services::security_hub::State,
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
    pub(super) session_policy: Option<Document>,
    /// The source identity that `AssumeRole` was given, or inherited.
    #[serde(default)]
    pub(super) source_identity: Option<String>,
    /// Whether it may be used.
    pub(super) active: bool,
    /// Whether it is the sandbox's own way to act as a root user: in AWS, a new account has no
    /// such key, so IAM does not show it.
    #[serde(default)]
    pub(super) built_in: bool,
    /// When it was made, by the simulated clock.
    pub(super) created_at: jiff::Timestamp,
}
