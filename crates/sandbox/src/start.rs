//! Starting a sandbox and holding it.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::{AccountId, NameError, OrgId, Partition, Region};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::auth::Identity;
use super::clock::{Clock, Pace, real_now};
use super::faults::Faults;
use super::missing::{NoSuchAccount, NoSuchObject, NoSuchUser};
use super::persist::{self, DataError, DataFolder};
use super::policy::MalformedPolicy;
use super::services::iam::Holder;
use super::services::organizations;
use super::simulation::{Control, Simulation};
use super::{bootstrap, http, s3, simulator, totp};

/// How a sandbox is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Accounts of the organization, the management account among them.
    pub accounts: usize,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where state is kept across restarts; `None` keeps it in memory alone.
    pub data: Option<PathBuf>,
    /// What the simulated clock shows at the start; `None` is now.
    pub start: Option<Timestamp>,
    /// How the simulated time passes.
    pub pace: Pace,
    /// What ids and secrets are drawn from: the same seed gives the same ones.
    pub seed: u64,
    /// The home Region, which also determines the partition.
    pub home_region: Region,
    /// Whether a new state is not saved before [`Sandbox::begin_saving`]: what is
    /// not yet as it is to begin is not what a restart goes on with.
    pub save_later: bool,
    /// Whether there is an organization; without one, the accounts are standalone.
    pub organization: bool,
}

impl Options {
    /// Five accounts on a free port, in memory, by the real clock.
    #[must_use]
    pub fn new(home_region: Region) -> Self {
        Self {
            accounts: 5,
            port: 0,
            data: None,
            start: None,
            pace: Pace::Flowing,
            seed: 1,
            home_region,
            save_later: false,
            organization: true,
        }
    }
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port is taken, or may not be.
    #[error("listening on 127.0.0.1:{port}")]
    Listen {
        /// The requested port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A name that the sandbox makes is none.
    #[error("making up the organization")]
    Name(#[from] NameError),
    /// A policy that the sandbox makes is none.
    #[error("making up the organization's policies: {0}")]
    Policy(String),
}

impl From<MalformedPolicy> for StartError {
    fn from(malformed: MalformedPolicy) -> Self {
        Self::Policy(malformed.0)
    }
}

/// A pair of keys, as clients sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA…`
    pub access_key_id: String,
    /// Forty letters and digits.
    pub secret_access_key: String,
}

/// A virtual MFA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaDevice {
    /// The device's ARN.
    pub serial: String,
    seed: Vec<u8>,
}

impl MfaDevice {
    /// The six digits that the device shows at `at`, by the real clock.
    #[must_use]
    pub fn code(&self, at: Timestamp) -> String {
        totp::code(&self.seed, at)
    }

    /// The six digits that the device shows now.
    #[must_use]
    pub fn current_code(&self) -> String {
        self.code(real_now())
    }

    /// The seed, as authenticator apps take it.
    #[must_use]
    pub fn seed_base32(&self) -> String {
        totp::base32(&self.seed)
    }
}

/// A running sandbox. It stops when dropped.
#[derive(Debug)]
pub struct Sandbox {
    pub(super) simulation: Arc<Simulation>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
    /// Saves the state, where it is kept.
    keeper: Option<JoinHandle<Result<(), DataError>>>,
    /// Notifies the saving task that nothing more changes.
    done: watch::Sender<bool>,
    /// Whether it goes on where another one stopped.
    resumed: bool,
}

