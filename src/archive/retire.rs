//! Whether a legacy trail can be retired: pure decisions about what was observed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::batches::LogPrefix;
use super::consolidate::run::Report;
use super::key::DIGEST_FOLDER;
use super::verify::chain::ChainSummary;
use super::verify::digest_delay::digests_due;
use super::verify::finding::{FindingKind, Severity};
use super::verify::period::{Period, Periods};
use super::verify::run::Verification;
use super::verify::unlisted::HOUR_MARGIN;
use crate::names::{AccountId, BucketName, Region};
use crate::org::Ruling;

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionStatus {
    /// It is met.
    Met,
    /// A required read failed.
    Unreadable,
    /// It is not met.
    NotMet,
}

/// A condition for retiring a trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The condition.
    pub name: &'static str,
    /// Its status.
    pub status: ConditionStatus,
    /// The reason for the status.
    pub reason: String,
}

impl Condition {
    fn new(name: &'static str, status: ConditionStatus, reason: impl Into<String>) -> Self {
        Self { name, status, reason: reason.into() }
    }
}

/// A failed read, with its causes.
type FailedRead = String;

/// The organization trail delivers the same account and Regions.
pub const DELIVERED: &str = "the organization trail covers the same account and Regions";
/// All objects of the source are in the archive.
pub const CONSOLIDATED: &str = "everything is in the archive";
/// The chains of the legacy trail are proven in the archive.
pub const VERIFIED: &str = "the archived logs are proven";
/// Source and archive have the same number of objects.
pub const COUNTED: &str = "the object counts match";
/// Nothing prevents stopping and deleting the trail.
pub const DELETABLE: &str = "it may be deleted";

/// The conditions for a trail whose bucket does not exist: it delivers nothing, and no logs
/// are left to keep.
#[must_use]
pub fn without_bucket(bucket: &BucketName) -> Vec<Condition> {
    let why = format!("its bucket {bucket} does not exist");
    [
        (DELIVERED, format!("{why}: the trail delivers nothing")),
        (CONSOLIDATED, format!("{why}: nothing is left to copy")),
        (VERIFIED, format!("{why}: nothing is left to verify")),
        (COUNTED, format!("{why}: nothing is left to count")),
    ]
    .map(|(name, reason)| Condition::new(name, ConditionStatus::Met, reason))
    .into()
}

