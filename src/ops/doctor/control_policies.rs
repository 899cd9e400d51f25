//! Service and resource control policies that deny CloudTrail, KMS or StackSets.

use std::collections::{BTreeMap, BTreeSet};

use super::inputs::Inputs;
use super::item::{Item, in_accounts};
use crate::aws::{AwsError, Observation};
use crate::checks::{self, CATALOGUE, Facts, Verdict};
use crate::names::{AccountId, Region, UnitId};
use crate::org::{Access, ControlKind, ControlPolicies, Ruling};
use crate::policy::eval::{Principal, Request};
use crate::words::counted;

const ID: &str = "control-policies";
/// The most units of which one account is examined: reading what binds an account takes
/// several calls.
const MOST_UNITS: usize = 25;
/// Condition keys that no request of a role on its own behalf has.
const NOT_OF_A_ROLE: [&str; 6] = [
    "aws:PrincipalServiceName",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceOrgID",
    "aws:MultiFactorAuthPresent",
    "aws:MultiFactorAuthAge",
];

pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let Ok(organization) = &inputs.organization else {
        return vec![Item::waits(ID, "the organization cannot be read")];
    };
    let mut denied: BTreeMap<String, Vec<AccountId>> = BTreeMap::new();
    let mut unclear: BTreeMap<String, Vec<AccountId>> = BTreeMap::new();
    let mut failed: Option<AwsError> = None;
    let accounts = examined(inputs);
    for account in &accounts {
        let manager = &organization.management_account;
        let clients = inputs.clients();
        let read = ControlPolicies::read(&clients, ControlKind::Service, account, manager).await;
        let policies = match read {
            Ok(policies) => policies,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        for (what, ruling) in rulings(inputs, organization.id.as_str(), account, &policies) {
            match ruling {
                Ruling::Permitted => {}
                Ruling::Denied(by) => {
                    denied
                        .entry(format!("{what} is denied by {by}"))
                        .or_default()
                        .push(account.clone());
                }
                Ruling::Unclear(by) => {
                    unclear
                        .entry(format!("{what} may be denied by {by}"))
                        .or_default()
                        .push(account.clone());
                }
            }
        }
    }
    let mut items: Vec<Item> = denied
        .into_iter()
        .map(|(what, accounts)| {
            let evidence = format!("{what} in {}", in_accounts(&accounts));
            let fix = "exempt orgtrail's roles and stacksets-exec-* in the policy: aws organizations update-policy";
            Item::problem(ID, evidence, fix).of_accounts(accounts)
        })
        .collect();
    items.extend(unclear.into_iter().map(|(what, accounts)| {
        let evidence = format!("{what} in {}", in_accounts(&accounts));
        Item { evidence, ..Item::waits(ID, "") }.of_accounts(accounts)
    }));
    items.extend(failed.map(|error| Item::unread(ID, &error)));
    items.extend(of_archive(inputs).await);
    if items.is_empty() {
        let examined = counted(accounts.len(), "account");
        items.push(Item::ok(
            ID,
            format!("no policy denies CloudTrail, KMS or StackSets ({examined}, one of each unit)"),
        ));
    }
    items
}

/// The archive's account, and one account of each unit.
fn examined(inputs: &Inputs<'_>) -> BTreeSet<AccountId> {
    let mut units: BTreeSet<&UnitId> = BTreeSet::new();
    let mut accounts: BTreeSet<AccountId> = inputs
        .config
        .map(|config| config.organization.log_archive_account.clone())
        .into_iter()
        .collect();
    for account in &inputs.accounts {
        let is_active = !matches!(account.access, Access::Excluded { .. });
        let is_bound = is_active && account.account != inputs.management;
        if is_bound && units.len() < MOST_UNITS && units.insert(&account.unit) {
            accounts.insert(account.account.clone());
        }
    }
    accounts
}

/// What the policies say of what orgtrail's role and StackSets do in an account.
fn rulings(
    inputs: &Inputs<'_>,
    organization: &str,
    account: &AccountId,
    policies: &ControlPolicies,
) -> Vec<(String, Ruling)> {
    let partition = inputs.aws.partition();
    let own = inputs.aws.principal_in(account).to_string();
    let stack_sets = format!("arn:{partition}:iam::{account}:role/stacksets-exec-x");
    let role = format!("arn:{partition}:iam::{account}:role/x");
    let home = inputs.aws.home_region();
    let ask = |principal: &str, action: &str, resource: &str, region: &Region| {
        let context = [
            ("aws:PrincipalArn", principal),
            ("aws:PrincipalAccount", account.as_str()),
            ("aws:PrincipalOrgID", organization),
            ("aws:ResourceAccount", account.as_str()),
            ("aws:ResourceOrgID", organization),
            ("aws:RequestedRegion", region.as_str()),
            ("aws:SecureTransport", "true"),
            ("aws:PrincipalIsAWSService", "false"),
            ("aws:ViaAWSService", "false"),
        ];
        let principal = Principal::role(account, principal);
        let request = Request { principal, action, resource, context: &context };
        policies.ruling(ControlKind::Service, &request, &NOT_OF_A_ROLE)
    };
    let mut rulings = Vec::new();
    for region in inputs.regions.regions.iter().filter(|region| inputs.is_checked(region)) {
        let ruling = ask(&own, "cloudtrail:GetTrailStatus", "*", region);
        rulings.push((format!("cloudtrail:GetTrailStatus in {region}"), ruling));
    }
    let of_own = [("cloudtrail:DescribeTrails", "*"), ("kms:Decrypt", "*")];
    rulings.extend(
        of_own.map(|(action, resource)| (action.to_owned(), ask(&own, action, resource, home))),
    );
    let ruling = ask(&stack_sets, "iam:CreateRole", &role, home);
    rulings.push(("iam:CreateRole by StackSets".to_owned(), ruling));
    rulings
}

/// Whether resource control policies deny CloudTrail or readers the archive: a check.
async fn of_archive(inputs: &Inputs<'_>) -> Vec<Item> {
    let Some((desired, observed)) = &inputs.observed else { return Vec::new() };
    let Some(check) = CATALOGUE.iter().find(|check| check.id == "rcp-archive") else {
        return Vec::new();
    };
    let mut facts = Facts::of_observed(desired.clone(), observed.clone(), inputs.aws.now());
    facts.resource_policies = checks::resource_policies(&inputs.aws, desired).await;
    // Readers of other organizations are not examined here.
    facts.accounts = Observation::Absent;
    let results = check.judge(&facts).into_iter();
    let items = results.filter_map(|result| match result.verdict {
        Verdict::Fail { found, .. } => Some(Item::problem(ID, found, check.fix)),
        Verdict::Unknown { reason, permission } => {
            let item = Item { evidence: reason, ..Item::waits(ID, "") };
            Some(item.missing(permission))
        }
        Verdict::Pass | Verdict::NotConfigured { .. } => None,
    });
    items.collect()
}
