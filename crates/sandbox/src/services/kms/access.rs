//! Which key a request means, and whether it may be used.

use std::collections::BTreeMap;

use orgtrail_base::names::{AccountId, Arn, Region};
use serde_json::json;

use super::key::update;
use super::{ApiError, Call, Control, Key, KeyState, Reply, ResourcePolicy, input, not_found};
use crate::auth::Caller;
use crate::policy::Request;
use crate::principals;

/// The longest key policy that KMS takes.
const MAX_POLICY_BYTES: usize = 32 * 1024;

/// Resolves a key id, key ARN, alias or alias ARN as `account` in `region`
/// means it.
///
/// # Errors
/// `NotFoundException`.
pub(crate) fn find_key<'a>(
    control: &'a Control,
    account: &AccountId,
    region: &Region,
    wanted: &str,
) -> Result<&'a Key, ApiError> {
    let (account, region, resource) = match wanted.parse::<Arn>() {
        Ok(Arn { service, region: Some(region), account: Some(account), resource, .. })
            if &*service == "kms" =>
        {
            (account, region, String::from(resource))
        }
        Ok(_) => {
            return Err(not_found(format!("Invalid arn {wanted}")));
        }
        Err(_) => (account.clone(), region.clone(), wanted.to_owned()),
    };
    let state = control.accounts.get(&account).map(|account| &account.kms);
    let id = if resource.starts_with("alias/") {
        let alias = state.and_then(|state| state.aliases.get(&format!("{region}/{resource}")));
        let alias = alias.ok_or_else(|| {
            let partition = orgtrail_base::names::Partition::of(&region);
            not_found(format!(
                "Alias arn:{partition}:kms:{region}:{account}:{resource} is not found."
            ))
        })?;
        alias.key.as_str()
    } else {
        resource.strip_prefix("key/").unwrap_or(&resource)
    };
    state
        .and_then(|state| state.keys.get(id))
        .filter(|key| key.arn.region.as_ref() == Some(&region))
        .ok_or_else(|| {
            let partition = orgtrail_base::names::Partition::of(&region);
            not_found(format!(
                "Key 'arn:{partition}:kms:{region}:{account}:key/{id}' does not exist"
            ))
        })
}

/// Uses a key for a cryptographic action, as `caller`: the key must be enabled,
/// and its policy, with IAM where the policy delegates to it, must allow it.
///
/// `region` is where a key id or alias without ARN is looked up; `wanted` may
/// be an AWS managed key of the caller's account (`alias/aws/s3`), which serves
/// every principal of that account. `via` is the service that asks for its caller
/// (`kms:ViaService`). Gives the key's ARN.
///
/// # Errors
/// `NotFoundException`, `DisabledException`, `KMSInvalidStateException`,
/// `AccessDeniedException`.
pub(crate) fn use_key(
    control: &Control,
    caller: &Caller,
    region: &Region,
    wanted: &str,
    action: &str,
    encryption_context: &BTreeMap<String, String>,
    via: Option<&str>,
) -> Result<Arn, ApiError> {
    if wanted.starts_with("alias/aws/") {
        let resource = format!(
            "key/{}",
            super::key::id_of(&[caller.account.as_str(), region.as_str(), wanted])
        );
        return Ok(Arn::regional(caller.partition, "kms", region, &caller.account, resource));
    }
    let key = find_key(control, &caller.account, region, wanted)?;
    let action = if action.contains(':') { action.to_owned() } else { format!("kms:{action}") };
    allow(control, caller, key, &action, encryption_context, true, via)?;
    require_enabled(key)?;
    Ok(key.arn.clone())
}

/// Refuses a key in any other state.
pub(super) fn require_enabled(key: &Key) -> Result<(), ApiError> {
    match key.state {
        KeyState::Enabled => Ok(()),
        KeyState::Disabled => {
            Err(ApiError::new("DisabledException", format!("{} is disabled.", key.arn)))
        }
        KeyState::PendingDeletion(_) | KeyState::PendingImport => Err(super::key::pending(key)),
    }
}

