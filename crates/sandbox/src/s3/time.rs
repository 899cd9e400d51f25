//! Between the sandbox's timestamps and the protocol's.

use std::time::SystemTime;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use s3s::dto;

/// The protocol's form, in whole milliseconds as S3 shows them.
pub(super) fn to_dto(time: Timestamp) -> dto::Timestamp {
    let whole = Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time);
    dto::Timestamp::from(SystemTime::from(whole))
}

/// The sandbox's form; `None` for what no calendar has.
pub(super) fn from_dto(time: &dto::Timestamp) -> Option<Timestamp> {
    let mut text = Vec::with_capacity(32);
    time.format(dto::TimestampFormat::DateTime, &mut text).ok()?;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

/// `time` in whole seconds: what HTTP dates can carry.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// `time` plus whole days of 24 hours.
pub(super) fn plus_days(time: Timestamp, days: i32) -> Timestamp {
    time.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(Timestamp::MAX)
}

/// Midnight UTC at or after `time`: when lifecycle rules take effect.
pub(super) fn next_midnight(time: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400;
    let days = (time.as_second() + DAY - 1).div_euclid(DAY);
    Timestamp::from_second(days * DAY).unwrap_or(time)
}

/// As HTTP headers write it: `Fri, 21 Dec 2012 00:00:00 GMT`.
pub(super) fn http_date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_round_trip_to_the_millisecond() {
        let time: Timestamp = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        let back = from_dto(&to_dto(time)).unwrap();
        assert_eq!(back, "2026-01-02T03:04:05.678Z".parse().unwrap());
    }

    #[test]
    fn lifecycle_waits_for_midnight() {
        let noon: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let midnight: Timestamp = "2026-01-03T00:00:00Z".parse().unwrap();
        assert_eq!(next_midnight(noon), midnight);
        assert_eq!(next_midnight(midnight), midnight);
    }

    #[test]
    fn http_dates_are_in_gmt() {
        let time: Timestamp = "2012-12-21T00:00:00Z".parse().unwrap();
        assert_eq!(http_date(time), "Fri, 21 Dec 2012 00:00:00 GMT");
    }
}
