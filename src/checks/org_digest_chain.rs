use super::judge::{broken, by_scope, not_declared, of_organization, unknown};
use super::{Answer, Check, Facts, Severity};
use super::{Scope, Verdict};
use crate::archive::verify::finding::{FindingKind, Severity as Grave};
use crate::aws::Seen;

/// the newest digests of every chain verify and link.
pub(super) const CHECK: Check = Check {
    id: "org-digest-chain",
    title: "the newest digests of every chain verify and link",
    severity: Severity::Critical,
    why: "A broken signature or link means that digests or logs were altered, deleted or put in.",
    fix: "orgtrail verify --account ID --region REGION tells what does not hold",
    resources: &[],
    mappings: &[],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let verification = match &facts.chains {
        Seen::Present(verification) => verification,
        Seen::Absent if facts.desired.config.drift.chain_hours == 0 => {
            return of_organization(not_declared("drift.chain_hours"));
        }
        Seen::Absent => return Vec::new(),
        Seen::Unreadable(error) => return of_organization(unknown(error)),
    };
    // An account and Region can have lanes under several roots.
    by_scope(verification.lanes.iter().map(|lane| {
        let words = |keep: &dyn Fn(&&crate::archive::verify::finding::Finding) -> bool| {
            let found = lane.findings.iter().filter(keep);
            found.map(|finding| finding.kind.meaning()).collect::<Vec<_>>().join("; ")
        };
        let altered = words(&|finding| finding.severity == Grave::Broken);
        // Ends and gaps of chains are what the freshness of deliveries tells.
        let unread = words(&|finding| {
            finding.severity == Grave::Incomplete && finding.kind == FindingKind::Unreadable
        });
        let verdict = if !altered.is_empty() {
            broken(altered, "digests as CloudTrail signed them, and what they list")
        } else if !unread.is_empty() {
            Verdict::Unknown { reason: unread, permission: Some("s3:GetObject".to_owned()) }
        } else {
            Verdict::Holds
        };
        let scope = Scope::Region { account: lane.account.clone(), region: lane.region.clone() };
        Answer { scope, verdict }
    }))
}
