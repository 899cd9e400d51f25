//! Delivers log files and signed digests on the simulated clock.
//!
//! What happens in an account and Region is made up from the seed, slot of five
//! minutes by slot (`schedule` says what, `issued` by whom, `events` writes it down),
//! together with what clients really called (`recording`). Every trail that covers the
//! place gets what it selects, through S3 as CloudTrail's service principal, and, with
//! validation on, a chain of hourly digests. The event history has the same events.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::{AccountId, Region};
use serde::{Deserialize, Serialize};

use super::services::cloudtrail::trail::place as place_key;
use super::services::cloudtrail::{Trail, organization};
use super::services::organizations::Member;
use super::services::{logs, sns};
use super::simulation::{Control, Simulation};

mod cast;
mod chain;
pub(super) mod delivery;
mod events;
mod history;
mod insights;
mod issue;
mod issued;
mod keys;
mod kinds;
mod legacy;
mod place;
mod record;
mod recording;
mod schedule;
#[cfg(test)]
mod tests;
mod truth;

pub(super) use history::history;
pub(super) use legacy::fill;
pub use legacy::{Legacy, LegacyError};
use place::{Outcome, Place, SettingsPeriod};
pub use recording::SignIn;
pub(super) use recording::{
    BucketCall, is_recorded_by, record, record_bucket_call, record_service_event, sign_in,
};
use schedule::{Schedule, Volume, Volumes};
pub(super) use truth::sessions;
pub use truth::{Person, TrueHop, TrueSession};

/// What could not be delivered for longer never is.
const LOST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Units that are done before the next ones begin.
const BATCH: usize = 64;
/// The length of a slot: how often CloudTrail delivers.
const SLOT: SignedDuration = SignedDuration::from_mins(5);

/// What the simulator remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// The keys that digests are signed with.
    pub(super) keys: keys::Keys,
    /// By trail, then account and Region.
    places: BTreeMap<String, BTreeMap<String, Place>>,
    /// Trails as they were until they changed, oldest first: what they recorded so
    /// far is due as they were.
    #[serde(default)]
    changes: Vec<Change>,
    /// When each trail was last looked at: what it covers for the first time later
    /// is covered from then on, not from the trail's start.
    #[serde(default)]
    looked_at: BTreeMap<String, Timestamp>,
    /// How much happens.
    #[serde(default)]
    volumes: Volumes,
    /// The volume that counts while a past is made up, of which clients' calls are no part.
    #[serde(skip)]
    filling: Option<Volume>,
    /// With what digests are encrypted.
    #[serde(default)]
    pub(super) digest_encryption: DigestEncryption,
}

/// With what CloudTrail encrypts the digests of a trail that has a key.
///
/// Source: CloudTrail API Reference, `CreateTrail`, `KmsKeyId`: "to encrypt the logs
/// and digest files"; the digests of older trails are under SSE-S3.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestEncryption {
    /// With the trail's key, as its log files.
    #[default]
    TrailKey,
    /// Under SSE-S3, as CloudTrail did for every trail before.
    SseS3,
}

/// A trail as it was until `at`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Change {
    trail: Trail,
    at: Timestamp,
    /// Whether logging or validation ended then: the last digests are due.
    ends: bool,
}

impl State {
    /// Of a new sandbox: what is made up comes from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self { volumes: Volumes::new(seed), ..Self::default() }
    }

    /// Notes that a trail, as it was, ends what it did: its last files and
    /// digests are due.
    pub(super) fn end(&mut self, trail: Trail, at: Timestamp) {
        self.changes.push(Change { trail, at, ends: true });
    }

    /// Sets how many events an hour happen in each account and active Region from `now` on,
    /// and which Regions are active. What no trail was to deliver yet changes with it.
    pub(super) fn set_volume(
        &mut self,
        now: Timestamp,
        events_per_hour: f64,
        regions: Option<Vec<Region>>,
    ) {
        let seed = self.volumes.now().seed;
        let until = (!self.looked_at.is_empty()).then_some(now);
        self.volumes.set(until, Volume { events_per_hour, regions, seed });
    }
}