/// Whether the key's policy, and IAM where it delegates to IAM, allow an action.
pub(super) fn allow(
    control: &Control,
    caller: &Caller,
    key: &Key,
    action: &str,
    encryption_context: &BTreeMap<String, String>,
    secure_transport: bool,
    via: Option<&str>,
) -> Result<(), ApiError> {
    let owner = key.arn.account.as_ref().unwrap_or(&caller.account);
    let names: Vec<String> =
        encryption_context.keys().map(|name| format!("kms:EncryptionContext:{name}")).collect();
    let mut context: Vec<(&str, String)> =
        names.iter().map(String::as_str).zip(encryption_context.values().cloned()).collect();
    context
        .extend(encryption_context.keys().map(|name| ("kms:EncryptionContextKeys", name.clone())));
    context.push(("kms:CallerAccount", caller.account.to_string()));
    context.extend(via.map(|service| ("kms:ViaService", service.to_owned())));
    let aliases = control.accounts.get(owner).into_iter().flat_map(|it| it.kms.aliases.values());
    context.extend(
        aliases
            .filter(|alias| alias.key == key.id)
            .map(|alias| ("kms:ResourceAliases", alias.name.clone())),
    );
    let resource = key.arn.to_string();
    let region = key.arn.region.as_ref().ok_or_else(|| not_found(resource.as_str()))?;
    let request = Request {
        resource_policy: Some(key.policy.evaluator()),
        context: &context,
        secure_transport,
        ..Request::over_tls(action, &resource, owner, region)
    };
    control.authorize(caller, &request)
}

impl Call<'_> {
    /// The key of `KeyId`, once the caller may do this call's action on it.
    pub(super) fn key<'c>(&self, control: &'c Control) -> Result<&'c Key, ApiError> {
        let key = find_key(control, &self.caller.account, self.region, self.required("KeyId")?)?;
        self.allow_key(control, key)?;
        Ok(key)
    }

    /// Asks whether the caller may do this call's action on a key.
    pub(super) fn allow_key(&self, control: &Control, key: &Key) -> Result<(), ApiError> {
        let action = format!("kms:{}", self.operation);
        let no_context = BTreeMap::new();
        allow(control, self.caller, key, &action, &no_context, self.secure_transport, None)
    }

    /// The key of a cryptographic call, if the caller may use it so.
    pub(super) fn usable_key<'c>(
        &self,
        control: &'c Control,
        wanted: &str,
    ) -> Result<&'c Key, ApiError> {
        let context = input::map(self.input, "EncryptionContext");
        use_key(control, self.caller, self.region, wanted, self.operation, &context, None)?;
        find_key(control, &self.caller.account, self.region, wanted)
    }
}

pub(super) fn get_policy(control: &Control, call: &Call<'_>) -> Reply {
    let key = call.key(control)?;
    check_policy_name(call)?;
    Ok(json!({ "Policy": key.policy.text(), "PolicyName": "default" }))
}

pub(super) fn list_policies(control: &Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    Ok(json!({ "PolicyNames": ["default"], "Truncated": false }))
}

pub(super) fn put_policy(control: &mut Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    check_policy_name(call)?;
    let policy = parse(control, call, call.required("Policy")?)?;
    update(control, call, |key| {
        key.policy = policy;
        Ok(json!({}))
    })
}

fn check_policy_name(call: &Call<'_>) -> Result<(), ApiError> {
    match input::text(call.input, "PolicyName") {
        None | Some("default") => Ok(()),
        Some(_) => Err(not_found("No such policy exists")),
    }
}

/// Reads a key policy and refuses it where KMS would: malformed, naming a
/// principal that does not exist, or locking its own writer out.
pub(super) fn parse(
    control: &Control,
    call: &Call<'_>,
    text: &str,
) -> Result<ResourcePolicy, ApiError> {
    let malformed = |message: String| ApiError::new("MalformedPolicyDocumentException", message);
    if text.len() > MAX_POLICY_BYTES {
        return Err(ApiError::new(
            "LimitExceededException",
            "The key policy is longer than 32768 bytes",
        ));
    }
    let text = principals::resolved(control, call.caller.partition, text).map_err(|_| {
        malformed("Policy contains a statement with one or more invalid principals.".to_owned())
    })?;
    let policy = ResourcePolicy::try_from(text).map_err(malformed)?;
    let bypass = input::flag(call.input, "BypassPolicyLockoutSafetyCheck").unwrap_or(false);
    let keeps_control = policy.delegates(&call.caller.account, "kms:PutKeyPolicy")
        || policy.names(call.caller, "kms:PutKeyPolicy");
    if !bypass && !keeps_control {
        return Err(malformed(
            "The new key policy will not allow you to update the key policy in the future."
                .to_owned(),
        ));
    }
    Ok(policy)
}
