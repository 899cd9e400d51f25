use std::collections::BTreeSet;

use super::{Checker, repeated};
use crate::config::{Config, DeclaredSource, Exclusion};
use crate::names::{AccountId, Partition};

/// Longer would list most of an archive again in every run.
const MOST_OVERLAP_DAYS: u32 = 365;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let consolidate = &config.consolidate;
    let names: Vec<String> = consolidate.sources.iter().map(DeclaredSource::name).collect();
    for (at, name) in repeated(&names) {
        checker.error(
            &[&format!("consolidate.sources[{at}]")],
            format!("the source {name} is listed twice"),
        );
    }
    for (at, source) in consolidate.sources.iter().enumerate() {
        let place = format!("consolidate.sources[{at}]");
        let accounts = BTreeSet::from([source.account.clone()]);
        if consolidate.excludes(&names[at], &accounts) {
            checker
                .error(
                    &[&place, "consolidate.exclude"],
                    format!("the source {} is both listed and excluded", names[at]),
                )
                .hint("remove it from one of the two lists");
        }
        if config.organization.excluded_accounts.contains(&source.account) {
            checker
                .error(
                    &[&format!("{place}.account"), "organization.excluded_accounts"],
                    format!("found the account {}, which is excluded", source.account),
                )
                .hint("use an account that may read the bucket and is not excluded");
        }
        let other = source.region.as_ref().filter(|r| Partition::of(r) != config.partition());
        if let Some(region) = other {
            checker.error(
                &[&format!("{place}.region"), "organization.home_region"],
                format!(
                    "found {region}, expected a Region of the partition {}",
                    config.partition()
                ),
            );
        }
    }
    for (at, source) in consolidate.sources.iter().enumerate() {
        for (nth, account) in repeated(&source.accounts) {
            let place = format!("consolidate.sources[{at}].accounts[{nth}]");
            checker.error(&[&place], format!("the account {account} is listed twice"));
        }
    }
    for (nth, account) in repeated(&consolidate.former_accounts) {
        let place = format!("consolidate.former_accounts[{nth}]");
        checker.error(&[&place], format!("the account {account} is listed twice"));
    }
    for (at, entry) in consolidate.exclude.iter().enumerate() {
        let place = format!("consolidate.exclude[{at}]");
        let Exclusion { account, pattern } = Exclusion::of(entry);
        if let Some(account) = account.filter(|account| account.parse::<AccountId>().is_err()) {
            checker.error(&[&place], format!("found the account `{account}`, expected 12 digits"));
        }
        if account.is_none() && pattern.contains('*') && pattern.starts_with("s3://") {
            checker
                .error(&[&place], format!("found `{pattern}`, a pattern without an account"))
                .hint(format!(
                    "anyone who chooses a bucket name could match it: write \
                     `<account>:{pattern}`, or an exact name"
                ));
        }
        if !pattern.starts_with("s3://") {
            checker
                .error(
                    &[&place],
                    format!("found `{entry}`, expected `s3://bucket`, or `<account>:s3://bucket*`"),
                )
                .hint("`orgtrail sources` lists the names");
        }
    }
    if consolidate.overlap_days > MOST_OVERLAP_DAYS {
        checker.error(
            &["consolidate.overlap_days"],
            format!(
                "found {} days, expected at most {MOST_OVERLAP_DAYS}",
                consolidate.overlap_days
            ),
        );
    }
}
