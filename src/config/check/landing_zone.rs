use super::Checker;
use super::roles::partition;
use crate::config::Config;

/// CloudFormation's names have at most 128 characters, and each name continues the prefix.
const MAX_PREFIX: usize = 80;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    let zone = &config.landing_zone;
    let prefix = &zone.prefix;
    let begins = prefix.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_name = prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !begins || !is_name || prefix.len() > MAX_PREFIX {
        checker
            .error(
                &["landing_zone.prefix"],
                format!("found `{prefix}`, expected 1 to {MAX_PREFIX} letters, digits and hyphens"),
            )
            .hint("it begins the names of stacks, which begin with a letter");
    }
    if let Some(trusted) = &zone.trusted_principal {
        let is_principal = ["role", "user"].contains(&trusted.resource_type());
        if &*trusted.service != "iam" || !is_principal || trusted.account.is_none() {
            checker
                .error(
                    &["landing_zone.trusted_principal"],
                    format!("found {trusted}, expected the ARN of an IAM role or user"),
                )
                .hint("as in `arn:aws:iam::111111111111:role/Scheduler`");
        }
        partition(config, checker, "landing_zone.trusted_principal", trusted);
    }
    if zone.pilot_account.as_ref() == Some(&config.organization.management_account) {
        checker
            .error(
                &["landing_zone.pilot_account", "organization.management_account"],
                "found the management account, expected a member",
            )
            .hint("CloudFormation does not deploy stack sets to the management account");
    }
}
