//! Who runs the organization's trails: the management account, and the
//! delegated administrators that it registers.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn};
use serde_json::json;

use super::{ApiError, Call, Control, Reply};
use crate::services::organizations::Organization;

/// CloudTrail's service principal.
pub(crate) const PRINCIPAL: &str = "cloudtrail.amazonaws.com";
/// The service-linked role that organization trails need.
const SERVICE_LINKED_ROLE: &str = "AWSServiceRoleForCloudTrail";
/// How many delegated administrators CloudTrail takes.
const MAX_DELEGATED: usize = 3;

fn contains(organization: &Organization, account: &AccountId) -> bool {
    organization.management_account == *account || organization.members.contains_key(account)
}

/// Whether the organization trails of `owner` are in another account at a time: some minutes
/// after it joined.
pub(crate) fn has_trails_of(
    control: &Control,
    owner: &AccountId,
    account: &AccountId,
    now: Timestamp,
) -> bool {
    let Some(organization) = &control.organization else { return false };
    let member = organization.members.get(account);
    let are_there = member.and_then(|member| member.trails_from).is_none_or(|from| from <= now);
    contains(organization, owner) && contains(organization, account) && are_there
}

/// Whether an account may run the organization's trails.
pub(super) fn administers(control: &Control, account: &AccountId) -> bool {
    control.organization.as_ref().is_some_and(|organization| {
        organization.management_account == *account || is_delegated(organization, account)
    })
}

fn is_delegated(organization: &Organization, account: &AccountId) -> bool {
    organization.delegated.get(account).is_some_and(|services| services.contains_key(PRINCIPAL))
}

/// # Errors
/// `NotOrganizationMasterAccountException`.
pub(super) fn require_administrator(control: &Control, call: &Call<'_>) -> Result<(), ApiError> {
    if administers(control, &call.caller.account) {
        return Ok(());
    }
    Err(ApiError::new(
        "NotOrganizationMasterAccountException",
        format!(
            "Account {} is neither the management account of the organization nor a delegated administrator of CloudTrail.",
            call.caller.account
        ),
    ))
}

/// Asks for all that an organization trail needs of its organization, and
/// gives the account that owns such trails.
///
/// # Errors
/// As AWS answers, in this order: no organization, not who may, not all
/// features, no trusted access, no service-linked role.
pub(super) fn require(control: &Control, call: &Call<'_>) -> Result<AccountId, ApiError> {
    let organization = control
        .organization
        .as_ref()
        .filter(|organization| contains(organization, &call.caller.account))
        .ok_or_else(not_in_use)?;
    require_administrator(control, call)?;
    let owner = organization.management_account.clone();
    may_read_organization(control, call)?;
    if call.caller.account == owner {
        let role = format!("role/aws-service-role/{PRINCIPAL}/{SERVICE_LINKED_ROLE}");
        let role = Arn::global(call.caller.partition, "iam", &owner, role).to_string();
        call.allow_action(control, "iam:GetRole", &role, &[])?;
    }
    require_prerequisites(control, call, &owner)?;
    Ok(owner)
}

fn not_in_use() -> ApiError {
    ApiError::new(
        "OrganizationsNotInUseException",
        "Your account is not a member of an organization.",
    )
}

/// CloudTrail reads the organization with its caller's permissions.
///
/// Source: CloudTrail User Guide, "Permissions to create a trail for an organization".
fn may_read_organization(control: &Control, call: &Call<'_>) -> Result<(), ApiError> {
    for action in
        ["organizations:DescribeOrganization", "organizations:ListAWSServiceAccessForOrganization"]
    {
        call.allow_action(control, action, "*", &[])?;
    }
    Ok(())
}

/// CloudTrail changes Organizations' delegated administrators with its caller's permissions.
fn may_delegate(control: &Control, call: &Call<'_>, action: &str) -> Result<(), ApiError> {
    may_read_organization(control, call)?;
    let service = [("organizations:ServicePrincipal", PRINCIPAL.to_owned())];
    call.allow_action(control, action, "*", &service)
}

