//! One account and Region of a trail: what was delivered, what is due.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::cloudtrail::digest::{HASH_ALGORITHM, ListedLog, sha256_hex};
use orgtrail_base::cloudtrail::key::LogClass;
use orgtrail_base::names::{AccountId, Region};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chain::{At, Chain};
use super::delivery::{self, PendingObject};
use super::{LOST, SLOT, events, insights};
use crate::services::cloudtrail::{Delivery, Trail};
use crate::simulation::{Control, Simulation};

/// What of one account and Region of a trail was delivered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Place {
    /// All slots that ended by then are delivered, or never will be.
    slots_until: Option<Timestamp>,
    /// Until when deliveries failed, while they do.
    failed_until: Option<Timestamp>,
    digests_failed: bool,
    chain: Option<Chain>,
    /// Since when the trail covers it, where that is later than the trail's start.
    #[serde(default)]
    since: Option<Timestamp>,
}

/// A stretch of time in which a trail was set so.
#[derive(Debug, Clone)]
pub(super) struct SettingsPeriod {
    /// Shared: a trail knows what was delivered to each of its places.
    pub(super) trail: Arc<Trail>,
    pub(super) until: Timestamp,
    /// Whether logging or validation ended then.
    pub(super) ends: bool,
}

/// The outcome of runs.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) status: Status,
    /// Recorded events, for the log group.
    pub(super) messages: Vec<String>,
    pub(super) files: u64,
}

/// What changes about a trail's status.
#[derive(Debug, Default)]
pub(super) struct Status {
    attempted: Option<Timestamp>,
    delivered: Option<Timestamp>,
    error: Option<String>,
    digest: Option<Timestamp>,
    digest_error: Option<String>,
}

impl Status {
    pub(super) fn apply(self, delivery: &mut Delivery) {
        if self.attempted.is_some() {
            delivery.attempted_at = self.attempted;
            delivery.error = self.error;
        }
        delivery.delivered_at = self.delivered.or(delivery.delivered_at);
        if self.digest.is_some() || self.digest_error.is_some() {
            delivery.digest_error = self.digest_error;
        }
        delivery.digest_delivered_at = self.digest.or(delivery.digest_delivered_at);
    }
}

/// The records of a log file.
#[derive(Debug, Default)]
struct Records {
    /// The file without its end; nothing where it has no records.
    body: String,
    oldest: Option<String>,
    newest: Option<String>,
}