/// Whether the organization's service control policies allow stopping and deleting the
/// trail. If the policies could not be read, the call to CloudTrail decides: if it is
/// denied, logging is started again.
#[must_use]
pub fn deletable(rulings: Result<&[(&'static str, Ruling)], FailedRead>) -> Condition {
    let condition = |status, reason| Condition::new(DELETABLE, status, reason);
    let open = |why: String| {
        let reason = format!("{why}; where CloudTrail refuses, logging is started again");
        condition(ConditionStatus::Met, reason)
    };
    let rulings = match rulings {
        Ok(rulings) => rulings,
        Err(why) => return open(format!("service control policies could not be read: {why}")),
    };
    let denied = rulings.iter().find_map(|(action, ruling)| match ruling {
        Ruling::Denied(by) => Some(format!("{action} is denied by {by}")),
        Ruling::Permitted | Ruling::Unclear(_) => None,
    });
    if let Some(reason) = denied {
        return condition(ConditionStatus::NotMet, reason);
    }
    let unclear = rulings.iter().find_map(|(action, ruling)| match ruling {
        Ruling::Unclear(by) => Some(format!("{action} may be denied by {by}")),
        Ruling::Permitted | Ruling::Denied(_) => None,
    });
    match unclear {
        Some(why) => open(why),
        None => condition(ConditionStatus::Met, "no service control policy denies it".to_owned()),
    }
}

/// Identifies a trail among those of the same name and home Region, by its owner, which the
/// original addresses of its digests show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailIdentity {
    /// The Region in which the trail was created.
    pub home: Region,
    /// The account that owns it.
    pub owner: AccountId,
}

impl TrailIdentity {
    fn owns(&self, chain: &ChainSummary) -> bool {
        chain.home_region == self.home.as_str() && chain.owner.as_ref() == Some(&self.owner)
    }
}

/// Whether the proven digests of the organization trail cover the period in every Region,
/// and all log files that they list are proven.
#[must_use]
pub fn delivered(
    verification: Result<&Verification, FailedRead>,
    account: &AccountId,
    regions: &BTreeSet<Region>,
    trail: &TrailIdentity,
    period: Period,
) -> Condition {
    let condition = |status, reason| Condition::new(DELIVERED, status, reason);
    let verification = match verification {
        Ok(verification) => verification,
        Err(reason) => return condition(ConditionStatus::Unreadable, reason),
    };
    let mut lacking = Vec::new();
    let mut unread = Vec::new();
    for region in regions {
        let lanes = verification.scopes.iter();
        let (mut proven, mut chained) = (Periods::default(), Periods::default());
        for lane in lanes.filter(|lane| (&lane.account, &lane.region) == (account, region)) {
            lane.proven.iter().for_each(|period| proven.add(*period));
            let chains = lane.chains.iter().filter(|chain| trail.owns(chain));
            chains.flat_map(|chain| &chain.proven).for_each(|period| chained.add(*period));
            let failed = lane.findings.iter().find(|f| f.kind == FindingKind::Unreadable);
            unread.extend(failed.and_then(|finding| finding.found.clone()));
        }
        let missing = [chained.gaps_in(period), proven.gaps_in(period)].concat();
        if let Some(missing) = missing.first() {
            lacking.push(format!("{region} from {} to {}", missing.from, missing.to));
        }
    }
    match (lacking.is_empty(), unread.into_iter().next()) {
        (true, _) => condition(
            ConditionStatus::Met,
            format!("proven from {} to {} in {}", period.from, period.to, join(regions)),
        ),
        (false, Some(reason)) => condition(ConditionStatus::Unreadable, reason),
        (false, None) => condition(
            ConditionStatus::NotMet,
            format!("nothing is proven for {}", lacking.join(", ")),
        ),
    }
}

/// Whether a dry run over the whole source finds nothing to copy.
#[must_use]
pub fn consolidated(report: Result<&Report, FailedRead>) -> Condition {
    let condition = |status, reason| Condition::new(CONSOLIDATED, status, reason);
    let report = match report {
        Ok(report) => report,
        Err(reason) => return condition(ConditionStatus::Unreadable, reason),
    };
    let counts = &report.counts;
    let missing: Vec<String> = [
        (counts.copied, "missing: `orgtrail consolidate` copies what is missing"),
        (counts.archived, "missing that must be restored first"),
        (counts.conflicts, "in conflict with what the archive has"),
        // Digests that CloudTrail did not sign are not evidence.
        (
            counts.quarantined.saturating_sub(counts.quarantined_digests),
            "that are not log files: `orgtrail accept` accepts them",
        ),
        (counts.held_back, "log files whose digests are not in the archive"),
    ]
    .into_iter()
    .filter(|(objects, _)| *objects > 0)
    .map(|(objects, words)| format!("{} {words}", plural(objects, "object", "objects")))
    .collect();
    if !missing.is_empty() {
        return condition(ConditionStatus::NotMet, missing.join("; "));
    }
    let unread = report.failures.iter().map(|f| format!("{}: {}", f.place, f.reason));
    if let Some(reason) = unread.into_iter().next() {
        return condition(ConditionStatus::Unreadable, reason);
    }
    if counts.failed > 0 || report.stopped {
        let failed = plural(counts.failed, "object", "objects");
        let reason = format!("{failed} could not be compared");
        return condition(ConditionStatus::Unreadable, reason);
    }
    // Only digests can prove these copies.
    let uncompared = match counts.uncompared {
        0 => String::new(),
        some => format!("; {some} archived, compared by size alone"),
    };
    let source = plural(counts.source, "object", "objects");
    let reason = format!("none of {source} is missing{uncompared}");
    condition(ConditionStatus::Met, reason)
}

/// The log files of the source in periods that no digest of the legacy trail covers.
///
/// A chain that ended and restarted later leaves a gap that no digest covers. Without log
/// files in the gap, nothing is lost; with log files, nothing proves that they are complete.
#[derive(Debug)]
pub struct Unproven {
    proven: BTreeMap<Region, Periods>,
    /// The digests of later files may not be delivered yet.
    due: Timestamp,
    found: BTreeMap<Region, (u64, Period)>,
}

impl Unproven {
    /// No files yet; `verification` gives the proven periods of the legacy trail.
    #[must_use]
    pub fn new(verification: &Verification, trail: &TrailIdentity, at: Timestamp) -> Self {
        let mut proven = BTreeMap::<Region, Periods>::new();
        for lane in verification.scopes.iter().filter(|lane| !lane.followed) {
            let of_region = proven.entry(lane.region.clone()).or_default();
            let chains = lane.chains.iter().filter(|chain| trail.owns(chain));
            for period in chains.flat_map(|chain| &chain.proven) {
                // A file's time may be slightly outside its digest's hour.
                of_region.add(Period {
                    from: period.from.saturating_sub(HOUR_MARGIN).unwrap_or(period.from),
                    to: period.to.saturating_add(HOUR_MARGIN).unwrap_or(period.to),
                });
            }
        }
        Self { proven, due: digests_due(at), found: BTreeMap::new() }
    }

    /// Adds a log file of the source.
    pub fn add_log(&mut self, region: &Region, time: Timestamp) {
        let proven = self.proven.get(region);
        if time > self.due
            || proven.is_some_and(|proven| proven.contains(time, SignedDuration::ZERO))
        {
            return;
        }
        let first = Period { from: time, to: time };
        let (files, period) = self.found.entry(region.clone()).or_insert((0, first));
        *files += 1;
        *period = Period { from: period.from.min(time), to: period.to.max(time) };
    }

    fn description(&self) -> Option<String> {
        let of = |(region, (files, period)): (&Region, &(u64, Period))| {
            let files = plural(*files, "log file", "log files");
            format!("{files} of {region} from {} to {}", period.from, period.to)
        };
        let all: Vec<String> = self.found.iter().map(of).collect();
        (!all.is_empty()).then(|| format!("no digest of the trail proves {}", all.join("; ")))
    }
}

/// Whether verification proves the chains of the legacy trail in the archive, and these
/// prove all log files of its source.
///
/// The verification is of its chains alone; `scopes` are its source's.
#[must_use]
pub fn verified(
    verification: Result<(&Verification, &Unproven), FailedRead>,
    lanes: &[LogPrefix],
    trail: &TrailIdentity,
) -> Condition {
    let condition = |status, reason| Condition::new(VERIFIED, status, reason);
    let (verification, unproven) = match verification {
        Ok(verified) => verified,
        Err(reason) => return condition(ConditionStatus::Unreadable, reason),
    };
    let findings = || verification.all_findings();
    // Files that are not copied yet are not in the archive.
    let is_wrong = |finding: &&crate::archive::verify::finding::Finding| {
        finding.severity == Severity::Broken || finding.kind == FindingKind::NotConsolidated
    };
    if let Some(broken) = findings().find(is_wrong) {
        let key = broken.key.as_deref().unwrap_or("the archive");
        let all = plural(findings().filter(is_wrong).count() as u64, "finding", "findings");
        let reason = format!("{all}, the first {}: {key}", broken.kind);
        return condition(ConditionStatus::NotMet, reason);
    }
    if let Some(unread) = findings().find(|finding| finding.kind == FindingKind::Unreadable) {
        let reason = unread.found.clone().unwrap_or_else(|| unread.kind.meaning().to_owned());
        return condition(ConditionStatus::Unreadable, reason);
    }
    let regions: BTreeSet<Region> = lanes.iter().map(|lane| lane.region.clone()).collect();
    let digests_in = |region: &Region| -> u64 {
        let lanes = verification.scopes.iter().filter(|lane| lane.region == *region);
        let chains = lanes.flat_map(|lane| &lane.chains).filter(|chain| trail.owns(chain));
        chains.map(|chain| chain.valid).sum()
    };
    let without: BTreeSet<Region> =
        regions.iter().filter(|region| digests_in(region) == 0).cloned().collect();
    if !without.is_empty() {
        let validated = lanes.iter().any(|lane| lane.folder == DIGEST_FOLDER);
        let why = if validated { "" } else { ": log file validation was off" };
        let reason = format!("no digest of the trail proves the logs of {}{why}", join(&without));
        return condition(ConditionStatus::NotMet, reason);
    }
    if let Some(reason) = unproven.description() {
        return condition(ConditionStatus::NotMet, reason);
    }
    let digests: u64 = regions.iter().map(digests_in).sum();
    let logs: u64 = verification.scopes.iter().map(|lane| lane.logs.valid).sum();
    let open = findings().filter(|finding| finding.severity == Severity::Incomplete).count();
    let open = match open {
        0 => String::new(),
        more => {
            let findings = plural(more as u64, "finding", "findings");
            format!("; {findings} of times that no digest covers, without log files")
        }
    };
    let digests = plural(digests, "digest", "digests");
    let logs = plural(logs, "log file", "log files");
    condition(ConditionStatus::Met, format!("{digests} and {logs}{open}"))
}

/// Whether an independent count of the source matches the number of objects that the dry run
/// found in the archive.
#[must_use]
pub fn counted(objects: Result<u64, FailedRead>, report: Result<&Report, FailedRead>) -> Condition {
    let condition = |status, reason| Condition::new(COUNTED, status, reason);
    let (source, report) = match (objects, report) {
        (Ok(objects), Ok(report)) => (objects, report),
        (Err(reason), _) | (_, Err(reason)) => {
            return condition(ConditionStatus::Unreadable, reason);
        }
    };
    let archive = report.counts.present;
    let unexpected = report.counts.unexpected;
    let left = if unexpected == 0 {
        String::new()
    } else {
        format!(", {unexpected} not written by CloudTrail remain")
    };
    let refused = report.counts.quarantined_digests;
    let left = match refused {
        0 => left,
        _ => format!("{left}, {refused} unproven digests remain"),
    };
    let status = if source == archive + unexpected + refused {
        ConditionStatus::Met
    } else {
        ConditionStatus::NotMet
    };
    let source = plural(source, "object", "objects");
    condition(status, format!("{source} at the source, {archive} in the archive{left}"))
}

/// The period that the organization trail must be proven for.
#[must_use]
pub fn overlap(now: Timestamp, days: u32) -> Period {
    let days = SignedDuration::from_hours(24 * i64::from(days));
    Period { from: now.saturating_sub(days).unwrap_or(now), to: digests_due(now) }
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn join(regions: &BTreeSet<Region>) -> String {
    regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::consolidate::record::Counts;
    use crate::archive::consolidate::run::Failure;

    fn trail(owner: &str) -> TrailIdentity {
        TrailIdentity { home: "us-east-1".parse().unwrap(), owner: owner.parse().unwrap() }
    }

    #[test]
    fn a_policy_that_denies_deletion_is_named_and_one_that_may_deny_it_does_not_refuse_it() {
        let denied = Ruling::Denied("the policy guard".to_owned());
        let unclear = Ruling::Unclear("the policy network".to_owned());
        let of = |rulings: &[(&'static str, Ruling)]| deletable(Ok(rulings));
        let found = of(&[("a:Stop", Ruling::Permitted), ("a:Delete", denied)]);
        assert_eq!(found.status, ConditionStatus::NotMet);
        assert_eq!(found.reason, "a:Delete is denied by the policy guard");
        let found = of(&[("a:Stop", unclear), ("a:Delete", Ruling::Permitted)]);
        assert_eq!(found.status, ConditionStatus::Met);
        assert!(found.reason.contains("started again"), "{}", found.reason);
        assert_eq!(of(&[]).status, ConditionStatus::Met);
        let unread = deletable(Err("denied".to_owned()));
        assert!(unread.status == ConditionStatus::Met && unread.reason.contains("started again"));
    }

    fn report(counts: Counts) -> Report {
        Report { counts, ..Report::default() }
    }

    #[test]
    fn what_is_missing_outweighs_what_could_not_be_read() {
        let whole = Counts { source: 3, present: 3, ..Counts::default() };
        assert_eq!(consolidated(Ok(&report(whole))).status, ConditionStatus::Met);
        for counts in [
            Counts { copied: 1, ..whole },
            Counts { archived: 1, ..whole },
            Counts { conflicts: 1, ..whole },
        ] {
            assert_eq!(
                consolidated(Ok(&report(counts))).status,
                ConditionStatus::NotMet,
                "{counts:?}"
            );
        }
        let mut unread = report(whole);
        unread.failures.push(Failure {
            place: "a lane".to_owned(),
            reason: "no".to_owned(),
            hint: None,
        });
        assert_eq!(consolidated(Ok(&unread)).status, ConditionStatus::Unreadable);
        unread.counts.copied = 1;
        assert_eq!(consolidated(Ok(&unread)).status, ConditionStatus::NotMet);
        assert_eq!(consolidated(Err("denied".to_owned())).status, ConditionStatus::Unreadable);
    }

    #[test]
    fn counts_match_when_the_remaining_objects_are_reported() {
        let counts = Counts { source: 2, present: 1, unexpected: 1, ..Counts::default() };
        assert_eq!(counted(Ok(2), Ok(&report(counts))).status, ConditionStatus::Met);
        assert_eq!(counted(Ok(3), Ok(&report(counts))).status, ConditionStatus::NotMet);
        let denied = Err("denied".to_owned());
        assert_eq!(counted(denied, Ok(&report(counts))).status, ConditionStatus::Unreadable);
    }

    #[test]
    fn each_log_lies_in_a_time_that_digests_prove() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let region: Region = "us-east-1".parse().unwrap();
        let mut proven = Periods::default();
        proven.add(Period { from: at("2026-01-01T00:00:00Z"), to: at("2026-01-01T03:00:00Z") });
        let mut unproven = Unproven {
            proven: [(region.clone(), proven)].into(),
            due: at("2026-01-03T00:00:00Z"),
            found: BTreeMap::new(),
        };
        for proven in ["2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z", "2026-01-03T00:05:00Z"] {
            unproven.add_log(&region, at(proven));
        }
        assert_eq!(unproven.description(), None);
        unproven.add_log(&region, at("2026-01-01T05:00:00Z"));
        unproven.add_log(&region, at("2025-12-31T05:00:00Z"));
        unproven.add_log(&"eu-west-1".parse().unwrap(), at("2026-01-01T01:00:00Z"));
        let nothing = Verification { scopes: Vec::new(), findings: Vec::new() };
        let trail = trail("444444444444");
        let said = verified(Ok((&nothing, &unproven)), &[], &trail);
        assert_eq!(said.status, ConditionStatus::NotMet);
        assert_eq!(
            said.reason,
            "no digest of the trail proves 1 log file of eu-west-1 from 2026-01-01T01:00:00Z to \
             2026-01-01T01:00:00Z; 2 log files of us-east-1 from 2025-12-31T05:00:00Z to \
             2026-01-01T05:00:00Z"
        );
    }

    #[test]
    fn a_region_without_digests_is_not_delivered_and_not_proven() {
        let nothing = Verification { scopes: Vec::new(), findings: Vec::new() };
        let account: AccountId = "444444444444".parse().unwrap();
        let region: Region = "us-east-1".parse().unwrap();
        let period = overlap("2026-01-08T00:00:00Z".parse().unwrap(), 7);
        assert_eq!(period.from, "2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(period.to, "2026-01-07T22:00:00Z".parse().unwrap());
        let regions = BTreeSet::from([region.clone()]);
        let organizations = trail("111111111111");
        let found = delivered(Ok(&nothing), &account, &regions, &organizations, period);
        assert_eq!(found.status, ConditionStatus::NotMet);
        let lane = LogPrefix {
            bucket: "legacy".to_owned(),
            root: "AWSLogs/".to_owned(),
            account,
            folder: "CloudTrail".to_owned(),
            region,
        };
        let at = period.to;
        let own = trail("444444444444");
        let unproven = Unproven::new(&nothing, &own, at);
        assert_eq!(
            verified(Ok((&nothing, &unproven)), &[lane], &own).status,
            ConditionStatus::NotMet
        );
        // A trail that left nothing has nothing to prove.
        assert_eq!(verified(Ok((&nothing, &unproven)), &[], &own).status, ConditionStatus::Met);
    }
}
