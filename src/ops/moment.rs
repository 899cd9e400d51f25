//! Times as people give them: a time, a day, or how long ago.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};

/// A time that may depend on the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    At(Timestamp),
    /// So long before the present.
    Ago(SignedDuration),
    /// The beginning of the day so many days before today, in UTC.
    Day(i64),
}

impl Moment {
    /// The time, as of `now`.
    #[must_use]
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
            Self::Day(days) => {
                let today = now.to_zoned(TimeZone::UTC).start_of_day();
                let day = today.and_then(|today| today.checked_sub(days.days()));
                day.as_ref().map_or(now, Zoned::timestamp)
            }
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(at) => at.fmt(f),
            Self::Ago(ago) => write!(f, "{ago:#} ago"),
            Self::Day(days) => write!(f, "{days} days before today"),
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "now" => return Ok(Self::Ago(SignedDuration::ZERO)),
            "today" => return Ok(Self::Day(0)),
            "yesterday" => return Ok(Self::Day(1)),
            _ => {}
        }
        if let Some(ago) = ago(text) {
            return Ok(Self::Ago(ago));
        }
        instant(text).map(Self::At).map_err(|_| {
            "expected a time as in 2026-01-31T06:00:00Z, a day, `yesterday`, or how long ago as \
             in 90m, 12h or 7d"
                .to_owned()
        })
    }
}

/// A time with its zone, or a day, which stands for its beginning in UTC.
///
/// # Errors
/// The text is neither.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    // A time without its zone would be read as its day.
    let day = || jiff::civil::Date::strptime("%Y-%m-%d", text)?.to_zoned(TimeZone::UTC);
    text.parse::<Timestamp>()
        .or_else(|_| day().map(|begins| begins.timestamp()))
        .map_err(|_| "expected a time as in 2026-01-31T06:00:00Z, or a day".to_owned())
}

/// Minutes, hours, days or weeks.
fn ago(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().next_back()?;
    let number = text.get(..text.len() - unit.len_utf8())?;
    if number.is_empty() || number.len() > 6 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    Some(SignedDuration::from_secs(number.parse::<i64>().ok()?.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stands_for_its_beginning() {
        assert_eq!(instant("2026-01-31"), instant("2026-01-31T00:00:00Z"));
        assert_eq!(instant("2026-01-31T02:00:00+02:00"), instant("2026-01-31"));
        for wrong in ["", "2026-02-30", "2026-01-31T06:00", "yesterday"] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_given_in_several_ways() {
        let now: Timestamp = "2026-11-20T10:42:00Z".parse().unwrap();
        for (text, wanted) in [
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T06:00:00Z", "2026-11-01T06:00:00Z"),
            ("now", "2026-11-20T10:42:00Z"),
            ("today", "2026-11-20T00:00:00Z"),
            ("yesterday", "2026-11-19T00:00:00Z"),
            ("90m", "2026-11-20T09:12:00Z"),
            ("12h", "2026-11-19T22:42:00Z"),
            ("7d", "2026-11-13T10:42:00Z"),
            ("2w", "2026-11-06T10:42:00Z"),
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.resolve(now), wanted.parse().unwrap(), "{text}");
        }
        for wrong in ["", "d", "-1d", "7", "7y", "1.5h", "9999999d", "tomorrow", "7\u{e9}"] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
