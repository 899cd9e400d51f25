use super::{Checker, roles};
use crate::config::Config;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let key = &config.key;
    if let Some(arn) = &key.arn {
        let region = &config.archive.region;
        if &*arn.service != "kms" || arn.resource_type() != "key" || arn.account.is_none() {
            checker
                .error(&["key.arn"], format!("found {arn}, expected the ARN of a KMS key"))
                .hint("to name a key by its alias, use `key.alias`");
        } else if arn.region.as_ref() != Some(region) {
            checker.error(
                &["key.arn", "archive.region"],
                format!("found {arn}, expected a key in the archive's Region {region}"),
            );
        }
        roles::partition(config, checker, "key.arn", arn);
        if checker.is_set("key.alias") {
            checker.warning(&["key.alias", "key.arn"], "has no effect: `key.arn` names the key");
        }
    }
    if key.rotation {
        if !(90..=2560).contains(&key.rotation_period_days) {
            checker.error(
                &["key.rotation_period_days"],
                format!(
                    "found a rotation every {} days, expected 90 to 2560",
                    key.rotation_period_days
                ),
            );
        }
    } else {
        checker.warning(&["key.rotation"], "the key's material is never rotated");
    }
    if !(7..=30).contains(&key.deletion_window_days) {
        checker.error(
            &["key.deletion_window_days"],
            format!("found a window of {} days, expected 7 to 30", key.deletion_window_days),
        );
    }
}
