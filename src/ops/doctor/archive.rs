//! The archive's bucket, key, lock and MFA mode, by the checks of `orgtrail drift` that need
//! nothing but them.

use super::inputs::Inputs;
use super::item::Item;
use crate::aws::Observation;
use crate::checks::{CATALOGUE, Check, Facts, Verdict};
use crate::config::ObjectLockMode;
use crate::resources::bucket::{ArchiveBucket, taken_name};
use crate::resources::{Desired, Observed, called, other_manager};
use crate::words::counted;

const ID: &str = "archive";

/// The checks that are run, if the bucket exists.
const CHECKS: [&str; 18] = [
    "bucket-public-access",
    "bucket-ownership",
    "bucket-tls-only",
    "bucket-encryption",
    "bucket-policy-source-arn",
    "bucket-cross-account",
    "bucket-versioning",
    "bucket-object-lock",
    "bucket-mfa-delete",
    "bucket-retention-conflict",
    "key-enabled",
    "key-rotation",
    "key-not-public",
    "key-policy-scope",
    "trail-multi-region",
    "trail-is-logging",
    "trail-log-validation",
    "trail-kms",
];

pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let Some(config) = inputs.config else {
        return vec![Item::skipped(ID, "there is no configuration file")];
    };
    let Some((desired, observed)) = &inputs.observed else {
        return vec![Item::waits(ID, "the organization cannot be read")];
    };
    let clients = inputs.aws.clients(desired.archive(), &config.archive.region);
    if ArchiveBucket::is_other_account(&clients, desired.bucket()).await {
        let (reason, fix) = taken_name(desired.bucket(), "archive.bucket");
        return vec![Item::problem(ID, reason, fix)];
    }
    match &observed.archive_bucket {
        Observation::Absent => {
            return vec![Item::problem(
                ID,
                format!("the bucket {} does not exist", desired.bucket()),
                "orgtrail plan, then orgtrail apply",
            )];
        }
        Observation::Unreadable(error) => return vec![Item::unread(ID, error)],
        Observation::Present(_) => {}
    }
    checked(inputs, desired, observed)
}

fn checked(inputs: &Inputs<'_>, desired: &Desired, observed: &Observed) -> Vec<Item> {
    let facts = Facts::of_observed(desired.clone(), observed.clone(), inputs.aws.now());
    let checks = CATALOGUE.iter().filter(|check| CHECKS.contains(&check.id));
    let mut items = Vec::new();
    let mut passed = 0_usize;
    for check in checks {
        for result in check.judge(&facts) {
            match result.verdict {
                Verdict::Pass => passed += 1,
                Verdict::NotConfigured { .. } => {}
                Verdict::Fail { found, expected } => {
                    let evidence = format!("{}: {found}; expected {expected}", check.id);
                    items.push(Item::problem(ID, evidence, fix(check, desired, observed)));
                }
                Verdict::Unknown { reason, permission } => {
                    let evidence = format!("{}: {reason}", check.id);
                    items.push(Item { evidence, ..Item::waits(ID, "") }.missing(permission));
                }
            }
        }
    }
    if items.is_empty() {
        items.push(Item::ok(
            ID,
            format!(
                "{}: {} passed; {}",
                desired.bucket(),
                counted(passed, "check"),
                guards(desired)
            ),
        ));
    }
    items
}

/// Who fixes it: orgtrail, or the tool that manages the archive.
fn fix(check: &Check, desired: &Desired, observed: &Observed) -> String {
    match other_manager(desired, observed) {
        Some(manager) => format!("{} manages it: change it there", called(manager)),
        None => format!("{}; or add `[[drift.suppress]]`", check.fix),
    }
}

fn guards(desired: &Desired) -> String {
    let archive = &desired.config.archive;
    let lock = match archive.object_lock.mode {
        ObjectLockMode::Off => "no Object Lock".to_owned(),
        mode => format!("Object Lock {mode}"),
    };
    format!("{lock}, MFA delete by {}", archive.mfa_delete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_that_is_run_exists() {
        for id in CHECKS {
            assert!(CATALOGUE.iter().any(|check| check.id == id), "{id}");
        }
    }
}
