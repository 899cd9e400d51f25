//! The users and roles that policies on resources name: whether they exist is
//! checked when a policy is written, and one that is deleted afterwards is shown
//! by its unique id.

use orgtrail_base::names::{AccountId, Arn, Partition};
use serde_json::Value;

use super::s3;
use super::simulation::Control;

/// A policy's text as it is stored, with the ARN of each user and role in place
/// of its unique id.
///
/// # Errors
/// A principal that does not exist.
pub(super) fn resolved(
    control: &Control,
    partition: Partition,
    text: &str,
) -> Result<String, String> {
    let Ok(mut policy) = serde_json::from_str::<Value>(text) else { return Ok(text.to_owned()) };
    let (mut unknown, mut changed) = (None, false);
    each(&mut policy, &mut |principal| {
        let found = match principal.as_str() {
            "*" => return,
            id if is_unique_id(id) => control.arn_of_id(partition, id),
            name => exists(control, name).then(|| name.to_owned()),
        };
        match found {
            Some(arn) if arn != *principal => {
                *principal = arn;
                changed = true;
            }
            Some(_) => {}
            None => unknown = Some(principal.clone()),
        }
    });
    match unknown {
        Some(principal) => Err(principal),
        None => Ok(if changed { policy.to_string() } else { text.to_owned() }),
    }
}

fn exists(control: &Control, name: &str) -> bool {
    match name.parse::<AccountId>() {
        Ok(account) => control.accounts.contains_key(&account),
        // A name that is not an ARN is left to the evaluation of the policy.
        Err(_) => name.parse::<Arn>().is_err() || control.principal_exists(name),
    }
}

fn is_unique_id(name: &str) -> bool {
    name.starts_with("AROA") || name.starts_with("AIDA")
}

/// Puts a deleted user's or role's unique id into every policy that names it.
pub(super) fn forget(control: &mut Control, store: &s3::Store, arn: &str, id: &str) {
    let replaced = |text: &str| {
        let mut policy = serde_json::from_str::<Value>(text).ok()?;
        let mut named = false;
        each(&mut policy, &mut |principal| {
            if principal == arn {
                id.clone_into(principal);
                named = true;
            }
        });
        named.then(|| policy.to_string())
    };
    for account in control.accounts.values_mut() {
        let policies = account.kms.policies_mut().chain(account.sns.policies_mut());
        for policy in policies.chain(account.sqs.policies_mut()) {
            if let Some(changed) = replaced(policy.text()).and_then(|text| text.try_into().ok()) {
                *policy = changed;
            }
        }
        for trust in account.iam.trusts_mut() {
            if let Some(changed) = replaced(trust.text()).and_then(|text| text.try_into().ok()) {
                *trust = changed;
            }
        }
    }
    store.change_policies(replaced);
}

/// Each of the principals that a policy's statements name or leave out, but for
/// services and the like.
fn each(policy: &mut Value, change: &mut dyn FnMut(&mut String)) {
    let statements = match policy.get_mut("Statement") {
        Some(Value::Array(list)) => list.iter_mut().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for statement in statements {
        for element in ["Principal", "NotPrincipal"] {
            match statement.get_mut(element).and_then(|element| element.get_mut("AWS")) {
                Some(Value::String(one)) => change(one),
                Some(Value::Array(list)) => {
                    for name in list {
                        if let Value::String(name) = name {
                            change(name);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}
