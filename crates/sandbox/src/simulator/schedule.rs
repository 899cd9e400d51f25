//! What happens when: the same for the same seed, account, Region and slot, so that a slot can
//! name the sessions that began in earlier ones without keeping them.

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::names::{AccountId, Partition, Region};
use serde::{Deserialize, Serialize};

use super::issued::{Issued, Lane};
use super::kinds::KINDS;
use super::{SLOT, cast};

/// For how many slots after the one in which it began a session is used: an hour, which is
/// the shortest life of a session, without the slot in which it ends.
const USED_FOR: i32 = 11;
/// With fewer events an hour, nothing happens that is to happen every day.
const DAILY_FROM: f64 = 1.0;
/// Failed logins before the one that succeeds.
const FAILURES: u32 = 3;

/// How much happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Volume {
    /// Events an hour, in each account and active Region, at the busy time of
    /// the day.
    pub(super) events_per_hour: f64,
    /// Regions in which something happens; `None` is the home Region,
    /// `us-east-1` and `eu-central-1`.
    pub(super) regions: Option<Vec<Region>>,
    pub(super) seed: u64,
}

impl Default for Volume {
    fn default() -> Self {
        Self { events_per_hour: 6.0, regions: None, seed: 1 }
    }
}

/// How much happened when.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Volumes {
    now: Volume,
    /// As it was until some time, oldest first.
    earlier: Vec<(Timestamp, Volume)>,
}

/// Changes of the volume that are kept; what happened before the oldest of them changes with it.
const MAX_CHANGES: usize = 1_000;

impl Volumes {
    pub(super) fn new(seed: u64) -> Self {
        Self { now: Volume { seed, ..Volume::default() }, earlier: Vec::new() }
    }

    /// Sets the volume from now on; all along, if nothing of the past was looked at.
    pub(super) fn set(&mut self, until: Option<Timestamp>, volume: Volume) {
        let before = std::mem::replace(&mut self.now, volume);
        let Some(until) = until else { return };
        if self.earlier.len() >= MAX_CHANGES {
            self.earlier.remove(0);
        }
        self.earlier.push((until, before));
    }

    pub(super) fn now(&self) -> &Volume {
        &self.now
    }

    /// The volume of the slot that ends at `end`.
    fn of(&self, end: Timestamp) -> &Volume {
        let index = self.earlier.partition_point(|(until, _)| *until < end);
        self.earlier.get(index).map_or(&self.now, |(_, volume)| volume)
    }
}

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft {
    pub(super) at: Timestamp,
    pub(super) what: What,
    /// What its details are drawn from.
    pub(super) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// One of [`KINDS`].
    Call(usize),
    /// A session begins.
    Issue(Lane),
    /// A user's login fails, before one that succeeds.
    LoginFails,
}

