//! AWS Key Management Service: keys, their aliases, policies and rotation, and
//! encryption that really encrypts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use orgtrail_base::names::{Arn, Region};
use serde::{Deserialize, Serialize};

use super::resource_policy::ResourcePolicy;
use super::{ApiError, Call, Control, Reply, input, unknown_operation};

mod access;
mod alias;
mod crypto;
mod import;
mod key;
mod mac;
mod rotation;

pub(crate) use access::{find_key, use_key};

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By key id.
    keys: BTreeMap<String, Key>,
    /// By Region and name: `eu-central-1/alias/trail`.
    aliases: BTreeMap<String, Alias>,
}

impl State {
    /// Every key's policy.
    pub(crate) fn policies_mut(&mut self) -> impl Iterator<Item = &mut ResourcePolicy> {
        self.keys.values_mut().map(|key| &mut key.policy)
    }
}

/// A customer managed key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) arn: Arn,
    pub(crate) state: KeyState,
    id: String,
    created: Timestamp,
    description: String,
    spec: String,
    usage: String,
    /// `AWS_KMS`, or `EXTERNAL` where the material is imported.
    #[serde(default = "aws_kms")]
    origin: String,
    /// The wrapping key of an import that was begun: PKCS #8, in base64.
    #[serde(default)]
    import: Option<String>,
    multi_region: bool,
    policy: ResourcePolicy,
    tags: BTreeMap<String, String>,
    rotation: Option<rotation::Rotation>,
    /// 256 bits in hexadecimal.
    material: String,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyState {
    Enabled,
    Disabled,
    /// Without material: it is yet to be imported.
    PendingImport,
    /// Deleted at this time.
    PendingDeletion(Timestamp),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Alias {
    name: String,
    region: Region,
    key: String,
    created: Timestamp,
    updated: Timestamp,
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    let now = call.now;
    delete_due(control, now);
    let reply = answer(control, call)?;
    if matches!(call.operation, "CreateKey" | "PutKeyPolicy") {
        let made = reply.pointer("/KeyMetadata/Arn").and_then(serde_json::Value::as_str);
        let arn = if let Some(made) = made {
            made.to_owned()
        } else {
            // Not authorized again: the policy may lock out the caller that put it.
            let wanted = call.required("KeyId")?;
            find_key(control, &call.caller.account, call.region, wanted)?.arn.to_string()
        };
        call.simulation.faults.written(&arn, now);
    }
    Ok(reply)
}

fn answer(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "CreateKey" => key::create(control, call),
        "DescribeKey" => key::describe(control, call),
        "ListKeys" => key::list(control, call),
        "UpdateKeyDescription" => key::update_description(control, call),
        "EnableKey" => key::set_enabled(control, call, true),
        "DisableKey" => key::set_enabled(control, call, false),
        "ScheduleKeyDeletion" => key::schedule_deletion(control, call),
        "CancelKeyDeletion" => key::cancel_deletion(control, call),
        "TagResource" => key::tag(control, call),
        "UntagResource" => key::untag(control, call),
        "ListResourceTags" => key::list_tags(control, call),
        "GetKeyPolicy" => access::get_policy(control, call),
        "PutKeyPolicy" => access::put_policy(control, call),
        "ListKeyPolicies" => access::list_policies(control, call),
        "CreateAlias" => alias::create(control, call),
        "UpdateAlias" => alias::update(control, call),
        "DeleteAlias" => alias::delete(control, call),
        "ListAliases" => alias::list(control, call),
        "GetParametersForImport" => import::parameters(control, call),
        "ImportKeyMaterial" => import::import(control, call),
        "DeleteImportedKeyMaterial" => import::delete(control, call),
        "EnableKeyRotation" => rotation::enable(control, call),
        "DisableKeyRotation" => rotation::disable(control, call),
        "GetKeyRotationStatus" => rotation::status(control, call),
        "ListGrants" => key::list_grants(control, call),
        "Encrypt" => crypto::encrypt(control, call),
        "Decrypt" => crypto::decrypt(control, call),
        "GenerateDataKey" => crypto::generate_data_key(control, call, true),
        "GenerateMac" => mac::generate(control, call),
        "VerifyMac" => mac::verify(control, call),
        "GenerateDataKeyWithoutPlaintext" => crypto::generate_data_key(control, call, false),
        _ => Err(unknown_operation(call)),
    }
}

/// Takes away the keys whose waiting period is over, with their aliases.
pub(crate) fn delete_due(control: &mut Control, now: Timestamp) {
    for account in control.accounts.values_mut() {
        let state = &mut account.kms;
        state
            .keys
            .retain(|_, key| !matches!(key.state, KeyState::PendingDeletion(due) if due <= now));
        let keys = &state.keys;
        state.aliases.retain(|_, alias| keys.contains_key(&alias.key));
    }
}

fn aws_kms() -> String {
    "AWS_KMS".to_owned()
}

fn not_found(what: impl std::fmt::Display) -> ApiError {
    ApiError::new("NotFoundException", what.to_string())
}
