//! Tables.

use serde_json::{Value, json};

use super::{
    ApiError, Call, Control, Reply, allow, exists, find, find_mut, input, invalid, known, name_in,
    not_found, page,
};

const MEMBERS: [&str; 12] = [
    "Description",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Name",
    "Owner",
    "Parameters",
    "PartitionKeys",
    "Retention",
    "StorageDescriptor",
    "TableType",
    "ViewExpandedText",
    "ViewOriginalText",
];
/// The longest value of a parameter. Source: AWS Glue API Reference, `TableInput`.
const LONGEST_PARAMETER: usize = 512_000;
/// The longest type of a column. Source: AWS Glue API Reference, `Column`.
const LONGEST_TYPE: usize = 131_072;

fn no_table(name: &str) -> ApiError {
    not_found(format!("Table {name} not found."))
}

/// The database of a call, once the caller may do this to it and to a table of it.
fn allowed(control: &Control, call: &Call<'_>, table: &str) -> Result<String, ApiError> {
    let database = name_in(call.input, "DatabaseName")?;
    let below = [format!("database/{database}"), format!("table/{database}/{table}")];
    allow(control, call, &below)?;
    Ok(database)
}

/// The table of a call's `TableInput`.
fn read<'a>(call: &'a Call<'_>) -> Result<(String, &'a Value), ApiError> {
    let table = call.input.get("TableInput").ok_or_else(|| input::missing("tableInput"))?;
    known(table, &MEMBERS)?;
    let name = name_in(table, "Name")?;
    for value in input::map(table, "Parameters").values() {
        if value.len() > LONGEST_PARAMETER {
            return Err(invalid(format!("a parameter is longer than {LONGEST_PARAMETER}")));
        }
    }
    let storage = table.get("StorageDescriptor").cloned().unwrap_or_default();
    for column in input::list(&storage, "Columns").iter().chain(input::list(table, "PartitionKeys"))
    {
        name_in(column, "Name")?;
        if input::text(column, "Type").is_some_and(|kind| kind.len() > LONGEST_TYPE) {
            return Err(invalid(format!("a type is longer than {LONGEST_TYPE}")));
        }
    }
    Ok((name, table))
}

fn described(call: &Call<'_>, database: &str, name: &str, table: &Value, before: &Value) -> Value {
    let now = input::seconds(call.now);
    let version = input::text(before, "VersionId").and_then(|it| it.parse::<u32>().ok());
    let mut described = table.clone();
    described["Name"] = name.into();
    described["DatabaseName"] = database.into();
    described["CatalogId"] = json!(call.caller.account);
    described["CreateTime"] = before.get("CreateTime").cloned().unwrap_or_else(|| now.clone());
    described["CreatedBy"] = call.caller.arn().into();
    described["UpdateTime"] = now;
    described["VersionId"] = version.map_or(0, |version| version + 1).to_string().into();
    described["IsRegisteredWithLakeFormation"] = false.into();
    described
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let (name, table) = read(call)?;
    let database = allowed(control, call, &name)?;
    let described = described(call, &database, &name, table, &Value::Null);
    let tables = &mut find_mut(control, call, &database)?.tables;
    if tables.contains_key(&name) {
        return Err(exists("Table"));
    }
    tables.insert(name, described);
    Ok(json!({}))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let name = name_in(call.input, "Name")?;
    let database = allowed(control, call, &name)?;
    let found = find(control, call, &database)?.tables.get(&name);
    Ok(json!({ "Table": found.ok_or_else(|| no_table(&name))? }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    let database = allowed(control, call, "*")?;
    if input::text(call.input, "Expression").is_some() {
        return Err(invalid("the sandbox does not support Expression"));
    }
    let tables = &find(control, call, &database)?.tables;
    page(call, "TableList", tables.iter().map(|(name, it)| (name.clone(), it.clone())))
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let (name, table) = read(call)?;
    let database = allowed(control, call, &name)?;
    let before = find(control, call, &database)?.tables.get(&name).cloned();
    let before = before.ok_or_else(|| no_table(&name))?;
    if let Some(version) = input::text(call.input, "VersionId")
        && Some(version) != input::text(&before, "VersionId")
    {
        return Err(ApiError::new(
            "ConcurrentModificationException",
            "The table was updated by another request.",
        ));
    }
    let described = described(call, &database, &name, table, &before);
    find_mut(control, call, &database)?.tables.insert(name, described);
    Ok(json!({}))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name_in(call.input, "Name")?;
    let database = allowed(control, call, &name)?;
    let removed = find_mut(control, call, &database)?.tables.remove(&name);
    removed.map(|_| json!({})).ok_or_else(|| no_table(&name))
}
