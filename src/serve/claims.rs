//! Who runs a slot: claims and heartbeats in the state.
//!
//! The replica that creates the claim of a slot runs it. The owner replaces its heartbeat every 20
//! seconds. Another replica takes over by creating the next attempt once the heartbeat has
//! not changed for 90 seconds of the replica's own monotonic clock: no clocks of two
//! machines are compared, and nothing is deleted.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::slots::Slot;
use crate::config::ScheduleName;
use crate::report::contract::service::Running;
use crate::store::{Created, Replaced, Store, StoreError, Version};

/// How often an owner replaces its heartbeat.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(20);
/// After how long without a heartbeat an owner is taken for dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(90);
/// The most attempts at one slot: a round that kills its process every time is given up.
const MOST_ATTEMPTS: u32 = 5;

/// A claim, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// The replica.
    owner: String,
    /// Makes every claim's content unique.
    nonce: String,
    claimed_at: Timestamp,
    /// Why the slot is skipped, if it is.
    skipped: Option<String>,
}

/// A heartbeat, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heartbeat {
    owner: String,
    nonce: String,
    /// Differs from the previous one, so that the versions differ.
    counter: u64,
    state: HeartbeatState,
}

/// What the owner of a slot does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeartbeatState {
    /// It runs the round.
    Running,
    /// The round has ended.
    Ended,
    /// It stopped before the round's end: another replica may run the slot at once.
    Released,
}

/// The claims of one replica.
#[derive(Debug, Clone)]
pub struct Claims {
    store: Store,
    owner: String,
}

/// The right to run a slot.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    heartbeat_key: String,
    heartbeat: Heartbeat,
    version: Version,
    /// The number of the attempt at the slot, from 1.
    pub attempt: u32,
}

/// What another replica was seen doing with a slot.
#[derive(Debug, Clone)]
pub struct Watched {
    attempt: u32,
    /// The version of its heartbeat, if it has written one.
    version: Option<Version>,
    /// Since when it has not changed.
    since: Instant,
}

/// What is seen of a slot.
#[derive(Debug)]
pub enum Seen {
    /// Nobody runs it: the attempt of this number may be claimed.
    Free {
        /// The number.
        attempt: u32,
    },
    /// A replica runs it, or has died on it: look again with what was seen.
    Running(Watched),
    /// It was run, skipped, or given up.
    Done,
}

/// Whose slot it is.
#[derive(Debug)]
pub enum Claimed {
    /// This replica runs it.
    Own(Lease),
    /// Another replica runs it, or has died on it: ask again with what was seen.
    Other(Watched),
    /// It was run, skipped, or given up.
    Done,
}

impl Claims {
    /// The claims of the replica `owner`.
    #[must_use]
    pub fn new(store: Store, owner: String) -> Self {
        Self { store, owner }
    }

    /// Claims a slot, or looks at who has it. `watched` is what the last call returned.
    ///
    /// # Errors
    /// The state is unreachable or invalid.
    pub async fn claim(
        &self,
        schedule: &ScheduleName,
        slot: Slot,
        now: Timestamp,
        watched: Option<&Watched>,
    ) -> Result<Claimed, StoreError> {
        match self.look(schedule, slot, watched).await? {
            Seen::Free { attempt } => {
                self.create(&Place { schedule, slot }, attempt, now, None).await
            }
            Seen::Running(watched) => Ok(Claimed::Other(watched)),
            Seen::Done => Ok(Claimed::Done),
        }
    }

