//! Resource policies of an account's log groups.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, invalid, page, place};
use crate::services::input::{account, account_mut};
use crate::services::resource_policy::ResourcePolicy;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Policy {
    name: String,
    document: ResourcePolicy,
    updated: Timestamp,
}

/// The most resource policies of a Region.
const MAX_POLICIES: usize = 10;

fn describe_one(policy: &Policy) -> Value {
    json!({
        "policyName": policy.name,
        "policyDocument": policy.document.text(),
        "lastUpdatedTime": policy.updated.as_millisecond(),
    })
}

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let name = call.required("policyName")?;
    let text = call.required("policyDocument")?;
    if text.len() > 5120 {
        return Err(invalid("a resource policy has at most 5120 characters"));
    }
    let document = ResourcePolicy::try_from(text.to_owned()).map_err(invalid)?;
    let policies = &mut account_mut(control, &call.caller.account)?.logs.policies;
    let prefix = place(call.region, "");
    let place = place(call.region, name);
    let there = policies.keys().filter(|key| key.starts_with(&prefix)).count();
    if there >= MAX_POLICIES && !policies.contains_key(&place) {
        return Err(ApiError::new("LimitExceededException", "Resource limit exceeded."));
    }
    let policy = Policy { name: name.to_owned(), document, updated: call.now };
    let reply = json!({ "resourcePolicy": describe_one(&policy) });
    policies.insert(place, policy);
    Ok(reply)
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let prefix = place(call.region, "");
    let policies = account(control, &call.caller.account)?
        .logs
        .policies
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .map(|(_, policy)| (policy.name.clone(), describe_one(policy)));
    page(call, "resourcePolicies", policies, 10)
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let name = input::text(call.input, "policyName").unwrap_or_default();
    account_mut(control, &call.caller.account)?
        .logs
        .policies
        .remove(&place(call.region, name))
        .ok_or_else(|| {
            ApiError::new(
                "ResourceNotFoundException",
                format!("Policy with name [{name}] does not exist"),
            )
        })?;
    Ok(json!({}))
}
