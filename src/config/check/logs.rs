use super::{Checker, roles};
use crate::config::Config;

/// Source: CloudWatch Logs `PutRetentionPolicy`, `retentionInDays`.
const RETENTIONS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    if let Some(key) = &config.cloudwatch_logs.kms_key {
        let place = "cloudwatch_logs.kms_key";
        let home = &config.organization.home_region;
        if &*key.service != "kms" || key.resource_type() != "key" || key.account.is_none() {
            checker
                .error(&[place], format!("found {key}, expected the ARN of a KMS key"))
                .hint("an alias is not enough: CloudWatch Logs requires the ARN of the key");
        } else if key.region.as_ref() != Some(home) {
            checker.error(
                &[place, "organization.home_region"],
                format!("found {key}, expected a key in the home Region {home}"),
            );
        }
        roles::partition(config, checker, place, key);
    }
    let days = config.cloudwatch_logs.retention_days;
    if RETENTIONS.contains(&days) {
        return;
    }
    let all = RETENTIONS.map(|days| days.to_string()).join(", ");
    let near = RETENTIONS.iter().find(|allowed| **allowed > days).unwrap_or(&3653);
    checker
        .error(
            &["cloudwatch_logs.retention_days"],
            format!("found a retention of {days} days, expected one of {all}"),
        )
        .hint(format!("{near} is the next value that CloudWatch Logs supports"));
}
