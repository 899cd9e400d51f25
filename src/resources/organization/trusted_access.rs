use serde::Serialize;

use crate::aws::{At, Observation};
use crate::policy::CLOUDTRAIL;
use crate::resources::change::{Change, FieldChange};
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// CloudTrail's trusted access to the organization.
///
/// Without it, an organization trail cannot be created, and an existing one records only
/// its own account.
/// Source: Organizations `ListAWSServiceAccessForOrganization`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustedAccess {}

impl Resource for TrustedAccess {
    type State = Self;
    const ID: &'static str = "trusted-access";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = &[
        "organizations:EnableAWSServiceAccess",
        "organizations:ListAWSServiceAccessForOrganization",
    ];

    fn location(desired: &Desired) -> Location {
        desired.management_location()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        let management = &context.management();
        let pages = management
            .organizations()
            .list_aws_service_access_for_organization()
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "organizations:ListAWSServiceAccessForOrganization");
        Observation::from_result(pages, |_| false)
            .map(|pages| {
                pages
                    .iter()
                    .flat_map(aws_sdk_organizations::operation::list_aws_service_access_for_organization::ListAwsServiceAccessForOrganizationOutput::enabled_service_principals)
                    .any(|service| service.service_principal() == Some(CLOUDTRAIL))
                    .then_some(Self {})
            })
            .flatten()
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        if !desired.organization.all_features {
            return Change::refused(
                "the organization has only consolidated billing features, but an organization trail requires all features",
                "enable all features in AWS Organizations; every invited account must approve it",
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

    fn kept(_: &Desired, _: Option<&Self>) -> Vec<Kept> {
        let why = "other organization trails and CloudTrail Lake need it";
        vec![Kept::new(CLOUDTRAIL, why, KeptCost::Nothing)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
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