/// What happens in all accounts.
fn schedule_of<'a>(simulation: &'a Simulation, control: &'a Control) -> Schedule<'a> {
    let state = &control.simulator;
    let only = state.filling.as_ref();
    Schedule::new(simulation.partition, &simulation.home_region, &state.volumes, only)
}

/// Delivers all that is due by the simulated clock. Called without locks held,
/// after the clock was put forward.
pub(super) fn advance(simulation: &Simulation) {
    let now = simulation.clock.now();
    advance_to(simulation, &mut simulation.control.write(), now);
}

fn advance_to(simulation: &Simulation, control: &mut Control, now: Timestamp) {
    crate::services::kms::delete_due(control, now);
    let changes = std::mem::take(&mut control.simulator.changes);
    let trails: Vec<Trail> = control
        .accounts
        .values()
        .flat_map(|account| account.cloudtrail.trails.values().cloned())
        .collect();
    let mut runs: BTreeMap<String, Vec<SettingsPeriod>> = BTreeMap::new();
    let mut add = |trail: Trail, until, ends| {
        let trail = Arc::new(trail);
        runs.entry(trail.arn.to_string()).or_default().push(SettingsPeriod { trail, until, ends });
    };
    for Change { trail, at, ends } in changes {
        add(trail, at, ends);
    }
    for trail in trails {
        add(trail, now, false);
    }
    deliver(simulation, control, runs, now);
}

/// Notes that an account leaves the organization, while it is a member: delivers what the
/// organization's trails recorded in it, with the last digests.
pub(super) fn leave(simulation: &Simulation, control: &mut Control, account: &AccountId) {
    let now = simulation.clock.now();
    advance_to(simulation, control, now);
    let trails = control.accounts.values().flat_map(|owner| owner.cloudtrail.trails.values());
    let trails: Vec<Arc<Trail>> = trails
        .filter(|trail| trail.organization && trail.owner != *account)
        .map(|trail| Arc::new(trail.clone()))
        .collect();
    for trail in trails {
        for covered in places_of(simulation, control, &trail) {
            if covered.account != *account {
                continue;
            }
            let (arn, key) = (trail.arn.to_string(), covered.key());
            let places = control.simulator.places.get_mut(&arn);
            let Some(place) = places.and_then(|places| places.remove(&key)) else { continue };
            let run = SettingsPeriod { trail: Arc::clone(&trail), until: now, ends: true };
            let mut unit = Unit {
                trail: arn.clone(),
                account: covered.account,
                region: covered.region,
                place,
                runs: vec![run],
            };
            let outcome = unit.run(simulation, control);
            record_outcome(control, unit, outcome);
            let places = control.simulator.places.get_mut(&arn);
            if let Some(place) = places.and_then(|places| places.get_mut(&key)) {
                place.leave(now);
            }
        }
    }
}

/// Notes that a trail changed: until `now` it was `before`. What it covers from now
/// on only is covered from now on.
pub(super) fn change(simulation: &Simulation, control: &mut Control, before: Trail, ends: bool) {
    let now = simulation.clock.now();
    let arn = before.arn.to_string();
    let covered = places_of(simulation, control, &before);
    let state = &mut control.simulator;
    let looked_at = state.looked_at.insert(arn.clone(), now);
    let known = state.places.entry(arn).or_default();
    let keys: std::collections::BTreeSet<String> = covered.iter().map(Covered::key).collect();
    for (_, place) in known.iter_mut().filter(|(key, _)| !keys.contains(*key)) {
        place.leave(now);
    }
    for covered in covered {
        let since = covered.since(looked_at);
        known.entry(covered.key()).or_insert_with(|| Place::covered_since(since));
    }
    state.changes.push(Change { trail: before, at: now, ends });
}

/// An account and Region that a trail covers.
struct Covered {
    account: AccountId,
    region: Region,
    /// When the organization began to lend it to the trail; none for the trail's
    /// own account.
    member_since: Option<Timestamp>,
}

impl Covered {
    fn key(&self) -> String {
        place_key(&self.account, &self.region)
    }