    /// Looks at who has a slot. `watched` is what the last call returned.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn look(
        &self,
        schedule: &ScheduleName,
        slot: Slot,
        watched: Option<&Watched>,
    ) -> Result<Seen, StoreError> {
        let place = Place { schedule, slot };
        let claims = self.store.list(&place.claims(), MOST_ATTEMPTS as usize + 1).await?;
        let attempt = claims.iter().filter_map(|key| attempt_of(key)).max().unwrap_or(0);
        if attempt == 0 {
            return Ok(Seen::Free { attempt: 1 });
        }
        let next =
            if attempt < MOST_ATTEMPTS { Seen::Free { attempt: attempt + 1 } } else { Seen::Done };
        if self.is_skipped(&place, attempt).await? {
            return Ok(Seen::Done);
        }
        let heartbeat = self.store.read(&place.heartbeat(attempt)).await?;
        let state = heartbeat.as_ref().and_then(|stored| {
            serde_json::from_slice::<Heartbeat>(&stored.bytes).ok().map(|it| it.state)
        });
        match state {
            Some(HeartbeatState::Ended) => return Ok(Seen::Done),
            Some(HeartbeatState::Released) => return Ok(next),
            Some(HeartbeatState::Running) | None => {}
        }
        let version = heartbeat.map(|stored| stored.version);
        let unchanged = watched
            .filter(|before| before.attempt == attempt && before.version == version)
            .map(|before| before.since);
        match unchanged {
            Some(since) if since.elapsed() >= DEAD_AFTER => Ok(next),
            since => Ok(Seen::Running(Watched {
                attempt,
                version,
                since: since.unwrap_or_else(Instant::now),
            })),
        }
    }

    /// Whether this slot of a schedule or an older one was claimed or skipped: then the service
    /// knew the schedule when the slot was due.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn was_known(&self, schedule: &ScheduleName, slot: Slot) -> Result<bool, StoreError> {
        let folder = format!("claims/{}/", schedule.as_str());
        let oldest = self.store.list(&folder, 1).await?;
        let claims = Place { schedule, slot }.claims();
        Ok(oldest.first().is_some_and(|key| key.starts_with(&claims) || *key < claims))
    }

    /// The replica that runs a slot, as the newest claim says; none if it was not claimed,
    /// was skipped, or has ended. Whether the replica is alive is not known.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn owner(
        &self,
        schedule: &ScheduleName,
        slot: Slot,
    ) -> Result<Option<Running>, StoreError> {
        let Seen::Running(Watched { attempt, .. }) = self.look(schedule, slot, None).await? else {
            return Ok(None);
        };
        let claim = self.store.read(&Place { schedule, slot }.claim(attempt)).await?;
        let claim = claim.and_then(|stored| serde_json::from_slice::<Claim>(&stored.bytes).ok());
        Ok(claim.map(|claim| Running {
            schedule: schedule.as_str().to_owned(),
            scheduled_at: slot.scheduled_at,
            attempt,
            replica: claim.owner,
            claimed_at: claim.claimed_at,
        }))
    }

    /// Records that a slot is skipped, unless somebody claimed it; whether it was recorded.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn skip(
        &self,
        schedule: &ScheduleName,
        slot: Slot,
        now: Timestamp,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let place = Place { schedule, slot };
        let claim = self.new_claim(now, Some(reason.to_owned()));
        let created = self.store.create(&place.claim(1), json(&claim)).await?;
        Ok(matches!(created, Created::New(_)))
    }

    async fn create(
        &self,
        place: &Place<'_>,
        attempt: u32,
        now: Timestamp,
        skipped: Option<String>,
    ) -> Result<Claimed, StoreError> {
        let claim = self.new_claim(now, skipped);
        match self.store.create(&place.claim(attempt), json(&claim)).await? {
            Created::Taken => {
                let since = Instant::now();
                Ok(Claimed::Other(Watched { attempt, version: None, since }))
            }
            Created::New(_) => {
                let heartbeat_key = place.heartbeat(attempt);
                let heartbeat = Heartbeat {
                    owner: self.owner.clone(),
                    nonce: claim.nonce,
                    counter: 0,
                    state: HeartbeatState::Running,
                };
                match self.store.create(&heartbeat_key, json(&heartbeat)).await? {
                    Created::New(version) => Ok(Claimed::Own(Lease {
                        store: self.store.clone(),
                        heartbeat_key,
                        heartbeat,
                        version,
                        attempt,
                    })),
                    // Nobody else writes it: only a mistake of ours, or of a person.
                    Created::Taken => Ok(Claimed::Done),
                }
            }
        }
    }

    async fn is_skipped(&self, place: &Place<'_>, attempt: u32) -> Result<bool, StoreError> {
        let claim = self.store.read(&place.claim(attempt)).await?;
        Ok(claim.is_some_and(|stored| {
            serde_json::from_slice::<Claim>(&stored.bytes).is_ok_and(|it| it.skipped.is_some())
        }))
    }

    fn new_claim(&self, claimed_at: Timestamp, skipped: Option<String>) -> Claim {
        let nonce = format!("{:032x}", fastrand::u128(..));
        Claim { owner: self.owner.clone(), nonce, claimed_at, skipped }
    }
}

impl Lease {
    /// Shows that the owner is alive. False if another replica has taken over the
    /// heartbeat, which only a mistake could do.
    ///
    /// # Errors
    /// The state is unreachable; the round goes on, and the next call tries again.
    pub async fn beat(&mut self) -> Result<bool, StoreError> {
        self.write(HeartbeatState::Running).await
    }

    /// Records that the round has ended: nobody takes it over.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn end(&mut self) -> Result<bool, StoreError> {
        self.write(HeartbeatState::Ended).await
    }

    /// Records that the owner stops before the round's end: another replica may run the slot
    /// at once.
    ///
    /// # Errors
    /// The state is unreachable.
    pub async fn release(&mut self) -> Result<bool, StoreError> {
        self.write(HeartbeatState::Released).await
    }

    async fn write(&mut self, state: HeartbeatState) -> Result<bool, StoreError> {
        let counter = self.heartbeat.counter + 1;
        let heartbeat = Heartbeat { counter, state, ..self.heartbeat.clone() };
        let replaced =
            self.store.replace(&self.heartbeat_key, json(&heartbeat), &self.version).await?;
        match replaced {
            Replaced::New(version) => {
                (self.heartbeat, self.version) = (heartbeat, version);
                Ok(true)
            }
            Replaced::Changed => Ok(false),
        }
    }
}

