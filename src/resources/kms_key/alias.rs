use super::{FoundBy, KmsKey};
use crate::aws::{At, Clients, ErrorKind, Seen};
use crate::plan::{Change, FieldChange};
use crate::resources::{Desired, Duty, Hands, Observed, Place, Resource, StepError};

/// The alias by which the key is found again. It shares its state with the key.
#[derive(Debug, Clone, Copy)]
pub(in crate::resources) struct Alias;

/// Gives a key its alias; one that is there already is fine.
pub(super) async fn create(
    clients: &Clients,
    desired: &Desired,
    key: &str,
) -> Result<(), StepError> {
    let made = clients
        .kms()
        .create_alias()
        .alias_name(desired.config.key.alias.as_str())
        .target_key_id(key)
        .send()
        .await
        .at(clients, "kms:CreateAlias");
    match made {
        Err(error) if error.kind() != ErrorKind::Conflict => Err(error.into()),
        _ => Ok(()),
    }
}

impl Resource for Alias {
    type State = KmsKey;
    const ID: &'static str = "kms-key/alias";
    const AFTER: &'static [&'static str] = &["kms-key"];
    const DUTY: Duty = Duty::Archive;
    const ACTIONS: &'static [&'static str] = &["kms:CreateAlias"];

    fn place(desired: &Desired) -> Place {
        desired.in_archive()
    }

    fn seen(observed: &Observed) -> &Seen<KmsKey> {
        &observed.kms_key
    }

    fn diff(desired: &Desired, found: Option<&KmsKey>, _: &Observed) -> Change {
        let field = || {
            let alias = desired.config.key.alias.to_string();
            vec![FieldChange::new("alias", None::<String>, Some(alias))]
        };
        match found {
            Some(key) if key.found_by == FoundBy::Alias => Change::nothing(),
            Some(key) => {
                Change::create(format!("{} is found by its alias from now on", key.arn), field())
            }
            None => Change::create("the key is found by it", field()),
        }
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        // A key that was just made got its alias with it.
        let Some(key) = hands.observed.kms_key.present() else { return Ok(()) };
        create(&KmsKey::clients(hands), hands.desired, key.arn.resource_name()).await
    }
}
