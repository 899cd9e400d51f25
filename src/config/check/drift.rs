use super::Checker;
use crate::config::Config;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let drift = &config.drift;
    if drift.freshness_hours < 3 {
        checker
            .error(
                &["drift.freshness_hours"],
                format!("found {} hours, expected at least 3", drift.freshness_hours),
            )
            .hint("a digest covers an hour and is delivered up to two hours later");
    }
    for (at, suppress) in drift.suppress.iter().enumerate() {
        if suppress.reason.trim().is_empty() {
            checker
                .error(
                    &[&format!("drift.suppress[{at}].reason")],
                    "found no reason, expected why it is suppressed",
                )
                .hint("reports show the reason");
        }
    }
}
