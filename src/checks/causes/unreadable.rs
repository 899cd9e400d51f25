//! Causes of unknown results.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Root, Scope, Verdict};
use crate::aws::{AwsError, ErrorKind, Observation};
use crate::checks::{Facts, TrailStatus};
use crate::names::{AccountId, Region};

/// The permission that a role that cannot be assumed lacks.
const ASSUME: &str = "sts:AssumeRole";

/// The possible causes of unknown findings.
pub(super) fn roots<'a>(facts: &'a Facts, findings: &[Finding]) -> Vec<Root<'a>> {
    let mut roots = vec![closed_accounts(facts, findings)];
    roots.push(denied_regions(facts));
    let mut roots: Vec<Root<'a>> = roots.into_iter().flatten().collect();
    roots.extend(repeated(findings));
    roots
}

/// The accounts whose role could not be assumed, and the first reason.
fn closed(facts: &Facts) -> BTreeMap<AccountId, AwsError> {
    let accounts = facts.accounts.present().into_iter().flatten();
    accounts
        .filter_map(|one| {
            let error = one.inside.as_ref().ok()?.other_trails.unreadable()?;
            error.has_no_session().then(|| (one.account.clone(), error.clone()))
        })
        .collect()
}

fn closed_accounts<'a>(facts: &'a Facts, findings: &[Finding]) -> Option<Root<'a>> {
    let closed = closed(facts);
    let lacks = |finding: &Finding| {
        matches!(&finding.verdict, Verdict::Unknown { permission: Some(permission), .. }
            if permission == ASSUME)
    };
    if closed.is_empty() && !findings.iter().any(lacks) {
        return None;
    }
    let named: Vec<&str> = closed.keys().take(3).map(AccountId::as_str).collect();
    let more = if closed.len() > named.len() { ", …" } else { "" };
    let title = match closed.len() {
        0 => "a role could not be assumed".to_owned(),
        1 => format!("the role in account {} could not be assumed", named.join(", ")),
        many => {
            format!("the roles in {many} accounts could not be assumed: {}{more}", named.join(", "))
        }
    };
    let fix = closed.values().next().and_then(AwsError::hint).unwrap_or_else(|| {
        "the role must exist and trust the caller: see [roles] and `orgtrail config roles`"
            .to_owned()
    });
    let root = Root::new("role-not-assumable", title, fix, move |finding| {
        let Verdict::Unknown { .. } = finding.verdict else { return false };
        let there = match &finding.scope {
            Scope::Account { account } | Scope::Region { account, .. } => {
                closed.contains_key(account)
            }
            _ => false,
        };
        there || lacks(finding)
    });
    Some(root.of_several())
}

/// The Regions that a service control policy denies in every account, while others are
/// allowed.
fn denied_regions(facts: &Facts) -> Option<Root<'_>> {
    let mut regions: BTreeMap<&Region, Vec<bool>> = BTreeMap::new();
    let accounts = facts.accounts.present()?;
    let management = facts.desired.management();
    let members = accounts.iter().filter(|one| one.account != *management);
    for inside in members.filter_map(|account| account.inside.as_ref().ok()) {
        for (region, status) in &inside.regions {
            regions.entry(region).or_default().push(is_denied(status));
        }
    }
    let closed: BTreeSet<Region> = regions
        .iter()
        .filter(|(_, denied)| !denied.is_empty() && denied.iter().all(|denied| *denied))
        .map(|(region, _)| (*region).clone())
        .collect();
    if closed.is_empty() || closed.len() == regions.len() {
        return None;
    }
    let names: Vec<&str> = closed.iter().take(5).map(Region::as_str).collect();
    let more = if closed.len() > names.len() { ", …" } else { "" };
    let title = format!(
        "service control policies deny orgtrail access to {}: {}{more}",
        if closed.len() == 1 { "1 Region".to_owned() } else { format!("{} Regions", closed.len()) },
        names.join(", ")
    );
    let fix = "exempt cloudtrail:GetTrailStatus, cloudtrail:DescribeTrails and \
               cloudtrail:ListPublicKeys for orgtrail's role from the policy, or set \
               organization.regions to the other Regions";
    let root = Root::new("region-denied", title, fix, move |finding| {
        matches!(finding.verdict, Verdict::Unknown { .. })
            && matches!(&finding.scope, Scope::Region { region, .. } if closed.contains(region))
    });
    Some(root.of_several())
}

fn is_denied(status: &Observation<TrailStatus>) -> bool {
    status.unreadable().is_some_and(|error| {
        let message = error.message.as_deref().unwrap_or_default();
        error.kind() == ErrorKind::AccessDenied && message.contains("service control policy")
    })
}

/// Reads of one kind that failed several times.
fn repeated<'a>(findings: &[Finding]) -> Vec<Root<'a>> {
    let mut reasons: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.is_open()) {
        if let Verdict::Unknown { reason, permission: Some(permission) } = &finding.verdict {
            reasons.entry(permission).or_insert((0, reason)).0 += 1;
        }
    }
    let several = reasons.into_iter().filter(|(_, (count, _))| *count > 1);
    several
        .map(|(permission, (_, reason))| {
            let denied = reason.contains("access denied");
            let (id, title) = if denied {
                (format!("denied:{permission}"), format!("{permission} is denied"))
            } else {
                (format!("unreadable:{permission}"), format!("{permission} failed: {reason}"))
            };
            let fix = if denied {
                format!("allow {permission} for orgtrail's role (`orgtrail config roles` prints all permissions), in every policy that denies it")
            } else {
                "see the reason in each finding, then run orgtrail drift again".to_owned()
            };
            let permission = permission.to_owned();
            let root = Root::new(id, title, fix, move |finding| {
                matches!(&finding.verdict, Verdict::Unknown { permission: Some(found), .. }
                    if *found == permission)
            });
            root.of_several()
        })
        .collect()
}
