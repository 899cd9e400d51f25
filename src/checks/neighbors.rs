//! The services next to CloudTrail, in every account and Region: checked only where the
//! configuration declares them.

use serde_json::json;

use super::judge::{fail, not_configured, of_organization, unknown};
use super::{AccountFacts, Check, CheckResult, Facts, Framework, Rule, Scope, Severity, Verdict};
use crate::aws::{AwsError, Clients, Observation, SignedRead};
use crate::config::Neighbor;

pub(super) const CONFIG: Check = Check {
    id: "neighbor-config",
    title: "AWS Config records in every account and Region",
    severity: Severity::Medium,
    why: "CloudTrail records calls; AWS Config records what resources look like. An investigation needs both.",
    fix: "aws configservice start-configuration-recorder --configuration-recorder-name default --region REGION",
    resources: &[],
    mappings: &[Framework::SecurityHub.rule("Config.1"), Framework::Cis.rule("3.3")],
    rule: Rule::Custom(|facts| judge(facts, Neighbor::Config)),
};

pub(super) const GUARDDUTY: Check = Check {
    id: "neighbor-guardduty",
    title: "GuardDuty is enabled in every account and Region",
    severity: Severity::Medium,
    why: "GuardDuty analyzes CloudTrail's events for threats, with copies of its own.",
    fix: "aws guardduty create-detector --enable --region REGION",
    resources: &[],
    mappings: &[
        Framework::SecurityHub.rule("GuardDuty.1"),
        Framework::Prowler.rule("guardduty_is_enabled"),
    ],
    rule: Rule::Custom(|facts| judge(facts, Neighbor::GuardDuty)),
};

pub(super) const SECURITY_HUB: Check = Check {
    id: "neighbor-security-hub",
    title: "Security Hub is enabled in every account and Region",
    severity: Severity::Low,
    why: "Security Hub collects the findings of other services in one place.",
    fix: "aws securityhub enable-security-hub --region REGION",
    resources: &[],
    mappings: &[Framework::Prowler.rule("securityhub_enabled"), Framework::Cis.rule("4.16")],
    rule: Rule::Custom(|facts| judge(facts, Neighbor::SecurityHub)),
};

/// The status of a neighboring service in one account and Region.
///
/// Source: AWS Config `DescribeConfigurationRecorderStatus`, GuardDuty `GetDetector`, Security
/// Hub `DescribeHub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeighborStatus {
    /// It works.
    On,
    /// It does not, for this reason.
    Off(&'static str),
}

/// Reads the status of a service.
pub async fn read_neighbor(clients: &Clients, service: Neighbor) -> Observation<NeighborStatus> {
    let read = match service {
        Neighbor::Config => config(clients).await,
        Neighbor::GuardDuty => guardduty(clients).await,
        Neighbor::SecurityHub => security_hub(clients).await,
    };
    Observation::from_result(read, |_| false)
}

async fn config(clients: &Clients) -> Result<NeighborStatus, AwsError> {
    let read = SignedRead::DescribeConfigurationRecorderStatus;
    let answer = clients.read(read, &json!({})).await?;
    let recorders = answer["ConfigurationRecordersStatus"].as_array();
    let recorders =
        recorders.ok_or_else(|| clients.malformed(read.action(), "a response without a list"))?;
    let records = recorders.iter().any(|recorder| recorder["recording"] == true);
    Ok(match recorders.as_slice() {
        [] => NeighborStatus::Off("there is no configuration recorder"),
        _ if records => NeighborStatus::On,
        _ => NeighborStatus::Off("the configuration recorder is stopped"),
    })
}

async fn guardduty(clients: &Clients) -> Result<NeighborStatus, AwsError> {
    let read = SignedRead::ListDetectors;
    let answer = clients.read(read, &json!({})).await?;
    let ids = answer["detectorIds"].as_array();
    let ids = ids.ok_or_else(|| clients.malformed(read.action(), "a response without a list"))?;
    let Some(id) = ids.first().and_then(|id| id.as_str()) else {
        return Ok(NeighborStatus::Off("there is no detector"));
    };
    let detector = clients.read(SignedRead::GetDetector, &json!({ "detectorId": id })).await?;
    if detector["status"] == "ENABLED" {
        return Ok(NeighborStatus::On);
    }
    Ok(NeighborStatus::Off("the detector is disabled"))
}

async fn security_hub(clients: &Clients) -> Result<NeighborStatus, AwsError> {
    match clients.read(SignedRead::DescribeHub, &json!({})).await {
        Ok(_) => Ok(NeighborStatus::On),
        Err(error) if is_not_subscribed(&error) => {
            Ok(NeighborStatus::Off("the account is not subscribed"))
        }
        Err(error) => Err(error),
    }
}

/// Security Hub has one code for a denied call and for an account without Security Hub.
fn is_not_subscribed(error: &AwsError) -> bool {
    error.is_code("InvalidAccessException")
        && error.message.as_deref().is_some_and(|message| message.contains("not subscribed"))
}

fn judge(facts: &Facts, service: Neighbor) -> Vec<CheckResult> {
    if !facts.desired.config.drift.neighbors.contains(&service) {
        return of_organization(not_configured("drift.neighbors"));
    }
    let accounts = match &facts.accounts {
        Observation::Present(accounts) => accounts,
        Observation::Absent => return Vec::new(),
        Observation::Unreadable(error) => return of_organization(unknown(error)),
    };
    let results: Vec<CheckResult> =
        accounts.iter().flat_map(|account| of_account(account, service)).collect();
    if results.is_empty() { of_organization(Verdict::Pass) } else { results }
}

fn of_account(account: &AccountFacts, service: Neighbor) -> Vec<CheckResult> {
    let Ok(inside) = &account.inside else { return Vec::new() };
    let regions = inside.neighbors.iter().filter(|((of, _), _)| *of == service);
    let results = regions.map(|((_, region), status)| CheckResult {
        scope: Scope::Region { account: account.account.clone(), region: region.clone() },
        verdict: match status {
            Observation::Present(NeighborStatus::On) => Verdict::Pass,
            Observation::Present(NeighborStatus::Off(why)) => fail(*why, "enabled"),
            Observation::Absent => fail("it does not exist", "enabled"),
            Observation::Unreadable(error) => unknown(error),
        },
    });
    let unread = inside.regions_unread.as_ref().map(|error| CheckResult {
        scope: Scope::Account { account: account.account.clone() },
        verdict: unknown(error),
    });
    results.chain(unread).collect()
}
