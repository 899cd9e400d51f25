//! Whether `StackSets` may work in the organization.
//!
//! Source: CloudFormation User Guide, "Activate trusted access for stack sets with AWS
//! Organizations". `EnableAWSServiceAccess` alone does not activate it.

use serde_json::json;

use super::state::OrganizationsAccess;
use super::{Call, Control, Reply};
use crate::api::ApiError;
use crate::services::iam::create_linked_role;

/// The service principal in members.
pub(super) const MEMBER: &str = "member.org.stacksets.cloudformation.amazonaws.com";
/// The service principal in the management account.
const ADMIN: &str = "stacksets.cloudformation.amazonaws.com";

fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidOperationException", message)
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let account = &call.caller.account;
    let Some(organization) = control.organization.as_ref() else {
        return Err(invalid("The account is not a member of an organization"));
    };
    if organization.management_account != *account {
        return Err(invalid(
            "Only the management account of the organization can perform this operation",
        ));
    }
    let access = organization.stacksets;
    match call.operation {
        "DescribeOrganizationsAccess" => {
            let status = match access {
                OrganizationsAccess::Enabled => "ENABLED",
                OrganizationsAccess::Disabled => "DISABLED",
                OrganizationsAccess::DisabledPermanently => "DISABLED_PERMANENTLY",
            };
            Ok(json!({ "Status": status }))
        }
        "ActivateOrganizationsAccess" => {
            if access == OrganizationsAccess::DisabledPermanently {
                return Err(invalid("Trusted access with Organizations is disabled permanently"));
            }
            if !organization.all_features {
                return Err(invalid("The organization must have all features enabled"));
            }
            let context = [("organizations:ServicePrincipal", MEMBER.to_owned())];
            call.allow_action(control, "organizations:EnableAWSServiceAccess", "*", &context)?;
            let role = "AWSServiceRoleForCloudFormationStackSetsOrgAdmin";
            create_linked_role(control, call, ADMIN, role)?;
            let now = call.now;
            if let Some(organization) = control.organization.as_mut() {
                organization.stacksets = OrganizationsAccess::Enabled;
                organization.trusted_services.entry(MEMBER.to_owned()).or_insert(now);
            }
            Ok(json!({}))
        }
        _ => {
            let sets = &control.accounts.get(account).map(|it| &it.cloudformation.stack_sets);
            if sets.is_some_and(|sets| !sets.is_empty()) {
                return Err(invalid(
                    "Delete all stack sets with service-managed permissions first",
                ));
            }
            if let Some(organization) = control.organization.as_mut() {
                organization.stacksets = OrganizationsAccess::Disabled;
                organization.trusted_services.remove(MEMBER);
            }
            Ok(json!({}))
        }
    }
}

/// Refuses what needs trusted access.
pub(super) fn check_enabled(control: &Control, call: &Call<'_>) -> Result<(), ApiError> {
    let Some(organization) = control.organization.as_ref() else {
        return Err(super::invalid(
            "You must be the management account or a delegated administrator of an organization \
             before operating a SERVICE_MANAGED stack set",
        ));
    };
    let is_enabled = organization.stacksets == OrganizationsAccess::Enabled
        && organization.trusted_services.contains_key(MEMBER);
    if organization.management_account == call.caller.account && is_enabled {
        return Ok(());
    }
    Err(super::invalid(
        "You must enable organizations access to operate a service managed stack set",
    ))
}
