use aws_sdk_organizations::types::OrganizationFeatureSet;

use crate::aws::{At, Aws, AwsError};
use crate::config::Config;
use crate::names::{AccountId, OrgId, UnitId};

/// What a plan needs to know of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationFacts {
    /// The organization's id.
    pub id: OrgId,
    /// Whether it has all features, which an organization trail requires.
    pub all_features: bool,
    /// The root, to which the guardrail is attached by default.
    pub root: UnitId,
}

/// Why nothing can be planned for an organization.
#[derive(Debug, thiserror::Error)]
pub enum OrganizationError {
    /// It could not be read.
    #[error("reading the organization")]
    Unreadable(#[source] AwsError),
    /// Its management account is not the declared one.
    #[error(
        "the organization {id} is managed by account {found}, but the configuration says {wanted}"
    )]
    OtherManagement {
        /// The organization.
        id: OrgId,
        /// Who manages it.
        found: AccountId,
        /// Who manages it by the configuration.
        wanted: AccountId,
    },
}

impl OrganizationFacts {
    /// Reads them in the management account.
    pub async fn read(aws: &Aws, config: &Config) -> Result<Self, OrganizationError> {
        let wanted = &config.organization.management_account;
        let clients = aws.clients(wanted, &config.organization.home_region);
        let describing = async {
            const ACTION: &str = "organizations:DescribeOrganization";
            let answer = clients
                .organizations()
                .describe_organization()
                .send()
                .await
                .at(&clients, ACTION)?;
            let missing = || clients.malformed(ACTION, "a response without an organization");
            let organization = answer.organization.ok_or_else(missing)?;
            let id: OrgId =
                organization.id.as_deref().and_then(|id| id.parse().ok()).ok_or_else(missing)?;
            let manager: AccountId = organization
                .master_account_id
                .as_deref()
                .and_then(|id| id.parse().ok())
                .ok_or_else(missing)?;
            let all = organization.feature_set == Some(OrganizationFeatureSet::All);
            Ok::<_, AwsError>((id, manager, all))
        };
        let rooting = async {
            const ACTION: &str = "organizations:ListRoots";
            let pages = clients
                .organizations()
                .list_roots()
                .into_paginator()
                .send()
                .collect::<Result<Vec<_>, _>>()
                .await
                .at(&clients, ACTION)?;
            pages
                .into_iter()
                .flat_map(|page| page.roots.unwrap_or_default())
                .find_map(|root| root.id?.parse::<UnitId>().ok())
                .ok_or_else(|| clients.malformed(ACTION, "a response without a root"))
        };
        let (described, root) = tokio::join!(Box::pin(describing), Box::pin(rooting));
        let (id, manager, all_features) = described.map_err(OrganizationError::Unreadable)?;
        if manager != *wanted {
            return Err(OrganizationError::OtherManagement {
                id,
                found: manager,
                wanted: wanted.clone(),
            });
        }
        let root = root.map_err(OrganizationError::Unreadable)?;
        Ok(Self { id, all_features, root })
    }
}
