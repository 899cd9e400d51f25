//! Follows the accounts of the organization while the service runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::history::{AccountHistory, Compared, Listed, Membership, Steps};
use super::ledger::AccountLedger;
use crate::config::Config;
use crate::names::AccountId;
use crate::ops::OpError;
use crate::ops::new_accounts::{AccountProgress, AccountQueue, AccountReader};
use crate::ops::role_stacks::RoleStacks;
use crate::org::Organization;
use crate::report::contract::new_accounts::{
    AccountBaseline, AccountEvent, AccountStep, BaselineAccount, DepartedAccount, JoinedAccount,
    JoiningState, LandingZone,
};
use crate::serve::app::App;
use crate::stop::Stop;

/// How often the list of accounts is read, whatever the queue says.
const LIST_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// The shortest time between two readings: a flood of messages costs no more calls.
const LIST_AT_MOST: SignedDuration = SignedDuration::from_secs(30);
/// The shortest time between two readings of the roles' stacks, of which there is one in every
/// account.
const STACKS_AT_MOST: SignedDuration = SignedDuration::from_mins(10);
/// How long nothing is read after a failure.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(5);
/// The first wait before an account that joined is looked at again; it doubles.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(1);
/// The longest wait, while the account may take that long.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// The longest wait once it is late.
const LONGEST_LATE_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// How long an account that left is reported.
const REPORTED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How long a receiver waits for messages. Units: seconds.
const RECEIVE_SECONDS: u8 = 20;
/// How long to wait where there is no queue, or it is unreachable.
const WITHOUT_QUEUE: Duration = Duration::from_secs(20);
/// Accounts that are looked at at the same time.
const ACCOUNTS_AT_ONCE: usize = 16;
/// The most accounts of each kind in documents and pages, except the counts.
const MOST_SHOWN: usize = 500;

/// What is known about the accounts, as pages, the API and metrics show it.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    /// The memberships.
    pub history: AccountHistory,
    /// When the list was last read.
    pub as_of: Option<Timestamp>,
    /// Why it, or the queue, could not be read, the last time.
    pub error: Option<String>,
    /// The number of accounts.
    pub count: Option<usize>,
    /// The stacks of the roles; none before they were first read.
    pub role_stacks: Option<Arc<RoleStacks>>,
    /// Accounts that nobody looks at, and why.
    excluded: BTreeMap<AccountId, String>,
    /// Why accounts that joined are not covered yet.
    reasons: BTreeMap<Membership, String>,
}

impl Accounts {
    /// What a stored history shows, without anything that is only known while the service runs.
    #[must_use]
    pub fn of(history: AccountHistory) -> Self {
        Self { history, ..Self::default() }
    }

    /// Where a membership is between joining and being covered.
    #[must_use]
    pub fn state(
        &self,
        membership: &Membership,
        steps: &Steps,
        config: &Config,
        now: Timestamp,
    ) -> JoiningState {
        let limit = SignedDuration::from_mins(config.new_accounts.covered_within_minutes.into());
        if steps.departed_at().is_some() {
            JoiningState::Departed
        } else if steps.covered_at().is_some() {
            JoiningState::Covered
        } else if self.excluded.contains_key(&membership.account) {
            JoiningState::Excluded
        } else if membership.age(now) > limit {
            JoiningState::Late
        } else {
            JoiningState::Joining
        }
    }

    /// The accounts that joined since the service began, the newest first.
    #[must_use]
    pub fn joined(&self, config: &Config, now: Timestamp) -> Vec<JoinedAccount> {
        let joined = self.history.joined().rev();
        joined.map(|(membership, steps)| self.described(membership, steps, config, now)).collect()
    }