impl Records {
    /// Adds a record by its text.
    fn add(&mut self, record: &Value, text: &str) {
        self.body.push_str(if self.body.is_empty() { "{\"Records\":[" } else { "," });
        self.body.push_str(text);
        let Some(time) = record["eventTime"].as_str() else { return };
        if self.oldest.as_deref().is_none_or(|oldest| time < oldest) {
            self.oldest = Some(time.to_owned());
        }
        if self.newest.as_deref().is_none_or(|newest| time > newest) {
            self.newest = Some(time.to_owned());
        }
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The second that a time is in.
fn second_of(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The start of the slot of a time.
pub(super) fn slot_start(at: Timestamp) -> Timestamp {
    let slot = SLOT.as_secs();
    Timestamp::from_second(at.as_second().div_euclid(slot) * slot).unwrap_or(at)
}

fn slot_end(after: Timestamp) -> Timestamp {
    slot_start(after) + SLOT
}

impl Place {
    /// A place of which nothing was delivered yet.
    pub(super) fn covered_since(since: Option<Timestamp>) -> Self {
        Self { since, ..Self::default() }
    }

    /// Notes that the trail does not cover it: at `at`, and since it was last seen.
    pub(super) fn leave(&mut self, at: Timestamp) {
        *self = Self { slots_until: Some(at), since: Some(at), ..Self::default() };
    }

    /// Notes that the organization lends it to the trail since `since`: what was
    /// before was not recorded, also where it was covered earlier still.
    pub(super) fn join(&mut self, since: Option<Timestamp>) {
        if let (Some(since), Some(until)) = (since, self.slots_until)
            && until < since
        {
            self.leave(since);
        }
    }

    /// Where the next digest begins, while there is a chain.
    pub(super) fn digest_from(&self) -> Option<Timestamp> {
        self.chain.as_ref().map(|chain| chain.next)
    }

    /// Whether anything is due that could not be delivered.
    pub(super) fn has_failed(&self) -> bool {
        self.failed_until.is_some() || self.digests_failed
    }

    /// Delivers what is due of a run. `stops` where nothing is recorded after it.
    pub(super) fn run(
        &mut self,
        (simulation, control): (&Simulation, &Control),
        (account, region): (&AccountId, &Region),
        run: &SettingsPeriod,
        stops: bool,
        outcome: &mut Outcome,
    ) {
        let trail = &run.trail;
        let at = At { simulation, control, trail, account, region };
        match trail.digests_since {
            Some(since) if !self.chain.as_ref().is_some_and(|chain| chain.is_of(trail)) => {
                self.chain = Some(Chain::new(since, self.since));
                self.digests_failed = false;
            }
            Some(_) => {}
            None => self.chain = None,
        }
        if trail.logging {
            let start = trail.started_at.unwrap_or(run.until).max(self.since.unwrap_or_default());
            // Events state whole seconds: the one that started the trail is the first.
            let start = second_of(start);
            let from = self.slots_until.map_or(start, |until| until.max(start));
            self.slots(at, from, run, stops, outcome);
        } else {
            self.slots_until = Some(run.until);
        }
        if let Some(mut chain) = self.chain.take() {
            let late = self.digests_failed.then(|| chain.backfill(at, run.until)).transpose();
            let until = if stops && chain.has_files() {
                last_delivery(Some(&chain), run)
            } else {
                run.until
            };
            match late.and_then(|_| chain.deliver(at, until, run.ends)) {
                Ok(delivered) => {
                    self.digests_failed = false;
                    outcome.status.digest = delivered.or(outcome.status.digest);
                }
                Err(code) => {
                    self.digests_failed = true;
                    outcome.status.digest_error = Some(code);
                }
            }
            self.chain = (!run.ends).then_some(chain);
        }
    }

    /// Delivers the slots that ended within a run.
    fn slots(
        &mut self,
        at: At<'_>,
        from: Timestamp,
        run: &SettingsPeriod,
        stops: bool,
        outcome: &mut Outcome,
    ) {
        let mut cursor = from.max(run.until - LOST);
        let maker = events::EventGenerator::new(at.simulation, at.control, at.account, at.region);
        loop {
            let mut end = slot_end(cursor);
            let mut due = end;
            if end > run.until {
                if stops && cursor <= second_of(run.until) {
                    // What stopped it is the last event, which states whole seconds.
                    end = second_of(run.until) + SECOND;
                    due = last_delivery(self.chain.as_ref(), run);
                } else if run.ends && !stops && run.until.duration_since(cursor) >= SECOND {
                    // No digest can list what is delivered within the second in which it
                    // begins.
                    end = run.until;
                    due = end;
                } else {
                    break;
                }
            }
            // What failed before is delivered now, under the time of now.
            let delivered = self.failed_until.map_or(due, |failed| failed.max(due));
            // Digests state whole seconds: what is delivered within one belongs to it.
            let delivered = second_of(delivered);
            if let Err(code) = self.slot(at, &maker, (cursor, end), delivered, outcome) {
                outcome.status.attempted = Some(run.until);
                outcome.status.error = Some(code);
                self.failed_until = Some(run.until);
                break;
            }
            cursor = end;
        }
        if cursor >= run.until - SLOT {
            self.failed_until = None;
        }
        self.slots_until = Some(cursor);
    }

    /// Delivers one slot's files.
    fn slot(
        &mut self,
        at: At<'_>,
        maker: &events::EventGenerator<'_>,
        (start, end): (Timestamp, Timestamp),
        delivered: Timestamp,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let mut events = Records::default();
        for event in maker.slot(start, end) {
            if event.is_for(at.trail) {
                let text = event.record.to_string();
                events.add(&event.record, &text);
                outcome.messages.push(text);
            }
        }
        let mut files = vec![(LogClass::Events, events)];
        if !at.trail.insights.is_empty() {
            let mut records = Records::default();
            for record in insights::slot(maker, &at.trail.insights, end) {
                records.add(&record, &record.to_string());
            }
            files.push((LogClass::Insight, records));
        }
        for (class, records) in files {
            if records.body.is_empty() {
                continue;
            }
            self.file(at, class, records, maker.unique(&at.trail.arn, class, end), delivered)?;
            outcome.files += 1;
            outcome.status.attempted = Some(delivered);
            outcome.status.delivered = Some(delivered);
        }
        // Long stretches make more messages than any stream keeps.
        let surplus = outcome.messages.len().saturating_sub(10_000);
        outcome.messages.drain(..surplus);
        Ok(())
    }

    fn file(
        &mut self,
        at: At<'_>,
        class: LogClass,
        records: Records,
        unique: String,
        delivered: Timestamp,
    ) -> Result<(), String> {
        let root = delivery::root(at.control, at.trail);
        let key = delivery::log_key(&root, at.account, at.region, delivered, class, &unique)
            .ok_or_else(|| "InternalError".to_owned())?;
        let listed = |hash_value| ListedLog {
            s3_bucket: at.trail.bucket.clone(),
            s3_object: key.clone(),
            hash_value,
            hash_algorithm: Some(HASH_ALGORITHM.to_owned()),
            newest_event_time: records.newest.clone(),
            oldest_event_time: records.oldest.clone(),
        };
        let body = [records.body.as_bytes(), b"]}"].concat();
        delivery::put(
            at.simulation,
            at.control,
            at.trail,
            &PendingObject { key: &key, body: &body, metadata: &[], digest: false },
        )?;
        if let Some(chain) = &mut self.chain {
            chain.list(delivered, listed(sha256_hex(&body)));
        }
        Ok(())
    }
}

/// When the last file of a run is delivered after which nothing is recorded: no digest
/// can list what is delivered within the second in which it begins.
fn last_delivery(chain: Option<&Chain>, run: &SettingsPeriod) -> Timestamp {
    let second = second_of(run.until);
    if chain.is_some_and(|chain| chain.next >= second) { second + SECOND } else { second }
}
