use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::OcsfClass;
use crate::events::files::{DELIVERED_WITHIN, Window};
use crate::names::{AccountId, Region};

/// What tables call a value that is missing, in the names of folders.
const MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// The events of a day of an account and Region, which a file contains, or the numbered parts
/// of one.
///
/// Late events have units of their own, so that a unit never changes: those of a day that were
/// delivered on one later day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// The account; unknown for a record that does not say it, in a file without CloudTrail's
    /// name.
    pub account: Option<AccountId>,
    /// The Region, likewise.
    pub region: Option<Region>,
    /// The day of the events, in UTC; unknown for records without a time.
    pub day: Option<Date>,
    /// The day of delivery of late events.
    pub late: Option<Date>,
}

impl Unit {
    /// The folder of its files, ending in a slash.
    #[must_use]
    pub fn folder(&self) -> String {
        let Self { account, region, day, .. } = self;
        let account = account.as_ref().map_or(MISSING, AccountId::as_str);
        let region = region.as_ref().map_or(MISSING, Region::as_str);
        let day = day.map_or_else(|| MISSING.to_owned(), |day| day.to_string());
        format!("account={account}/region={region}/day={day}/")
    }

    /// The folder of its files with events of a class in Amazon Security Lake, ending in a
    /// slash: that of a custom source for the class.
    ///
    /// Source: Security Lake User Guide, "Best practices for ingesting custom sources".
    #[must_use]
    pub fn lake_folder(&self, class: OcsfClass) -> String {
        let Self { account, region, day, .. } = self;
        let account = account.as_ref().map_or(MISSING, AccountId::as_str);
        let region = region.as_ref().map_or(MISSING, Region::as_str);
        let day = day.map_or_else(|| MISSING.to_owned(), |day| day.strftime("%Y%m%d").to_string());
        let class = class.uid();
        format!("ext/orgtrail-{class}/region={region}/accountId={account}/eventDay={day}/")
    }

    /// Its name, which is the same in each run.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { account, region, day, late } = self;
        let account = account.as_ref().map_or("unknown", AccountId::as_str);
        let region = region.as_ref().map_or("unknown", Region::as_str);
        let short = |day: Date| day.strftime("%Y%m%d").to_string();
        let day = day.map_or_else(|| "unknown".to_owned(), short);
        let late = late.map(|late| format!("-late-{}", short(late))).unwrap_or_default();
        format!("{account}-{region}-{day}{late}")
    }

    /// The name of one of its files.
    #[must_use]
    pub fn file_name(&self, number: usize, extension: &str) -> String {
        format!("part-{}-{number:04}.{extension}", self.name())
    }

    /// The name of its manifest, which readers of tables ignore: it begins with `_`.
    #[must_use]
    pub fn manifest_name(&self) -> String {
        format!("_manifest-{}.json", self.name())
    }
}

/// Whole days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRange {
    /// The first; any if absent.
    pub first: Option<Date>,
    /// The last day that is closed.
    pub last: Date,
}

impl DayRange {
    /// The closed days of a window: those for which no more files are expected at `now`, of
    /// those that the window touches.
    #[must_use]
    pub fn closed(window: Window, now: Timestamp) -> Self {
        let settled = now.checked_sub(DELIVERED_WITHIN).unwrap_or(Timestamp::MIN);
        let closed = day(settled).checked_sub(Span::new().days(1)).unwrap_or(Date::MIN);
        let until = window.until.map(day);
        Self { first: window.since.map(day), last: until.map_or(closed, |it| it.min(closed)) }
    }

    /// Whether a day is among them.
    #[must_use]
    pub fn contains(self, day: Date) -> bool {
        self.first.is_none_or(|first| first <= day) && day <= self.last
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.first.is_some_and(|first| first > self.last)
    }

    /// The time of the events to read.
    #[must_use]
    pub fn window(self) -> Window {
        let end = start(self.last).checked_add(Span::new().hours(24)).unwrap_or(Timestamp::MAX);
        // Both ends of a window are in it.
        let until = end.checked_sub(Span::new().nanoseconds(1)).unwrap_or(end);
        Window { since: self.first.map(start), until: Some(until) }
    }
}

/// The day of a time, in UTC.
pub(super) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// When a day begins, in UTC.
pub(super) fn start(day: Date) -> Timestamp {
    let edge = if day < Date::ZERO { Timestamp::MIN } else { Timestamp::MAX };
    day.to_zoned(TimeZone::UTC).map_or(edge, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_a_folder_and_names() {
        let unit = Unit {
            account: "111111111111".parse().ok(),
            region: "eu-west-1".parse().ok(),
            day: "2026-11-20".parse().ok(),
            late: None,
        };
        assert_eq!(unit.folder(), "account=111111111111/region=eu-west-1/day=2026-11-20/");
        assert_eq!(
            unit.file_name(2, "parquet"),
            "part-111111111111-eu-west-1-20261120-0002.parquet"
        );
        assert_eq!(
            unit.lake_folder(OcsfClass::Authentication),
            "ext/orgtrail-3002/region=eu-west-1/accountId=111111111111/eventDay=20261120/"
        );
        let late = Unit { late: "2026-11-22".parse().ok(), ..unit };
        assert_eq!(
            late.manifest_name(),
            "_manifest-111111111111-eu-west-1-20261120-late-20261122.json"
        );
        let unknown = Unit { account: None, region: None, day: None, late: None };
        assert_eq!(unknown.name(), "unknown-unknown-unknown");
        assert!(unknown.folder().starts_with("account=__HIVE_DEFAULT_PARTITION__/"));
    }

    #[test]
    fn a_day_is_closed_two_hours_after_its_end() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let window = Window {
            since: Some(at("2026-11-18T15:00:00Z")),
            until: Some(at("2026-11-30T00:00:00Z")),
        };
        for (now, last) in [
            ("2026-11-20T01:59:59Z", "2026-11-18"),
            ("2026-11-20T02:00:00Z", "2026-11-19"),
            ("2027-01-01T00:00:00Z", "2026-11-30"),
        ] {
            let days = DayRange::closed(window, at(now));
            assert_eq!(days.last.to_string(), last, "{now}");
            assert_eq!(days.window().since, Some(at("2026-11-18T00:00:00Z")));
            assert!(!days.is_empty());
        }
        let days = DayRange::closed(window, at("2026-11-18T12:00:00Z"));
        assert!(days.is_empty());
        let until = DayRange { first: None, last: "2026-11-19".parse().unwrap() }.window().until;
        assert_eq!(until, Some(at("2026-11-19T23:59:59.999999999Z")));
    }
}
