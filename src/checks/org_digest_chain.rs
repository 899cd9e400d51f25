use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::chains::{latest, root, since, statuses};
use super::judge::{by_scope, fail, not_configured, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Scope, Severity, TrailStatus, Verdict};
use crate::archive::verify::digest_delay::NEWER_AFTER;
use crate::archive::verify::finding::{Finding, FindingKind, Severity as FindingSeverity};
use crate::archive::verify::run::ScopeReport;
use crate::aws::Observation;
use crate::names::{AccountId, Region};

pub(super) const CHECK: Check = Check {
    id: "org-digest-chain",
    title: "the newest digests of every chain exist, verify and are linked",
    severity: Severity::Critical,
    why: "A broken signature or link means that digests or logs were altered, deleted or added.",
    fix: "orgtrail verify --account ID --region REGION lists the findings",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let verification = match &facts.chains {
        Observation::Present(verification) => verification,
        Observation::Absent if facts.desired.config.drift.chain_hours == 0 => {
            return of_organization(not_configured("drift.chain_hours"));
        }
        Observation::Absent => return Vec::new(),
        Observation::Unreadable(error) => return of_organization(unknown(error)),
    };
    let statuses: Statuses<'_> = statuses(&facts.accounts)
        .map(|(account, region, status)| ((account, region), status))
        .collect();
    let own = root(&facts.desired).to_string();
    let is_own = |report: &ScopeReport| report.root == own && !report.followed;
    let has_earlier = |reported: Timestamp| {
        let latest = latest(&facts.desired, reported);
        let own = verification.scopes.iter().filter(|report| is_own(report));
        own.flat_map(|report| &report.chains).any(|chain| chain.began_before(&latest))
    };
    let scopes = verification.scopes.iter().map(|report| {
        let status = statuses.get(&(&report.account, &report.region)).copied();
        let scope =
            Scope::Region { account: report.account.clone(), region: report.region.clone() };
        CheckResult {
            scope,
            verdict: of_report(facts, report, is_own(report), status, &has_earlier),
        }
    });
    let own_lanes: BTreeSet<_> = verification
        .scopes
        .iter()
        .filter(|report| is_own(report))
        .map(|report| (&report.account, &report.region))
        .collect();
    let without = statuses.iter().filter(|(place, _)| !own_lanes.contains(*place)).filter_map(
        |((account, region), status)| {
            let scope = Scope::Region { account: (*account).clone(), region: (*region).clone() };
            Some(CheckResult { scope, verdict: without_digests(facts, status, &has_earlier)? })
        },
    );
    // An account and Region can have lanes under several roots.
    let results = by_scope(scopes.chain(without));
    match (results.is_empty(), &facts.accounts) {
        (true, Observation::Unreadable(error)) => of_organization(unknown(error)),
        // No digest is due yet.
        (true, _) => of_organization(Verdict::Pass),
        (false, _) => results,
    }
}

/// The trail's status, by account and Region.
type Statuses<'a> = BTreeMap<(&'a AccountId, &'a Region), &'a Observation<TrailStatus>>;

const EXPECTED: &str = "digests as CloudTrail signed them, and the files that they list";

fn of_report(
    facts: &Facts,
    report: &ScopeReport,
    is_own: bool,
    status: Option<&Observation<TrailStatus>>,
    has_earlier: &dyn Fn(Timestamp) -> bool,
) -> Verdict {
    let words = |keep: &dyn Fn(&&Finding) -> bool| {
        let mut kinds: BTreeMap<FindingKind, usize> = BTreeMap::new();
        for finding in report.findings.iter().filter(keep) {
            *kinds.entry(finding.kind).or_default() += 1;
        }
        let meanings = kinds.iter().map(|(kind, count)| match count {
            1 => kind.meaning().to_owned(),
            many => format!("{} ({many} times)", kind.meaning()),
        });
        meanings.collect::<Vec<_>>().join("; ")
    };
    let altered = words(&|finding| finding.severity == FindingSeverity::Broken);
    let unproven = words(&|finding| finding.kind == FindingKind::NoDigests);
    // Below another root of the bucket, another trail delivers.
    let own_unproven = words(&|finding| {
        finding.kind == FindingKind::NoDigests
            && finding.key.as_ref().is_none_or(|key| key.starts_with(&report.root))
    });
    // In a gap of a chain, CloudTrail itself states that it recorded nothing.
    let unread = words(&|finding| {
        finding.severity == FindingSeverity::Incomplete && finding.kind == FindingKind::Unreadable
    });
    if !altered.is_empty() {
        return fail(altered, EXPECTED);
    }
    if !unread.is_empty() {
        return unreadable(report, &unread);
    }
    // The first digest of a trail that was moved here may still arrive.
    let doubtful = |finding: &&Finding| {
        finding.severity == FindingSeverity::Incomplete
            && finding.kind == FindingKind::NewestDeleted
    };
    if let Some(doubtful) = report.findings.iter().find(doubtful) {
        let reason = doubtful.found.as_deref().unwrap_or(doubtful.kind.meaning());
        return Verdict::Unknown { reason: reason.to_owned(), permission: None };
    }
    match status.filter(|_| is_own) {
        Some(Observation::Unreadable(error)) => unknown(error),
        // Its first digest may still arrive.
        Some(Observation::Present(status)) if is_young(facts, status) => Verdict::Pass,
        Some(Observation::Present(_)) if !own_unproven.is_empty() => fail(own_unproven, EXPECTED),
        Some(status) if report.chains.is_empty() && unproven.is_empty() => {
            without_digests(facts, status, has_earlier).unwrap_or(Verdict::Pass)
        }
        Some(Observation::Present(status))
            if unproven.is_empty() && status.is_logging && status.is_silent() =>
        {
            silent(report, facts.at)
        }
        _ if !unproven.is_empty() => Verdict::Unknown { reason: unproven, permission: None },
        // Only CloudTrail knows whether the newest digests were deleted.
        _ => facts.accounts.unreadable().map_or(Verdict::Pass, unknown),
    }
}