/// The last three of what [`require`] asks.
pub(super) fn require_prerequisites(
    control: &Control,
    call: &Call<'_>,
    owner: &AccountId,
) -> Result<(), ApiError> {
    let Some(organization) = &control.organization else { return Ok(()) };
    if !organization.all_features {
        return Err(ApiError::new(
            "OrganizationNotInAllFeaturesModeException",
            "Your organization must have all features enabled.",
        ));
    }
    if !is_trusted(control) {
        return Err(ApiError::new(
            "CloudTrailAccessNotEnabledException",
            "Trusted access for AWS CloudTrail is not enabled in your organization.",
        ));
    }
    let has_role = |account: &AccountId| {
        control
            .accounts
            .get(account)
            .is_some_and(|account| account.iam.roles.contains_key(SERVICE_LINKED_ROLE))
    };
    if !has_role(owner) {
        // The same lack, as reported to callers who may fix it, and to others.
        return Err(if call.caller.account == *owner {
            ApiError::new(
                "InsufficientDependencyServiceAccessPermissionException",
                format!(
                    "The service-linked role {SERVICE_LINKED_ROLE} is missing in account {owner}, or you may not create it."
                ),
            )
        } else {
            ApiError::new(
                "NoManagementAccountSLRExistsException",
                format!(
                    "The management account {owner} has no service-linked role {SERVICE_LINKED_ROLE}."
                ),
            )
        });
    }
    Ok(())
}

/// Whether the organization trusts CloudTrail: without, its trails record the
/// management account alone.
pub(crate) fn is_trusted(control: &Control) -> bool {
    control
        .organization
        .as_ref()
        .is_some_and(|organization| organization.trusted_services.contains_key(PRINCIPAL))
}

fn require_management<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
) -> Result<&'a mut Organization, ApiError> {
    if !call.caller.partition.has_cloudtrail_delegated_administrators() {
        return Err(ApiError::new(
            "UnsupportedOperationException",
            "CloudTrail has no delegated administrators in this partition.",
        ));
    }
    let organization = control.organization.as_ref().ok_or_else(not_in_use)?;
    if organization.management_account != call.caller.account {
        return Err(ApiError::new(
            "NotOrganizationManagementAccountException",
            format!("Account {} is not the management account.", call.caller.account),
        ));
    }
    let owner = organization.management_account.clone();
    require_prerequisites(control, call, &owner)?;
    control.organization.as_mut().ok_or_else(not_in_use)
}

fn account_of(text: &str) -> Result<AccountId, ApiError> {
    text.parse().map_err(|error: orgtrail_base::names::NameError| {
        ApiError::new("InvalidParameterException", error.to_string())
    })
}

pub(super) fn register(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    may_delegate(control, call, "organizations:RegisterDelegatedAdministrator")?;
    let account = account_of(call.required("MemberAccountId")?)?;
    let organization = require_management(control, call)?;
    if account == organization.management_account {
        return Err(ApiError::new(
            "CannotDelegateManagementAccountException",
            "The management account cannot be a delegated administrator.",
        ));
    }
    if !contains(organization, &account) {
        return Err(ApiError::new(
            "AccountNotFoundException",
            format!("Account {account} is not a member of the organization."),
        ));
    }
    if is_delegated(organization, &account) {
        return Err(ApiError::new(
            "AccountRegisteredException",
            format!("Account {account} is a delegated administrator already."),
        ));
    }
    let registered =
        organization.delegated.keys().filter(|known| is_delegated(organization, known)).count();
    if registered >= MAX_DELEGATED {
        return Err(ApiError::new(
            "DelegatedAdminAccountLimitExceededException",
            "CloudTrail takes at most three delegated administrators.",
        ));
    }
    let now = call.now;
    organization.delegated.entry(account).or_default().insert(PRINCIPAL.to_owned(), now);
    Ok(json!({}))
}

pub(super) fn deregister(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    may_delegate(control, call, "organizations:DeregisterDelegatedAdministrator")?;
    let account = account_of(call.required("DelegatedAdminAccountId")?)?;
    let organization = require_management(control, call)?;
    let removed =
        organization.delegated.get_mut(&account).and_then(|services| services.remove(PRINCIPAL));
    if removed.is_none() {
        return Err(ApiError::new(
            "AccountNotRegisteredException",
            format!("Account {account} is not a delegated administrator of CloudTrail."),
        ));
    }
    organization.delegated.retain(|_, services| !services.is_empty());
    Ok(json!({}))
}
