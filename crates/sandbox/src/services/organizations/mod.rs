//! AWS Organizations.

mod accounts;
mod administrators;
mod handshakes;
pub(crate) mod membership;
mod policies;
mod shape;
mod state;
mod tree;

pub(crate) use accounts::standalone;
use serde_json::Value;
pub(crate) use state::{
    Creation, FULL_ACCESS, Member, Organization, OrganizationPolicy, RCP, RCP_FULL_ACCESS, SCP,
    Unit,
};

use super::input::{limit, page, text};
use super::{Call, Control, Reply, unknown_operation};
use crate::api::ApiError;

/// What delegated administrators may call, like the management account.
fn is_read(operation: &str) -> bool {
    operation.starts_with("List") || operation.starts_with("Describe")
}

/// The condition keys of a call: the service, and the type of policies, that it is about.
fn conditions(control: &Control, call: &Call<'_>) -> Vec<(&'static str, String)> {
    let input = |name: &str| call.input.get(name).and_then(Value::as_str).map(str::to_owned);
    let of_policy = || {
        let policies = &control.organization.as_ref()?.policies;
        Some(policies.get(&input("PolicyId")?)?.kind.clone())
    };
    let kind = input("Type").or_else(|| input("PolicyType")).or_else(|| input("Filter"));
    let kind = kind.or_else(of_policy).map(|kind| ("organizations:PolicyType", kind));
    let service = input("ServicePrincipal").map(|it| ("organizations:ServicePrincipal", it));
    kind.into_iter().chain(service).collect()
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow_with(control, "*", &conditions(control, call))?;
    let account = &call.caller.account;
    if call.operation == "CreateOrganization" {
        return tree::create_organization(control, call);
    }
    if let Some(reply) = handshakes::of_invited(control, call) {
        return reply;
    }
    let organization = of(control)?;
    if !organization.members.contains_key(account) {
        return Err(not_in_use());
    }
    if call.operation == "LeaveOrganization" {
        return membership::leave(control, call);
    }
    if call.operation == "DescribeOrganization" {
        return Ok(serde_json::json!({
            "Organization": shape::organization(call.caller.partition, organization),
        }));
    }
    let delegated = organization.delegated.get(account).is_some_and(|s| !s.is_empty());
    if organization.management_account != *account && !(delegated && is_read(call.operation)) {
        return Err(ApiError::access_denied("You don't have permissions to access this resource."));
    }
    match call.operation {
        "CreateAccount" => return accounts::create(control, call),
        "DeleteOrganization" => return tree::delete_organization(control),
        "CloseAccount" => return membership::close(control, call),
        "MoveAccount" => return membership::relocate(control, call),
        "RemoveAccountFromOrganization" => return membership::remove(control, call),
        _ => {}
    }
    if let Some(reply) = handshakes::of_management(control, call) {
        return reply;
    }
    let organization = of(control)?;
    let answer = [tree::call, accounts::call, administrators::call, policies::call]
        .into_iter()
        .find_map(|family| family(organization, call));
    answer.unwrap_or_else(|| Err(unknown_operation(call)))
}

/// Refuses an account while a new organization is being set up.
fn check_finalized(organization: &Organization, now: jiff::Timestamp) -> Result<(), ApiError> {
    if organization.finalizing_until.is_some_and(|until| now < until) {
        return Err(ApiError::new(
            "FinalizingOrganizationException",
            "AWS Organizations couldn't perform the operation because your organization hasn't \
             finished initializing. This can take up to an hour. Try again later.",
        ));
    }
    Ok(())
}

/// The organization, which [`call`] has seen to be there.
fn of(control: &mut Control) -> Result<&mut Organization, ApiError> {
    control.organization.as_mut().ok_or_else(not_in_use)
}

fn not_in_use() -> ApiError {
    ApiError::new(
        "AWSOrganizationsNotInUseException",
        "Your account is not a member of an organization.",
    )
}

/// A member that must be a string with something in it.
fn required<'a>(call: &'a Call<'_>, name: &str) -> Result<&'a str, ApiError> {
    call.required(name).map_err(|_| invalid(format!("You must specify {name}.")))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInputException", message)
}

/// One page of a list under `name`, by the call's `MaxResults` and `NextToken`.
fn listed(call: &Call<'_>, name: &str, items: impl IntoIterator<Item = (String, Value)>) -> Reply {
    let invalid = |what: &str| invalid(format!("You specified an invalid value for {what}"));
    let limit = limit(call.input, "MaxResults", 20, 20)
        .ok_or_else(|| invalid("MaxResults: from 1 to 20"))?;
    let (items, next) = page(items, text(call.input, "NextToken"), limit)
        .ok_or_else(|| invalid("NextToken: INVALID_NEXT_TOKEN"))?;
    Ok(serde_json::json!({ name: items, "NextToken": next }))
}
