//! The account as a whole: its summary and aliases.

use serde_json::json;

use super::{Call, Control, Holder, Reply, exists, iam, iam_mut, listed, no_such};
use crate::auth::Identity;

pub(super) fn summary(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let state = iam(control, call)?;
    let root_keys = control.access_keys.values().any(|key| {
        key.account == call.caller.account
            && key.identity == Identity::Root
            && key.session_token.is_none()
            && !key.built_in
    });
    let held = |wanted: Option<Holder>| {
        state
            .mfa_devices
            .values()
            .filter(|device| match &wanted {
                Some(holder) => device.holder.as_ref() == Some(holder),
                None => device.holder.is_some(),
            })
            .count()
    };
    let root_mfa = held(Some(Holder::Root)) > 0;
    Ok(json!({ "SummaryMap": {
        "Users": state.users.len(),
        "Groups": state.groups.len(),
        "Roles": state.roles.len(),
        "Policies": state.policies.len(),
        "MFADevices": state.mfa_devices.len(),
        "MFADevicesInUse": held(None),
        "AccountMFAEnabled": u8::from(root_mfa),
        "AccountAccessKeysPresent": u8::from(root_keys),
        "AccountSigningCertificatesPresent": 0,
    }}))
}

pub(super) fn aliases(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let aliases = &iam(control, call)?.aliases;
    listed(call, "AccountAliases", aliases.iter().map(|alias| (alias.clone(), json!(alias))))
}

pub(super) fn change_alias(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let alias = call.required("AccountAlias")?;
    let taken = control.accounts.values().any(|account| account.iam.aliases.contains(alias));
    let aliases = &mut iam_mut(control, call)?.aliases;
    if call.operation == "DeleteAccountAlias" {
        if !aliases.remove(alias) {
            return Err(no_such("account alias", alias));
        }
    } else if taken {
        return Err(exists("Account alias", alias));
    } else {
        // An account has one.
        aliases.clear();
        aliases.insert(alias.to_owned());
    }
    Ok(json!({}))
}
