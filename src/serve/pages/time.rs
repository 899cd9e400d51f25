//! Times and durations as the pages show them. All times are UTC.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// A time in the format of the attribute `datetime`.
fn machine(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn element(time: Timestamp, text: &str) -> Markup {
    html! { time datetime=(machine(time)) { (text) } }
}

/// `28 Nov, 09:33`, with the year where it is not that of `now`.
pub(super) fn text(time: Timestamp, now: Timestamp) -> String {
    let is_this_year = time.strftime("%Y").to_string() == now.strftime("%Y").to_string();
    let format = if is_this_year { "%-d %b, %H:%M" } else { "%-d %b %Y, %H:%M" };
    time.strftime(format).to_string()
}

/// `28 Nov, 09:33`
pub(super) fn at(time: Timestamp, now: Timestamp) -> Markup {
    element(time, &text(time, now))
}

/// `Thu 26 Nov, 22:00`
pub(super) fn with_weekday(time: Timestamp, now: Timestamp) -> Markup {
    element(time, &format!("{} {}", time.strftime("%a"), text(time, now)))
}

/// `Today, 09:33`, or `28 Nov, 09:33` of another day.
pub(super) fn recent(time: Timestamp, now: Timestamp) -> Markup {
    if time.strftime("%F").to_string() == now.strftime("%F").to_string() {
        return element(time, &time.strftime("Today, %H:%M").to_string());
    }
    at(time, now)
}

/// `09:33`, or `28 Nov, 09:33` of another day than `base`: in sentences.
pub(super) fn clock(time: Timestamp, base: Timestamp) -> Markup {
    if time.strftime("%F").to_string() == base.strftime("%F").to_string() {
        return element(time, &time.strftime("%H:%M").to_string());
    }
    at(time, base)
}

/// `09:33:07`
pub(super) fn second(time: Timestamp) -> Markup {
    element(time, &time.strftime("%H:%M:%S").to_string())
}

/// `Sat 28 Nov 2026, 10:41 UTC`
pub(super) fn full(time: Timestamp) -> Markup {
    element(time, &time.strftime("%a %-d %b %Y, %H:%M UTC").to_string())
}

/// `28 Nov 2026`
pub(super) fn day(date: Date) -> Markup {
    html! { time datetime=(date.strftime("%Y-%m-%d")) { (date.strftime("%-d %b %Y")) } }
}

/// A duration in its two largest units: `3 h 41 min`.
pub(super) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().unsigned_abs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match () {
        () if minutes == 0 => format!("{seconds} s"),
        () if minutes < 10 && !seconds.is_multiple_of(60) => {
            format!("{minutes} min {} s", seconds % 60)
        }
        () if hours == 0 => format!("{minutes} min"),
        () if hours < 24 && !minutes.is_multiple_of(60) => {
            format!("{hours} h {} min", minutes % 60)
        }
        () if hours == 1 => "1 hour".to_owned(),
        () if hours < 72 => format!("{hours} hours"),
        () => format!("{days} days"),
    }
}

/// The time between two times.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    duration(to.duration_since(from))
}

/// `41 min ago`, or `in 41 min`.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    let is_now = now.duration_since(time).as_secs().unsigned_abs() < 60;
    match between(time, now) {
        _ if is_now => "less than 1 min ago".to_owned(),
        text if time <= now => format!("{text} ago"),
        text => format!("in {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (252, "4 min 12 s"),
            (300, "5 min"),
            (3120, "52 min"),
            (3600, "1 hour"),
            (13_260, "3 h 41 min"),
            (133_200, "37 hours"),
            (8 * 86_400, "8 days"),
        ] {
            assert_eq!(duration(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_time_names_its_day_and_its_year_only_where_they_differ() {
        let now = stamp("2026-11-28T10:41:00Z");
        let shown = |time: &str| recent(stamp(time), now).into_string();
        assert_eq!(
            shown("2026-11-28T09:33:07.5Z"),
            "<time datetime=\"2026-11-28T09:33:07Z\">Today, 09:33</time>"
        );
        assert!(shown("2026-11-27T09:33:00Z").contains(">27 Nov, 09:33<"));
        assert!(shown("2025-11-27T09:33:00Z").contains(">27 Nov 2025, 09:33<"));
        assert_eq!(ago(stamp("2026-11-28T10:00:00Z"), now), "41 min ago");
        assert_eq!(ago(stamp("2026-11-28T11:33:00Z"), now), "in 52 min");
    }
}
