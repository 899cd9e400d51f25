//! What the rounds know together: the one source of pages, API, metrics, notifications and
//! `orgtrail status`.

mod chains;
mod coverage;
mod events;
mod load;
mod membership;
mod read;
mod signals;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::chains::{ChainFinding, Chains, ScopeChains};
pub use self::coverage::{Account, Cell, Coverage, State};
pub use self::load::{HISTORY, Loader};
pub use self::read::{Consolidation, Verification, VerifiedChain};
pub use self::signals::{
    Changes, Group, account_of, counts, groups, problems, scope_text, signals,
};
pub use self::verdict::{knowledge, sentence};
use crate::names::{AccountId, Arn, BucketName, OrgId, Region};
use crate::report::contract::checks::Check;
use crate::report::contract::detections;
use crate::report::contract::drift::{self, Cause, Finding};
use crate::report::contract::events::ReconcileReport;
use crate::report::contract::new_accounts::{DepartedAccount, JoinedAccount};
use crate::report::contract::service::{Round, Signals};

/// What the rounds know together. Built once after each round, and then only read.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// The newest rounds, the newest first.
    pub rounds: Vec<Arc<Round>>,
    /// Stored rounds that could not be read.
    pub unreadable_rounds: usize,
    /// The newest result of the checks.
    pub drift: Option<Drift>,
    /// The accounts and Regions.
    pub coverage: Option<Coverage>,
    /// The digest chains.
    pub chains: Chains,
    /// The newest consolidation.
    pub sources: Option<Sources>,
    /// The newest comparison with Event history.
    pub reconciliation: Option<ReconcileReport>,
    /// What the newest detection found.
    pub detections: Option<detections::Report>,
    /// Accounts that joined and are not covered in time, while signals are made.
    pub late: Vec<JoinedAccount>,
    /// Accounts that left lately, while signals are made.
    pub departed: Vec<DepartedAccount>,
    /// The signals after the newest round.
    pub signals: Option<Arc<Signals>>,
    /// The organizational units of the accounts.
    units: BTreeMap<AccountId, Arc<str>>,
}

/// The result of the checks, without those that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// When AWS was asked.
    pub as_of: Timestamp,
    /// The id of the round.
    pub round: String,
    /// The organization.
    pub organization: OrgId,
    /// The account that owns the trail.
    pub management_account: AccountId,
    /// The trail's home Region.
    pub home_region: Region,
    /// The organization trail.
    pub trail: Arn,
    /// The archive bucket.
    pub bucket: BucketName,
    /// The counts.
    pub summary: drift::FindingCounts,
    /// The findings that failed or are unknown, suppressed ones included.
    pub findings: Vec<Finding>,
    /// The causes that several findings have in common.
    pub causes: Vec<Cause>,
    /// The checks of the findings.
    pub checks: Vec<Check>,
}

/// The result of a consolidation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// When it ended.
    pub as_of: Timestamp,
    /// How long it took. Units: seconds.
    pub seconds: i64,
    /// The id of the round.
    pub round: String,
    /// The report.
    pub report: Consolidation,
}

/// The newest reports of each part, as they are stored.
#[derive(Debug, Default)]
pub struct Reports {
    /// The newest drift report, and the id of its round.
    pub drift: Option<(String, drift::Report)>,
    /// The verifications, the newest first.
    pub verifications: Vec<Verification>,
    /// The newest consolidation.
    pub sources: Option<Sources>,
    /// The newest comparison with Event history.
    pub reconciliation: Option<ReconcileReport>,
    /// What the newest detection found.
    pub detections: Option<detections::Report>,
}

impl Board {
    /// What reports know together.
    #[must_use]
    pub fn of(reports: Reports) -> Self {
        let Reports { drift, verifications, sources, reconciliation, detections } = reports;
        let chains = Chains::of(verifications);
        let mut board = Self { chains, sources, reconciliation, detections, ..Self::default() };
        if let Some((round, report)) = drift {
            let coverage = Coverage::of(
                report.coverage,
                report.created_at,
                &board.chains,
                board.reconciliation.as_ref(),
            );
            let units = coverage.accounts.iter();
            board.units = units.map(|it| (it.account.clone(), Arc::clone(&it.unit_path))).collect();
            board.coverage = Some(coverage);
            let is_open = |finding: &Finding| {
                matches!(
                    finding.verdict,
                    drift::Verdict::Fail { .. } | drift::Verdict::Unknown { .. }
                )
            };
            board.drift = Some(Drift {
                as_of: report.created_at,
                round,
                organization: report.organization,
                management_account: report.management_account,
                home_region: report.home_region,
                trail: report.trail,
                bucket: report.bucket,
                summary: report.summary.all,
                findings: report.findings.into_iter().filter(is_open).collect(),
                causes: report.causes,
                checks: report.checks,
            });
        }
        board
    }

    /// The newest round.
    #[must_use]
    pub fn newest(&self) -> Option<&Round> {
        self.rounds.first().map(|round| &**round)
    }
}
