//! The parameters of requests.

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::access::is_json;
use super::super::problem::Problem;
use crate::words::json_fault;

/// The query of a request; anything unexpected is a problem.
#[derive(Debug)]
pub(in crate::serve::http) struct Parameters<T>(pub(in crate::serve::http) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
        }
    }
}

/// The names in the path of a request. A path that cannot be read leads nowhere.
#[derive(Debug)]
pub(in crate::serve::http) struct Names<T>(pub(in crate::serve::http) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Names<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::not_found("no such path")),
        }
    }
}

/// The body of a request, and whether it is a form: then a browser sent it, and expects a
/// page.
pub(super) fn read_body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(T, bool), Problem> {
    if is_json(headers) {
        return match serde_json::from_slice(body) {
            Ok(value) => Ok((value, false)),
            Err(error) => Err(Problem::bad_request(format!("the body: {}", json_fault(&error)))),
        };
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let detail = "expected the content type application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    // Fields that are left empty are absent, and a name that occurs again is a list.
    let mut fields = serde_json::Map::new();
    for (name, value) in form_urlencoded::parse(body).filter(|(_, value)| !value.is_empty()) {
        let value = serde_json::Value::from(value.trim());
        match fields.entry(name) {
            serde_json::map::Entry::Vacant(entry) => {
                entry.insert(value);
            }
            serde_json::map::Entry::Occupied(mut entry) => match entry.get_mut() {
                serde_json::Value::Array(list) => list.push(value),
                one => *one = vec![one.take(), value].into(),
            },
        }
    }
    match serde_json::from_value(fields.into()) {
        Ok(value) => Ok((value, true)),
        Err(error) => Err(Problem::bad_request(format!("the form: {}", json_fault(&error)))),
    }
}

/// No parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::http) struct NoParameters {}

/// How many items a page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit(u32);

/// The most items of a page.
const MOST: u32 = 500;

impl Limit {
    pub(super) fn items(limit: Option<Self>) -> usize {
        limit.map_or(100, |limit| limit.0 as usize)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        if (1..=MOST).contains(&number) {
            Ok(Self(number))
        } else {
            Err(serde::de::Error::custom(format!("found {number}, expected 1 to {MOST}")))
        }
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "integer", "minimum": 1, "maximum": MOST, "default": 100
        })
    }
}

/// The id of a round, as the service makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve::http) struct RoundId(String);

/// The longest id.
const LONGEST_ID: usize = 128;

impl RoundId {
    pub(in crate::serve::http) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for RoundId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(is_plain) {
            Ok(Self(id))
        } else {
            Err(serde::de::Error::custom(
                "found no id, expected lower-case letters, digits and `-`",
            ))
        }
    }
}

impl JsonSchema for RoundId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RoundId".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9-]{1,128}$" })
    }
}
