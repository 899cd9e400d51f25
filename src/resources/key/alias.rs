use serde_json::{Value, json};

use super::{FoundBy, KmsKey};
use crate::aws::{At, ErrorKind, Observation};
use crate::resources::change::{Change, FieldChange};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The alias by which the key is found again. It shares its state with the key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alias;

/// Creates the alias of a key, unless it exists.
pub(super) async fn create(context: &ApplyContext<'_>, key: &str) -> Result<(), StepError> {
    let clients = context.archive();
    let alias = context.desired.config.key.alias.as_str();
    let make = || async {
        let call = clients.kms().create_alias().alias_name(alias).target_key_id(key);
        match call.send().await.at(&clients, "kms:CreateAlias") {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    };
    context.retry(make).await
}

impl Resource for Alias {
    type State = KmsKey;
    const ID: &'static str = "kms-key/alias";
    const DEPENDS_ON: &'static [&'static str] = &["kms-key"];
    const ACTIONS: &'static [&'static str] = &["kms:CreateAlias"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<KmsKey> {
        KmsKey::observe(context).await
    }

    /// Not the key's state: the key's own step may have enabled it.
    fn compared_json(key: &KmsKey) -> Value {
        json!({ "arn": key.arn, "found_by": key.found_by })
    }

    fn diff(desired: &Desired, found: Option<&KmsKey>, _: &Observed) -> Change {
        let field = || {
            let alias = desired.config.key.alias.to_string();
            vec![FieldChange::new("alias", None::<String>, Some(alias))]
        };
        match found {
            Some(key) if matches!(key.found_by, FoundBy::Alias | FoundBy::Arn) => Change::nothing(),
            None if desired.config.key.arn.is_some() => Change::nothing(),
            // An alias is in the account of its key, and orgtrail reads the log-archive
            // account's: an alias of this key would never be found.
            Some(key) if key.is_in_other_account(desired) => {
                let KmsKey { arn, .. } = key;
                let alias = &desired.config.key.alias;
                Change::nothing().with_notes([format!(
                    "{arn} belongs to another account and is found by its use, so {alias} is not created"
                )])
            }
            Some(key) => {
                Change::create(format!("{} is found by its alias from now on", key.arn), field())
            }
            None => Change::create("the key is found by it", field()),
        }
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        // A key that was just created has its alias.
        let Some(key) = context.observed.kms_key.present() else { return Ok(()) };
        create(context, key.arn.resource_name()).await
    }
}
