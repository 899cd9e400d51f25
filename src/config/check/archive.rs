use super::Checker;
use crate::config::{Config, MfaDelete, ObjectLockMode};
use crate::names::Partition;

/// Object Lock's own limit: a hundred years.
const MOST_LOCK_DAYS: u32 = 36_500;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    mfa_delete(config, checker);
    object_lock(config, checker);
    replication(config, checker);
    access_logging(config, checker);
    if config.archive.bucket.as_str().contains('.') {
        checker
            .warning(
                &["archive.bucket"],
                "the bucket's name contains a dot, so it does not match the certificate of its \
                 virtual host",
            )
            .hint("use hyphens");
    }
}

fn mfa_delete(config: &Config, checker: &mut Checker<'_>) {
    let archive = &config.archive;
    let key = "archive.mfa_delete";
    match archive.mfa_delete {
        MfaDelete::Root if archive.lifecycle.enabled => checker
            .error(
                &[key, "archive.lifecycle.enabled"],
                "`root` is S3's MFA delete, which S3 does not allow on a bucket with lifecycle \
                 rules; found both",
            )
            .hint(
                "`enabled = false` under `[archive.lifecycle]` keeps every log forever; \
                 `mfa_delete = \"vault\"` has both, on two buckets",
            ),
        MfaDelete::Vault if archive.replication.is_none() => checker
            .error(&[key, "archive.replication"], "`vault` needs a bucket to replicate to")
            .hint("add `[archive.replication]` with the vault's `bucket` and `account`"),
        MfaDelete::Vault if archive.object_lock.mode == ObjectLockMode::Off => checker
            .warning(
                &[key, "archive.object_lock.mode"],
                "the vault has MFA delete, but without Object Lock nothing else protects its versions",
            )
            .hint("set `archive.object_lock.mode`"),
        MfaDelete::Off => checker
            .warning(&[key], "deleting a version of a log requires no second factor")
            .hint("`mfa_delete = \"policy\"` costs nothing"),
        _ => {}
    }
}

fn object_lock(config: &Config, checker: &mut Checker<'_>) {
    let lock = &config.archive.object_lock;
    let archive = &config.archive;
    let age = archive.mfa_max_age_seconds;
    if !(60..=129_600).contains(&age) {
        checker.error(
            &["archive.mfa_max_age_seconds"],
            format!(
                "found {age} seconds, expected 60 to 129600, the longest duration of a session"
            ),
        );
    }
    if lock.mode == ObjectLockMode::Off {
        checker.warning(
            &["archive.object_lock.mode"],
            "without Object Lock, anyone who may delete versions can delete logs",
        );
        return;
    }
    let days = "archive.object_lock.days";
    if !(1..=MOST_LOCK_DAYS).contains(&lock.days) {
        checker.error(
            &[days],
            format!("found a lock of {} days, expected 1 to {MOST_LOCK_DAYS}", lock.days),
        );
    }
    if lock.mode == ObjectLockMode::Compliance {
        checker
            .warning(
                &["archive.object_lock.mode", days],
                format!(
                    "COMPLIANCE cannot be removed or shortened by anyone, not even by root: every \
                     log is stored and billed for {} days",
                    lock.days
                ),
            )
            .hint("try GOVERNANCE first");
    }
    if !archive.lifecycle.enabled {
        return;
    }
    if (1..lock.days).contains(&archive.retention_days) {
        checker
            .error(
                &["archive.retention_days", days],
                format!(
                    "found a retention of {} days, shorter than the lock's {} days: nothing is \
                     deleted before the lock ends",
                    archive.retention_days, lock.days
                ),
            )
            .hint(format!("keep logs for {} days or more, or lock them for less", lock.days));
    }
    if archive.lifecycle.noncurrent_days < lock.days {
        checker.warning(
            &["archive.lifecycle.noncurrent_days", days],
            format!(
                "noncurrent versions are kept {} days, although the lock may protect them for {}",
                archive.lifecycle.noncurrent_days, lock.days
            ),
        );
    }
}

fn replication(config: &Config, checker: &mut Checker<'_>) {
    let archive = &config.archive;
    let Some(vault) = &archive.replication else { return };
    if vault.bucket == archive.bucket {
        checker.error(
            &["archive.replication.bucket", "archive.bucket"],
            format!("found {}, which is the archive itself, expected another bucket", vault.bucket),
        );
    }
    let partition = config.partition();
    if Partition::of(&vault.region) != partition {
        checker.error(
            &["archive.replication.region", "organization.home_region"],
            format!(
                "found {} of the partition {}, expected one of {partition}: replication does \
                 not cross partitions",
                vault.region,
                Partition::of(&vault.region)
            ),
        );
    }
    if vault.account == config.organization.log_archive_account {
        checker
            .warning(
                &["archive.replication.account", "archive.replication"],
                "the vault is in the log-archive account: one root user controls both buckets",
            )
            .hint("use a separate account for the vault");
    }
    if vault.region == archive.region
        && vault.account == config.organization.log_archive_account
        && vault.key_alias == config.key.alias
    {
        checker.error(
            &["archive.replication.key_alias", "key.alias"],
            format!(
                "found {}, which is the archive's own key in the same account and Region, expected \
                 another alias",
                vault.key_alias
            ),
        );
    }
}

fn access_logging(config: &Config, checker: &mut Checker<'_>) {
    let logging = &config.archive.access_logging;
    if !logging.enabled {
        checker.warning(
            &["archive.access_logging.enabled"],
            "access logging is off: reads of the archive are not recorded",
        );
        return;
    }
    if let Some(prefix) = logging.prefix.as_ref().filter(|prefix| !prefix.is_plain()) {
        checker.error(
            &["archive.access_logging.prefix"],
            format!(
                "found `{prefix}`, expected letters, digits and `!_.*'()-` between single slashes, \
                 without a folder `AWSLogs`"
            ),
        );
    }
    let key = "archive.access_logging.bucket";
    if logging.bucket == config.archive.bucket {
        checker.error(
            &[key, "archive.bucket"],
            format!(
                "found {}, which is the archive itself, expected another bucket: each access log \
                 would create another one, and Object Lock rejects them",
                logging.bucket
            ),
        );
    }
    if config.archive.replication.as_ref().is_some_and(|vault| vault.bucket == logging.bucket) {
        checker.error(
            &[key, "archive.replication.bucket"],
            format!("found {}, which is the vault, expected another bucket", logging.bucket),
        );
    }
    if logging.retention_days == 0 {
        checker.error(
            &["archive.access_logging.retention_days"],
            "found a retention of 0 days, expected at least 1",
        );
    }
}
