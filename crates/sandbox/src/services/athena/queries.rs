//! Named queries.

use serde_json::{Value, json};

use super::{
    ApiError, Call, Control, PRIMARY, Query, Reply, allowed, arn, exists, input, invalid, page,
    state, state_mut,
};

/// The longest statement. Source: Athena `CreateNamedQuery`, `QueryString`.
const LONGEST: usize = 262_144;

impl Query {
    fn described(&self) -> Value {
        json!({
            "NamedQueryId": self.id,
            "Name": self.name,
            "Database": self.database,
            "QueryString": self.sql,
            "Description": self.description,
            "WorkGroup": self.workgroup,
        })
    }
}

/// A member that has a length from 1 on.
fn sized<'a>(call: &'a Call<'_>, member: &str, most: usize) -> Result<&'a str, ApiError> {
    let found = input::text(call.input, member).unwrap_or_default();
    if (1..=most).contains(&found.chars().count()) {
        return Ok(found);
    }
    Err(invalid(format!("{member} has 1 to {most} characters")))
}

/// A query of the call's Region by its id, once the caller may do this to its workgroup.
fn find<'a>(control: &'a Control, call: &Call<'_>, id: &str) -> Result<&'a Query, ApiError> {
    let found = state(control, call)?.queries.get(id);
    let Some(query) = found.filter(|query| query.region == *call.region) else {
        call.allow(control, &arn(call, PRIMARY))?;
        return Err(invalid(format!("NamedQuery {id} was not found")));
    };
    call.allow(control, &arn(call, &query.workgroup))?;
    Ok(query)
}

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let workgroup = match input::text(call.input, "WorkGroup") {
        Some(_) => allowed(control, call, "WorkGroup")?,
        None => PRIMARY.to_owned(),
    };
    exists(control, call, &workgroup)?;
    let id = call.simulation.uuid();
    let query = Query {
        id: id.clone(),
        region: call.region.clone(),
        workgroup,
        name: sized(call, "Name", 128)?.to_owned(),
        database: sized(call, "Database", 255)?.to_owned(),
        sql: sized(call, "QueryString", LONGEST)?.to_owned(),
        description: input::text(call.input, "Description").map(str::to_owned),
    };
    state_mut(control, call)?.queries.insert(id.clone(), query);
    Ok(json!({ "NamedQueryId": id }))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let query = find(control, call, call.required("NamedQueryId")?)?;
    Ok(json!({ "NamedQuery": query.described() }))
}

pub(super) fn get_some(control: &Control, call: &Call<'_>) -> Reply {
    let ids = input::texts(call.input, "NamedQueryIds");
    if !(1..=50).contains(&ids.len()) {
        return Err(invalid("NamedQueryIds has 1 to 50 elements"));
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for id in ids {
        match find(control, call, &id) {
            Ok(query) => found.push(query.described()),
            Err(error) if error.code == "AccessDeniedException" => return Err(error),
            Err(error) => missing.push(json!({
                "NamedQueryId": id,
                "ErrorCode": "INVALID_INPUT",
                "ErrorMessage": error.message,
            })),
        }
    }
    Ok(json!({ "NamedQueries": found, "UnprocessedNamedQueryIds": missing }))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    let workgroup = match input::text(call.input, "WorkGroup") {
        Some(_) => allowed(control, call, "WorkGroup")?,
        None => PRIMARY.to_owned(),
    };
    exists(control, call, &workgroup)?;
    let queries = state(control, call)?.queries.values();
    let own = queries.filter(|it| it.workgroup == workgroup && it.region == *call.region);
    page(call, "NamedQueryIds", own.map(|query| (query.id.clone(), json!(query.id))))
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let mut query = find(control, call, call.required("NamedQueryId")?)?.clone();
    sized(call, "Name", 128)?.clone_into(&mut query.name);
    sized(call, "QueryString", LONGEST)?.clone_into(&mut query.sql);
    if let Some(description) = input::text(call.input, "Description") {
        query.description = Some(description.to_owned());
    }
    state_mut(control, call)?.queries.insert(query.id.clone(), query);
    Ok(json!({}))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let id = find(control, call, call.required("NamedQueryId")?)?.id.clone();
    state_mut(control, call)?.queries.remove(&id);
    Ok(json!({}))
}