impl Sandbox {
    /// Starts a sandbox on loopback, within a tokio runtime.
    ///
    /// # Errors
    /// When the port is taken, or the data directory cannot be read.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { port: options.port, source };
        let (listener, address) = http::bind(options.port).await.map_err(listen)?;
        let mut random = fastrand::Rng::with_seed(options.seed);
        let opened = options.data.clone().map(DataFolder::open).transpose()?;
        let (folder, saved) = opened.unzip();
        let saved = saved.flatten();
        let resumed = saved.is_some();
        let (start, home_region, control, buckets) = if let Some(saved) = saved {
            random = fastrand::Rng::with_seed(saved.random);
            (saved.now, saved.home_region, saved.control, saved.buckets)
        } else {
            let start = options.start.unwrap_or_else(real_now);
            let control = bootstrap::control(&options, start, &mut random)?;
            (start, options.home_region, control, s3::Store::default())
        };
        let simulation = Arc::new(Simulation::new(
            Clock::new(start, options.pace),
            control,
            buckets,
            home_region,
            random,
        ));
        simulation.set_endpoint(format!("http://{address}"));
        if !options.save_later || resumed {
            simulation.begin_saving();
        }
        let (stop, stopped) = watch::channel(false);
        let (done, finished) = watch::channel(false);
        let keeper = folder.map(|folder| {
            tokio::spawn(persist::keep(Arc::clone(&simulation), folder, finished.clone()))
        });
        let server = tokio::spawn(http::serve(listener, Arc::clone(&simulation), stopped));
        Ok(Self { simulation, address, stop, server: Some(server), keeper, done, resumed })
    }

    /// The endpoint's URL: `http://127.0.0.1:…`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Saves the state from now on, where it is kept and was not saved so far.
    pub fn begin_saving(&self) {
        self.simulation.begin_saving();
    }

    /// Whether it goes on with the state of a data directory.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The home Region.
    #[must_use]
    pub fn home_region(&self) -> &Region {
        &self.simulation.home_region
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.simulation.partition
    }

    /// The organization's id, as long as there is one.
    #[must_use]
    pub fn organization_id(&self) -> Option<OrgId> {
        Some(self.simulation.control.read().organization.as_ref()?.id.clone())
    }

    /// The accounts of the organization, the management account first, then the
    /// log archive, the audit account and the other members.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountId> {
        let control = self.simulation.control.read();
        let mut accounts: Vec<AccountId> = control.accounts.keys().cloned().collect();
        let rank = |id: &AccountId| {
            (0..3).position(|n| bootstrap::account_id(n).ok().as_ref() == Some(id)).unwrap_or(3)
        };
        accounts.sort_by_key(rank);
        accounts
    }

    /// The keys of the management account's administrator.
    #[must_use]
    pub fn administrator(&self) -> Option<Credentials> {
        let administrator = Identity::User(bootstrap::ADMINISTRATOR.to_owned());
        let control = self.simulation.control.read();
        let managing = control.organization.as_ref().map(|it| it.management_account.clone());
        // Without an organization, of the account that is to manage one.
        let management = managing.or_else(|| bootstrap::account_id(0).ok())?;
        key_of(&control, &management, &administrator)
    }

    /// Creates an account that is in no organization, and whose root user has keys.
    #[must_use]
    pub fn add_standalone_account(&self) -> Option<AccountId> {
        let mut control = self.simulation.control.write();
        let added = organizations::standalone(&mut control, &self.simulation);
        drop(control);
        self.simulation.touch();
        added
    }

    /// The keys of an account's root user.
    #[must_use]
    pub fn root(&self, account: &AccountId) -> Option<Credentials> {
        key_of(&self.simulation.control.read(), account, &Identity::Root)
    }

    /// The MFA device of an account's root user.
    #[must_use]
    pub fn root_mfa_device(&self, account: &AccountId) -> Option<MfaDevice> {
        let control = self.simulation.control.read();
        let devices = &control.accounts.get(account)?.iam.mfa_devices;
        let (serial, device) =
            devices.iter().find(|(_, device)| device.holder == Some(Holder::Root))?;
        Some(MfaDevice { serial: serial.clone(), seed: device.seed.clone() })
    }

    /// What the simulated clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    /// Lets an account join the organization as an invited one, at the root: it has no role
    /// that Organizations made.
    ///
    /// # Errors
    /// There is no organization, or no such account.
    pub fn join(&self, account: &AccountId) -> Result<(), NoSuchAccount> {
        let joined = self.simulation.join(account);
        self.simulation.touch();
        joined.then_some(()).ok_or_else(|| NoSuchAccount { account: account.clone() })
    }

    /// Puts the simulated clock forward and delivers what came due.
    pub fn tick(&self, by: SignedDuration) {
        self.simulation.tick(by);
    }

    /// Sets how many events an hour happen in each account and active Region, at
    /// the busy time of the day, and which Regions are active (`None`: the home
    /// Region and two more): from now on, or all along if nothing was delivered yet.
    pub fn set_volume(&self, events_per_hour: f64, regions: Option<Vec<Region>>) {
        let now = self.simulation.clock.now();
        self.simulation.control.write().simulator.set_volume(now, events_per_hour, regions);
    }

    /// Who is really behind the sessions that are made up: those that began from `from` on
    /// and before `until`, by account, Region and time. The same for the same seed, volumes,
    /// accounts and home Region.
    #[must_use]
    pub fn true_sessions(&self, from: Timestamp, until: Timestamp) -> Vec<simulator::TrueSession> {
        simulator::sessions(&self.simulation, &self.simulation.control.read(), (from, until))
    }

    /// Lets somebody sign in to the console, which no client's call does: CloudTrail records
    /// a `ConsoleLogin`.
    ///
    /// # Errors
    /// There is no such account or user.
    pub fn sign_in(&self, sign_in: &simulator::SignIn) -> Result<(), NoSuchUser> {
        self.simulation.sign_in(sign_in).then_some(()).ok_or_else(|| NoSuchUser {
            account: sign_in.account.clone(),
            user: sign_in.user.clone(),
        })
    }

    /// Sets with what digests are encrypted from now on, where their trail has a key:
    /// with this key, which is the default, or under SSE-S3.
    pub fn encrypt_digests(&self, with: simulator::DigestEncryption) {
        self.simulation.control.write().simulator.digest_encryption = with;
        self.simulation.touch();
    }

    /// Makes up the past of an account's own trail: the trail itself, stopped,
    /// and all that it delivered into its bucket.
    ///
    /// # Errors
    /// When there is no such account, or the bucket does not let CloudTrail
    /// write.
    pub fn fill_legacy(&self, legacy: &simulator::Legacy) -> Result<(), simulator::LegacyError> {
        simulator::fill(&self.simulation, legacy)?;
        self.simulation.touch();
        Ok(())
    }

    /// Confirms all pending subscriptions, as their owners would,
    /// as by the link in SNS's message, and says how many those were.
    pub fn confirm_subscriptions(&self) -> usize {
        self.simulation.confirm_subscriptions()
    }

    /// Sets the account-level retention policy of an account's log groups, by its
    /// name and days, or takes it away: there is no call for it.
    pub fn set_log_retention(&self, account: &AccountId, policy: Option<(&str, u32)>) {
        let policy = policy.map(|(name, days)| (name.to_owned(), i64::from(days)));
        if let Some(account) = self.simulation.control.write().accounts.get_mut(account) {
            account.logs.set_retention(policy);
        }
        self.simulation.touch();
    }

    /// Records every request to S3 from now on.
    pub fn record_s3(&self) {
        self.simulation.recorder.begin();
    }

    /// The requests to S3 that were recorded since the last call of this.
    #[must_use]
    pub fn take_s3_requests(&self) -> Vec<super::S3Request> {
        self.simulation.recorder.take()
    }

    /// Records every authorization decision for a principal of an account from now on.
    pub fn record_authorization(&self) {
        self.simulation.control.read().audit.begin();
    }

    /// The decisions that were recorded since the last call of this.
    #[must_use]
    pub fn take_authorization(&self) -> BTreeSet<super::AuthorizationRecord> {
        self.simulation.control.read().audit.take()
    }

    /// What is to go wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.simulation.faults
    }

    /// Waits until a condition is met. It is checked at once, and again after every change
    /// and every fault that was triggered.
    pub async fn until(&self, is_met: impl Fn(&Self) -> bool) {
        let mut events = self.simulation.events();
        while !is_met(self) {
            // The sender lives as long as the simulation: this is no error.
            drop(events.changed().await);
        }
    }

    /// Lets an account (by id) or a principal (by ARN) do nothing from now on.
    pub fn revoke(&self, principal: &str) {
        self.simulation.revoke(principal);
    }

    /// Lets an account or principal do again what its policies allow.
    pub fn restore(&self, principal: &str) {
        self.simulation.control.write().revoked.remove(principal);
    }

    /// Lets all temporary credentials that were given out expire.
    pub fn expire_sessions(&self) {
        self.simulation.expire_sessions();
    }

    /// Stops the sandbox and waits until it has.
    ///
    /// # Errors
    /// When its state is to be kept, and what it was at the end could not be saved.
    pub async fn stop(mut self) -> Result<(), DataError> {
        self.stop.send_replace(true);
        if let Some(server) = self.server.take() {
            // It ends by itself; a panic of it was already reported.
            drop(server.await);
        }
        self.done.send_replace(true);
        match self.keeper.take() {
            Some(keeper) => {
                keeper.await.unwrap_or_else(|error| Err(DataError::Buckets(error.into())))
            }
            None => Ok(()),
        }
    }
}

