use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::chains::{latest, root, since, statuses};
use super::judge::{by_scope, fail, not_configured, of_organization, unknown};
use super::{Check, CheckResult, Facts, Rule, Severity, TrailStatus};
use super::{Scope, Verdict};
use crate::archive::verify::digest_delay::NEWER_AFTER;
use crate::archive::verify::finding::{Finding, FindingKind, Severity as Grave};
use crate::archive::verify::run::LaneReport;
use crate::aws::Seen;
use crate::names::{AccountId, Region};

pub(super) const CHECK: Check = Check {
    id: "org-digest-chain",
    title: "the newest digests of every chain are there, verify and link",
    severity: Severity::Critical,
    why: "A broken signature or link means that digests or logs were altered, deleted or put in.",
    fix: "orgtrail verify --account ID --region REGION tells what does not hold",
    resources: &[],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let verification = match &facts.chains {
        Seen::Present(verification) => verification,
        Seen::Absent if facts.desired.config.drift.chain_hours == 0 => {
            return of_organization(not_configured("drift.chain_hours"));
        }
        Seen::Absent => return Vec::new(),
        Seen::Unreadable(error) => return of_organization(unknown(error)),
    };
    let statuses: Statuses<'_> = statuses(&facts.accounts)
        .map(|(account, region, status)| ((account, region), status))
        .collect();
    let own = root(&facts.desired).to_string();
    let is_own = |lane: &LaneReport| lane.root == own && !lane.followed;
    let has_earlier = |told: Timestamp| {
        let latest = latest(&facts.desired, told);
        let own = verification.lanes.iter().filter(|lane| is_own(lane));
        own.flat_map(|lane| &lane.chains).any(|chain| chain.began_before(&latest))
    };
    let lanes = verification.lanes.iter().map(|lane| {
        let status = statuses.get(&(&lane.account, &lane.region)).copied();
        let scope = Scope::Region { account: lane.account.clone(), region: lane.region.clone() };
        CheckResult { scope, verdict: of_lane(facts, lane, is_own(lane), status, &has_earlier) }
    });
    let own_lanes: BTreeSet<_> = verification
        .lanes
        .iter()
        .filter(|lane| is_own(lane))
        .map(|lane| (&lane.account, &lane.region))
        .collect();
    let without = statuses.iter().filter(|(place, _)| !own_lanes.contains(*place)).filter_map(
        |((account, region), status)| {
            let scope = Scope::Region { account: (*account).clone(), region: (*region).clone() };
            Some(CheckResult { scope, verdict: without_digests(facts, status, &has_earlier)? })
        },
    );
    // An account and Region can have lanes under several roots.
    let results = by_scope(lanes.chain(without));
    match (results.is_empty(), &facts.accounts) {
        (true, Seen::Unreadable(error)) => of_organization(unknown(error)),
        // Nothing is due yet.
        (true, _) => of_organization(Verdict::Pass),
        (false, _) => results,
    }
}

/// How the trail fares, by account and Region.
type Statuses<'a> = BTreeMap<(&'a AccountId, &'a Region), &'a Seen<TrailStatus>>;

const EXPECTED: &str = "digests as CloudTrail signed them, and what they list";

