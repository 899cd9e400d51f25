use std::collections::BTreeSet;

use super::Checker;
use crate::config::{Config, RoundPart};

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let service = &config.service;
    match service.state.as_ref().and_then(|state| state.bucket()) {
        Some(bucket) if *bucket == config.archive.bucket => {
            checker
                .error(&["service.state", "archive.bucket"], "the state is in the archive")
                .hint("name another bucket: Object Lock would retain every claim");
        }
        None if service.state_account.is_some() => {
            checker
                .warning(&["service.state_account"], "it has no effect: the state is no bucket")
                .hint("set `service.state` to s3://BUCKET/PREFIX");
        }
        _ => {}
    }
    let mut names = BTreeSet::new();
    for (at, schedule) in service.schedule.iter().enumerate() {
        let key = |name: &str| format!("service.schedule[{at}].{name}");
        if !names.insert(&schedule.name) {
            let message = format!("there are two schedules `{}`", schedule.name.as_str());
            checker.error(&[&key("name")], message);
        }
        let parts: BTreeSet<_> = schedule.run.iter().collect();
        if parts.is_empty() {
            let words = RoundPart::ALL.iter().map(|part| part.as_str()).collect::<Vec<_>>();
            let message = format!("found no parts, expected some of {}", words.join(", "));
            checker.error(&[&key("run")], message);
        } else if parts.len() < schedule.run.len() {
            checker.error(&[&key("run")], "a part is named twice");
        }
        if let Some(days) = schedule.verify_days.filter(|days| !(1..=3660).contains(days)) {
            checker.error(&[&key("verify_days")], format!("found {days}, expected 1 to 3660"));
        }
        if schedule.verify_days.is_some() && !parts.contains(&RoundPart::Verify) {
            checker.warning(
                &[&key("verify_days"), &key("run")],
                "it has no effect: `run` has no `verify`",
            );
        }
        if !(1..=7 * 24 * 60).contains(&schedule.deadline_minutes) {
            let message =
                format!("found {}, expected 1 to 10080 minutes", schedule.deadline_minutes);
            checker.error(&[&key("deadline_minutes")], message);
        }
        if schedule.jitter_seconds > 3600 {
            let message = format!("found {}, expected at most 3600", schedule.jitter_seconds);
            checker.error(&[&key("jitter_seconds")], message);
        }
    }
}