/// What tests and the demo do behind everybody's back: no policy, lock or
/// version stands in the way, and none tells.
impl Sandbox {
    /// Puts an object as if it had always been there.
    ///
    /// # Errors
    /// When there is no such bucket.
    pub fn put_raw(&self, bucket: &str, key: &str, body: Vec<u8>) -> Result<(), NoSuchObject> {
        let now = self.simulation.clock.now();
        let put = self.simulation.s3.put_raw(bucket, key, body.into(), now);
        put.map_err(|_| NoSuchObject::new(bucket, key))
    }

    /// The content of a current object.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn body_raw(&self, bucket: &str, key: &str) -> Result<bytes::Bytes, NoSuchObject> {
        self.simulation.s3.body_raw(bucket, key).map_err(|_| NoSuchObject::new(bucket, key))
    }

    /// Changes the content of a current object and its checksum; its version, time
    /// and entity tag stay as they were.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn tamper(
        &self,
        bucket: &str,
        key: &str,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), NoSuchObject> {
        self.simulation.s3.tamper(bucket, key, change).map_err(|_| NoSuchObject::new(bucket, key))
    }

    /// Deletes a key with all its versions.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn delete_raw(&self, bucket: &str, key: &str) -> Result<(), NoSuchObject> {
        self.simulation.s3.delete_raw(bucket, key).map_err(|_| NoSuchObject::new(bucket, key))
    }

    /// Every secret key and session token that was given out: none of them is to be
    /// found anywhere else.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let control = self.simulation.control.read();
        let keys = control.access_keys.values();
        keys.flat_map(|key| [Some(&key.secret), key.session_token.as_ref()])
            .flatten()
            .cloned()
            .collect()
    }

    /// The keys of current objects that begin with `prefix`, in order; none
    /// where there is no such bucket.
    #[must_use]
    pub fn keys_raw(&self, bucket: &str, prefix: &str) -> Vec<String> {
        self.simulation.s3.keys_raw(bucket, prefix).unwrap_or_default()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// A long-term key of a principal, by key id the first.
fn key_of(control: &Control, account: &AccountId, identity: &Identity) -> Option<Credentials> {
    control
        .access_keys
        .iter()
        .filter(|(_, key)| {
            key.session_token.is_none() && key.account == *account && key.identity == *identity
        })
        .min_by_key(|(id, _)| id.as_str())
        .map(|(id, key)| Credentials {
            access_key_id: id.clone(),
            secret_access_key: key.secret.clone(),
        })
}