fn of_lane(
    facts: &Facts,
    lane: &LaneReport,
    is_own: bool,
    status: Option<&Seen<TrailStatus>>,
    has_earlier: &dyn Fn(Timestamp) -> bool,
) -> Verdict {
    let words = |keep: &dyn Fn(&&Finding) -> bool| {
        let mut kinds: BTreeMap<FindingKind, usize> = BTreeMap::new();
        for finding in lane.findings.iter().filter(keep) {
            *kinds.entry(finding.kind).or_default() += 1;
        }
        let told = kinds.iter().map(|(kind, count)| match count {
            1 => kind.meaning().to_owned(),
            many => format!("{} ({many} times)", kind.meaning()),
        });
        told.collect::<Vec<_>>().join("; ")
    };
    let altered = words(&|finding| finding.severity == Grave::Broken);
    let unproven = words(&|finding| finding.kind == FindingKind::NoDigests);
    // Below another root of the bucket, another trail delivers.
    let own_unproven = words(&|finding| {
        finding.kind == FindingKind::NoDigests
            && finding.key.as_ref().is_none_or(|key| key.starts_with(&lane.root))
    });
    // A gap of a chain is CloudTrail's own word that nothing was recorded.
    let unread = words(&|finding| {
        finding.severity == Grave::Incomplete && finding.kind == FindingKind::Unreadable
    });
    if !altered.is_empty() {
        return fail(altered, EXPECTED);
    }
    if !unread.is_empty() {
        return unreadable(lane, &unread);
    }
    // Of a trail that was moved here, the first digest may be on its way.
    let doubtful = |finding: &&Finding| {
        finding.severity == Grave::Incomplete && finding.kind == FindingKind::NewestDeleted
    };
    if let Some(doubtful) = lane.findings.iter().find(doubtful) {
        let reason = doubtful.found.as_deref().unwrap_or(doubtful.kind.meaning());
        return Verdict::Unknown { reason: reason.to_owned(), permission: None };
    }
    match status.filter(|_| is_own) {
        Some(Seen::Unreadable(error)) => unknown(error),
        // Its first digest may be on its way.
        Some(Seen::Present(status)) if is_young(facts, status) => Verdict::Pass,
        Some(Seen::Present(_)) if !own_unproven.is_empty() => fail(own_unproven, EXPECTED),
        Some(status) if lane.chains.is_empty() && unproven.is_empty() => {
            without_digests(facts, status, has_earlier).unwrap_or(Verdict::Pass)
        }
        Some(Seen::Present(status))
            if unproven.is_empty() && status.is_logging && status.is_silent() =>
        {
            silent(lane, facts.at)
        }
        _ if !unproven.is_empty() => Verdict::Unknown { reason: unproven, permission: None },
        // Whether the newest were deleted, CloudTrail alone knows.
        _ => facts.accounts.unreadable().map_or(Verdict::Pass, unknown),
    }
}

/// What is said where a digest should have come since.
pub(super) const OVERDUE: &str = ", and a later one is overdue: it is late, or was deleted";

/// The verdict on a chain that verifies, where nobody tells which digest is its
/// newest: whether those after it were deleted is not known. Its age is judged by
/// `org-delivery-freshness`.
fn silent(lane: &LaneReport, at: Timestamp) -> Verdict {
    let newest = lane.chains.iter().flat_map(|chain| &chain.proven).map(|period| period.to).max();
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

/// The verdict on a chain of which something could not be read: why the first could
/// not, and how many others.
fn unreadable(lane: &LaneReport, meaning: &str) -> Verdict {
    let unread = || lane.findings.iter().filter(|one| one.kind == FindingKind::Unreadable);
    let first = unread().find_map(|one| one.found.as_deref()).unwrap_or(meaning);
    let more = match unread().count() {
        0 | 1 => String::new(),
        all => format!(", and {} more", all - 1),
    };
    let needed = if first.contains("kms:Decrypt") { "kms:Decrypt" } else { "s3:GetObject" };
    let reason = format!("{first}{more}");
    Verdict::Unknown { reason, permission: Some(needed.to_owned()) }
}

/// Whether the trail was started so lately that no digest is due.
fn is_young(facts: &Facts, status: &TrailStatus) -> bool {
    let since = since(&facts.desired, facts.at);
    status.started.zip(since).is_some_and(|(started, since)| started >= since)
}

/// The verdict on an account and Region without a digest of the window: nothing
/// where none is due.
///
/// `has_earlier` tells whether the archive has a digest that the trail wrote before
/// another was delivered: if not, it may have been moved here since.
fn without_digests(
    facts: &Facts,
    status: &Seen<TrailStatus>,
    has_earlier: &dyn Fn(Timestamp) -> bool,
) -> Option<Verdict> {
    let status = match status {
        Seen::Present(status) => status,
        // Where the trail is not, coverage tells it.
        Seen::Absent => return None,
        Seen::Unreadable(error) => return Some(unknown(error)),
    };
    if let Some(told) = status.told_digest {
        let is_within = since(&facts.desired, facts.at)
            .is_some_and(|since| told.duration_since(since) > NEWER_AFTER);
        let found = format!("none of the digest that CloudTrail delivered at {told}");
        return is_within.then(|| {
            if has_earlier(told) {
                return fail(found, EXPECTED);
            }
            let reason = format!("{found}: the trail may have come to this bucket since");
            Verdict::Unknown { reason, permission: None }
        });
    }
    // The status does not tell of digests: the archive must hold a fresh one.
    let stale = status.staleness(facts.at, facts.freshness()).filter(|_| status.is_logging)?;
    Some(match status.unread() {
        Some(error) => unknown(error),
        None => fail(stale, EXPECTED),
    })
}
