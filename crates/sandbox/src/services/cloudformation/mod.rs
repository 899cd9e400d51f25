//! AWS CloudFormation: stacks of IAM roles, and stack sets with service-managed permissions.
//!
//! Source: CloudFormation API Reference and the User Guide, "AWS CloudFormation `StackSets`".

mod access;
mod deploy;
mod instances;
mod lifecycle;
mod operations;
mod role;
mod stack_sets;
mod stacks;
mod state;
mod targets;
mod template;

use std::collections::BTreeMap;

use http::StatusCode;
pub(crate) use lifecycle::{account_joined, account_left, account_moved};
use serde_json::{Value, json};
pub(crate) use state::{OrganizationsAccess, State};

use super::input::{list, number, page, tag_list, tags, text};
use super::{Call, Control, Reply, unknown_operation};
use crate::api::ApiError;
use crate::simulation::Simulation;

/// The longest template that a call may contain. Source: CloudFormation quotas.
const MAX_TEMPLATE_BYTES: usize = 51_200;

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    operations::advance_by_clock(control, call.simulation, call.now);
    match call.operation {
        "ActivateOrganizationsAccess"
        | "DeactivateOrganizationsAccess"
        | "DescribeOrganizationsAccess" => access::call(control, call),
        "CreateStack" => stacks::create(control, call),
        "UpdateStack" => stacks::update(control, call),
        "DeleteStack" => stacks::delete(control, call),
        "DescribeStacks" => stacks::describe(control, call),
        "DescribeStackEvents" => stacks::events(control, call),
        "GetTemplate" => stacks::template(control, call),
        "CreateStackSet" => stack_sets::create(control, call),
        "UpdateStackSet" => stack_sets::update(control, call),
        "DeleteStackSet" => stack_sets::delete(control, call),
        "DescribeStackSet" => stack_sets::describe(control, call),
        "ListStackSets" => stack_sets::list(control, call),
        "CreateStackInstances" => instances::create(control, call),
        "UpdateStackInstances" => instances::update(control, call),
        "DeleteStackInstances" => instances::delete(control, call),
        "ListStackInstances" => instances::list(control, call),
        "DescribeStackSetOperation" => operations::describe(control, call),
        "ListStackSetOperations" => operations::list(control, call),
        "ListStackSetOperationResults" => operations::list_results(control, call),
        _ => Err(unknown_operation(call)),
    }
}

/// Continues the operations by the simulated clock.
pub(crate) fn advance(simulation: &Simulation) {
    let now = simulation.clock.now();
    operations::advance_by_clock(&mut simulation.control.write(), simulation, now);
}

fn conflict(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message).with_status(StatusCode::CONFLICT)
}

fn not_found(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(code, message).with_status(StatusCode::NOT_FOUND)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::validation(message)
}

/// The name of a stack or stack set.
fn name<'a>(call: &'a Call<'_>, member: &str) -> Result<&'a str, ApiError> {
    let name = call.required(member)?;
    // A name, an id (`name:uuid`) or an ARN.
    let bare = name.rsplit_once(":stackset/").map_or(name, |(_, name)| name);
    let bare = bare.rsplit_once(":stack/").map_or(bare, |(_, name)| name);
    let bare = bare.split([':', '/']).next().unwrap_or_default();
    let begins = bare.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins && bare.len() <= 128 && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Ok(bare);
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    )))
}

/// The template that a call contains.
fn body<'a>(call: &'a Call<'_>) -> Result<Option<&'a str>, ApiError> {
    if text(call.input, "TemplateURL").is_some() {
        return Err(invalid("the sandbox supports templates only as TemplateBody"));
    }
    let body = text(call.input, "TemplateBody");
    if body.is_some_and(|body| body.len() > MAX_TEMPLATE_BYTES) {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: \
             Member must have length less than or equal to {MAX_TEMPLATE_BYTES}"
        )));
    }
    Ok(body)
}

/// The parameters that a call contains; those with `UsePreviousValue` are of `previous`.
fn parameters(
    call: &Call<'_>,
    previous: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let given = list(call.input, "Parameters").iter();
    given
        .map(|one| {
            let key = text(one, "ParameterKey")
                .ok_or_else(|| invalid("Parameter keys must not be empty"))?;
            let value = one.get("ParameterValue").and_then(Value::as_str).map(str::to_owned);
            let kept = super::input::flag(one, "UsePreviousValue") == Some(true);
            let value = if kept { previous.get(key).cloned() } else { value };
            let value =
                value.ok_or_else(|| invalid(format!("Invalid input for parameter key {key}.")))?;
            Ok((key.to_owned(), value))
        })
        .collect()
}

fn new_tags(call: &Call<'_>) -> BTreeMap<String, String> {
    tags(call.input, "Tags", "Key", "Value")
}

fn shown_tags(tags: &BTreeMap<String, String>) -> Value {
    tag_list(tags, "Key", "Value")
}

fn shown_parameters(parameters: &BTreeMap<String, String>) -> Value {
    tag_list(parameters, "ParameterKey", "ParameterValue")
}

/// One page of a list under `member`, by the call's `NextToken` and `MaxResults`.
fn listed(
    call: &Call<'_>,
    member: &str,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Reply {
    let limit = number(call.input, "MaxResults").unwrap_or(100);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
    let limit = limit.ok_or_else(|| {
        invalid(
            "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: \
             Member must have value between 1 and 100",
        )
    })?;
    let (items, next) = page(items, text(call.input, "NextToken"), limit)
        .ok_or_else(|| invalid("The specified NextToken is invalid"))?;
    Ok(json!({ member: items, "NextToken": next }))
}
