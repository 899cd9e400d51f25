use std::collections::BTreeMap;

use super::inputs::Inputs;
use super::item::{Item, in_accounts};
use crate::config::Regions;
use crate::names::{AccountId, Region};

const ID: &str = "regions";

/// The opt-in Regions that accounts have enabled, and whether the configuration includes
/// them.
pub(super) fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(error) = &inputs.regions.unread {
        items.push(Item::unread(ID, error));
    }
    let mut enabled: BTreeMap<&Region, Vec<AccountId>> = BTreeMap::new();
    for account in &inputs.accounts {
        for region in account.regions.iter().flatten().filter(|region| region.is_opt_in()) {
            enabled.entry(region).or_default().push(account.account.clone());
        }
    }
    let only = inputs.config.map(|config| &config.organization.regions);
    let unchecked: Vec<(&Region, &Vec<AccountId>)> = enabled
        .iter()
        .filter(|(region, _)| matches!(only, Some(Regions::Only(only)) if !only.contains(region)))
        .map(|(region, accounts)| (*region, accounts))
        .collect();
    for (region, accounts) in &unchecked {
        let item = Item::problem(
            ID,
            format!(
                "{} enabled the opt-in Region {region}, which organization.regions does not include",
                in_accounts(accounts)
            ),
            format!("add \"{region}\" to organization.regions, or set it to \"all-enabled\""),
        );
        items.push(item.of_accounts(accounts.iter().cloned()));
    }
    if items.is_empty() {
        let opted: Vec<&str> = enabled.keys().map(|region| region.as_str()).collect();
        let opted = if opted.is_empty() { "none".to_owned() } else { opted.join(", ") };
        items.push(Item::ok(ID, format!("enabled opt-in Regions: {opted}")));
    }
    items
}
