use super::inputs::Inputs;
use super::item::Item;
use crate::aws::Observation;
use crate::resources::AlarmSubscriptions;
use crate::words::counted;

const ID: &str = "subscriptions";

/// Subscriptions to the alarms' topics that nobody confirmed.
pub(super) fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let Some((desired, observed)) = &inputs.observed else {
        return vec![Item::skipped(ID, "[alarms]")];
    };
    if desired.config.alarms.is_none() {
        return vec![Item::skipped(ID, "[alarms]")];
    }
    let own = std::iter::once(&observed.alarm_subscriptions);
    let mut items = Vec::new();
    let mut confirmed = 0_usize;
    let mut pending = Vec::new();
    for topic in own.chain(observed.alarm_listeners.values()) {
        match topic {
            Observation::Present(AlarmSubscriptions { subscriptions }) => {
                confirmed += subscriptions.iter().filter(|it| it.confirmed).count();
                let open = subscriptions.iter().filter(|it| !it.confirmed);
                pending.extend(open.map(|it| it.endpoint.clone()));
            }
            Observation::Unreadable(error) => items.push(Item::unread(ID, error)),
            Observation::Absent => {}
        }
    }
    if !pending.is_empty() {
        items.push(Item::problem(
            ID,
            format!("not confirmed: {}", pending.join(", ")),
            "confirm the message from SNS; orgtrail apply sends it again after 3 days",
        ));
    } else if confirmed == 0 && items.is_empty() {
        items.push(Item::problem(
            ID,
            "no alarm has a subscriber",
            "set alarms.subscribers, then orgtrail apply",
        ));
    } else if items.is_empty() {
        items.push(Item::ok(ID, format!("{} confirmed", counted(confirmed, "subscription"))));
    }
    items
}
