//! The AWS Glue Data Catalog: databases and tables, without partitions.
//!
//! Source: AWS Glue API Reference, "Database API" and "Table API"; AWS Glue Developer Guide,
//! "Specifying AWS Glue resource ARNs".

use std::collections::BTreeMap;

use orgtrail_base::names::Region;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

mod databases;
mod tables;

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By Region and name.
    databases: BTreeMap<String, Database>,
}

/// A database and its tables.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Database {
    region: Region,
    /// As `GetDatabase` returns it.
    described: Value,
    /// By name, as `GetTable` returns them.
    tables: BTreeMap<String, Value>,
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "CreateDatabase" => databases::create(control, call),
        "GetDatabase" => databases::get(control, call),
        "GetDatabases" => databases::list(control, call),
        "UpdateDatabase" => databases::update(control, call),
        "DeleteDatabase" => databases::delete(control, call),
        "CreateTable" => tables::create(control, call),
        "GetTable" => tables::get(control, call),
        "GetTables" => tables::list(control, call),
        "UpdateTable" => tables::update(control, call),
        "DeleteTable" => tables::delete(control, call),
        _ => Err(unknown_operation(call)),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInputException", message)
}

fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::new("EntityNotFoundException", message)
}

fn exists(what: &str) -> ApiError {
    ApiError::new("AlreadyExistsException", format!("{what} already exists."))
}

fn key(region: &Region, name: &str) -> String {
    format!("{region}/{name}")
}

/// A name of a member, as Glue keeps it: in lower case.
fn name_in(of: &Value, member: &str) -> Result<String, ApiError> {
    let name = input::text(of, member).ok_or_else(|| input::missing(member))?;
    if name.len() > 255 || name.chars().any(char::is_control) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{}' at '{member}' failed to satisfy constraint: \
             Member must have length less than or equal to 255",
            name.escape_debug()
        )));
    }
    Ok(name.to_lowercase())
}

/// Refuses members that the sandbox would ignore.
fn known(of: &Value, members: &[&str]) -> Result<(), ApiError> {
    let found = of.as_object().into_iter().flatten();
    match found.map(|(name, _)| name).find(|name| !members.contains(&name.as_str())) {
        Some(other) => Err(invalid(format!("the sandbox does not support {other}"))),
        None => Ok(()),
    }
}

/// Asks whether the caller may do this to the catalog and to each of these below it.
fn allow(control: &Control, call: &Call<'_>, below: &[String]) -> Result<(), ApiError> {
    if let Some(id) = input::text(call.input, "CatalogId")
        && id != call.caller.account.as_str()
    {
        return Err(invalid("the sandbox has the catalog of the caller's account only"));
    }
    call.allow(control, &call.arn("catalog").to_string())?;
    below.iter().try_for_each(|one| call.allow(control, &call.arn(one.as_str()).to_string()))
}

fn no_database(name: &str) -> ApiError {
    not_found(format!("Database {name} not found."))
}

fn find<'a>(control: &'a Control, call: &Call<'_>, name: &str) -> Result<&'a Database, ApiError> {
    let databases = &input::account(control, &call.caller.account)?.glue.databases;
    databases.get(&key(call.region, name)).ok_or_else(|| no_database(name))
}

fn find_mut<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    name: &str,
) -> Result<&'a mut Database, ApiError> {
    let databases = &mut input::account_mut(control, &call.caller.account)?.glue.databases;
    databases.get_mut(&key(call.region, name)).ok_or_else(|| no_database(name))
}

/// One page in the service's manner: `MaxResults`, `NextToken`.
fn page(call: &Call<'_>, member: &str, items: impl IntoIterator<Item = (String, Value)>) -> Reply {
    const MOST: usize = 100;
    let limit = input::limit(call.input, "MaxResults", MOST, MOST)
        .ok_or_else(|| invalid(format!("MaxResults is 1 to {MOST}")))?;
    let (items, next) = input::page(items, input::text(call.input, "NextToken"), limit)
        .ok_or_else(|| invalid("The specified NextToken is invalid."))?;
    Ok(json!({ member: items, "NextToken": next }))
}
