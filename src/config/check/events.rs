use super::Checker;
use crate::config::Config;

/// The most that a round looks back. Units: hours.
const MAX_SINCE_HOURS: u32 = 24 * 90;
/// The most that a baseline has. Units: days.
const MAX_BASELINE_DAYS: u32 = 366;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let detect = &config.events.detect;
    if !(1..=MAX_SINCE_HOURS).contains(&detect.since_hours) {
        checker
            .error(
                &["events.detect.since_hours"],
                format!("found {} hours, expected 1 to {MAX_SINCE_HOURS}", detect.since_hours),
            )
            .hint("for longer, run `orgtrail events detect --since`");
    }
    if detect.baseline_days > MAX_BASELINE_DAYS {
        checker
            .error(
                &["events.detect.baseline_days"],
                format!(
                    "found {} days, expected at most {MAX_BASELINE_DAYS}",
                    detect.baseline_days
                ),
            )
            .hint("every round reads the whole baseline");
    }
    if detect.rules.as_ref().is_some_and(String::is_empty) {
        checker.error(
            &["events.detect.rules"],
            "found an empty text, expected a directory".to_owned(),
        );
    }
}