/// What happens in all accounts and Regions.
#[derive(Debug, Clone)]
pub(super) struct Schedule<'a> {
    pub(super) partition: Partition,
    volumes: &'a Volumes,
    /// Applies instead of `volumes`.
    only: Option<&'a Volume>,
    /// The Regions that are active unless the volume names them.
    usual: Vec<Region>,
    pub(super) global: Region,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(
        partition: Partition,
        home: &Region,
        volumes: &'a Volumes,
        only: Option<&'a Volume>,
    ) -> Self {
        let global = global_region(partition);
        let mut usual = vec![home.clone()];
        for region in [Some(global.clone()), "eu-central-1".parse().ok()].into_iter().flatten() {
            if !usual.contains(&region) {
                usual.push(region);
            }
        }
        Self { partition, volumes, only, usual, global }
    }

    fn volume(&self, end: Timestamp) -> &'a Volume {
        self.only.unwrap_or_else(|| self.volumes.of(end))
    }

    /// The Regions in which something happens now.
    pub(super) fn active_now(&self) -> &[Region] {
        let volume = self.only.unwrap_or_else(|| self.volumes.now());
        volume.regions.as_deref().unwrap_or(&self.usual)
    }

    fn active(&self, end: Timestamp) -> &[Region] {
        self.volume(end).regions.as_deref().unwrap_or(&self.usual)
    }

    /// A generator for one account, Region, slot and purpose.
    pub(super) fn random(
        &self,
        account: &AccountId,
        region: &Region,
        purpose: &str,
        slot: Timestamp,
    ) -> fastrand::Rng {
        let text = [account.as_str(), region.as_str(), purpose];
        let mut seed = self.volume(slot).seed
            ^ slot.as_second().cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in text.iter().flat_map(|part| part.bytes()) {
            seed = (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        fastrand::Rng::with_seed(seed)
    }

    /// What principals of an account do in the slot that ends at `end`, in no order.
    pub(super) fn drafts(
        &self,
        account: &AccountId,
        region: &Region,
        end: Timestamp,
    ) -> Vec<Draft> {
        let start = end - SLOT;
        let mut drafts = self.drawn(account, region, end);
        if !DAYTIME.contains(&start.as_second().rem_euclid(DAY).div_euclid(3600)) {
            return drafts;
        }
        let of_day = self.of_day(account, region, start.as_second().div_euclid(DAY));
        drafts.extend(of_day.into_iter().filter(|draft| start <= draft.at && draft.at < end));
        drafts
    }

    /// What happens as often as the volume says.
    fn drawn(&self, account: &AccountId, region: &Region, end: Timestamp) -> Vec<Draft> {
        let mut drafts = Vec::new();
        if !self.active(end).contains(region) {
            return drafts;
        }
        let start = end - SLOT;
        let mut random = self.random(account, region, "events", end);
        for _ in 0..count(&mut random, self.volume(end).events_per_hour, end) {
            let at = start + SignedDuration::from_secs(random.i64(0..SLOT.as_secs()));
            let pick = random.usize(..KINDS.len() + Lane::DRAWN.len());
            let seed = random.u64(..);
            let what = match KINDS.get(pick) {
                Some(_) => What::Call(pick),
                None => What::Issue(Lane::DRAWN[pick - KINDS.len()].possible(account)),
            };
            let is_global = match what {
                What::Call(kind) => KINDS[kind].global,
                What::Issue(lane) => lane == Lane::Console,
                What::LoginFails => true,
            };
            if !is_global || *region == self.global {
                drafts.push(Draft { at, what, seed });
            }
        }
        drafts
    }

    /// What happens once every day: long sessions, and failed logins before one that succeeds.
    fn of_day(&self, account: &AccountId, region: &Region, day: i64) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let midnight = midnight(day);
        let volume = self.volume(midnight + SLOT);
        let active = self.active(midnight + SLOT);
        if volume.events_per_hour < DAILY_FROM || !active.contains(region) {
            return drafts;
        }
        let first = active.first();
        let mut random = self.random(account, region, "day", midnight);
        // Early in a slot: what belongs together is in one.
        let mut time = |hours: std::ops::Range<i32>| {
            let slot = SLOT * random.i32(0..12 * (hours.end - hours.start));
            let start = midnight + SignedDuration::from_hours(i64::from(hours.start)) + slot;
            (start + SignedDuration::from_secs(random.i64(0..15)), random.u64(..))
        };
        if first == Some(region) {
            for lane in [Lane::SessionToken, Lane::FederationToken] {
                let (at, seed) = time(6..9);
                drafts.push(Draft { at, what: What::Issue(lane), seed });
            }
        }
        if *region == self.global {
            let (at, seed) = time(9..17);
            // The last bits distinguish the failures before it.
            let seed = seed & !0xf;
            for failure in 0..FAILURES {
                let at = at + SignedDuration::from_secs(20 * i64::from(failure));
                let seed = seed | u64::from(failure + 1);
                drafts.push(Draft { at, what: What::LoginFails, seed });
            }
            let at = at + SignedDuration::from_secs(20 * i64::from(FAILURES) + 15);
            drafts.push(Draft { at, what: What::Issue(Lane::Console), seed });
        }
        drafts
    }

    /// The sessions that act in an account in the slot that ends at `end`: those that began
    /// in the hour before, and the long ones of this day and the day before.
    pub(super) fn live(&self, account: &AccountId, end: Timestamp) -> Vec<Beginning> {
        let mut found = Vec::new();
        let previous = cast::previous(account);
        let start = end - SLOT;
        for back in 1..=USED_FOR {
            let slot = end - SLOT * back;
            for region in self.active(slot) {
                let at_home = self.drawn(account, region, slot);
                found.extend(beginnings(account, region, at_home, Lane::acts_at_home));
                if let Some(previous) = &previous {
                    let across = self.drawn(previous, region, slot);
                    found.extend(beginnings(previous, region, across, |lane| lane == Lane::Across));
                }
            }
        }
        let day = start.as_second().div_euclid(DAY);
        for day in [day - 1, day] {
            let midnight = midnight(day);
            let active = self.active(midnight + SLOT);
            let first = active.first().filter(|first| **first != self.global);
            for region in first.into_iter().chain([&self.global]) {
                let of_day = self.of_day(account, region, day).into_iter().filter(|draft| {
                    let life = match draft.what {
                        What::Issue(lane) => lane.life(),
                        _ => SignedDuration::ZERO,
                    };
                    draft.at < start && draft.at + life > end
                });
                found.extend(beginnings(account, region, of_day, |_| true));
            }
        }
        found
    }

    /// All sessions that principals of an account began in a Region's slot.
    pub(super) fn began(
        &self,
        account: &AccountId,
        region: &Region,
        end: Timestamp,
    ) -> Vec<Issued> {
        let drafts = self.drafts(account, region, end);
        beginnings(account, region, drafts, |_| true)
            .map(|beginning| Issued::new(self, &beginning))
            .collect()
    }
}

