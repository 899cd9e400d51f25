//! Which records are trusted, and which days a run skips because an earlier run states them
//! complete.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::prefix_copy::Proven;
use super::record::{Row, Segment};

/// How long records are trusted after a full listing.
const FULL_LISTING_EVERY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The maximum time from the start of a run's first shard to that of its last.
const SHARDS_START_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// The maximum difference between the clocks of two runs.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// What a run uses from the records of earlier runs.
#[derive(Debug)]
pub(super) struct Trusted {
    /// By log prefix, the last day to skip.
    pub(super) known: Proven,
    /// The time of the last full listing.
    pub(super) full_listing_at: Timestamp,
    /// Why every day is listed although records are trusted.
    pub(super) reason: Option<String>,
}

impl Trusted {
    /// Nothing: every day is listed now.
    pub(super) fn nothing(now: Timestamp) -> Self {
        Self { known: Proven::new(), full_listing_at: now, reason: None }
    }

    /// Skips the days that the end of the last run states complete, up to the last closed day,
    /// unless the last full listing is too old.
    pub(super) fn of(last: Option<Row>, now: Timestamp, closed_through: Date) -> Self {
        let Some(Row::End { proven_through, full_listing_at, .. }) = last else {
            return Self::nothing(now);
        };
        if !is_recent(full_listing_at, now) {
            return Self { reason: Some(reason(full_listing_at)), ..Self::nothing(now) };
        }
        let within = |(log_prefix, day): (String, Date)| (log_prefix, day.min(closed_through));
        let known = proven_through.into_iter().map(within).collect();
        Self { known, full_listing_at, reason: None }
    }

    /// The days that this shard and the run that ended last state complete, and the earlier of
    /// their full listings.
    ///
    /// If the other run listed everything long before this one, only those of this shard: the
    /// older listing would count as long as the new one.
    pub(super) fn joined_with(
        self,
        last: Option<Row>,
        now: Timestamp,
        closed_through: Date,
    ) -> (Proven, Timestamp) {
        let Self { known, full_listing_at, .. } = self;
        let other = Self::of(last, now, closed_through);
        if full_listing_at.duration_since(other.full_listing_at) > SHARDS_START_WITHIN {
            return (known, full_listing_at);
        }
        let mut joined = other.known;
        joined.extend(known);
        (joined, full_listing_at.min(other.full_listing_at))
    }
}

/// Why a segment cannot have been written by `now`.
///
/// A run writes its start time into each of its segments, and proves days before it.
pub(super) fn dated_in_the_future(segment: &Segment, now: Timestamp) -> Option<String> {
    let latest = now.checked_add(MAX_CLOCK_SKEW).unwrap_or(Timestamp::MAX);
    if segment.head.written_at > latest {
        return Some(format!("it is dated {}, which is in the future", segment.head.written_at));
    }
    let written_on = segment.head.written_at.to_zoned(TimeZone::UTC).date();
    segment.rows.iter().find_map(|row| match row {
        Row::End { proven_through, .. } => proven_through
            .iter()
            .find(|(_, day)| **day >= written_on)
            .map(|(log_prefix, day)| {
                format!("it states {log_prefix} complete through {day}, a day that had not ended when it was written")
            }),
        _ => None,
    })
}

/// Whether the last full listing is recent enough to trust records.
fn is_recent(listed_at: Timestamp, now: Timestamp) -> bool {
    let since = now.duration_since(listed_at);
    !since.is_negative() && since < FULL_LISTING_EVERY
}

fn reason(listed_at: Timestamp) -> String {
    let days = FULL_LISTING_EVERY.as_hours() / 24;
    format!("every day was listed, as it is every {days} days (last full listing: {listed_at})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::consolidate::record::Counts;

    #[test]
    fn shards_that_end_one_after_another_keep_the_days_of_each() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-03-10T01:00:00Z");
        let day = Date::constant(2026, 3, 1);
        let known = |name: &str| Proven::from([(name.to_owned(), day)]);
        let other = |full_listing_at| {
            let (totals, complete) = (Counts::default(), true);
            Some(Row::End { totals, complete, proven_through: known("other"), full_listing_at })
        };
        let joined = |last| {
            let own = Trusted { known: known("own"), full_listing_at: now, reason: None };
            let (known, listed_at) = own.joined_with(last, now, Date::constant(2026, 3, 9));
            (known.into_keys().collect::<Vec<_>>(), listed_at)
        };
        let minute_ago = at("2026-03-10T00:59:00Z");
        let both = vec!["other".to_owned(), "own".to_owned()];
        assert_eq!(joined(other(minute_ago)), (both, minute_ago));
        // This one has listed everything again, the other has not.
        let week_ago = at("2026-03-04T01:00:00Z");
        assert_eq!(joined(other(week_ago)), (vec!["own".to_owned()], now));
        assert_eq!(joined(None), (vec!["own".to_owned()], now));
    }

    #[test]
    fn records_are_trusted_for_a_week_after_a_full_listing() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-03-10T01:00:00Z");
        for (listed_at, wanted) in [
            ("2026-03-10T01:00:00Z", true),
            ("2026-03-03T01:00:01Z", true),
            ("2026-03-03T01:00:00Z", false),
            ("2026-03-10T01:00:01Z", false),
        ] {
            assert_eq!(is_recent(at(listed_at), now), wanted, "{listed_at}");
        }
    }
}