    /// Since when it is covered, where it was not at `looked_at`.
    fn since(&self, looked_at: Option<Timestamp>) -> Option<Timestamp> {
        self.member_since.max(looked_at)
    }
}

/// One account and Region of one trail, and all that is to be done there.
struct Unit {
    trail: String,
    account: AccountId,
    region: Region,
    place: Place,
    runs: Vec<SettingsPeriod>,
}

/// Runs every place of every trail, on as many threads as there are processors.
fn deliver(
    simulation: &Simulation,
    control: &mut Control,
    runs: BTreeMap<String, Vec<SettingsPeriod>>,
    now: Timestamp,
) {
    let mut units = Vec::new();
    for (arn, runs) in runs {
        let mut known = control.simulator.places.remove(&arn).unwrap_or_default();
        let looked_at = control.simulator.looked_at.insert(arn.clone(), now);
        let mut of_trail: BTreeMap<String, Unit> = BTreeMap::new();
        let last = runs.len().saturating_sub(1);
        for (index, run) in runs.iter().enumerate() {
            let mut left: std::collections::BTreeSet<String> = of_trail.keys().cloned().collect();
            for covered in places_of(simulation, control, &run.trail) {
                let key = covered.key();
                left.remove(&key);
                let unit = of_trail.entry(key.clone()).or_insert_with(|| {
                    let since = covered.since(looked_at);
                    let known = known.remove(&key);
                    let mut place = known.unwrap_or_else(|| Place::covered_since(since));
                    place.join(covered.member_since);
                    let (account, region) = (covered.account, covered.region);
                    Unit { trail: arn.clone(), account, region, place, runs: Vec::new() }
                });
                unit.runs.push(run.clone());
            }
            // What the trail covered before and no longer does has its last digest.
            for key in left {
                if let Some(run) = of_trail.get_mut(&key).and_then(|unit| unit.runs.last_mut()) {
                    run.ends = true;
                }
            }
            if index == last {
                // Events while no trail records are not recorded later.
                for place in known.values_mut() {
                    place.leave(run.until);
                }
            }
        }
        units.extend(of_trail.into_values());
        if !known.is_empty() {
            control.simulator.places.insert(arn, known);
        }
    }
    make_keys(control, &units);
    units.sort_by(|a, b| (&a.trail, &a.account, &a.region).cmp(&(&b.trail, &b.account, &b.region)));
    let mut units = units.into_iter();
    loop {
        // A few at a time: what they add to the log group need not be in memory for all of
        // them.
        let batch: Vec<Unit> = units.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return;
        }
        for (unit, outcome) in run_all(simulation, control, batch) {
            record_outcome(control, unit, outcome);
        }
    }
}

/// Runs units on all processors; gives them in the same order.
fn run_all(simulation: &Simulation, control: &Control, units: Vec<Unit>) -> Vec<(Unit, Outcome)> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = threads.min(units.len());
    let queue = parking_lot::Mutex::new(units.into_iter().enumerate());
    let finished = parking_lot::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some((number, mut unit)) = queue.lock().next() else { break };
                    let outcome = unit.run(simulation, control);
                    finished.lock().push((number, (unit, outcome)));
                }
            });
        }
    });
    let mut finished = finished.into_inner();
    finished.sort_by_key(|(number, _)| *number);
    finished.into_iter().map(|(_, one)| one).collect()
}

impl Unit {
    fn run(&mut self, simulation: &Simulation, control: &Control) -> Outcome {
        let mut outcome = Outcome::default();
        for (index, run) in self.runs.iter().enumerate() {
            let goes_on = self.runs.get(index + 1).is_some_and(|next| {
                next.trail.logging && next.trail.started_at.is_none_or(|start| start <= run.until)
            });
            let stops = run.ends && !goes_on;
            let place = (&self.account, &self.region);
            self.place.run((simulation, control), place, run, stops, &mut outcome);
        }
        outcome
    }
}

