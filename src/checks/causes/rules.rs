//! Causes that are recognized by their effects.

use super::{Finding, Root, Verdict};
use crate::archive::verify::finding::Severity as FindingSeverity;
use crate::aws::Observation;
use crate::checks::org_digest_chain::OVERDUE;
use crate::checks::{Facts, Scope, TrailStatus};
use crate::names::{AccountId, Region};
use crate::resources::other_manager;

/// The possible causes, from the resources that everything depends on downwards.
pub(super) fn roots(facts: &Facts) -> Vec<Root<'_>> {
    let rules = [
        trail_gone,
        single_account,
        trail_stopped,
        bucket_gone,
        key_unusable,
        deliveries_fail,
        log_group_gone,
        alarm_topic_gone,
    ];
    rules.into_iter().filter_map(|rule| rule(facts)).chain([silent_status(facts)]).collect()
}

/// The checks of every account and Region.
const EVERYWHERE: [&str; 4] =
    ["org-coverage", "org-delivery-freshness", "org-digest-chain", "org-new-accounts"];

fn lacks_permission(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Unknown { permission: Some(_), .. })
}

fn has_failed(finding: &Finding) -> bool {
    matches!(finding.verdict, Verdict::Fail { .. })
}

/// Whether a check of every account and Region reports missing recording, and not an
/// alteration or a deletion.
fn is_of_recording(facts: &Facts, finding: &Finding) -> bool {
    EVERYWHERE.contains(&finding.check.as_str())
        && !(finding.check == "org-digest-chain" && is_altered(facts, &finding.scope))
}

/// Whether a delivered object was altered or deleted.
fn is_altered(facts: &Facts, scope: &Scope) -> bool {
    let Scope::Region { account, region } = scope else { return false };
    let scopes = facts.chains.present().into_iter().flat_map(|found| &found.scopes);
    scopes
        .filter(|report| (&report.account, &report.region) == (account, region))
        .flat_map(|report| &report.findings)
        .any(|finding| finding.severity == FindingSeverity::Broken)
}

fn status<'a>(
    facts: &'a Facts,
    account: &AccountId,
    region: &Region,
) -> Option<&'a Observation<TrailStatus>> {
    let accounts = facts.accounts.present()?;
    let found = accounts.iter().find(|one| one.account == *account)?;
    found.inside.as_ref().ok()?.regions.get(region)
}

/// Whether the trail's status in the scope of a finding meets a condition.
fn has_status(
    facts: &Facts,
    scope: &Scope,
    is_met: impl Fn(&Observation<TrailStatus>) -> bool,
) -> bool {
    match scope {
        Scope::Region { account, region } => status(facts, account, region).is_some_and(is_met),
        Scope::Account { account } => {
            let accounts = facts.accounts.present().into_iter().flatten();
            let mut found = accounts.filter(|one| one.account == *account);
            let inside = found.next().and_then(|one| one.inside.as_ref().ok());
            inside.is_some_and(|inside| inside.regions.values().any(is_met))
        }
        _ => false,
    }
}

fn trail_gone(facts: &Facts) -> Option<Root<'_>> {
    facts.observed.trails.present().filter(|trails| trails.own.is_none())?;
    let title = format!("the organization trail {} does not exist", facts.desired.trail_arn());
    let fix = "`orgtrail drift --fix` creates it again; `aws cloudtrail lookup-events \
               --lookup-attributes AttributeKey=EventName,AttributeValue=DeleteTrail` in the \
               management account shows who deleted it";
    Some(Root::new("trail-missing", title, fix, |finding| {
        let own = finding.check.starts_with("trail-") && finding.check != "trail-duplicates";
        has_failed(finding)
            && (own || finding.check == "org-trail-identity" || is_of_recording(facts, finding))
    }))
}

