use super::Checker;
use crate::config::Config;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let key = &config.key;
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
