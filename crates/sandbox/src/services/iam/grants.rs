//! What roles, users and groups are granted: inline and attached policies,
//! boundaries, tags. The calls differ in nothing but their names.

use orgtrail_base::names::Arn;
use serde_json::{Value, json};

use super::{
    Call, Control, Grants, Reply, State, bare, document, encoded, iam, iam_mut, limit_exceeded,
    listed, name, new_tags, no_such, own_arn, roles, unknown_operation,
};
use crate::api::ApiError;
use crate::policy::PolicyType;
use crate::services::input::{tag_list, text, texts};

/// Managed policies of one role, user or group.
const MAX_ATTACHED: usize = 10;
/// Source: IAM quotas, aggregate sizes of inline policies, whitespace not
/// counted.
const INLINE_CHARACTERS: [(&str, usize); 3] = [("Role", 10_240), ("User", 2_048), ("Group", 5_120)];

/// Whose grants a call is about.
#[derive(Clone, Copy)]
struct Holder<'a> {
    /// `Role`, `User` or `Group`.
    kind: &'static str,
    name: &'a str,
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    let found = ["Role", "User", "Group"].into_iter().find_map(|kind| {
        let at = call.operation.find(kind)?;
        let verb = format!("{}*{}", &call.operation[..at], &call.operation[at + kind.len()..]);
        Some((kind, verb))
    });
    let (kind, verb) = found.ok_or_else(|| unknown_operation(call))?;
    let run: fn(&mut Control, &Call<'_>, Holder<'_>) -> Reply = match verb.as_str() {
        "Put*Policy" => put,
        "Get*Policy" => get,
        "Delete*Policy" => delete,
        "List*Policies" => list,
        "Attach*Policy" => attach,
        "Detach*Policy" => detach,
        "ListAttached*Policies" => list_attached,
        "Put*PermissionsBoundary" | "Delete*PermissionsBoundary" if kind != "Group" => bound,
        "Tag*" | "Untag*" if kind != "Group" => tag,
        "List*Tags" if kind != "Group" => list_tags,
        _ => return Err(unknown_operation(call)),
    };
    let holder = Holder { kind, name: name(call, &format!("{kind}Name"))? };
    call.allow(control, &holder_arn(control, call, holder)?)?;
    run(control, call, holder)
}

fn holder_arn(control: &Control, call: &Call<'_>, holder: Holder<'_>) -> Result<String, ApiError> {
    let state = iam(control, call)?;
    let path = match holder.kind {
        "Role" => state.roles.get(holder.name).map(|role| &role.path),
        "User" => state.users.get(holder.name).map(|user| &user.path),
        _ => state.groups.get(holder.name).map(|group| &group.path),
    };
    let kind = holder.kind.to_ascii_lowercase();
    let path = path.map_or("/", |path| path.as_str());
    Ok(own_arn(call, &kind, path, holder.name))
}

fn grants<'a>(state: &'a State, holder: Holder<'_>) -> Result<&'a Grants, ApiError> {
    match holder.kind {
        "Role" => state.roles.get(holder.name).map(|role| &role.grants),
        "User" => state.users.get(holder.name).map(|user| &user.grants),
        _ => state.groups.get(holder.name).map(|group| &group.grants),
    }
    .ok_or_else(|| no_such(&holder.kind.to_ascii_lowercase(), holder.name))
}

/// The grants to change, unless they are a service-linked role's.
fn grants_mut<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    holder: Holder<'_>,
) -> Result<&'a mut Grants, ApiError> {
    let state = iam_mut(control, call)?;
    match holder.kind {
        "Role" => {
            let role = state.roles.get_mut(holder.name);
            if let Some(role) = &role {
                roles::protected(holder.name, role)?;
            }
            role.map(|role| &mut role.grants)
        }
        "User" => state.users.get_mut(holder.name).map(|user| &mut user.grants),
        _ => state.groups.get_mut(holder.name).map(|group| &mut group.grants),
    }
    .ok_or_else(|| no_such(&holder.kind.to_ascii_lowercase(), holder.name))
}

fn put(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let policy = name(call, "PolicyName")?;
    let document = document(call, "PolicyDocument", PolicyType::Identity)?;
    let size = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    let grants = grants_mut(control, call, holder)?;
    let others = grants.inline.iter().filter(|(name, _)| *name != policy);
    let total: usize =
        others.map(|(_, other)| size(other.text())).sum::<usize>() + size(document.text());
    let limit = INLINE_CHARACTERS.iter().find(|(kind, _)| *kind == holder.kind);
    if let Some((kind, limit)) = limit.filter(|(_, limit)| total > *limit) {
        return Err(limit_exceeded(&format!(
            "Maximum policy size of {limit} bytes exceeded for {} {}",
            kind.to_ascii_lowercase(),
            holder.name
        )));
    }
    grants.inline.insert(policy.to_owned(), document);
    written(control, call, holder)
}