/// The addition if a later digest should have arrived.
pub(super) const OVERDUE: &str = ", and a later one is overdue: it is late, or was deleted";

/// The verdict on a chain that verifies, if CloudTrail does not report its newest digest:
/// later ones may have been deleted. `org-delivery-freshness` checks its age.
fn silent(report: &ScopeReport, at: Timestamp) -> Verdict {
    let newest = report.chains.iter().flat_map(|chain| &chain.proven).map(|period| period.to).max();
    let newest = newest.map_or_else(String::new, |to| {
        let next_is_due = SignedDuration::from_hours(1) + NEWER_AFTER;
        let overdue = if at.duration_since(to) > next_is_due { OVERDUE } else { "" };
        format!(": the newest one here ends at {to}{overdue}")
    });
    let reason = format!(
        "CloudTrail reports no deliveries for this account and Region, so it is not known \
         whether newer digests were deleted{newest}"
    );
    Verdict::Unknown { reason, permission: None }
}

/// The verdict on a chain with unreadable objects: the reason of the first, and the number
/// of others.
fn unreadable(report: &ScopeReport, meaning: &str) -> Verdict {
    let unread = || report.findings.iter().filter(|one| one.kind == FindingKind::Unreadable);
    let first = unread().find_map(|one| one.found.as_deref()).unwrap_or(meaning);
    let more = match unread().count() {
        0 | 1 => String::new(),
        all => format!(", and {} more", all - 1),
    };
    let needed = if first.contains("kms:Decrypt") { "kms:Decrypt" } else { "s3:GetObject" };
    let reason = format!("{first}{more}");
    Verdict::Unknown { reason, permission: Some(needed.to_owned()) }
}

/// Whether the trail was started so recently that no digest is due.
fn is_young(facts: &Facts, status: &TrailStatus) -> bool {
    let since = since(&facts.desired, facts.at);
    status.started.zip(since).is_some_and(|(started, since)| started >= since)
}

/// The verdict on an account and Region without a digest in the window; none if no digest
/// is due.
///
/// `has_earlier` returns whether the archive has a digest that the trail wrote before a
/// time: if not, the trail may have been moved here since.
fn without_digests(
    facts: &Facts,
    status: &Observation<TrailStatus>,
    has_earlier: &dyn Fn(Timestamp) -> bool,
) -> Option<Verdict> {
    let status = match status {
        Observation::Present(status) => status,
        // `org-coverage` reports a missing trail.
        Observation::Absent => return None,
        Observation::Unreadable(error) => return Some(unknown(error)),
    };
    if let Some(reported) = status.reported_digest {
        let is_within = since(&facts.desired, facts.at)
            .is_some_and(|since| reported.duration_since(since) > NEWER_AFTER);
        let found = format!("the digest that CloudTrail delivered at {reported} is missing");
        return is_within.then(|| {
            if has_earlier(reported) {
                return fail(found, EXPECTED);
            }
            let reason = format!("{found}: the trail may have been moved to this bucket since");
            Verdict::Unknown { reason, permission: None }
        });
    }
    // The status does not report digests: the archive must have a recent one.
    let stale = status.staleness(facts.at, facts.freshness()).filter(|_| status.is_logging)?;
    Some(match status.unread() {
        Some(error) => unknown(error),
        None => fail(stale, EXPECTED),
    })
}
