use serde::Serialize;

use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, Clients, Seen};
use crate::policy::CLOUDTRAIL;
use crate::resources::change::{Change, FieldChange};

/// CloudTrail's trusted access to the organization.
///
/// Without it an organization trail cannot be made, and an existing one shrinks
/// to its own account.
/// Source: Organizations `ListAWSServiceAccessForOrganization`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustedAccess {}

impl TrustedAccess {
    pub(super) async fn observe(management: &Clients) -> Seen<Self> {
        let pages = management
            .organizations()
            .list_aws_service_access_for_organization()
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "organizations:ListAWSServiceAccessForOrganization");
        Seen::from_result(pages, |_| false)
            .map(|pages| {
                pages
                    .iter()
                    .flat_map(aws_sdk_organizations::operation::list_aws_service_access_for_organization::ListAwsServiceAccessForOrganizationOutput::enabled_service_principals)
                    .any(|service| service.service_principal() == Some(CLOUDTRAIL))
                    .then_some(Self {})
            })
            .flatten()
    }
}

impl Resource for TrustedAccess {
    type State = Self;
    const ID: &'static str = "trusted-access";
    const AFTER: &'static [&'static str] = &[];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &[
        "organizations:EnableAWSServiceAccess",
        "organizations:ListAWSServiceAccessForOrganization",
    ];

    fn place(desired: &Desired) -> Place {
        desired.in_management()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.trusted_access
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        if !desired.organization.all_features {
            return Change::refused(
                "the organization has consolidated billing features only, an organization trail needs all",
                "enable all features in AWS Organizations; every member has to agree",
            );
        }
        if found.is_some() {
            return Change::nothing();
        }
        Change::create(
            "CloudTrail needs it to reach every account",
            vec![FieldChange::new("service_principal", None::<String>, Some(CLOUDTRAIL))],
        )
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let clients = hands.management();
        clients
            .organizations()
            .enable_aws_service_access()
            .service_principal(CLOUDTRAIL)
            .send()
            .await
            .at(&clients, "organizations:EnableAWSServiceAccess")?;
        Ok(())
    }
}
