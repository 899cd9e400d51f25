//! The organization's policies and what they are attached to.

use std::collections::BTreeSet;

use orgtrail_base::names::{AccountId, UnitId};
use serde_json::{Value, json};

use super::{
    Call, FULL_ACCESS, Organization, OrganizationPolicy, RCP, RCP_FULL_ACCESS, Reply, SCP, invalid,
    listed, required, shape,
};
use crate::api::ApiError;
use crate::policy::{Document, PolicyType};
use crate::services::input::text;
use crate::simulation::LOWER;

/// The longest policy of a type, and how many of the type one target takes.
///
/// Source: Organizations quotas; those of service control policies were doubled on
/// 2026-05-15.
fn quotas(kind: &str) -> (usize, usize) {
    match kind {
        RCP => (5_120, 5),
        _ => (10_240, 10),
    }
}

pub(super) fn call(organization: &mut Organization, call: &Call<'_>) -> Option<Reply> {
    Some(match call.operation {
        "CreatePolicy" => create(organization, call),
        "UpdatePolicy" => update(organization, call),
        "DeletePolicy" => delete(organization, call),
        "DescribePolicy" => policy_id(organization, call)
            .map(|id| json!({ "Policy": described(organization, call, &id) })),
        "ListPolicies" => filter(call).and_then(|kind| {
            let policies = summaries(organization, call, organization.policies.keys(), &kind);
            listed(call, "Policies", policies)
        }),
        "ListPoliciesForTarget" => filter(call).and_then(|kind| {
            let target = target(organization, call)?;
            let attached = organization.attachments.get(&target).into_iter().flatten();
            listed(call, "Policies", summaries(organization, call, attached, &kind))
        }),
        "ListTargetsForPolicy" => targets(organization, call),
        "AttachPolicy" => attach(organization, call),
        "DetachPolicy" => detach(organization, call),
        "EnablePolicyType" | "DisablePolicyType" => switch_type(organization, call),
        _ => return None,
    })
}

fn filter(call: &Call<'_>) -> Result<String, ApiError> {
    known_type(required(call, "Filter")?).map(str::to_owned)
}

fn known_type(kind: &str) -> Result<&str, ApiError> {
    match kind {
        SCP
        | RCP
        | "TAG_POLICY"
        | "BACKUP_POLICY"
        | "AISERVICES_OPT_OUT_POLICY"
        | "CHATBOT_POLICY"
        | "DECLARATIVE_POLICY_EC2"
        | "SECURITYHUB_POLICY" => Ok(kind),
        _ => Err(invalid("You specified an invalid policy type.")),
    }
}

fn policy_id(organization: &Organization, call: &Call<'_>) -> Result<String, ApiError> {
    let id = required(call, "PolicyId")?;
    if organization.policies.contains_key(id) {
        Ok(id.to_owned())
    } else {
        Err(ApiError::new("PolicyNotFoundException", "You specified a policy that doesn't exist."))
    }
}

fn target(organization: &Organization, call: &Call<'_>) -> Result<String, ApiError> {
    let id = required(call, "TargetId")?;
    let account =
        id.parse::<AccountId>().ok().is_some_and(|id| organization.members.contains_key(&id));
    let unit = id
        .parse::<UnitId>()
        .ok()
        .is_some_and(|id| id == organization.root || organization.units.contains_key(&id));
    if account || unit {
        Ok(id.to_owned())
    } else {
        Err(ApiError::new("TargetNotFoundException", "You specified a target that doesn't exist."))
    }
}

fn described(organization: &Organization, call: &Call<'_>, id: &str) -> Value {
    let policy = &organization.policies[id];
    json!({
        "PolicySummary": shape::policy_summary(call.caller.partition, organization, id, policy),
        "Content": policy.content.text(),
    })
}

fn summaries<'a>(
    organization: &'a Organization,
    call: &'a Call<'_>,
    ids: impl Iterator<Item = &'a String>,
    kind: &'a str,
) -> impl Iterator<Item = (String, Value)> {
    ids.filter_map(|id| Some((id, organization.policies.get(id)?)))
        .filter(move |(_, policy)| policy.kind == kind)
        .map(move |(id, policy)| {
            let summary = shape::policy_summary(call.caller.partition, organization, id, policy);
            (id.clone(), summary)
        })
}

