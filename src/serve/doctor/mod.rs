//! The items of `orgtrail doctor` that are the service's: its state, its channels and its
//! schedules.

mod channels;
mod schedules;
mod state;

use crate::config::Environment;
use crate::ops::Env;
use crate::ops::doctor::Item;

/// Examines what the configuration declares for the service. Changes nothing; with
/// `sends_test`, sends an example to each channel.
pub async fn examine(env: &Env, environment: &Environment, sends_test: bool) -> Vec<Item> {
    let Some(config) = env.valid_config() else {
        return ["state-store", "channels", "schedules"]
            .map(|id| Item::skipped(id, "there is no configuration file"))
            .into();
    };
    let mut items = vec![state::examine(env, config).await];
    items.extend(channels::examine(env, environment, config, sends_test).await);
    items.extend(schedules::examine(env, config));
    items
}
