//! `userIdentity` of what clients called.
//!
//! Source: CloudTrail User Guide, "CloudTrail userIdentity element".

use serde_json::{Value, json};

use crate::auth::{Caller, Identity};
use crate::services::iam::bare;
use crate::simulation::Control;
use crate::simulator::chain::iso;

pub(super) fn of(control: &Control, caller: &Caller) -> Value {
    let (partition, account) = (caller.partition, &caller.account);
    let mut identity = json!({
        "principalId": control.user_id(caller),
        "arn": caller.arn(),
        "accountId": account,
    });
    if !caller.access_key_id.is_empty() {
        identity["accessKeyId"] = caller.access_key_id.as_str().into();
    }
    let mut issuer = json!({});
    match &caller.identity {
        Identity::Root => identity["type"] = "Root".into(),
        Identity::User(name) => {
            identity["type"] = "IAMUser".into();
            identity["userName"] = bare(name).into();
        }
        Identity::AssumedRole { role, .. } => {
            identity["type"] = "AssumedRole".into();
            let id = control.user_id(caller);
            issuer = json!({
                "type": "Role",
                "principalId": id.split(':').next().unwrap_or_default(),
                "arn": format!("arn:{partition}:iam::{account}:role/{role}"),
                "accountId": account,
                "userName": bare(role),
            });
        }
        Identity::Service { principal, .. } => {
            return json!({ "type": "AWSService", "invokedBy": principal });
        }
    }
    if let Some(issued_at) = caller.issued_at {
        identity["sessionContext"] = json!({
            "sessionIssuer": issuer,
            "attributes": {
                "creationDate": iso(issued_at),
                "mfaAuthenticated": caller.mfa_at.is_some().to_string(),
            },
        });
        if let Some(source) = &caller.source_identity {
            identity["sessionContext"]["sourceIdentity"] = source.as_str().into();
        }
        // The only sessions of root users that a policy limits.
        if caller.identity == Identity::Root && caller.session_policy.is_some() {
            identity["sessionContext"]["assumedRoot"] = "true".into();
        }
    }
    identity
}