    fn described(
        &self,
        membership: &Membership,
        steps: &Steps,
        config: &Config,
        now: Timestamp,
    ) -> JoinedAccount {
        let state = self.state(membership, steps, config, now);
        let reason = match state {
            JoiningState::Excluded => self.excluded.get(&membership.account),
            JoiningState::Joining | JoiningState::Late => self.reasons.get(membership),
            JoiningState::Covered | JoiningState::Departed => None,
        };
        let at = |step| steps.at.get(&step).copied();
        JoinedAccount {
            account: membership.account.clone(),
            name: steps.name.clone(),
            state,
            joined_at: membership.joined_at,
            role_assumed_at: at(AccountStep::RoleAssumed),
            trail_logging_at: at(AccountStep::TrailLogging),
            covered_at: steps.covered_at(),
            covered_after_seconds: steps.covered_at().map(|at| membership.age(at).as_secs()),
            reason: reason.cloned(),
        }
    }

    /// The accounts that left since the service began, the newest first.
    #[must_use]
    pub fn departed(&self) -> Vec<DepartedAccount> {
        let departed = self.history.departed().rev();
        departed
            .map(|(membership, name, departed_at)| DepartedAccount {
                account: membership.account.clone(),
                name: name.to_owned(),
                joined_at: membership.joined_at,
                departed_at,
            })
            .collect()
    }

    /// What notifications report: accounts that are not covered in time, and those that left
    /// within the last day.
    #[must_use]
    pub fn noteworthy(
        &self,
        config: &Config,
        now: Timestamp,
    ) -> (Vec<JoinedAccount>, Vec<DepartedAccount>) {
        let mut late = self.joined(config, now);
        late.retain(|account| account.state == JoiningState::Late);
        let mut departed = self.departed();
        departed.retain(|account| now.duration_since(account.departed_at) < REPORTED_FOR);
        (late, departed)
    }

    /// The document of the API.
    #[must_use]
    pub fn document(&self, config: &Config, now: Timestamp) -> LandingZone {
        let (mut joined, mut departed) = (self.joined(config, now), self.departed());
        joined.truncate(MOST_SHOWN);
        departed.truncate(MOST_SHOWN);
        LandingZone {
            as_of: self.as_of,
            error: self.error.clone(),
            accounts: self.count,
            has_queue: config.new_accounts.queue.is_some(),
            covered_within_minutes: config.new_accounts.covered_within_minutes,
            joined,
            departed,
        }
    }
}

/// Follows the accounts. Several replicas may: what they notice is stored once.
#[derive(Debug)]
pub struct AccountWatcher {
    app: App,
    ledger: AccountLedger,
    reader: Option<AccountReader>,
    queue: Option<AccountQueue>,
    accounts: Accounts,
    /// When each account that joined is looked at again, and how long to wait after that.
    next_looks: BTreeMap<Membership, (Timestamp, SignedDuration)>,
    is_hinted: bool,
    /// When reading failed, until the next try.
    failed_at: Option<Timestamp>,
}

impl AccountWatcher {
    /// The watcher of a service.
    #[must_use]
    pub fn new(app: App) -> Self {
        let ledger = AccountLedger::new(app.store().clone());
        Self {
            app,
            ledger,
            reader: None,
            queue: None,
            accounts: Accounts::default(),
            next_looks: BTreeMap::new(),
            is_hinted: false,
            failed_at: None,
        }
    }

    /// Follows the accounts until a stop is requested.
    pub async fn run(mut self, stop: Stop) {
        while !stop.is_requested() {
            let turn = async {
                self.turn().await;
                self.wait().await;
            };
            tokio::select! {
                () = turn => {}
                // What is stored is complete in itself, so that nothing is half done.
                () = stop.requested() => {}
            }
        }
    }

    /// Reads what is due, and stores what is new. Failures are shown, and tried again.
    pub async fn turn(&mut self) {
        // Boxed: what calls AWS is large, and this runs beside rounds.
        let result = Box::pin(self.look()).await;
        if self.failed_at.is_none() {
            self.accounts.error = None;
        }
        if let Err(error) = result {
            self.accounts.error = Some(error.message());
            tracing::warn!(error = error.message(), "the accounts could not be followed");
            self.failed_at = Some(self.now());
            // The next time with another connection.
            (self.reader, self.queue) = (None, None);
        }
        self.app.set_accounts(self.accounts.clone());
    }