fn content(text: &str, kind: &str) -> Result<Document, ApiError> {
    let (most, _) = quotas(kind);
    if text.chars().count() > most {
        return Err(ApiError::new(
            "ConstraintViolationException",
            format!(
                "The policy document exceeds the maximum length of {most} characters: POLICY_CONTENT_LIMIT_EXCEEDED"
            ),
        ));
    }
    let grammar =
        if kind == RCP { PolicyType::ResourceControl } else { PolicyType::ServiceControl };
    Document::new(text, grammar).map_err(|malformed| {
        ApiError::new(
            "MalformedPolicyDocumentException",
            format!("The provided policy document does not meet the requirements of the specified policy type. {malformed}"),
        )
    })
}

fn duplicate() -> ApiError {
    ApiError::new("DuplicatePolicyException", "A policy with the same name already exists.")
}

fn create(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let kind = known_type(required(call, "Type")?)?;
    if ![SCP, RCP].contains(&kind) {
        return Err(ApiError::new(
            "PolicyTypeNotAvailableForOrganizationException",
            "the sandbox supports only service and resource control policies",
        ));
    }
    let name = required(call, "Name")?;
    if organization.policies.values().any(|policy| policy.name == name) {
        return Err(duplicate());
    }
    let policy = OrganizationPolicy {
        name: name.to_owned(),
        description: text(call.input, "Description").unwrap_or_default().to_owned(),
        kind: kind.to_owned(),
        content: content(required(call, "Content")?, kind)?,
        aws_managed: false,
    };
    let id = format!("p-{}", call.simulation.random_text(LOWER, 8));
    organization.policies.insert(id.clone(), policy);
    Ok(json!({ "Policy": described(organization, call, &id) }))
}

fn changeable(id: &str) -> Result<(), ApiError> {
    if [FULL_ACCESS, RCP_FULL_ACCESS].contains(&id) {
        return Err(ApiError::new(
            "PolicyChangesInProgressException",
            "AWS managed policies cannot be changed.",
        ));
    }
    Ok(())
}

fn update(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let id = policy_id(organization, call)?;
    changeable(&id)?;
    let renamed = text(call.input, "Name");
    let is_taken = organization
        .policies
        .iter()
        .any(|(other, policy)| *other != id && Some(policy.name.as_str()) == renamed);
    if is_taken {
        return Err(duplicate());
    }
    let kind = organization.policies[&id].kind.clone();
    let content = text(call.input, "Content").map(|text| content(text, &kind)).transpose()?;
    if let Some(policy) = organization.policies.get_mut(&id) {
        if let Some(name) = renamed {
            name.clone_into(&mut policy.name);
        }
        if let Some(description) = call.input.get("Description").and_then(Value::as_str) {
            description.clone_into(&mut policy.description);
        }
        if let Some(content) = content {
            policy.content = content;
        }
    }
    Ok(json!({ "Policy": described(organization, call, &id) }))
}

fn delete(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let id = policy_id(organization, call)?;
    changeable(&id)?;
    if organization.attachments.values().any(|attached| attached.contains(&id)) {
        return Err(ApiError::new(
            "PolicyInUseException",
            "The policy is attached to one or more entities. You must detach it first.",
        ));
    }
    organization.policies.remove(&id);
    Ok(json!({}))
}

fn targets(organization: &Organization, call: &Call<'_>) -> Reply {
    let id = policy_id(organization, call)?;
    let partition = call.caller.partition;
    let targets = organization
        .attachments
        .iter()
        .filter(|(_, attached)| attached.contains(&id))
        .map(|(target, _)| {
            let (shape, kind) = match (target.parse::<AccountId>(), target.parse::<UnitId>()) {
                (Ok(account), _) => (shape::account(partition, organization, &account), "ACCOUNT"),
                (_, Ok(unit)) if !unit.is_root() => {
                    (shape::unit(partition, organization, &unit), "ORGANIZATIONAL_UNIT")
                }
                _ => (shape::root(partition, organization), "ROOT"),
            };
            let item = json!({
                "TargetId": target,
                "Arn": shape["Arn"],
                "Name": shape["Name"],
                "Type": kind,
            });
            (target.clone(), item)
        });
    listed(call, "Targets", targets)
}

