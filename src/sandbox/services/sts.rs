//! AWS Security Token Service.

use serde_json::json;

use super::{Call, Control, Reply, World, unknown_operation};

pub(super) fn call(_world: &World, control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        // No policy can deny it.
        "GetCallerIdentity" => Ok(json!({
            "Account": call.caller.account,
            "Arn": call.caller.arn(),
            "UserId": control.user_id(call.caller),
        })),
        _ => Err(unknown_operation(call)),
    }
}