    /// Waits for the next turn: for messages where there is a queue.
    async fn wait(&mut self) {
        let Some(queue) = &self.queue else { return tokio::time::sleep(WITHOUT_QUEUE).await };
        match Box::pin(queue.drain(RECEIVE_SECONDS)).await {
            Ok(0) => {}
            Ok(messages) => {
                tracing::info!(messages, "events announce accounts: reading the list");
                self.is_hinted = true;
            }
            Err(error) => {
                tracing::warn!(
                    error = error.message(),
                    "the queue of account events is unreachable"
                );
                self.queue = None;
                tokio::time::sleep(WITHOUT_QUEUE).await;
            }
        }
    }

    /// Receives the messages that are there, without waiting: for tests.
    pub async fn receive(&mut self) -> Result<usize, OpError> {
        let Some(queue) = &self.queue else { return Ok(0) };
        let messages = Box::pin(queue.drain(0)).await?;
        self.is_hinted |= messages > 0;
        Ok(messages)
    }

    async fn look(&mut self) -> Result<(), OpError> {
        self.accounts.history = self.ledger.read().await?;
        let now = self.now();
        if self.failed_at.is_some_and(|at| now.duration_since(at) < AFTER_FAILURE) {
            return Ok(());
        }
        let age = self.accounts.as_of.map(|at| now.duration_since(at));
        let is_due =
            age.is_none_or(|age| age >= LIST_EVERY || (self.is_hinted && age >= LIST_AT_MOST));
        let due = self.due(now);
        if !is_due && due.is_empty() {
            return Ok(());
        }
        if is_due || self.reader.is_none() {
            // Anew with each list: credentials and configuration may have changed.
            let reader = Box::pin(AccountReader::sign_in(&self.app.env_of_round())).await?;
            self.reader = Some(reader);
            self.queue = None;
        }
        let Some(reader) = self.reader.clone() else { return Ok(()) };
        self.failed_at = None;
        if is_due {
            Box::pin(self.read_list(&reader, now)).await?;
            let read_at = self.accounts.role_stacks.as_ref().map(|it| it.as_of);
            if read_at.is_none_or(|at| now.duration_since(at) >= STACKS_AT_MOST) {
                self.accounts.role_stacks = Some(Arc::new(Box::pin(reader.role_stacks()).await));
            }
        }
        let looks = self.due(now).into_iter().map(|membership| async {
            let progress = reader.progress(&membership.account, membership.joined_at).await;
            reader.release(&membership.account);
            (membership, progress)
        });
        let looks = futures::stream::iter(looks).buffer_unordered(ACCOUNTS_AT_ONCE);
        let looks: Vec<_> = Box::pin(looks.collect()).await;
        for (membership, progress) in looks {
            self.store(membership, progress, now).await?;
        }
        self.accounts.history = self.ledger.read().await?;
        if self.queue.is_none() {
            self.queue = reader.queue().await?;
        }
        Ok(())
    }

    /// The time: AWS's, as the newest response has it.
    fn now(&self) -> Timestamp {
        let seen = self.reader.as_ref().map(AccountReader::now);
        seen.unwrap_or(Timestamp::MIN).max(self.app.now())
    }

    /// The accounts that joined and are to be looked at.
    fn due(&self, now: Timestamp) -> Vec<Membership> {
        let uncovered = self.accounts.history.uncovered().map(|(membership, _)| membership);
        let is_due = |membership: &&Membership| {
            let next = self.next_looks.get(*membership);
            !self.accounts.excluded.contains_key(&membership.account)
                && next.is_none_or(|(at, _)| *at <= now)
        };
        uncovered.filter(is_due).cloned().collect()
    }

