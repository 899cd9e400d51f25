//! Accounts and Regions that are missing in the archive.
//!
//! Listings of the archive do not show what was deleted completely or never delivered: the
//! organization's accounts and CloudTrail's status determine what to expect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::logs::Limits;
use super::scope::{self, Extent};
use super::{Finding, Progress, Request, ScopeReport};
use crate::archive::key::{DIGEST_FOLDER, Root};
use crate::archive::shard::Unit;
use crate::archive::verify::chain::DeclaredTrail;
use crate::archive::verify::finding::FindingKind;
use crate::archive::verify::place::ChainScope;
use crate::aws::Aws;
use crate::names::{AccountId, Partition, Region};
use crate::org::{AccountState, Organization};

/// The maximum time from joining the organization to an account's first digest.
const FIRST_DIGEST: SignedDuration = SignedDuration::from_hours(24);
/// Concurrently checked accounts and Regions.
const AT_ONCE: usize = 32;

/// The accounts whose digests an archive should have: all accounts of the organization.
#[derive(Debug)]
pub struct ExpectedAccounts {
    aws: Aws,
    management: AccountId,
    home_region: Region,
}

/// The accounts of the organization, and when each joined, if known.
type Members = BTreeMap<AccountId, Option<Timestamp>>;

impl ExpectedAccounts {
    /// The accounts of the organization of a management account.
    #[must_use]
    pub fn new(aws: Aws, management: AccountId, home_region: Region) -> Self {
        Self { aws, management, home_region }
    }

    async fn members(&self) -> Result<Members, Finding> {
        let clients = self.aws.clients(&self.management, &self.home_region);
        let organization = match Organization::read(&clients).await {
            Ok(organization) => organization,
            Err(error) => {
                let finding = Finding::new(FindingKind::AccountsUnknown);
                return Err(finding.with_mismatch("the organization's accounts", error));
            }
        };
        let active = organization.accounts.into_values();
        let active = active.filter(|account| account.state == AccountState::Active);
        Ok(active.map(|account| (account.id, account.joined_at)).collect())
    }
}

/// The end of the organization trail's digests of any account, by Region.
type Covered = BTreeMap<Region, Timestamp>;

/// An account and Region of the organization without a folder below the declared root.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Absent {
    scope: ChainScope,
    /// When the account joined the organization, if known.
    joined: Option<Timestamp>,
    /// With what CloudTrail reports about deliveries that are missing.
    report: ScopeReport,
}

/// Looks up the accounts and Regions of the organization that are not `present` below the
/// declared root.
pub(super) async fn absent(
    request: &Arc<Request>,
    present: &BTreeSet<Unit>,
    limits: &Arc<Limits>,
    progress: &Arc<dyn Progress>,
) -> (Vec<Absent>, Vec<Finding>) {
    let (Some(expected), Some(root), Some(_)) =
        (&request.expected, &request.declared, request.delivered.declared())
    else {
        return (Vec::new(), Vec::new());
    };
    // It is not known which accounts have a trail of a name.
    if !request.selection.trails.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let members = match expected.members().await {
        Ok(members) => members,
        Err(finding) => return (Vec::new(), vec![finding]),
    };
    let accounts_to_check = accounts_to_check(request, expected, &members, present);
    let absent = stream::iter(accounts_to_check)
        .map(async |Unit { account, region }| {
            let joined = members.get(&account).copied().flatten();
            let bucket = request.source.bucket().map(Into::into);
            let scope = ChainScope { bucket, root: root.clone(), account, region };
            let (request, limits) = (Arc::clone(request), Arc::clone(limits));
            let progress = Arc::clone(progress);
            let found = scope::verify(
                request,
                vec![scope.clone()],
                BTreeSet::new(),
                Extent::Expected,
                limits,
                progress,
            );
            let mut report = found.await?;
            // Without deliveries nothing is missing, and an unreadable status proves nothing.
            report.findings.retain(|finding| finding.kind == FindingKind::NewestDeleted);
            Some(Absent { scope, joined, report })
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |report| report)
        .collect()
        .await;
    (absent, Vec::new())
}

/// Reports absent accounts and Regions if CloudTrail reports digest deliveries for them, or
/// other accounts have digests in the Region.
pub(super) fn missing_accounts(
    reports: &[ScopeReport],
    absent: Vec<Absent>,
    declared: &DeclaredTrail,
    root: &Root,
) -> Vec<ScopeReport> {
    let covered = covered(reports, root, declared);
    let missing = |Absent { scope, joined, mut report }: Absent| {
        let others = covered.get(&scope.region).filter(|until| {
            let due = joined.and_then(|joined| joined.checked_add(FIRST_DIGEST).ok());
            !scope.region.is_opt_in() && due.is_none_or(|due| due < **until)
        });
        if report.missing_trails.is_empty() {
            report.findings.extend(others.map(|until| account_missing(&scope, declared, *until)));
        }
        (!report.findings.is_empty()).then_some(report)
    };
    absent.into_iter().filter_map(missing).collect()
}

/// The end of the declared trail's digests in each Region.
fn covered(reports: &[ScopeReport], root: &Root, declared: &DeclaredTrail) -> Covered {
    let mut covered = Covered::new();
    let home = declared.home_region.as_str();
    for report in reports {
        let of_declared =
            report.chains.iter().filter(|chain| chain.is_of(declared.name.as_str(), home, root));
        for until in of_declared.filter_map(|chain| Some(chain.proven.last()?.to)) {
            let known = covered.entry(report.region.clone()).or_insert(until);
            *known = until.max(*known);
        }
    }
    covered
}

/// The accounts and Regions to check: selected ones of the organization without a folder
/// below the root.
///
/// The management account and explicitly selected accounts are checked in every Region that
/// is enabled by default; other accounts in the Regions that the archive contains.
fn accounts_to_check(
    request: &Request,
    expected: &ExpectedAccounts,
    members: &Members,
    present: &BTreeSet<Unit>,
) -> BTreeSet<Unit> {
    let mut used: BTreeSet<Region> = present.iter().map(|unit| unit.region.clone()).collect();
    used.insert(expected.home_region.clone());
    let mut all = used.clone();
    if Partition::of(&expected.home_region) == Partition::Aws {
        all.extend(Region::enabled_by_default());
    }
    let (accounts, regions) = (&request.selection.accounts, &request.selection.regions);
    let mut accounts_to_check = BTreeSet::new();
    let chosen = |account: &&AccountId| accounts.is_empty() || accounts.contains(*account);
    for account in members.keys().filter(chosen) {
        let is_asked_everywhere = !accounts.is_empty() || *account == expected.management;
        for region in if is_asked_everywhere { &all } else { &used } {
            let unit = Unit { account: account.clone(), region: region.clone() };
            let is_chosen = regions.is_empty() || regions.contains(region);
            if is_chosen && !present.contains(&unit) {
                accounts_to_check.insert(unit);
            }
        }
    }
    accounts_to_check
}

/// The finding for an account and Region without digests in a Region where other accounts
/// have digests.
fn account_missing(scope: &ChainScope, declared: &DeclaredTrail, until: Timestamp) -> Finding {
    let folder = scope.root.folder(&scope.account, DIGEST_FOLDER, &scope.region);
    let wanted = format!(
        "digests of the organization trail {}, as other accounts have in this Region up to {until}",
        declared.name
    );
    let finding = Finding::new(FindingKind::AccountMissing).at(scope.bucket.as_deref(), folder);
    let finding = finding.with_mismatch(wanted, "neither digests nor log files");
    Finding { account: Some(scope.account.clone()), region: Some(scope.region.clone()), ..finding }
}