/// The keys of a slot.
struct Place<'a> {
    schedule: &'a ScheduleName,
    slot: Slot,
}

impl Place<'_> {
    fn claims(&self) -> String {
        format!("claims/{}/{}/", self.schedule.as_str(), self.time())
    }

    fn claim(&self, attempt: u32) -> String {
        format!("{}{attempt}", self.claims())
    }

    fn heartbeat(&self, attempt: u32) -> String {
        format!("heartbeats/{}/{}/{attempt}", self.schedule.as_str(), self.time())
    }

    fn time(&self) -> String {
        self.slot.scheduled_at.strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

fn attempt_of(key: &str) -> Option<u32> {
    key.rsplit('/').next()?.parse().ok()
}

fn json(value: &impl Serialize) -> bytes::Bytes {
    // A struct of text and numbers always has a JSON form.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DirectoryStore;

    fn slot() -> Slot {
        let scheduled_at = "2026-01-01T03:17:00Z".parse().unwrap();
        Slot { scheduled_at, due_at: scheduled_at }
    }

    fn now() -> Timestamp {
        "2026-01-01T03:17:05Z".parse().unwrap()
    }

    fn replicas(count: usize) -> (tempfile::TempDir, ScheduleName, Vec<Claims>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Directory(DirectoryStore::open(folder.path()).unwrap());
        let replica = |number| Claims::new(store.clone(), format!("replica-{number}"));
        let replicas = (0..count).map(replica).collect();
        (folder, "nightly".parse().unwrap(), replicas)
    }

    #[tokio::test]
    async fn of_many_replicas_one_runs_a_slot_and_none_runs_it_again() {
        let (_folder, name, replicas) = replicas(16);
        let all = replicas.iter().map(|replica| replica.claim(&name, slot(), now(), None));
        let mut own: Vec<Lease> = futures::future::join_all(all)
            .await
            .into_iter()
            .filter_map(|claimed| match claimed.unwrap() {
                Claimed::Own(lease) => Some(lease),
                Claimed::Other(_) => None,
                Claimed::Done => panic!("nobody has run it"),
            })
            .collect();
        assert_eq!(own.len(), 1);
        assert!(own[0].beat().await.unwrap() && own[0].end().await.unwrap());
        for replica in &replicas {
            let claimed = replica.claim(&name, slot(), now(), None).await.unwrap();
            assert!(matches!(claimed, Claimed::Done), "{claimed:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_dies_is_replaced_and_one_that_lives_is_not() {
        let (_folder, name, replicas) = replicas(3);
        let Claimed::Own(mut lease) = replicas[0].claim(&name, slot(), now(), None).await.unwrap()
        else {
            panic!("nobody else is there");
        };
        let watch = async |replica: usize, before: Option<&Watched>| {
            replicas[replica].claim(&name, slot(), now(), before).await.unwrap()
        };
        let Claimed::Other(mut watched) = watch(1, None).await else { panic!() };
        for _ in 0..10 {
            tokio::time::advance(HEARTBEAT_EVERY).await;
            assert!(lease.beat().await.unwrap());
            let Claimed::Other(seen) = watch(1, Some(&watched)).await else { panic!() };
            watched = seen;
        }
        // It dies. What a replica has not watched itself is no reason to take over.
        tokio::time::advance(DEAD_AFTER).await;
        assert!(matches!(watch(2, None).await, Claimed::Other(_)));
        let Claimed::Own(second) = watch(1, Some(&watched)).await else { panic!() };
        assert_eq!(second.attempt, 2);
        // It was only paused: what it writes late harms nobody, and the slot is not its own.
        assert!(lease.beat().await.unwrap());
        assert!(matches!(watch(0, None).await, Claimed::Other(_)));
    }

    #[tokio::test]
    async fn a_replica_that_stops_leaves_its_slot_to_others_at_once() {
        let (_folder, name, replicas) = replicas(2);
        let Claimed::Own(mut lease) = replicas[0].claim(&name, slot(), now(), None).await.unwrap()
        else {
            panic!("nobody else is there");
        };
        let owner = replicas[1].owner(&name, slot()).await.unwrap().unwrap();
        assert_eq!((&*owner.replica, owner.attempt), ("replica-0", 1));
        assert!(lease.release().await.unwrap());
        let Claimed::Own(second) = replicas[1].claim(&name, slot(), now(), None).await.unwrap()
        else {
            panic!("it was released");
        };
        assert_eq!(second.attempt, 2);
    }

    #[tokio::test]
    async fn a_skipped_slot_is_done() {
        let (_folder, name, replicas) = replicas(2);
        assert!(replicas[0].skip(&name, slot(), now(), "the previous round runs").await.unwrap());
        assert!(!replicas[1].skip(&name, slot(), now(), "the same").await.unwrap());
        let claimed = replicas[1].claim(&name, slot(), now(), None).await.unwrap();
        assert!(matches!(claimed, Claimed::Done));
    }
}