fn beginnings(
    account: &AccountId,
    region: &Region,
    drafts: impl IntoIterator<Item = Draft>,
    is_wanted: impl Fn(Lane) -> bool,
) -> impl Iterator<Item = Beginning> {
    drafts.into_iter().filter_map(move |draft| match draft.what {
        What::Issue(lane) if is_wanted(lane) => {
            Some(Beginning { account: account.clone(), region: region.clone(), draft, lane })
        }
        _ => None,
    })
}

fn midnight(day: i64) -> Timestamp {
    Timestamp::from_second(day * DAY).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Where and when a session began.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    /// The account of the caller.
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) draft: Draft,
    pub(super) lane: Lane,
}

const DAY: i64 = 86_400;
/// The hours in which everything is that happens once a day.
const DAYTIME: std::ops::Range<i64> = 6..17;

/// How many events a slot has: none in the dead of night.
fn count(random: &mut fastrand::Rng, per_hour: f64, slot: Timestamp) -> u32 {
    let hour = slot.as_second().div_euclid(3600).rem_euclid(24);
    let busy = match hour {
        2..=4 => 0.0,
        8..=17 => 1.0,
        _ => 0.5,
    };
    let mean = per_hour / 12.0 * busy;
    // Knuth's draw from a Poisson distribution.
    let (limit, mut product, mut count) = ((-mean.min(500.0)).exp(), random.f64(), 0);
    while product > limit {
        product *= random.f64();
        count += 1;
    }
    count
}

/// The Region that records what services without Regions do.
pub(super) fn global_region(partition: Partition) -> Region {
    let code = match partition {
        Partition::AwsCn => "cn-north-1",
        Partition::AwsUsGov => "us-gov-west-1",
        Partition::AwsEusc => "eusc-de-east-1",
        Partition::AwsIso => "us-iso-east-1",
        Partition::AwsIsoB => "us-isob-east-1",
        Partition::AwsIsoE => "eu-isoe-west-1",
        Partition::AwsIsoF => "us-isof-south-1",
        Partition::Aws => "us-east-1",
    };
    #[expect(clippy::expect_used, reason = "the codes above are Regions")]
    code.parse().expect("a Region")
}
