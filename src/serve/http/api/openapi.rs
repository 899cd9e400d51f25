//! `GET /api/v1/openapi.json`: the API, described by itself.

use std::sync::LazyLock;

use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::endpoint::{Answer, Content, Endpoint, emitted, schema};
use super::endpoints;
use super::query::{NoParameters, Parameters};
use super::respond::json_response;
use crate::report::contract::api::Problem;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    query: Some(schema::<NoParameters>),
    answers: &[Answer {
        status: 200,
        description: "An OpenAPI 3.1 document.",
        content: Content::Media(&["application/json"]),
    }],
    ..Endpoint::read("/api/v1/openapi.json", "openapi", "The description of the API.", || {
        get(openapi)
    })
}];

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| describe().to_string().into());

async fn openapi(Parameters(NoParameters {}): Parameters<NoParameters>) -> Response {
    json_response(DOCUMENT.clone())
}

/// What any endpoint may answer.
const USUAL: [Answer; 5] = [
    Answer::problem(400, "A parameter is wrong, or the request is not for this service."),
    Answer::problem(401, "Authentication is required, or the credentials are not valid."),
    Answer::problem(403, "A scope is missing, or another site caused the request."),
    Answer::problem(421, "The request is for another host."),
    Answer::problem(503, "The state cannot be read, or the answer takes too long."),
];

/// The API as OpenAPI 3.1.
pub(in crate::serve::http) fn describe() -> Value {
    let answers = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut answers = answers.for_serialize().into_generator();
    // What clients send may leave out what has a default.
    let requests = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut requests = requests.for_deserialize().into_generator();
    let mut paths = Map::new();
    for endpoint in endpoints() {
        let operation = operation(&endpoint, &mut answers, &mut requests);
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(endpoint.method.as_str().to_owned(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "orgtrail",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The rounds of the service, and what they know together.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": answers.take_definitions(true),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `orgtrail service token`. Needed unless the \
                        service trusts the connection: a user of the same machine, a client \
                        certificate, or a proxy.",
                },
            },
        },
    })
}

fn operation(
    endpoint: &Endpoint,
    answers: &mut SchemaGenerator,
    requests: &mut SchemaGenerator,
) -> Value {
    let mut parameters: Vec<Value> = endpoint
        .path_parameters
        .iter()
        .map(|(name, description, schema)| {
            json!({
                "name": name, "in": "path", "required": true, "description": description,
                "schema": schema(requests),
            })
        })
        .collect();
    if let Some(query) = endpoint.query {
        parameters.extend(of_query(&query(requests).to_value()));
    }
    for (name, description) in endpoint.headers {
        parameters.push(json!({
            "name": name, "in": "header", "required": false, "description": description,
            "schema": { "type": "string" },
        }));
    }
    let mut responses = Map::new();
    let public = endpoint.scope.is_none();
    let usual = USUAL.iter().filter(|answer| !(public && matches!(answer.status, 401)));
    for answer in usual.chain(endpoint.answers) {
        responses.insert(answer.status.to_string(), response(answer, answers));
    }
    let mut operation = json!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": responses,
        // Nothing is needed where the service trusts the connection.
        "security": match endpoint.scope {
            Some(_) => json!([{ "token": [] }, {}]),
            None => json!([]),
        },
    });
    if let Some(scope) = endpoint.scope {
        operation["description"] = json!(format!("Needs the scope `{scope}`."));
    }
    if let Some(body) = endpoint.body {
        let schema = (body.schema)(requests);
        operation["requestBody"] = json!({
            "required": true,
            "content": {
                "application/json": { "schema": schema },
                "application/x-www-form-urlencoded": { "schema": schema },
            },
        });
    }
    operation
}

/// The fields of a type as parameters.
fn of_query(definition: &Value) -> Vec<Value> {
    let required = definition["required"].as_array().cloned().unwrap_or_default();
    let properties = definition["properties"].as_object().cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({
            "name": name, "in": "query", "required": required.contains(&json!(name)),
            "description": description, "schema": without_null(schema),
        })
    };
    properties.into_iter().map(parameter).collect()
}

/// A query has no null: a parameter that is not given is absent.
fn without_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            schema["type"] = kind.clone();
        }
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| choice != &json!({ "type": "null" }));
        if let [choice] = choices.as_slice() {
            return choice.clone();
        }
    }
    if let Some(object) = schema.as_object_mut() {
        object
            .remove("default")
            .filter(|default| !default.is_null())
            .map(|default| object.insert("default".to_owned(), default));
    }
    schema
}

fn response(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    let content = match answer.content {
        Content::Document(schema) => {
            json!({ "application/json": { "schema": schema(generator) } })
        }
        Content::Problem => {
            let schema = emitted::<Problem>(generator);
            json!({ "application/problem+json": { "schema": schema } })
        }
        Content::Media(kinds) => {
            let kinds = kinds.iter().map(|kind| ((*kind).to_owned(), json!({})));
            Value::Object(kinds.collect())
        }
        Content::Nothing => return json!({ "description": answer.description }),
    };
    json!({ "description": answer.description, "content": content })
}
