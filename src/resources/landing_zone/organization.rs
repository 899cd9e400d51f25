//! The organization and the types of its policies.

use std::collections::BTreeSet;

use aws_sdk_organizations::types::{OrganizationFeatureSet, PolicyType, PolicyTypeStatus};
use serde::Serialize;

use super::{ZoneWriter, failed};
use crate::aws::{At as _, AwsError, Clients, Observation, is_transient, retry_while};
use crate::names::{AccountId, OrgId, UnitId};
use crate::resources::{OrganizationFacts, StepError};

/// The organization.
///
/// Source: Organizations `DescribeOrganization` and `ListRoots`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrganizationState {
    /// Its id.
    pub id: OrgId,
    /// Its root.
    pub root: UnitId,
    /// The account that manages it.
    pub management_account: AccountId,
    /// Whether it has all features.
    pub all_features: bool,
    /// The types of policies that are enabled.
    pub policy_types: BTreeSet<String>,
}

impl OrganizationState {
    /// What a plan of all other resources needs to know of it.
    #[must_use]
    pub fn facts(&self) -> OrganizationFacts {
        OrganizationFacts {
            id: self.id.clone(),
            all_features: self.all_features,
            root: self.root.clone(),
        }
    }
}

/// Reads it; absent if the account is in none.
pub(crate) async fn read(clients: &Clients) -> Observation<OrganizationState> {
    let is_absent = |error: &AwsError| error.is_code("AWSOrganizationsNotInUseException");
    Observation::from_result(described(clients).await, is_absent)
}

async fn described(clients: &Clients) -> Result<OrganizationState, AwsError> {
    const ACTION: &str = "organizations:DescribeOrganization";
    let call = clients.organizations().describe_organization();
    let answer = call.send().await.at(clients, ACTION)?;
    let missing = || clients.malformed(ACTION, "a response without an organization");
    let organization = answer.organization.ok_or_else(missing)?;
    let id = organization.id.as_deref().and_then(|id| id.parse().ok()).ok_or_else(missing)?;
    let manager = organization.master_account_id.as_deref();
    let management_account = manager.and_then(|id| id.parse().ok()).ok_or_else(missing)?;
    let all_features = organization.feature_set == Some(OrganizationFeatureSet::All);
    let (root, policy_types) = root(clients).await?;
    Ok(OrganizationState { id, root, management_account, all_features, policy_types })
}

async fn root(clients: &Clients) -> Result<(UnitId, BTreeSet<String>), AwsError> {
    const ACTION: &str = "organizations:ListRoots";
    let pages = clients.organizations().list_roots().into_paginator().send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.at(clients, ACTION)?;
    let mut roots = pages.into_iter().flat_map(|page| page.roots.unwrap_or_default());
    let root = roots.find_map(|root| {
        let enabled = root.policy_types().iter();
        let enabled = enabled.filter(|one| one.status() == Some(&PolicyTypeStatus::Enabled));
        let types = enabled.filter_map(|one| one.r#type().map(ToString::to_string)).collect();
        Some((root.id()?.parse::<UnitId>().ok()?, types))
    });
    root.ok_or_else(|| clients.malformed(ACTION, "a response without a root"))
}

/// Creates the organization with all features, and waits until it can be read.
pub(crate) async fn create(writer: &ZoneWriter<'_>) -> Result<(), StepError> {
    let clients = &writer.clients;
    let create = clients.organizations().create_organization();
    let made = create.feature_set(OrganizationFeatureSet::All).send().await;
    match made.at(clients, "organizations:CreateOrganization") {
        Ok(_) => {}
        // A run that was killed created it.
        Err(error) if error.is_code("AlreadyInOrganizationException") => {}
        Err(error) => return Err(error.into()),
    }
    let again = |error: &AwsError| is_transient(error, true);
    let found = retry_while(writer.propagation, again, || described(clients)).await?;
    if found.management_account != *writer.zone.management() {
        return Err(failed(
            format!("account {} manages the organization", found.management_account),
            None,
        ));
    }
    Ok(())
}

/// Enables service control policies.
pub(crate) async fn enable_policy_type(writer: &ZoneWriter<'_>) -> Result<(), StepError> {
    let clients = &writer.clients;
    let (root, _) = root(clients).await?;
    let enable = || async {
        let call = clients.organizations().enable_policy_type().root_id(root.as_str());
        let call = call.policy_type(PolicyType::ServiceControlPolicy).send().await;
        call.at(clients, "organizations:EnablePolicyType")
    };
    let again = |error: &AwsError| is_transient(error, true);
    match retry_while(writer.propagation, again, enable).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_code("PolicyTypeAlreadyEnabledException") => Ok(()),
        Err(error) => Err(error.into()),
    }
}
