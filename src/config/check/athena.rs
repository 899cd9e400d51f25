use super::{Checker, roles};
use crate::config::{Athena, Config, Principal};
use crate::names::Partition;

/// Source: Athena `WorkGroupConfiguration`, `BytesScannedCutoffPerQuery`.
const LEAST_SCAN_BYTES: u64 = 10_000_000;
/// The years in which CloudTrail can have written log files: it began in 2013.
const YEARS: std::ops::RangeInclusive<i16> = 2013..=2100;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let Some(athena) = &config.athena else { return };
    place(config, athena, checker);
    results(config, athena, checker);
    export(config, athena, checker);
    if !YEARS.contains(&athena.first_day.year()) {
        let message = format!("found {}, expected a day from 2013 on", athena.first_day);
        checker
            .error(&["athena.first_day"], message)
            .hint("name the day of the archive's oldest log file");
    }
    if athena.scan_limit_bytes < LEAST_SCAN_BYTES {
        let message =
            format!("found {}, expected at least {LEAST_SCAN_BYTES}", athena.scan_limit_bytes);
        checker.error(&["athena.scan_limit_bytes"], message);
    }
    // Athena's API has a signed number.
    if i64::try_from(athena.scan_limit_bytes).is_err() {
        let message = format!("found {}, expected at most {}", athena.scan_limit_bytes, i64::MAX);
        checker.error(&["athena.scan_limit_bytes"], message);
    }
}

fn place(config: &Config, athena: &Athena, checker: &mut Checker<'_>) {
    let organization = &config.organization;
    let partition = config.partition();
    let found = Partition::of(&athena.region);
    if found != partition {
        let message = format!(
            "found {} of the partition {found}, expected one of {partition}",
            athena.region
        );
        checker.error(&["athena.region", "organization.home_region"], message);
    } else if athena.region != config.archive.region {
        let message = format!(
            "found {}, and the archive is in {}: every query pays for data transfer",
            athena.region, config.archive.region
        );
        checker.warning(&["athena.region", "archive.region"], message);
    }
    let is_reader = |reader: &Principal| match reader {
        Principal::Account(account) => *account == athena.account,
        Principal::Identity(arn) => arn.account.as_ref() == Some(&athena.account),
    };
    if athena.account != organization.log_archive_account
        && !config.archive.readers.iter().any(is_reader)
    {
        let message = format!("found {}, in which nobody may read the archive", athena.account);
        checker
            .warning(&["athena.account", "archive.readers"], message)
            .hint("list it in `archive.readers` and `key.readers`, and give its users s3:GetObject and kms:Decrypt");
    }
    if organization.excluded_accounts.contains(&athena.account) {
        checker.error(
            &["athena.account", "organization.excluded_accounts"],
            format!("found {}, in which orgtrail assumes no role", athena.account),
        );
    }
    let Some(key) = &athena.kms_key else { return };
    let name = "athena.kms_key";
    roles::partition(config, checker, name, key);
    let is_key = &*key.service == "kms" && key.resource_type() == "key";
    if !is_key || key.region.as_ref() != Some(&athena.region) {
        let message = format!("found {key}, expected the ARN of a KMS key in {}", athena.region);
        checker.error(&[name, "athena.region"], message);
    }
}

fn results(config: &Config, athena: &Athena, checker: &mut Checker<'_>) {
    let name = "athena.results";
    let archive = &config.archive;
    let logging = Some(&archive.access_logging).filter(|logging| logging.enabled);
    let state = config.service.state.as_ref().and_then(|state| state.bucket());
    let others = [
        ("archive.bucket", Some(&archive.bucket)),
        ("archive.access_logging.bucket", logging.map(|logging| &logging.bucket)),
        ("archive.replication.bucket", archive.replication.as_ref().map(|vault| &vault.bucket)),
        ("service.state", state),
        ("athena.export", athena.export.as_ref().map(|export| &export.bucket)),
    ];
    for (key, _) in others.iter().filter(|(_, other)| *other == Some(&athena.results.bucket)) {
        checker
            .error(
                &[name, key],
                format!("found the bucket of `{key}`, expected one of its own: results expire"),
            )
            .hint("name a bucket that does not exist yet");
    }
    if !(1..=3660).contains(&athena.results_days) {
        let message = format!("found {}, expected 1 to 3660", athena.results_days);
        checker.error(&["athena.results_days"], message);
    }
    // Partition projection and locations of tables are templates.
    for (key, location) in
        [(name, Some(&athena.results)), ("athena.export", athena.export.as_ref())]
    {
        let prefix = location.and_then(|location| location.prefix.as_ref());
        if let Some(prefix) = prefix.filter(|prefix| !prefix.is_plain()) {
            let message = format!(
                "found the prefix `{prefix}`, expected letters, digits and `!_.*'()-` between \
                 single slashes"
            );
            checker.error(&[key], message);
        }
    }
}

fn export(config: &Config, athena: &Athena, checker: &mut Checker<'_>) {
    let Some(export) = &athena.export else { return };
    if export.bucket == config.archive.bucket {
        checker
            .error(&["athena.export", "archive.bucket"], "the export is in the archive")
            .hint("name another bucket: Object Lock would retain every version of the export");
    }
}
