//! How the organization's parts look in answers.

use orgtrail_base::names::{AccountId, Arn, Partition, UnitId};
use serde_json::{Value, json};

use super::state::{FULL_ACCESS, Organization, OrganizationPolicy, RCP_FULL_ACCESS};
use crate::services::input::seconds;

fn arn(partition: Partition, organization: &Organization, resource: String) -> String {
    Arn::global(partition, "organizations", &organization.management_account, resource).to_string()
}

pub(super) fn organization(partition: Partition, organization: &Organization) -> Value {
    let management = &organization.management_account;
    let types: Vec<Value> = organization.policy_types.iter().map(|kind| enabled(kind)).collect();
    json!({
        "Id": organization.id,
        "Arn": arn(partition, organization, format!("organization/{}", organization.id)),
        "FeatureSet": if organization.all_features { "ALL" } else { "CONSOLIDATED_BILLING" },
        "MasterAccountId": management,
        "MasterAccountArn": account_arn(partition, organization, management),
        "MasterAccountEmail": organization.members.get(management).map(|member| &member.email),
        "AvailablePolicyTypes": types,
    })
}

pub(super) fn enabled(kind: &str) -> Value {
    json!({ "Type": kind, "Status": "ENABLED" })
}

pub(super) fn root(partition: Partition, organization: &Organization) -> Value {
    let types: Vec<Value> = organization.policy_types.iter().map(|kind| enabled(kind)).collect();
    json!({
        "Id": organization.root,
        "Arn": arn(partition, organization, format!("root/{}/{}", organization.id, organization.root)),
        "Name": "Root",
        "PolicyTypes": types,
    })
}

pub(super) fn unit(partition: Partition, organization: &Organization, id: &UnitId) -> Value {
    let name = organization.units.get(id).map(|unit| &unit.name);
    json!({
        "Id": id,
        "Arn": arn(partition, organization, format!("ou/{}/{id}", organization.id)),
        "Name": name,
    })
}

pub(super) fn account_arn(
    partition: Partition,
    organization: &Organization,
    id: &AccountId,
) -> String {
    arn(partition, organization, format!("account/{}/{id}", organization.id))
}

pub(super) fn account(partition: Partition, organization: &Organization, id: &AccountId) -> Value {
    let Some(member) = organization.members.get(id) else { return Value::Null };
    let state = if member.suspended { "SUSPENDED" } else { "ACTIVE" };
    json!({
        "Id": id,
        "Arn": account_arn(partition, organization, id),
        "Name": member.name,
        "Email": member.email,
        "Status": state,
        "State": state,
        "JoinedMethod": if member.created { "CREATED" } else { "INVITED" },
        "JoinedTimestamp": seconds(member.joined_at),
    })
}

pub(super) fn policy_summary(
    partition: Partition,
    organization: &Organization,
    id: &str,
    policy: &OrganizationPolicy,
) -> Value {
    let kind = policy.kind.to_ascii_lowercase();
    let arn = if [FULL_ACCESS, RCP_FULL_ACCESS].contains(&id) {
        format!("arn:{partition}:organizations::aws:policy/{kind}/{id}")
    } else {
        arn(partition, organization, format!("policy/{}/{kind}/{id}", organization.id))
    };
    json!({
        "Id": id,
        "Arn": arn,
        "Name": policy.name,
        "Description": policy.description,
        "Type": policy.kind,
        "AwsManaged": policy.aws_managed,
    })
}
