use super::inputs::Inputs;
use super::item::Item;
use crate::aws::Observation;

const ID: &str = "new-accounts";

/// The queue of the events of accounts that join, and the rule that fills it.
pub(super) fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let Some((desired, observed)) = &inputs.observed else {
        return vec![Item::skipped(ID, "new_accounts.queue")];
    };
    let Some(queue) = &desired.config.new_accounts.queue else {
        return vec![Item::skipped(ID, "new_accounts.queue")];
    };
    let fix = "orgtrail plan, then orgtrail apply";
    let mut items = Vec::new();
    match &observed.account_queue {
        Observation::Present(_) => {}
        Observation::Absent => {
            items.push(Item::problem(ID, format!("the queue {queue} does not exist"), fix));
        }
        Observation::Unreadable(error) => items.push(Item::unread(ID, error)),
    }
    match &observed.account_rule {
        Observation::Present(rule) if rule.state.starts_with("ENABLED") => {}
        Observation::Present(_) => items.push(Item::problem(
            ID,
            format!("the rule {queue} is disabled: accounts that join are noticed every hour"),
            format!("aws events enable-rule --name {queue}"),
        )),
        Observation::Absent => {
            items.push(Item::problem(ID, format!("the rule {queue} does not exist"), fix));
        }
        Observation::Unreadable(error) => items.push(Item::unread(ID, error)),
    }
    if items.is_empty() {
        items.push(Item::ok(ID, format!("the rule and the queue {queue} exist")));
    }
    items
}