/// How many policies of a type a target has.
fn attached_of(organization: &Organization, target: &str, kind: &str) -> usize {
    let attached = organization.attachments.get(target).into_iter().flatten();
    attached.filter(|id| organization.policies.get(*id).is_some_and(|it| it.kind == kind)).count()
}

/// What every root, unit and account has of resource control policies.
fn rcp_full_access() -> Result<OrganizationPolicy, ApiError> {
    let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
    let content = Document::try_from(text.to_owned())
        .map_err(|malformed| ApiError::new("ServiceException", malformed.to_string()))?;
    Ok(OrganizationPolicy {
        name: "RCPFullAWSAccess".to_owned(),
        description: "Allows access to every resource".to_owned(),
        kind: RCP.to_owned(),
        content,
        aws_managed: true,
    })
}

fn attach(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let id = policy_id(organization, call)?;
    let target = target(organization, call)?;
    if !organization.policy_types.contains(&organization.policies[&id].kind) {
        return Err(ApiError::new(
            "PolicyTypeNotEnabledException",
            "This operation can be performed only for enabled policy types.",
        ));
    }
    let kind = organization.policies[&id].kind.clone();
    let (_, most) = quotas(&kind);
    let of_kind = attached_of(organization, &target, &kind);
    let attached = organization.attachments.entry(target).or_default();
    if attached.contains(&id) {
        return Err(ApiError::new(
            "DuplicatePolicyAttachmentException",
            "A policy with the same name and type already attached to the specified target.",
        ));
    }
    if of_kind >= most {
        return Err(ApiError::new(
            "ConstraintViolationException",
            "You have attached the maximum number of policies to the target.",
        ));
    }
    attached.insert(id);
    Ok(json!({}))
}

fn detach(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let id = policy_id(organization, call)?;
    let target = target(organization, call)?;
    // AWS attaches it, and no one can detach it.
    if id == RCP_FULL_ACCESS {
        changeable(&id)?;
    }
    let kind = organization.policies[&id].kind.clone();
    let of_kind = attached_of(organization, &target, &kind);
    let attached = organization.attachments.entry(target).or_default();
    if !attached.contains(&id) {
        return Err(ApiError::new(
            "PolicyNotAttachedException",
            "The policy isn't attached to the specified target in the specified root.",
        ));
    }
    if of_kind == 1 {
        return Err(ApiError::new(
            "ConstraintViolationException",
            "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.",
        ));
    }
    attached.remove(&id);
    Ok(json!({}))
}

fn switch_type(organization: &mut Organization, call: &Call<'_>) -> Reply {
    let kind = known_type(call.required("PolicyType").unwrap_or_default())?.to_owned();
    if call.required("RootId").ok() != Some(organization.root.as_str()) {
        return Err(ApiError::new(
            "RootNotFoundException",
            "You specified a root that doesn't exist.",
        ));
    }
    let enable = call.operation == "EnablePolicyType";
    if enable == organization.policy_types.contains(&kind) {
        return Err(if enable {
            ApiError::new(
                "PolicyTypeAlreadyEnabledException",
                "The specified policy type is already enabled.",
            )
        } else {
            ApiError::new(
                "PolicyTypeNotEnabledException",
                "The specified policy type is not enabled.",
            )
        });
    }
    if enable {
        let first = if kind == RCP { RCP_FULL_ACCESS } else { FULL_ACCESS };
        if kind == RCP {
            let policy = rcp_full_access()?;
            organization.policies.entry(first.to_owned()).or_insert(policy);
        }
        let is_kind: BTreeSet<String> = organization
            .policies
            .iter()
            .filter(|(_, policy)| policy.kind == kind)
            .map(|(id, _)| id.clone())
            .collect();
        organization.policy_types.insert(kind);
        // Every root, unit and account begins with the policy that allows all.
        let targets: Vec<String> = std::iter::once(organization.root.to_string())
            .chain(organization.units.keys().map(ToString::to_string))
            .chain(organization.members.keys().map(ToString::to_string))
            .collect();
        for target in targets {
            let attached = organization.attachments.entry(target).or_default();
            if attached.is_disjoint(&is_kind) {
                attached.insert(first.to_owned());
            }
        }
    } else {
        organization.policy_types.remove(&kind);
    }
    Ok(json!({ "Root": shape::root(call.caller.partition, organization) }))
}
