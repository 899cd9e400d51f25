use super::Checker;
use crate::config::Config;

/// Longer would ask for logs that lifecycle rules may have moved or removed.
const LONGEST_DAYS: u32 = 365;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let days = config.retire.overlap_days;
    if (1..=LONGEST_DAYS).contains(&days) {
        return;
    }
    checker
        .error(
            &["retire.overlap_days"],
            format!("found an overlap of {days} days, expected 1 to {LONGEST_DAYS}"),
        )
        .hint("a week covers the regular activity of an account");
}
