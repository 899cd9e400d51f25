use super::{Checker, repeated};
use crate::config::{Config, GuardrailTarget, Regions};
use crate::names::Partition;

/// CloudTrail's own limit.
const MOST_DELEGATED_ADMINISTRATORS: usize = 3;

pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    accounts(config, checker);
    regions(config, checker);
    delegated_administrators(config, checker);
    excluded(config, checker);
    guardrail(config, checker);
}

fn accounts(config: &Config, checker: &mut Checker<'_>) {
    let organization = &config.organization;
    if organization.management_account == organization.log_archive_account {
        checker
            .warning(
                &["organization.log_archive_account", "organization.management_account"],
                "the log-archive account is the management account: anyone who controls it can \
                 both stop the trail and delete its logs",
            )
            .hint("use a separate account for the logs");
    }
    if organization.audit_account.as_ref() == Some(&organization.management_account) {
        checker
            .warning(
                &["organization.audit_account", "organization.management_account"],
                "the audit account is the management account: service control policies do not \
                 apply to it",
            )
            .hint("let auditors work in a member account");
    }
}

fn regions(config: &Config, checker: &mut Checker<'_>) {
    let home = &config.organization.home_region;
    let partition = config.partition();
    if home.is_opt_in() {
        checker
            .error(
                &["organization.home_region"],
                format!(
                    "found {home}, which accounts must opt into, expected a Region that every \
                     account has"
                ),
            )
            .hint(
                "as in `us-east-1` or `eu-central-1`; the trail covers opt-in Regions from there",
            );
    }
    let home_key = "organization.home_region";
    if let Regions::Only(regions) = &config.organization.regions {
        let key = "organization.regions";
        if !regions.contains(home) {
            checker
                .error(&[key, home_key], format!("the home Region {home} is not among the Regions"))
                .hint(format!("add \"{home}\""));
        }
        for (at, region) in regions.iter().enumerate() {
            if Partition::of(region) != partition {
                checker.error(
                    &[&format!("{key}[{at}]"), home_key],
                    format!(
                        "found {region} of the partition {}, expected one of {partition}, as the \
                         home Region {home} is",
                        Partition::of(region)
                    ),
                );
            }
        }
        for (at, region) in repeated(regions) {
            checker.warning(&[&format!("{key}[{at}]")], format!("{region} is listed twice"));
        }
    }
    let archive = &config.archive.region;
    if archive.is_opt_in() && Partition::of(archive) == partition && archive != home {
        checker.warning(
            &["archive.region"],
            format!("the log-archive account must have opted into {archive}"),
        );
    }
    if Partition::of(archive) != partition {
        checker.error(
            &["archive.region", home_key],
            format!(
                "found {archive} of the partition {}, expected one of {partition}, as the home \
                 Region {home} is",
                Partition::of(archive)
            ),
        );
    }
}

fn delegated_administrators(config: &Config, checker: &mut Checker<'_>) {
    let key = "organization.delegated_administrators";
    let administrators = &config.organization.delegated_administrators;
    let partition = config.partition();
    if administrators.len() > MOST_DELEGATED_ADMINISTRATORS {
        checker.error(
            &[key],
            format!(
                "found {} delegated administrators, expected at most \
                 {MOST_DELEGATED_ADMINISTRATORS}, which is CloudTrail's limit",
                administrators.len()
            ),
        );
    }
    if !administrators.is_empty() && !partition.has_cloudtrail_delegated_administrators() {
        checker.error(
            &[key, "organization.home_region"],
            format!(
                "CloudTrail has no delegated administrators in the partition {partition}, \
                 expected none"
            ),
        );
    }
    for (at, account) in administrators.iter().enumerate() {
        if *account == config.organization.management_account {
            checker.error(
                &[&format!("{key}[{at}]"), "organization.management_account"],
                format!(
                    "found {account}, the management account, which cannot be a delegated \
                     administrator, expected a member account"
                ),
            );
        }
    }
    for (at, account) in repeated(administrators) {
        checker.error(&[&format!("{key}[{at}]")], format!("{account} is listed twice"));
    }
}

fn excluded(config: &Config, checker: &mut Checker<'_>) {
    let organization = &config.organization;
    let key = "organization.excluded_accounts";
    for (at, account) in organization.excluded_accounts.iter().enumerate() {
        let place = format!("{key}[{at}]");
        if *account == organization.management_account {
            checker
                .error(
                    &[&place, "organization.management_account"],
                    format!("{account} is the management account, which cannot be excluded"),
                )
                .hint("the trail is in that account");
        }
        if *account == organization.log_archive_account {
            checker
                .error(
                    &[&place, "organization.log_archive_account"],
                    format!("{account} is the log-archive account, which cannot be excluded"),
                )
                .hint("the archive and its key are in that account");
        }
        let vault = config.archive.replication.as_ref().map(|vault| &vault.account);
        if vault == Some(account) && *account != organization.log_archive_account {
            checker
                .error(
                    &[&place, "archive.replication.account"],
                    format!("{account} is the vault's account, which cannot be excluded"),
                )
                .hint("the vault and its key are in that account");
        }
        if organization.delegated_administrators.contains(account) {
            checker.warning(
                &[&place, "organization.delegated_administrators"],
                format!("{account} is excluded, but a delegated administrator"),
            );
        }
        if config.roles.accounts.contains_key(account) {
            checker.warning(
                &[&format!("roles.accounts.{account}"), &place],
                format!("{account} is excluded, so its role is not used"),
            );
        }
    }
    for (at, account) in repeated(&organization.excluded_accounts) {
        checker.warning(&[&format!("{key}[{at}]")], format!("{account} is listed twice"));
    }
    for (at, unit) in organization.excluded_units.iter().enumerate() {
        let place = format!("organization.excluded_units[{at}]");
        if unit.is_root() {
            checker.error(
                &[&place],
                format!(
                    "{unit} is a root, which contains every account, expected the id of a unit"
                ),
            );
        }
    }
    for (at, unit) in repeated(&organization.excluded_units) {
        let place = format!("organization.excluded_units[{at}]");
        checker.warning(&[&place], format!("{unit} is listed twice"));
    }
}

fn guardrail(config: &Config, checker: &mut Checker<'_>) {
    let guardrail = &config.guardrail;
    let length = guardrail.name.chars().count();
    if !(1..=128).contains(&length) || guardrail.name.trim().is_empty() {
        checker.error(
            &["guardrail.name"],
            format!("found a policy name of {length} characters, expected 1 to 128"),
        );
    }
    if !guardrail.enabled && !guardrail.targets.is_empty() {
        checker
            .warning(&["guardrail.targets"], "the guardrail has targets, but is not enabled")
            .hint("`enabled = true` under `[guardrail]`");
    }
    for (at, target) in guardrail.targets.iter().enumerate() {
        let management = &config.organization.management_account;
        if *target == GuardrailTarget::Account(management.clone()) {
            checker.error(
                &[&format!("guardrail.targets[{at}]"), "organization.management_account"],
                format!(
                    "{target} is the management account, which service control policies do not \
                     apply to"
                ),
            );
        }
    }
    for (at, target) in repeated(&guardrail.targets) {
        checker.error(&[&format!("guardrail.targets[{at}]")], format!("{target} is listed twice"));
    }
}
