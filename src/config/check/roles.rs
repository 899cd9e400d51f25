use super::{Checker, repeated};
use crate::config::{Config, Principal};
use crate::names::Arn;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    if let Some(hub) = &config.roles.hub {
        if &*hub.service != "iam" || hub.resource_type() != "role" || hub.account.is_none() {
            checker
                .error(&["roles.hub"], format!("found {hub}, expected the ARN of an IAM role"))
                .hint("as in `arn:aws:iam::111111111111:role/orgtrail-hub`");
        }
        partition(config, checker, "roles.hub", hub);
    }
    let lists = [
        ("archive.readers", &config.archive.readers),
        ("key.administrators", &config.key.administrators),
        ("key.readers", &config.key.readers),
    ];
    for (key, principals) in lists {
        for (at, principal) in principals.iter().enumerate() {
            if let Principal::Identity(arn) = principal {
                partition(config, checker, &format!("{key}[{at}]"), arn);
            }
        }
        for (at, principal) in repeated(principals) {
            checker.warning(&[&format!("{key}[{at}]")], format!("{principal} is listed twice"));
        }
    }
    for (at, reader) in config.archive.readers.iter().enumerate() {
        if !config.key.readers.contains(reader) {
            checker
                .warning(
                    &[&format!("archive.readers[{at}]"), "key.readers"],
                    format!("{reader} may read the logs, but not decrypt them"),
                )
                .hint("list it in `key.readers` too");
        }
    }
}

/// That an ARN is of the organization's partition.
pub(super) fn partition(config: &Config, checker: &mut Checker<'_>, key: &str, arn: &Arn) {
    let wanted = config.partition();
    if arn.partition != wanted {
        checker.error(
            &[key, "organization.home_region"],
            format!(
                "found {arn} of the partition {}, expected one of {wanted}, as the home Region {} \
                 is",
                arn.partition, config.organization.home_region
            ),
        );
    }
}
