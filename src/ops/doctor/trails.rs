use std::collections::BTreeSet;

use super::inputs::{Inputs, described};
use super::item::{Item, grouped, in_accounts};
use crate::aws::{Clients, Observation};
use crate::names::{AccountId, Region};

const DUPLICATES: &str = "duplicate-trails";
const QUOTA: &str = "trail-quota";
/// Trails that an account can have in a Region, including shadow trails.
///
/// Source: CloudTrail User Guide, "Quotas"; not adjustable.
const MOST: usize = 5;

/// Trails apart from the organization's, and the quota of trails.
pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let read = |clients: Clients, _| async move { described(&clients).await };
    let (found, failed) = inputs.in_accounts(read).await;
    let unread = grouped(DUPLICATES, failed);
    let mut owners: BTreeSet<AccountId> = BTreeSet::new();
    for (account, trails) in &found {
        let own = trails.iter().filter(|trail| !trail.is_organization);
        let is_other = own.filter(|trail| !is_declared(inputs, &trail.name)).any(|trail| {
            trail.arn.as_ref().is_some_and(|arn| arn.account.as_ref() == Some(account))
        });
        if is_other {
            owners.insert(account.clone());
        }
    }
    let mut items = vec![organization_trails(inputs), own_trails(owners)];
    let most = found.iter().map(|(_, trails)| trails.len()).max().unwrap_or_default();
    let full: Vec<AccountId> = found
        .iter()
        .filter(|(_, trails)| trails.len() >= MOST && !trails.iter().any(|it| it.is_organization))
        .map(|(account, _)| account.clone())
        .collect();
    items.push(quota(inputs, full, most));
    items.extend(unread);
    items
}

fn is_declared(inputs: &Inputs<'_>, name: &str) -> bool {
    inputs.config.is_some_and(|config| config.trail.name.as_str() == name)
}

fn organization_trails(inputs: &Inputs<'_>) -> Item {
    let seen = inputs.trails.values().filter_map(Observation::present).flatten();
    let names: BTreeSet<&str> =
        seen.filter(|trail| trail.is_organization).map(|trail| trail.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    if names.len() > 1 {
        return Item::problem(
            DUPLICATES,
            format!(
                "{} organization trails record the same events: {}",
                names.len(),
                names.join(", ")
            ),
            "keep one (trail.name), and delete the others once their logs are consolidated: orgtrail consolidate, then aws cloudtrail delete-trail",
        );
    }
    Item::ok(DUPLICATES, "no second organization trail")
}

fn own_trails(owners: BTreeSet<AccountId>) -> Item {
    let owners: Vec<AccountId> = owners.into_iter().collect();
    if owners.is_empty() {
        return Item::ok(DUPLICATES, "no account has a trail of its own");
    }
    let item = Item::problem(
        DUPLICATES,
        format!(
            "{} have trails of their own, which record second, paid copies",
            in_accounts(&owners)
        ),
        "orgtrail sources lists them; orgtrail consolidate, then orgtrail retire ARN",
    );
    item.of_accounts(owners)
}

/// In the home Region of every account, and in every Region of the management account.
fn quota(inputs: &Inputs<'_>, full: Vec<AccountId>, most: usize) -> Item {
    let is_full =
        |trails: &Observation<Vec<_>>| trails.present().is_some_and(|it| it.len() >= MOST);
    let regions: Vec<&Region> = inputs
        .trails
        .iter()
        .filter(|(_, trails)| is_full(trails))
        .map(|(region, _)| region)
        .collect();
    let has_own = inputs
        .home_trails()
        .and_then(Observation::present)
        .is_some_and(|trails| trails.iter().any(|trail| trail.is_organization));
    if !full.is_empty() && !has_own {
        let item = Item::problem(
            QUOTA,
            format!(
                "{MOST} trails exist in {}, and AWS allows {MOST}: there is no room for the organization trail",
                in_accounts(&full)
            ),
            "delete one: orgtrail retire ARN, or aws cloudtrail delete-trail; the quota cannot be raised",
        );
        return item.of_accounts(full);
    }
    if !regions.is_empty() && !has_own {
        let named: Vec<&str> = regions.iter().map(|region| region.as_str()).collect();
        return Item::problem(
            QUOTA,
            format!(
                "{MOST} trails exist in {} of the management account, and AWS allows {MOST}",
                named.join(", ")
            ),
            "delete one: orgtrail retire ARN, or aws cloudtrail delete-trail; the quota cannot be raised",
        );
    }
    Item::ok(QUOTA, format!("at most {most} of {MOST} trails in a Region"))
}
