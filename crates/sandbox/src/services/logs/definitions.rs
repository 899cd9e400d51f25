//! Query definitions of CloudWatch Logs Insights.
//!
//! Source: CloudWatch Logs API Reference, `PutQueryDefinition`, `DescribeQueryDefinitions` and
//! `DeleteQueryDefinition`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, invalid};

/// A query definition, of one Region.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Definition {
    id: String,
    region: orgtrail_base::names::Region,
    name: String,
    query: String,
    groups: Vec<String>,
    /// Milliseconds since 1970.
    modified: i64,
}

impl Definition {
    fn described(&self) -> Value {
        json!({
            "queryDefinitionId": self.id,
            "name": self.name,
            "queryString": self.query,
            "queryLanguage": "CWLI",
            "logGroupNames": self.groups,
            "lastModified": self.modified,
        })
    }
}

fn no_definition() -> ApiError {
    ApiError::new("ResourceNotFoundException", "The specified query definition does not exist.")
}

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    if input::text(call.input, "queryLanguage").is_some_and(|language| language != "CWLI") {
        return Err(invalid("the sandbox has the query language CWLI only"));
    }
    let (name, query) = (call.required("name")?, call.required("queryString")?);
    if name.len() > 255 || query.len() > 10_000 {
        return Err(invalid("a name has at most 255 characters, and a query 10000"));
    }
    let definitions = &mut input::account_mut(control, &call.caller.account)?.logs.definitions;
    let id = match input::text(call.input, "queryDefinitionId") {
        Some(id) if definitions.get(id).is_none_or(|one| one.region != *call.region) => {
            return Err(no_definition());
        }
        Some(id) => id.to_owned(),
        None => call.simulation.uuid(),
    };
    let definition = Definition {
        id: id.clone(),
        region: call.region.clone(),
        name: name.to_owned(),
        query: query.to_owned(),
        groups: input::texts(call.input, "logGroupNames"),
        modified: call.now.as_millisecond(),
    };
    definitions.insert(id.clone(), definition);
    Ok(json!({ "queryDefinitionId": id }))
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    const MOST: usize = 1000;
    call.allow(control, "*")?;
    let prefix = input::text(call.input, "queryDefinitionNamePrefix").unwrap_or_default();
    let definitions = input::account(control, &call.caller.account)?.logs.definitions.values();
    let found = definitions
        .filter(|one| one.region == *call.region && one.name.starts_with(prefix))
        .map(|one| (one.id.clone(), one.described()));
    let limit = input::limit(call.input, "maxResults", MOST, MOST)
        .ok_or_else(|| invalid(format!("maxResults is 1 to {MOST}")))?;
    let (items, next) = input::page(found, input::text(call.input, "nextToken"), limit)
        .ok_or_else(|| invalid("The specified nextToken is invalid."))?;
    Ok(json!({ "queryDefinitions": items, "nextToken": next }))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let id = call.required("queryDefinitionId")?;
    let definitions = &mut input::account_mut(control, &call.caller.account)?.logs.definitions;
    if definitions.get(id).is_none_or(|one| one.region != *call.region) {
        return Err(no_definition());
    }
    definitions.remove(id);
    Ok(json!({ "success": true }))
}
