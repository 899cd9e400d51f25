use crate::config::{Config, Environment};
use crate::ops::Env;
use crate::ops::doctor::Item;
use crate::serve::notify::{check_channels, send_examples};
use crate::words::counted;

const ID: &str = "channels";

/// Whether each channel can be used: its secret is readable and its address allowed. Only
/// `sends_test` shows whether it accepts messages.
pub(super) async fn examine(
    env: &Env,
    environment: &Environment,
    config: &Config,
    sends_test: bool,
) -> Vec<Item> {
    if config.service.notify.is_empty() {
        return vec![Item::skipped(ID, "[[service.notify]]")];
    }
    let unusable: Vec<Item> = check_channels(config, environment)
        .into_iter()
        .map(|(channel, error)| {
            let fix = format!("correct the channel {channel} in [[service.notify]]");
            Item::problem(ID, format!("{channel}: {error}"), fix)
        })
        .collect();
    if !unusable.is_empty() {
        return unusable;
    }
    let all = counted(config.service.notify.len(), "channel");
    if !sends_test {
        return vec![Item::ok(ID, format!("{all} can be used; `--send-test` sends an example"))];
    }
    let deliveries = match send_examples(env, environment, None).await {
        Ok(deliveries) => deliveries,
        Err(error) => {
            let fix = error.hint().unwrap_or("correct [[service.notify]]").to_owned();
            return vec![Item::problem(ID, error.message(), fix)];
        }
    };
    let refused: Vec<Item> = deliveries
        .iter()
        .filter_map(|delivery| {
            let error = delivery.error.as_ref()?;
            let fix = format!("orgtrail service test-notification --channel {}", delivery.channel);
            Some(Item::problem(
                ID,
                format!("{} did not accept an example: {error}", delivery.channel),
                fix,
            ))
        })
        .collect();
    if refused.is_empty() {
        return vec![Item::ok(ID, format!("{all} accepted an example"))];
    }
    refused
}
