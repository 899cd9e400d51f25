use super::inputs::Inputs;
use super::item::{Item, Verdict};
use crate::ops::{Explain, Outcome};
use crate::org::{Identity, Needs};
use crate::words::with_causes;

const ID: &str = "configuration";

/// Whether the configuration and the credentials are of the same organization.
pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let Some(config) = inputs.config else {
        return vec![Item {
            fix: Some("orgtrail init".to_owned()),
            ..Item::skipped(ID, "there is no configuration file")
        }];
    };
    match Identity::validate(&inputs.aws, config, Needs::Management).await {
        Ok(identity) => {
            let organization = identity.organization.map(|id| id.to_string()).unwrap_or_default();
            vec![Item::ok(ID, format!("it is of the signed-in organization {organization}"))]
        }
        Err(error) => {
            let fix = error.hint().unwrap_or_else(|| "orgtrail config check".to_owned());
            let item = Item::problem(ID, with_causes(&error), fix);
            let is_usage = error.outcome() == Outcome::Usage;
            let verdict = if is_usage { Verdict::Problem } else { Verdict::Unknown };
            vec![Item { verdict, ..item }]
        }
    }
}
