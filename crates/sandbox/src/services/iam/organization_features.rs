//! Centralized root access: what the organization lets its management account do as the root
//! user of its members.
//!
//! Source: IAM API Reference, `ListOrganizationsFeatures`,
//! `EnableOrganizationsRootCredentialsManagement`, `EnableOrganizationsRootSessions`.

use http::StatusCode;
use serde_json::json;

use super::{Call, Control, Reply};
use crate::api::ApiError;
use crate::services::organizations::Organization;

/// The service that must have trusted access.
const PRINCIPAL: &str = "iam.amazonaws.com";
/// Sessions of members' root users, by `sts:AssumeRoot`.
pub(crate) const ROOT_SESSIONS: &str = "RootSessions";
const ROOT_CREDENTIALS: &str = "RootCredentialsManagement";

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let is_read = call.operation == "ListOrganizationsFeatures";
    let organization = organization(control, call, is_read)?;
    let feature =
        if call.operation.ends_with("RootSessions") { ROOT_SESSIONS } else { ROOT_CREDENTIALS };
    if call.operation.starts_with("Enable") {
        organization.root_features.insert(feature.to_owned());
    } else if call.operation.starts_with("Disable") {
        organization.root_features.remove(feature);
    }
    Ok(json!({
        "OrganizationId": organization.id,
        "EnabledFeatures": organization.root_features,
    }))
}

/// The organization of a caller who may manage or, as IAM's delegated administrator, read
/// these features.
fn organization<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    is_read: bool,
) -> Result<&'a mut Organization, ApiError> {
    let caller = &call.caller.account;
    let found = control.organization.as_mut();
    let Some(organization) = found.filter(|it| it.members.contains_key(caller)) else {
        return Err(refused(
            "OrganizationNotFoundException",
            "The account is not a member of an organization.",
        ));
    };
    if !organization.all_features {
        return Err(refused(
            "OrganizationNotInAllFeaturesModeException",
            "The organization does not have all features enabled.",
        ));
    }
    if organization.management_account != *caller {
        let services = organization.delegated.get(caller);
        let is_delegated = services.is_some_and(|it| it.contains_key(PRINCIPAL));
        if !is_read {
            return Err(refused(
                "CallerIsNotManagementAccountException",
                "The caller is not the management account of the organization.",
            ));
        }
        if !is_delegated {
            return Err(refused(
                "AccountNotManagementOrDelegatedAdministratorException",
                "The account is not the management account or a delegated administrator for IAM.",
            ));
        }
    }
    if !organization.trusted_services.contains_key(PRINCIPAL) {
        return Err(refused(
            "ServiceAccessNotEnabledException",
            "Trusted access is not enabled for IAM in AWS Organizations.",
        ));
    }
    Ok(organization)
}

fn refused(code: &'static str, message: &str) -> ApiError {
    ApiError::new(code, message).with_status(StatusCode::BAD_REQUEST)
}
