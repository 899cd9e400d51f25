use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use super::inputs::Inputs;
use super::item::{Item, grouped, in_accounts};
use crate::aws::{AwsError, Observation};
use crate::checks::{NeighborStatus, read_neighbor};
use crate::config::Neighbor;
use crate::names::{AccountId, Region};
use crate::words::counted;

const ID: &str = "neighbors";
/// Accounts and Regions that are read at the same time.
const AT_ONCE: usize = 32;

/// The status of AWS Config, GuardDuty and Security Hub, by account and Region.
pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let declared = inputs.config.map(|config| config.drift.neighbors.as_slice());
    let declared = declared.unwrap_or_default();
    if declared.is_empty() {
        return vec![Item::skipped(ID, "drift.neighbors")];
    }
    let mut cells: Vec<(AccountId, Region)> = Vec::new();
    for account in inputs.accessible() {
        let regions = account.regions.iter().flatten();
        let checked = regions.filter(|region| inputs.is_checked(region));
        cells.extend(checked.map(|region| (account.account.clone(), region.clone())));
    }
    let mut items = Vec::new();
    for service in declared {
        items.extend(of_service(inputs, *service, &cells).await);
    }
    items
}

async fn of_service(
    inputs: &Inputs<'_>,
    service: Neighbor,
    cells: &[(AccountId, Region)],
) -> Vec<Item> {
    let reads = cells.iter().map(|(account, region)| {
        let clients = inputs.aws.clients(account, region);
        async move { (account, region, read_neighbor(&clients, service).await) }
    });
    let read: Vec<_> =
        stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
    let mut off: BTreeMap<&'static str, Vec<(&AccountId, &Region)>> = BTreeMap::new();
    let mut failed: Vec<(AccountId, AwsError)> = Vec::new();
    let mut on = 0_usize;
    for (account, region, status) in read {
        match status {
            Observation::Present(NeighborStatus::On) => on += 1,
            Observation::Present(NeighborStatus::Off(why)) => {
                off.entry(why).or_default().push((account, region));
            }
            Observation::Absent => {}
            Observation::Unreadable(error) => failed.push((account.clone(), error)),
        }
    }
    let (name, fix) = words(service);
    let mut items = grouped(ID, failed);
    for (why, cells) in off {
        let mut accounts: Vec<AccountId> = cells.iter().map(|(id, _)| (*id).clone()).collect();
        accounts.sort();
        accounts.dedup();
        let mut regions: Vec<&str> = cells.iter().map(|(_, region)| region.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        let evidence =
            format!("{name} in {}, {}: {why}", in_accounts(&accounts), regions.join(", "));
        items.push(Item::problem(ID, evidence, fix).of_accounts(accounts));
    }
    if items.is_empty() {
        let pairs = counted(on, "pair");
        items.push(Item::ok(ID, format!("{name} works in {pairs} of account and Region")));
    }
    items
}

fn words(service: Neighbor) -> (&'static str, &'static str) {
    match service {
        Neighbor::Config => (
            "AWS Config",
            "aws configservice start-configuration-recorder --configuration-recorder-name default --region REGION",
        ),
        Neighbor::GuardDuty => {
            ("GuardDuty", "aws guardduty create-detector --enable --region REGION")
        }
        Neighbor::SecurityHub => {
            ("Security Hub", "aws securityhub enable-security-hub --region REGION")
        }
    }
}
