//! AWS Organizations.

mod accounts;
mod administrators;
mod policies;
mod shape;
mod state;
mod tree;

use serde_json::Value;
pub(crate) use state::{
    Creation, FULL_ACCESS, Member, Organization, OrganizationPolicy, RCP, RCP_FULL_ACCESS, SCP,
    Unit,
};

use super::input::{number, page, text};
use super::{Call, Control, Reply, Simulation, unknown_operation};
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

pub(super) fn call(simulation: &Simulation, control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow_with(control, "*", &conditions(control, call))?;
    let account = &call.caller.account;
    if call.operation == "CreateOrganization" {
        return tree::create_organization(simulation, control, call);
    }
    let organization = control
        .organization
        .as_ref()
        .filter(|organization| organization.members.contains_key(account))
        .ok_or_else(|| {
            ApiError::new(
                "AWSOrganizationsNotInUseException",
                "Your account is not a member of an organization.",
            )
        })?;
    if call.operation == "DescribeOrganization" {
        return Ok(serde_json::json!({
            "Organization": shape::organization(call.caller.partition, organization),
        }));
    }
    let delegated = organization.delegated.get(account).is_some_and(|s| !s.is_empty());
    if organization.management_account != *account && !(delegated && is_read(call.operation)) {
        return Err(ApiError::access_denied("You don't have permissions to access this resource."));
    }
    let answer = [tree::call, accounts::call, administrators::call, policies::call]
        .into_iter()
        .find_map(|family| family(simulation, control, call));
    answer.unwrap_or_else(|| Err(unknown_operation(call)))
}

/// The organization, which [`call`] has seen to be there.
fn of(control: &mut Control) -> Result<&mut Organization, ApiError> {
    control.organization.as_mut().ok_or_else(|| {
        ApiError::new(
            "AWSOrganizationsNotInUseException",
            "Your account is not a member of an organization.",
        )
    })
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInputException", message)
}

/// One page of a list under `name`, by the call's `MaxResults` and `NextToken`.
fn listed(call: &Call<'_>, name: &str, items: Vec<(String, Value)>) -> Reply {
    let limit = number(call.input, "MaxResults").unwrap_or(20);
    if !(1..=20).contains(&limit) {
        return Err(invalid("You specified an invalid value for MaxResults: from 1 to 20"));
    }
    let limit = usize::try_from(limit).unwrap_or(20);
    let (items, next) = page(items, |(key, _)| key.clone(), text(call.input, "NextToken"), limit)
        .ok_or_else(|| {
        invalid("You specified an invalid value for NextToken: INVALID_NEXT_TOKEN")
    })?;
    let items: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
    Ok(serde_json::json!({ name: items, "NextToken": next }))
}