/// The answer to a change, which others see only once it has propagated.
fn written(control: &Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    call.simulation.faults.written(&holder_arn(control, call, holder)?, call.now);
    Ok(json!({}))
}

fn no_inline(holder: Holder<'_>, policy: &str) -> ApiError {
    let mut error = no_such("policy", policy);
    error.message = format!(
        "The {} policy with name {policy} cannot be found.",
        holder.kind.to_ascii_lowercase()
    );
    error
}

fn get(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let policy = name(call, "PolicyName")?;
    let grants = grants(iam(control, call)?, holder)?;
    let document = grants.inline.get(policy).ok_or_else(|| no_inline(holder, policy))?;
    Ok(json!({
        format!("{}Name", holder.kind): holder.name,
        "PolicyName": policy,
        "PolicyDocument": encoded(document),
    }))
}

fn delete(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let policy = name(call, "PolicyName")?;
    let grants = grants_mut(control, call, holder)?;
    grants.inline.remove(policy).ok_or_else(|| no_inline(holder, policy))?;
    written(control, call, holder)
}

fn list(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let grants = grants(iam(control, call)?, holder)?;
    listed(call, "PolicyNames", grants.inline.keys().map(|name| (name.clone(), json!(name))))
}

/// Whether a managed policy is there for the caller's account: AWS's own, or the
/// account's.
fn is_managed(control: &Control, call: &Call<'_>, policy: &str) -> Result<bool, ApiError> {
    let owner = policy.parse::<Arn>().ok().and_then(|arn| arn.account);
    let foreign = owner.is_some_and(|owner| owner != call.caller.account);
    Ok(!foreign && iam(control, call)?.managed(policy).is_some())
}

/// The permissions boundary that a call brings, which exists.
pub(super) fn boundary(control: &Control, call: &Call<'_>) -> Result<Option<String>, ApiError> {
    let Some(policy) = text(call.input, "PermissionsBoundary") else { return Ok(None) };
    if is_managed(control, call, policy)? {
        return Ok(Some(policy.to_owned()));
    }
    let mut error = no_such("policy", policy);
    error.message = format!("Scope ARN: {policy} does not exist or is not attachable.");
    Err(error)
}

fn attach(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let policy = call.required("PolicyArn")?.to_owned();
    if !is_managed(control, call, &policy)? {
        let mut error = no_such("policy", &policy);
        error.message = format!("Policy {policy} does not exist or is not attachable.");
        return Err(error);
    }
    let grants = grants_mut(control, call, holder)?;
    if grants.attached.len() >= MAX_ATTACHED && !grants.attached.contains(&policy) {
        return Err(limit_exceeded(&format!(
            "Cannot exceed quota for PoliciesPer{}: {MAX_ATTACHED}",
            holder.kind
        )));
    }
    grants.attached.insert(policy);
    written(control, call, holder)
}

fn detach(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let policy = call.required("PolicyArn")?;
    if !grants_mut(control, call, holder)?.attached.remove(policy) {
        let mut error = no_such("policy", policy);
        error.message = format!("Policy {policy} was not found.");
        return Err(error);
    }
    Ok(json!({}))
}

fn list_attached(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let grants = grants(iam(control, call)?, holder)?;
    let attached = grants.attached.iter();
    let attached =
        attached.map(|arn| (arn.clone(), json!({ "PolicyName": bare(arn), "PolicyArn": arn })));
    listed(call, "AttachedPolicies", attached)
}

fn bound(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let boundary = if call.operation.starts_with("Put") {
        call.required("PermissionsBoundary")?;
        boundary(control, call)?
    } else {
        None
    };
    grants_mut(control, call, holder)?.boundary = boundary;
    Ok(json!({}))
}

fn tag(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let grants = grants_mut(control, call, holder)?;
    if call.operation.starts_with("Tag") {
        grants.tags.extend(new_tags(call));
    } else {
        for key in texts(call.input, "TagKeys") {
            grants.tags.remove(&key);
        }
    }
    Ok(json!({}))
}

fn list_tags(control: &mut Control, call: &Call<'_>, holder: Holder<'_>) -> Reply {
    let grants = grants(iam(control, call)?, holder)?;
    let tags: Value = tag_list(&grants.tags, "Key", "Value");
    Ok(json!({ "Tags": tags, "IsTruncated": false }))
}
