//! Databases.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    ApiError, Call, Control, Database, Reply, allow, exists, find, find_mut, input, key, known,
    name_in, page,
};

const MEMBERS: [&str; 5] =
    ["CreateTableDefaultPermissions", "Description", "LocationUri", "Name", "Parameters"];

/// What a new table is by default: open to those whom IAM lets in.
fn left_to_iam() -> Value {
    json!([{
        "Principal": { "DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS" },
        "Permissions": ["ALL"],
    }])
}

/// The database of a call's `DatabaseInput`: its name and how it is described.
fn described(call: &Call<'_>, created: &Value) -> Result<(String, Value), ApiError> {
    let from = call.input.get("DatabaseInput").ok_or_else(|| input::missing("databaseInput"))?;
    known(from, &MEMBERS)?;
    let name = name_in(from, "Name")?;
    let mut described = from.clone();
    described["Name"] = name.as_str().into();
    described["CreateTime"] = created.clone();
    described["CatalogId"] = json!(call.caller.account);
    if described.get("CreateTableDefaultPermissions").is_none() {
        described["CreateTableDefaultPermissions"] = left_to_iam();
    }
    Ok((name, described))
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let (name, described) = described(call, &input::seconds(call.now))?;
    allow(control, call, &[format!("database/{name}")])?;
    let key = key(call.region, &name);
    let databases = &mut input::account_mut(control, &call.caller.account)?.glue.databases;
    if databases.contains_key(&key) {
        return Err(exists("Database"));
    }
    let region = call.region.clone();
    databases.insert(key, Database { region, described, tables: BTreeMap::new() });
    Ok(json!({}))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let name = name_in(call.input, "Name")?;
    allow(control, call, &[format!("database/{name}")])?;
    Ok(json!({ "Database": find(control, call, &name)?.described }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    allow(control, call, &["database/*".to_owned()])?;
    let databases = &input::account(control, &call.caller.account)?.glue.databases;
    let own = databases.iter().filter(|(_, database)| database.region == *call.region);
    page(call, "DatabaseList", own.map(|(key, it)| (key.clone(), it.described.clone())))
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name_in(call.input, "Name")?;
    allow(control, call, &[format!("database/{name}")])?;
    let created = find(control, call, &name)?.described["CreateTime"].clone();
    let (renamed, described) = described(call, &created)?;
    if renamed != name {
        return Err(super::invalid("Database cannot be renamed"));
    }
    find_mut(control, call, &name)?.described = described;
    Ok(json!({}))
}

/// Deletes a database with its tables.
pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name_in(call.input, "Name")?;
    let below = [
        format!("database/{name}"),
        format!("table/{name}/*"),
        format!("userDefinedFunction/{name}/*"),
    ];
    allow(control, call, &below)?;
    find(control, call, &name)?;
    let databases = &mut input::account_mut(control, &call.caller.account)?.glue.databases;
    databases.remove(&key(call.region, &name));
    Ok(json!({}))
}
