use super::Checker;
use crate::config::Config;

/// Source: CloudWatch Logs `PutRetentionPolicy`, `retentionInDays`.
const RETENTIONS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
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
        .hint(format!("{near} is the next that CloudWatch Logs knows"));
}