/// The keys that the units will sign with: made before, because signing only
/// reads. Hours that are lost need none, however far a tick goes.
fn make_keys(control: &mut Control, units: &[Unit]) {
    let mut wanted = std::collections::BTreeSet::new();
    for unit in units {
        for run in unit.runs.iter().filter(|run| run.trail.digests_since.is_some()) {
            let since = unit.place.digest_from().or(run.trail.digests_since).unwrap_or(run.until);
            let since = since.max(run.until - LOST);
            // What stops a trail may be delivered a second later.
            let until = run.until + SignedDuration::from_secs(1);
            for period in keys::period(since)..=keys::period(until) {
                wanted.insert((unit.region.clone(), period));
            }
        }
    }
    for (region, period) in wanted {
        control.simulator.keys.make(&region, period);
    }
}

/// The accounts and Regions that a trail records, as far as anything happens
/// there.
fn places_of(simulation: &Simulation, control: &Control, trail: &Trail) -> Vec<Covered> {
    let schedule = schedule_of(simulation, control);
    let active = schedule.active_now();
    let mut accounts = vec![(trail.owner.clone(), None)];
    if trail.organization
        && let Some(organization) = &control.organization
        && let Some(trusted_at) = organization.trusted_services.get(organization::PRINCIPAL)
    {
        let members = organization.members.iter().filter(|(_, member)| !member.suspended);
        let members = members.filter(|(id, _)| **id != trail.owner);
        let since = |member: &Member| {
            member.trails_from.unwrap_or(member.joined_at).max(member.joined_at).max(*trusted_at)
        };
        accounts.extend(members.map(|(id, member)| (id.clone(), Some(since(member)))));
    }
    let mut places = Vec::new();
    for (account, member_since) in accounts {
        let Some(state) = control.accounts.get(&account) else { continue };
        for region in &state.enabled_regions {
            let covered = *region == trail.home_region || trail.multi_region;
            if covered && (active.contains(region) || *region == trail.home_region) {
                let (account, region) = (account.clone(), region.clone());
                places.push(Covered { account, region, member_since });
            }
        }
    }
    places
}

/// Stores the progress of a place, and updates the trail, the log group and the topic.
fn record_outcome(control: &mut Control, unit: Unit, outcome: Outcome) {
    let key = place_key(&unit.account, &unit.region);
    control.simulator.places.entry(unit.trail.clone()).or_default().insert(key.clone(), unit.place);
    let Some(newest) = unit.runs.last() else { return };
    let trail = &newest.trail;
    let mut delivery = trail.deliveries.get(&key).cloned().unwrap_or_default();
    outcome.status.apply(&mut delivery);
    if newest.ends {
        // A stopped trail still reports when it last delivered.
        let owner = control.accounts.get_mut(&trail.owner);
        if let Some(kept) = owner.and_then(|o| o.cloudtrail.trails.get_mut(&unit.trail)) {
            kept.deliveries.insert(key, delivery);
        }
        return;
    }
    if let (Some(group), false) = (&trail.log_group, outcome.messages.is_empty()) {
        let organization = control.organization.as_ref().filter(|_| trail.organization);
        let prefix = organization.map(|o| format!("{}_", o.id)).unwrap_or_default();
        let stream = format!("{prefix}{}_CloudTrail_{}", unit.account, unit.region);
        let delivered = logs::parse_group_arn(group).is_some_and(|group| {
            logs::deliver(control, &group, &stream, outcome.messages, newest.until)
        });
        if delivered {
            delivery.logs_delivered_at = Some(newest.until);
            delivery.logs_error = None;
        } else {
            delivery.logs_error = Some("The specified log group does not exist.".to_owned());
        }
    }
    if let (Some(topic), true) = (&trail.topic, outcome.files > 0) {
        match sns::notify(control, &delivery::service(trail), topic, outcome.files) {
            Ok(()) => {
                delivery.notified_at = Some(newest.until);
                delivery.notification_error = None;
            }
            Err(error) => delivery.notification_error = Some(error.code.into_owned()),
        }
    }
    let owner = control.accounts.get_mut(&trail.owner);
    if let Some(kept) = owner.and_then(|o| o.cloudtrail.trails.get_mut(&unit.trail)) {
        kept.deliveries.insert(key, delivery);
    }
}
