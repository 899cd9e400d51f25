//! The description of the API, and the API.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::{Request, Server};
use crate::serve::http::api::endpoints;

/// Every value in a document, with its path.
fn visit<'a>(value: &'a Value, path: &str, use_it: &mut dyn FnMut(&str, &'a Value)) {
    use_it(path, value);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                visit(value, &format!("{path}/{name}"), use_it);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                visit(value, &format!("{path}/{at}"), use_it);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_description_has_every_route_and_every_reference_leads_somewhere() {
    let server = Server::local().await;
    let document = server.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for endpoint in endpoints() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str()];
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{endpoint:?}");
        for (name, ..) in endpoint.path_parameters {
            assert!(endpoint.path.contains(&format!("{{{name}}}")), "{endpoint:?}");
        }
        let names = endpoint.path.matches('{').count();
        assert_eq!(names, endpoint.path_parameters.len(), "{}", endpoint.path);
        for answer in endpoint.answers {
            let response = &operation["responses"][answer.status.to_string()];
            assert_eq!(response["description"], answer.description);
        }
        for parameter in operation["parameters"].as_array().unwrap() {
            assert!(
                !parameter["description"].as_str().unwrap_or_default().is_empty(),
                "{parameter}"
            );
            assert!(parameter["schema"].is_object(), "{parameter}");
        }
    }
    let paths = document["paths"].as_object().unwrap();
    let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(described, endpoints().len());
    visit(&document, "", &mut |path, value| {
        if path.ends_with("/$ref") {
            let target = value.as_str().unwrap().strip_prefix('#').unwrap();
            assert!(document.pointer(target).is_some(), "{path}: {target}");
        }
    });
}

#[tokio::test]
async fn every_described_parameter_is_accepted_and_no_other() {
    let server = Server::local().await;
    let document = server.get("/api/v1/openapi.json").await.json();
    let rounds = &document["paths"]["/api/v1/rounds"]["get"]["parameters"];
    let rounds = rounds.as_array().unwrap();
    let names: BTreeSet<_> = rounds.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["before", "limit"]));
    let limit = rounds.iter().find(|it| it["name"] == "limit").unwrap();
    assert_eq!((&limit["schema"]["maximum"], &limit["required"]), (&json!(500), &json!(false)));
    for endpoint in endpoints().iter().filter(|it| it.query.is_some()) {
        let path = endpoint.path.replace("{id}", "a-1").replace("{other}", "a-2");
        let answer = server.send(&Request::get(&format!("{path}?unknown=1"))).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
}
