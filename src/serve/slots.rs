//! When rounds are due.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use orgtrail_base::cloudtrail::digest::sha256_hex;

use crate::config::Schedule;
use crate::names::AccountId;

/// The most slots that are counted as missed.
const MOST_MISSED: usize = 10_000;

/// The times at which a schedule's rounds are due.
#[derive(Debug, Clone)]
pub struct Timetable {
    cron: croner::Cron,
    zone: TimeZone,
    delay: SignedDuration,
}

/// One time at which a round is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The time that the cron pattern names; it identifies the slot.
    pub scheduled_at: Timestamp,
    /// When the round starts: later by the schedule's jitter.
    pub due_at: Timestamp,
}

/// Slots that passed while nobody ran them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The last one, which one catch-up round makes up for.
    pub latest: Slot,
    /// How many there are, up to 10,000.
    pub count: usize,
}

impl Timetable {
    /// The times of a schedule. The management account stands for the organization: its
    /// jitter is the same in every replica and after every start.
    #[must_use]
    pub fn new(schedule: &Schedule, management_account: &AccountId) -> Self {
        let seed = format!("{management_account}/{}", schedule.name.as_str());
        let seed = sha256_hex(seed.as_bytes());
        let seed = seed.get(..15).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let delay = seed % (u64::from(schedule.jitter_seconds) + 1);
        Self {
            cron: schedule.cron.cron().clone(),
            zone: schedule.time_zone.zone().clone(),
            delay: SignedDuration::from_secs(i64::try_from(delay).unwrap_or(0)),
        }
    }

    /// The first slot that is due after a time. None if the pattern matches no later time,
    /// as `0 0 30 2 *`.
    #[must_use]
    pub fn next_after(&self, time: Timestamp) -> Option<Slot> {
        let from = time.checked_sub(self.delay).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&from, false).ok()?.timestamp();
        self.slot(next)
    }

    /// The slots that were due after one time and until another one.
    #[must_use]
    pub fn missed(&self, after: Timestamp, until: Timestamp) -> Option<Missed> {
        let mut count = 0;
        let mut latest = None;
        let mut time = after;
        while let Some(slot) = self.next_after(time).filter(|slot| slot.due_at <= until) {
            (latest, time) = (Some(slot), slot.due_at);
            count += 1;
            if count == MOST_MISSED {
                latest = self.last_until(until).or(latest);
                break;
            }
        }
        latest.map(|latest| Missed { latest, count })
    }

    /// The last slot that was due until a time.
    #[must_use]
    pub fn last_until(&self, time: Timestamp) -> Option<Slot> {
        let until = time.checked_sub(self.delay).ok()?.to_zoned(self.zone.clone());
        let last = self.cron.find_previous_occurrence(&until, true).ok()?.timestamp();
        self.slot(last)
    }

    fn slot(&self, scheduled_at: Timestamp) -> Option<Slot> {
        Some(Slot { scheduled_at, due_at: scheduled_at.checked_add(self.delay).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timetable(cron: &str, zone: &str, jitter: u32) -> Timetable {
        let text = format!(
            "{}[[service.schedule]]\nname = \"test\"\nrun = [\"drift\"]\ncron = \"{cron}\"\n\
             time_zone = \"{zone}\"\njitter_seconds = {jitter}\n",
            crate::config::SMALLEST
        );
        let config: crate::config::Config = text.parse().unwrap();
        Timetable::new(&config.service.schedule[0], &"111122223333".parse().unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn slots(timetable: &Timetable, from: &str, count: usize) -> Vec<String> {
        let mut time = at(from);
        let mut slots = Vec::new();
        for _ in 0..count {
            let slot = timetable.next_after(time).unwrap();
            slots.push(slot.scheduled_at.to_string());
            time = slot.due_at;
        }
        slots
    }

    #[test]
    fn clocks_that_go_back_repeat_no_daily_round_and_every_hourly_one() {
        // In Berlin, 02:30 happens twice on 25 October 2026: at 00:30Z and 01:30Z.
        let daily = timetable("30 2 * * *", "Europe/Berlin", 0);
        assert_eq!(
            slots(&daily, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        let hourly = timetable("30 * * * *", "Europe/Berlin", 0);
        assert_eq!(
            slots(&hourly, "2026-10-24T23:00:00Z", 4),
            [
                "2026-10-24T23:30:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:30:00Z"
            ]
        );
    }

    #[test]
    fn clocks_that_go_forward_skip_no_daily_round() {
        // In Berlin, 02:30 does not happen on 28 March 2027: 01:00Z is 03:00.
        let daily = timetable("30 2 * * *", "Europe/Berlin", 0);
        let found = slots(&daily, "2027-03-27T12:00:00Z", 2);
        assert_eq!(found, ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]);
    }

    #[test]
    fn the_delay_is_the_same_for_every_round_and_within_its_limit() {
        let timetable = timetable("0 * * * *", "UTC", 300);
        let first = timetable.next_after(at("2026-01-01T00:30:00Z")).unwrap();
        let second = timetable.next_after(first.due_at).unwrap();
        let delay = first.due_at.duration_since(first.scheduled_at);
        assert_eq!(second.due_at.duration_since(second.scheduled_at), delay);
        assert!((0..=300).contains(&delay.as_secs()), "{delay}");
        assert_eq!(second.scheduled_at, at("2026-01-01T02:00:00Z"));
        // A slot is due until its delay has passed.
        let before = first.due_at.checked_sub(SignedDuration::from_secs(1)).unwrap();
        assert_eq!(timetable.next_after(before), Some(first));
    }

    #[test]
    fn missed_slots_are_counted_and_the_last_one_is_caught_up() {
        let timetable = timetable("0 3 * * *", "UTC", 0);
        let missed = |after: &str, until: &str| timetable.missed(at(after), at(until));
        assert_eq!(missed("2026-01-01T03:00:00Z", "2026-01-02T02:59:59Z"), None);
        let found = missed("2026-01-01T03:00:00Z", "2026-01-05T12:00:00Z").unwrap();
        assert_eq!((found.count, found.latest.due_at), (4, at("2026-01-05T03:00:00Z")));
        let often = super::tests::timetable("* * * * *", "UTC", 0);
        let found = often.missed(at("2025-01-01T00:00:00Z"), at("2026-01-01T00:00:30Z")).unwrap();
        assert_eq!((found.count, found.latest.due_at), (MOST_MISSED, at("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn a_pattern_that_matches_no_time_is_never_due() {
        let never = timetable("0 0 30 2 *", "UTC", 0);
        assert_eq!(never.next_after(at("2026-01-01T00:00:00Z")), None);
    }
}