fn single_account(facts: &Facts) -> Option<Root<'_>> {
    let own = facts.observed.trails.present()?.own.as_ref()?;
    let shrunk = !own.settings.is_organization_trail;
    let untrusted = facts.observed.trusted_access.is_absent();
    if !shrunk && !untrusted {
        return None;
    }
    let management = facts.desired.management();
    let why = if untrusted { "trusted access for CloudTrail is off" } else { "it was changed" };
    let title = if shrunk {
        format!(
            "the organization trail has become a single-account trail: {why}, and it records only account {management}"
        )
    } else {
        format!(
            "the organization trail becomes a single-account trail: {why}, and CloudTrail can record only account {management}"
        )
    };
    let is_managed = other_manager(&facts.desired, &facts.observed).is_some();
    let fix = if is_managed && shrunk {
        "`orgtrail drift --fix` turns trusted access on; then convert the trail with the tool that \
         manages it (for Control Tower: reset the landing zone); the events of other accounts in \
         the meantime are not recorded"
    } else {
        "`orgtrail drift --fix` turns trusted access on and converts the trail back to an \
         organization trail; the events of other accounts in the meantime are not recorded"
    };
    Some(Root::new("trail-single-account", title, fix, move |finding| {
        let elsewhere = has_status(facts, &finding.scope, |status| {
            !status_is_readable_and_logs(status)
        }) && !matches!(&finding.scope, Scope::Region { account, .. } | Scope::Account { account } if account == management);
        match finding.check.as_str() {
            "org-trusted-access" => untrusted && has_failed(finding),
            "org-trail-identity" => shrunk && has_failed(finding),
            // From then on, its digests are below another prefix than the organization's.
            "org-digest-chain" if !elsewhere => {
                shrunk && !lacks_permission(finding) && is_of_recording(facts, finding)
            }
            _ => elsewhere && has_failed(finding) && is_of_recording(facts, finding),
        }
    }))
}

fn status_is_readable_and_logs(status: &Observation<TrailStatus>) -> bool {
    match status {
        Observation::Present(status) => status.is_logging && !status.is_silent(),
        Observation::Absent => false,
        Observation::Unreadable(_) => true,
    }
}

fn trail_stopped(facts: &Facts) -> Option<Root<'_>> {
    facts.observed.trail_logging.present().filter(|found| !found.is_logging)?;
    let title = "the organization trail is stopped: no account is recorded";
    let fix = "`orgtrail drift --fix` starts it again; `aws cloudtrail lookup-events \
               --lookup-attributes AttributeKey=EventName,AttributeValue=StopLogging` in the \
               management account shows who stopped it";
    Some(Root::new("trail-stopped", title, fix, |finding| {
        let own = ["trail-is-logging", "trail-cloudwatch-logs"].contains(&finding.check.as_str());
        let stopped = |status: &Observation<TrailStatus>| {
            status.present().is_some_and(|status| !status.is_logging)
        };
        let recording =
            is_of_recording(facts, finding) && has_status(facts, &finding.scope, stopped);
        has_failed(finding) && (own || recording)
    }))
}

fn bucket_gone(facts: &Facts) -> Option<Root<'_>> {
    if !facts.observed.archive_bucket.is_absent() {
        return None;
    }
    let title = format!("the archive bucket {} does not exist", facts.desired.bucket());
    let fix = "`orgtrail drift --fix` creates it again; its objects are lost, unless they were \
               replicated";
    Some(Root::new("bucket-missing", title, fix, |finding| {
        let checks = finding.check.starts_with("bucket-") || finding.check == "trail-is-logging";
        has_failed(finding) && (checks || is_of_recording(facts, finding))
    }))
}

fn key_unusable(facts: &Facts) -> Option<Root<'_>> {
    let (state, fix) = match &facts.observed.kms_key {
        Observation::Absent => (
            "does not exist".to_owned(),
            "`orgtrail drift --fix` creates one; everything encrypted with the deleted key is \
             lost"
                .to_owned(),
        ),
        Observation::Present(key) if key.state.starts_with("Pending") => (
            "is pending deletion".to_owned(),
            format!("aws kms cancel-key-deletion --key-id {}, then orgtrail drift --fix", key.arn),
        ),
        Observation::Present(key) if key.state != "Enabled" => (
            format!("is {}", key.state.to_lowercase()),
            format!("orgtrail drift --fix, or aws kms enable-key --key-id {}", key.arn),
        ),
        Observation::Present(_) | Observation::Unreadable(_) => return None,
    };
    let alias = &facts.desired.config.key.alias;
    let title = format!("the key {alias} {state}: no log file can be delivered or read");
    Some(Root::new("key-unusable", title, fix, move |finding| {
        let fails = |status: &Observation<TrailStatus>| {
            let status = status.present();
            status.is_some_and(|one| one.log_error.is_some() || one.digest_error.is_some())
        };
        let delivery = is_of_recording(facts, finding) && has_status(facts, &finding.scope, fails);
        let own = finding.check.starts_with("key-")
            || (finding.check == "trail-kms" && facts.observed.kms_key.is_absent())
            || (finding.check == "trail-is-logging" && delivery_error(facts).is_some());
        // Digests that cannot be decrypted cannot be verified.
        let unread = finding.check == "org-digest-chain"
            && matches!(&finding.verdict, Verdict::Unknown { reason, .. } if reason.contains("KMS") || reason.contains("kms:"));
        (has_failed(finding) && (own || delivery)) || unread
    }))
}

