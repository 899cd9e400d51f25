use super::Checker;
use crate::config::Config;

/// The most characters in the name of a rule.
///
/// Source: EventBridge `PutRule`, `Name`.
const MOST_CHARACTERS: usize = 64;
/// CloudTrail delivers about every five minutes.
const LEAST_MINUTES: u32 = 10;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let new_accounts = &config.new_accounts;
    let queue = new_accounts.queue.as_ref().map(|queue| queue.as_str().len());
    if let Some(found) = queue.filter(|found| *found > MOST_CHARACTERS) {
        let message = format!(
            "found {found} characters, expected at most {MOST_CHARACTERS}: it is the name of a \
             rule too"
        );
        checker.error(&["new_accounts.queue"], message);
    }
    let minutes = new_accounts.covered_within_minutes;
    if minutes < LEAST_MINUTES {
        let message = format!("found {minutes}, expected at least {LEAST_MINUTES}");
        checker
            .error(&["new_accounts.covered_within_minutes"], message)
            .hint("CloudTrail delivers log files about every five minutes");
    }
}