    async fn read_list(&mut self, reader: &AccountReader, now: Timestamp) -> Result<(), OpError> {
        let organization = Box::pin(reader.organization()).await?;
        let list = listed(&organization);
        if self.accounts.history.began_at().is_none() {
            self.ledger.begin(baseline(&list, now)).await?;
            self.accounts.history = self.ledger.read().await?;
        }
        let Compared { joined, departed, missing } = self.accounts.history.compare(&list, now);
        for event in joined {
            tracing::info!(account = %event.account, "an account joined");
            self.ledger.add(event).await?;
        }
        let mut left = departed;
        for event in missing {
            if !reader.is_member(&event.account).await? {
                left.push(event);
            }
        }
        for event in left {
            tracing::info!(account = %event.account, "an account left");
            self.ledger.add(event).await?;
        }
        self.accounts.history = self.ledger.read().await?;
        self.accounts.count = Some(list.len());
        self.accounts.as_of = Some(now);
        self.is_hinted = false;
        let declared = &self.app.config().organization;
        let excluded = organization.accounts.values().filter_map(|account| {
            let reason = organization.exclusion(account, declared)?;
            Some((account.id.clone(), reason.to_string()))
        });
        self.accounts.excluded = excluded.collect();
        Ok(())
    }

    /// Stores what an account has reached, and when it is looked at again.
    async fn store(
        &mut self,
        membership: Membership,
        progress: AccountProgress,
        now: Timestamp,
    ) -> Result<(), OpError> {
        let name = self.accounts.history.steps(&membership).map(|steps| steps.name.clone());
        let steps = self.accounts.history.steps(&membership).cloned().unwrap_or_default();
        for step in reached(&progress) {
            if steps.at.contains_key(&step) {
                continue;
            }
            if step == AccountStep::Covered {
                let minutes = membership.age(now).as_mins();
                tracing::info!(account = %membership.account, minutes, "an account is covered");
            }
            self.ledger
                .add(AccountEvent {
                    account: membership.account.clone(),
                    name: name.clone().unwrap_or_default(),
                    joined_at: membership.joined_at,
                    step,
                    noticed_at: now,
                })
                .await?;
        }
        match progress.reason {
            Some(reason) => self.accounts.reasons.insert(membership.clone(), reason),
            None => self.accounts.reasons.remove(&membership),
        };
        let limit = self.app.config().new_accounts.covered_within_minutes;
        let is_late = membership.age(now) > SignedDuration::from_mins(limit.into());
        let longest = if is_late { LONGEST_LATE_WAIT } else { LONGEST_WAIT };
        let wait = self.next_looks.get(&membership).map_or(FIRST_WAIT, |(_, wait)| *wait);
        let wait = wait.min(longest);
        self.next_looks.insert(membership, (now + wait, (wait * 2).min(longest)));
        Ok(())
    }
}

/// The steps that an account has reached.
fn reached(progress: &AccountProgress) -> impl Iterator<Item = AccountStep> {
    let AccountProgress { role_assumed, trail_logging, delivered, reason: _ } = *progress;
    let steps = [
        (AccountStep::RoleAssumed, role_assumed),
        (AccountStep::TrailLogging, trail_logging),
        (AccountStep::Covered, role_assumed && trail_logging && delivered),
    ];
    steps.into_iter().filter_map(|(step, is_reached)| is_reached.then_some(step))
}

/// The accounts of an organization. One without a time of joining, which AWS always has, is
/// left out: it would be another membership each time.
fn listed(organization: &Organization) -> Vec<Listed> {
    let listed = organization.accounts.values().filter_map(|account| {
        let membership = Membership { account: account.id.clone(), joined_at: account.joined_at? };
        Some(Listed { membership, name: account.name.clone() })
    });
    listed.collect()
}

fn baseline(list: &[Listed], read_at: Timestamp) -> AccountBaseline {
    let accounts = list.iter().map(|it| BaselineAccount {
        account: it.membership.account.clone(),
        name: it.name.clone(),
        joined_at: it.membership.joined_at,
    });
    AccountBaseline { read_at, accounts: accounts.collect() }
}
