use serde::Serialize;

use crate::aws::{At, AwsError, ErrorKind, Observation};
use crate::policy::CLOUDTRAIL;
use crate::resources::change::{Change, FieldChange};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The role with which CloudTrail reads the organization and creates the trail in its
/// accounts.
///
/// Source: CloudTrail User Guide, "Using service-linked roles".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceLinkedRole {}

const NAME: &str = "AWSServiceRoleForCloudTrail";
const PATH: &str = "/aws-service-role/cloudtrail.amazonaws.com/";

impl Resource for ServiceLinkedRole {
    type State = Self;
    const ID: &'static str = "service-linked-role";
    const DEPENDS_ON: &'static [&'static str] = &["trusted-access"];
    const ACTIONS: &'static [&'static str] = &["iam:CreateServiceLinkedRole", "iam:ListRoles"];

    fn location(desired: &Desired) -> Location {
        desired.management_location()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        let management = &context.management();
        let roles = management
            .iam()
            .list_roles()
            .path_prefix(PATH)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "iam:ListRoles");
        Observation::from_result(roles, |_| false)
            .map(|roles| roles.iter().any(|role| role.path == PATH).then_some(Self {}))
            .flatten()
    }

    fn diff(_: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        if found.is_some() {
            return Change::nothing();
        }
        Change::create(
            "CloudTrail needs it to create the trail in every account",
            vec![FieldChange::new("role", None::<String>, Some(NAME))],
        )
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let made = clients
            .iam()
            .create_service_linked_role()
            .aws_service_name(CLOUDTRAIL)
            .send()
            .await
            .at(&clients, "iam:CreateServiceLinkedRole");
        match made {
            Ok(_) => Ok(()),
            // Enabling trusted access may have created it meanwhile.
            Err(error) if already_exists(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn already_exists(error: &AwsError) -> bool {
    // IAM's words where the response to the call was lost, and the call was repeated.
    let says = |part: &str| error.message.as_deref().is_some_and(|text| text.contains(part));
    error.kind() == ErrorKind::Conflict
        || says("was deleted")
        || says("has been taken in this account")
}