/// Why the last delivery of the trail's home Region failed.
fn delivery_error(facts: &Facts) -> Option<String> {
    let status = facts.home_status().ok()?;
    let status = *status.present()?;
    status.log_error.clone().or_else(|| status.digest_error.clone())
}

fn deliveries_fail(facts: &Facts) -> Option<Root<'_>> {
    let errors = |status: &Observation<TrailStatus>| {
        let status = status.present()?;
        status.log_error.clone().or_else(|| status.digest_error.clone())
    };
    let accounts = facts.accounts.present()?;
    let insides = accounts.iter().filter_map(|account| account.inside.as_ref().ok());
    let all = insides.flat_map(|inside| inside.regions.values());
    let mut reasons: Vec<String> = all.filter_map(errors).collect();
    reasons.sort();
    reasons.dedup();
    if reasons.is_empty() {
        return None;
    }
    let title = format!("CloudTrail cannot deliver to the archive: {}", reasons.join(", "));
    let fix = "usually the policy of the bucket or the key denies CloudTrail: orgtrail drift --fix; \
               rcp-archive names a resource control policy that does";
    let root = Root::new("deliveries-fail", title, fix, move |finding| {
        let fails = |status: &Observation<TrailStatus>| errors(status).is_some();
        let own = finding.check == "trail-is-logging" && delivery_error(facts).is_some();
        let delivery = is_of_recording(facts, finding) && has_status(facts, &finding.scope, fails);
        has_failed(finding) && (own || delivery)
    });
    Some(root.of_several())
}

fn silent_status(facts: &Facts) -> Root<'_> {
    let title = "CloudTrail reports no deliveries, so it is unknown whether the newest digests were \
                 deleted";
    let fix = "`orgtrail verify` checks the age of the chains; if CloudTrail never reports \
               deliveries to members, suppress org-digest-chain for these accounts with a reason \
               ([[drift.suppress]])";
    Root::new("status-without-deliveries", title, fix, |finding| {
        let silent = |status: &Observation<TrailStatus>| {
            status.present().is_some_and(|status| status.is_logging && status.is_silent())
        };
        finding.check == "org-digest-chain"
            // An overdue digest is a finding of its own.
            && matches!(&finding.verdict, Verdict::Unknown { permission: None, reason }
                if !reason.ends_with(OVERDUE))
            && has_status(facts, &finding.scope, silent)
    })
}

fn log_group_gone(facts: &Facts) -> Option<Root<'_>> {
    let declared = facts.desired.config.cloudwatch_logs.enabled;
    if !declared || !facts.observed.log_group.is_absent() {
        return None;
    }
    let title =
        format!("the log group {} does not exist", facts.desired.config.cloudwatch_logs.group);
    let root = Root::new("log-group-missing", title, "orgtrail drift --fix", |finding| {
        let checks = finding.check.starts_with("log-group-")
            || finding.check.starts_with("alarm-")
            || finding.check == "trail-cloudwatch-logs";
        has_failed(finding) && checks
    });
    Some(root.of_several())
}

fn alarm_topic_gone(facts: &Facts) -> Option<Root<'_>> {
    let topic = facts.desired.alarm_topic_arn()?;
    if !facts.observed.alarm_topic.is_absent() {
        return None;
    }
    let title = format!("the alarm topic {topic} does not exist, so alarms notify no one");
    let fix = "orgtrail drift --fix; every subscriber must confirm again";
    let root = Root::new("alarm-topic-missing", title, fix, |finding| {
        has_failed(finding) && finding.check.starts_with("alarm-")
    });
    Some(root.of_several())
}
