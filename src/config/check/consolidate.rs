use super::{Checker, repeated};
use crate::config::{Config, DeclaredSource};
use crate::names::Partition;

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
        if consolidate.excludes(&names[at]) {
            checker
                .error(
                    &[&place, "consolidate.exclude"],
                    format!("the source {} is declared and left out", names[at]),
                )
                .hint("take it out of one of the two lists");
        }
        if config.organization.excluded_accounts.contains(&source.account) {
            checker
                .error(
                    &[&format!("{place}.account"), "organization.excluded_accounts"],
                    format!("found the account {}, which is not entered", source.account),
                )
                .hint("name an account that may read the bucket and is not excluded");
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
    for (at, pattern) in consolidate.exclude.iter().enumerate() {
        if !pattern.starts_with("s3://") && !pattern.starts_with('*') {
            checker
                .error(
                    &[&format!("consolidate.exclude[{at}]")],
                    format!(
                        "found `{pattern}`, expected a pattern of names such as `s3://bucket*`"
                    ),
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
