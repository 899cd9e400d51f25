use std::collections::BTreeSet;

use super::Checker;
use crate::config::{Config, RoundPart};

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let service = &config.service;
    check_state(config, checker);
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
        if schedule.incremental && !parts.contains(&RoundPart::Verify) {
            checker.warning(
                &[&key("incremental"), &key("run")],
                "it has no effect: `run` has no `verify`",
            );
        }
        if schedule.incremental && schedule.verify_days.is_some() {
            checker.error(
                &[&key("incremental"), &key("verify_days")],
                "found both, expected one of them",
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

fn check_state(config: &Config, checker: &mut Checker<'_>) {
    let service = &config.service;
    let Some(bucket) = service.state.as_ref().and_then(|state| state.bucket()) else {
        let declared = [
            ("service.state_account", service.state_account.is_some()),
            ("service.manage_state", service.manage_state),
        ];
        for (key, _) in declared.iter().filter(|(_, is_declared)| *is_declared) {
            checker
                .warning(&[key], "it has no effect: the state is no bucket")
                .hint("set `service.state` to s3://BUCKET/PREFIX");
        }
        return;
    };
    if *bucket == config.archive.bucket {
        checker
            .error(&["service.state", "archive.bucket"], "the state is in the archive")
            .hint("name another bucket: Object Lock would retain every claim");
    }
    if !service.manage_state {
        return;
    }
    let archive = &config.organization.log_archive_account;
    if let Some(account) = service.state_account.as_ref().filter(|account| *account != archive) {
        let message = format!("found {account}, expected {archive}, the log-archive account");
        checker
            .error(&["service.state_account", "service.manage_state"], message)
            .hint("a managed state bucket is in the log-archive account");
    }
    let logging = &config.archive.access_logging;
    let vault = config.archive.replication.as_ref().map(|vault| &vault.bucket);
    let others = [
        ("archive.access_logging.bucket", Some(&logging.bucket).filter(|_| logging.enabled)),
        ("archive.replication.bucket", vault),
    ];
    for (key, _) in others.into_iter().filter(|(_, other)| *other == Some(bucket)) {
        checker
            .error(&["service.state", key], "two buckets have the same name")
            .hint("name a bucket of its own in `service.state`");
    }
    if !(1..=3660).contains(&service.state_retention_days) {
        let message = format!("found {}, expected 1 to 3660", service.state_retention_days);
        checker.error(&["service.state_retention_days"], message);
    }
}
