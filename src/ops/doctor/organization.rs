use aws_sdk_organizations::types::PolicyTypeStatus;

use super::inputs::Inputs;
use super::item::Item;
use crate::aws::{At as _, AwsError};
use crate::org::Organization;
use crate::words::counted;

const ID: &str = "organization";
const TYPES: &str = "policy-types";

/// The organization's features, and the types of policies that its root has enabled.
pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let organization = match &inputs.organization {
        Ok(organization) => organization,
        Err(error) => return vec![unread(inputs, error)],
    };
    let mut items = vec![features(organization)];
    items.push(match enabled_types(inputs).await {
        Ok(types) => judge_types(inputs, &types),
        Err(error) => Item::unread(TYPES, &error),
    });
    items
}

fn unread(inputs: &Inputs<'_>, error: &AwsError) -> Item {
    let caller = &inputs.aws.caller().account;
    if error.is_code("AWSOrganizationsNotInUseException") {
        return Item::problem(
            ID,
            format!("account {caller} is in no organization"),
            "sign in to the management account; to create an organization: aws organizations create-organization --feature-set ALL",
        );
    }
    let item = Item::unread(ID, error);
    let identity = inputs.env.session().identity();
    let manager = identity.and_then(|identity| identity.management_account.as_ref());
    match manager.filter(|manager| *manager != caller) {
        Some(manager) if inputs.config.is_none() => {
            Item { fix: Some(format!("sign in to the management account {manager}")), ..item }
        }
        _ => item,
    }
}

fn features(organization: &Organization) -> Item {
    if organization.all_features {
        let accounts = counted(organization.accounts.len(), "account");
        return Item::ok(ID, format!("{} with all features, {accounts}", organization.id));
    }
    Item::problem(
        ID,
        format!("{} has only consolidated billing", organization.id),
        "aws organizations enable-all-features; every invited account must accept",
    )
}

async fn enabled_types(inputs: &Inputs<'_>) -> Result<Vec<String>, AwsError> {
    let clients = inputs.clients();
    let pages = clients.organizations().list_roots().into_paginator().send();
    let pages =
        pages.collect::<Result<Vec<_>, _>>().await.at(&clients, "organizations:ListRoots")?;
    let roots = pages.into_iter().flat_map(|page| page.roots.unwrap_or_default());
    let types = roots.flat_map(|root| root.policy_types.unwrap_or_default());
    let enabled = types.filter(|kind| kind.status() == Some(&PolicyTypeStatus::Enabled));
    Ok(enabled.filter_map(|kind| Some(kind.r#type()?.as_str().to_owned())).collect())
}

fn judge_types(inputs: &Inputs<'_>, types: &[String]) -> Item {
    const SCP: &str = "SERVICE_CONTROL_POLICY";
    let needs_scp = inputs.config.is_some_and(|config| config.guardrail.enabled);
    if needs_scp && !types.iter().any(|kind| kind == SCP) {
        return Item::problem(
            TYPES,
            "service control policies are not enabled, and [guardrail] needs them",
            "orgtrail apply; or aws organizations enable-policy-type --policy-type SERVICE_CONTROL_POLICY --root-id ROOT",
        );
    }
    if types.is_empty() {
        return Item::ok(TYPES, "none is enabled");
    }
    Item::ok(TYPES, types.join(", "))
}
