use std::collections::BTreeSet;

use super::inputs::Inputs;
use super::item::Item;
use crate::names::AccountId;
use crate::org::cloudtrail_administrators;

const ID: &str = "delegated-administrators";

pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    if !inputs.aws.partition().has_cloudtrail_delegated_administrators() {
        return vec![Item::ok(ID, "CloudTrail has none in this partition")];
    }
    let found = match cloudtrail_administrators(&inputs.clients()).await {
        Ok(found) => found,
        Err(error) => return vec![Item::unread(ID, &error)],
    };
    let Some(config) = inputs.config else {
        return vec![Item::ok(ID, listed(&found))];
    };
    let declared: BTreeSet<AccountId> =
        config.organization.delegated_administrators.iter().cloned().collect();
    let unexpected: BTreeSet<AccountId> = found.difference(&declared).cloned().collect();
    let missing: BTreeSet<AccountId> = declared.difference(&found).cloned().collect();
    let mut items = Vec::new();
    if !unexpected.is_empty() {
        let item = Item::problem(
            ID,
            format!(
                "{} can stop and delete the trail, and the configuration does not list it",
                listed(&unexpected)
            ),
            "orgtrail apply deregisters it; to keep it: organization.delegated_administrators",
        );
        items.push(item.of_accounts(unexpected));
    }
    if !missing.is_empty() {
        let item = Item::problem(
            ID,
            format!("{} is not registered with CloudTrail", listed(&missing)),
            "orgtrail apply",
        );
        items.push(item.of_accounts(missing));
    }
    if items.is_empty() {
        items.push(Item::ok(ID, listed(&found)));
    }
    items
}

fn listed(accounts: &BTreeSet<AccountId>) -> String {
    if accounts.is_empty() {
        return "none".to_owned();
    }
    accounts.iter().map(AccountId::as_str).collect::<Vec<_>>().join(", ")
}
