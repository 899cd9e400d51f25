//! Amazon Athena: workgroups and named queries. The sandbox runs no queries.
//!
//! Source: Athena API Reference; Service Authorization Reference, "Actions, resources, and
//! condition keys for Amazon Athena".

use std::collections::BTreeMap;

use orgtrail_base::names::Region;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

mod queries;
mod workgroups;

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By Region and name.
    workgroups: BTreeMap<String, Workgroup>,
    /// By id.
    queries: BTreeMap<String, Query>,
}

/// A workgroup.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Workgroup {
    name: String,
    region: Region,
    description: Option<String>,
    state: String,
    configuration: Value,
    tags: BTreeMap<String, String>,
    created: Value,
}

/// A named query.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Query {
    id: String,
    region: Region,
    workgroup: String,
    name: String,
    database: String,
    sql: String,
    description: Option<String>,
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "CreateWorkGroup" => workgroups::create(control, call),
        "GetWorkGroup" => workgroups::get(control, call),
        "ListWorkGroups" => workgroups::list(control, call),
        "UpdateWorkGroup" => workgroups::update(control, call),
        "DeleteWorkGroup" => workgroups::delete(control, call),
        "TagResource" => workgroups::tag(control, call),
        "ListTagsForResource" => workgroups::tags(control, call),
        "CreateNamedQuery" => queries::create(control, call),
        "GetNamedQuery" => queries::get(control, call),
        "BatchGetNamedQuery" => queries::get_some(control, call),
        "ListNamedQueries" => queries::list(control, call),
        "UpdateNamedQuery" => queries::update(control, call),
        "DeleteNamedQuery" => queries::delete(control, call),
        _ => Err(unknown_operation(call)),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidRequestException", message)
}

fn key(region: &Region, name: &str) -> String {
    format!("{region}/{name}")
}

/// The name of a call's workgroup, once the caller may do this to it.
fn allowed(control: &Control, call: &Call<'_>, member: &str) -> Result<String, ApiError> {
    let name =
        input::text(call.input, member).ok_or_else(|| invalid(format!("{member} is required")))?;
    let fits =
        name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !fits {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at '{member}' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9._-]{{1,128}}"
        )));
    }
    call.allow(control, &arn(call, name))?;
    Ok(name.to_owned())
}

fn arn(call: &Call<'_>, name: &str) -> String {
    call.arn(format!("workgroup/{name}")).to_string()
}

fn state<'a>(control: &'a Control, call: &Call<'_>) -> Result<&'a State, ApiError> {
    Ok(&input::account(control, &call.caller.account)?.athena)
}

fn state_mut<'a>(control: &'a mut Control, call: &Call<'_>) -> Result<&'a mut State, ApiError> {
    Ok(&mut input::account_mut(control, &call.caller.account)?.athena)
}

/// The workgroup that every account has in every Region.
const PRIMARY: &str = "primary";

/// That there is such a workgroup.
fn exists(control: &Control, call: &Call<'_>, name: &str) -> Result<(), ApiError> {
    let is_there =
        name == PRIMARY || state(control, call)?.workgroups.contains_key(&key(call.region, name));
    if is_there { Ok(()) } else { Err(no_workgroup(name)) }
}

fn no_workgroup(name: &str) -> ApiError {
    invalid(format!("WorkGroup {name} is not found."))
}

/// One page in the service's manner: `MaxResults`, `NextToken`.
fn page(call: &Call<'_>, member: &str, items: impl IntoIterator<Item = (String, Value)>) -> Reply {
    const MOST: usize = 50;
    let limit = input::limit(call.input, "MaxResults", MOST, MOST)
        .ok_or_else(|| invalid(format!("MaxResults is 1 to {MOST}")))?;
    let (items, next) = input::page(items, input::text(call.input, "NextToken"), limit)
        .ok_or_else(|| invalid("The specified NextToken is invalid."))?;
    Ok(json!({ member: items, "NextToken": next }))
}
