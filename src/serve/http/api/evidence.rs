//! `/api/v1/evidence`: bundles that are built in the background.

use axum::Extension;
use axum::body::{Body as Content_, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::endpoint::{Answer, Body, Content, Endpoint, Method, SchemaOf, emitted, schema};
use super::query::{Names, NoParameters, Parameters, RoundId, read_body};
use super::respond::{document, document_with};
use crate::config::AccessScope;
use crate::names::{AccountId, Region};
use crate::report::contract::Period;
use crate::report::contract::api::{Bundle, BundleList};
use crate::serve::evidence::{BundleError, Wanted};
use crate::serve::http::Here;
use crate::serve::http::access::Identity;
use crate::serve::http::problem::Problem;

/// How much of a bundle is read at once. Units: bytes.
const CHUNK: usize = 64 << 10;
/// The id of a bundle in a path, which has the form of a round's.
const BUNDLE: (&str, &str, SchemaOf) = ("id", "The id of a bundle.", schema::<RoundId>);
const NO_BUNDLE: Answer = Answer::problem(404, "This replica has no such bundle.");

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        scope: Some(AccessScope::Evidence),
        query: Some(schema::<NoParameters>),
        answers: &[Answer::ok(emitted::<BundleList>)],
        ..Endpoint::read(
            "/api/v1/evidence",
            "list_bundles",
            "The evidence bundles of this replica, the newest first.",
            || get(list),
        )
    },
    Endpoint {
        method: Method::Post,
        scope: Some(AccessScope::Evidence),
        body: Some(Body { schema: schema::<NewBundle> }),
        answers: &[
            Answer {
                status: 202,
                description: "The bundle is being built; `Location` is its state.",
                content: Content::Document(emitted::<Bundle>),
            },
            Answer {
                status: 303,
                description: "The bundle is being built; a form leads to the page of bundles.",
                content: Content::Nothing,
            },
            Answer::problem(409, "Another bundle is being built."),
            Answer::problem(413, "The body is too long."),
            Answer::problem(415, "The body is neither JSON nor a form."),
            Answer::problem(422, "The time range is empty, or longer than 31 days."),
        ],
        ..Endpoint::read(
            "/api/v1/evidence",
            "build_bundle",
            "Builds an evidence bundle in the background.",
            || post(build),
        )
    },
    Endpoint {
        scope: Some(AccessScope::Evidence),
        path_parameters: &[BUNDLE],
        query: Some(schema::<NoParameters>),
        answers: &[Answer::ok(emitted::<Bundle>), NO_BUNDLE],
        ..Endpoint::read(
            "/api/v1/evidence/{id}",
            "bundle",
            "The state of an evidence bundle.",
            || get(one),
        )
    },
    Endpoint {
        scope: Some(AccessScope::Evidence),
        path_parameters: &[BUNDLE],
        query: Some(schema::<NoParameters>),
        answers: &[
            Answer {
                status: 200,
                description: "The bundle.",
                content: Content::Media(&["application/zstd"]),
            },
            Answer::problem(404, "This replica has no such bundle, or it is not ready."),
        ],
        ..Endpoint::read(
            "/api/v1/evidence/{id}/bundle",
            "download_bundle",
            "An evidence bundle that is ready.",
            || get(download),
        )
    },
];

/// A request for a bundle.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewBundle {
    /// The start of the time range.
    from: Timestamp,
    /// The end of the time range: at most 31 days later.
    to: Timestamp,
    /// Only these accounts; all if absent.
    #[serde(default)]
    accounts: OneOrMany<AccountId>,
    /// Only these Regions; all if absent.
    #[serde(default)]
    regions: OneOrMany<Region>,
}

/// A list, of which a form with one value sends only that.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMany<T> {
    /// One value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T: Ord> OneOrMany<T> {
    fn into_set(self) -> std::collections::BTreeSet<T> {
        match self {
            Self::One(one) => std::iter::once(one).collect(),
            Self::Many(many) => many.into_iter().collect(),
        }
    }
}

async fn list(
    State(service): Here,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    document(BundleList { bundles: service.bundles.list(service.app.now()) })
}

async fn build(
    State(service): Here,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let (NewBundle { from, to, accounts, regions }, is_form) = read_body(&headers, &body)?;
    let (accounts, regions) = (accounts.into_set(), regions.into_set());
    let wanted = Wanted { period: Period { from, to }, accounts, regions };
    let bundle = service.bundles.start(&service.app, wanted, service.stop.clone())?;
    tracing::info!(bundle = bundle.id, client = identity.name, "a bundle was requested");
    if is_form {
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, "/evidence")]).into_response());
    }
    let location = format!("/api/v1/evidence/{}", bundle.id);
    let mut response = document_with(StatusCode::ACCEPTED, bundle)?;
    response.headers_mut().remove(header::ETAG);
    if let Ok(location) = location.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn one(
    State(service): Here,
    Names(id): Names<RoundId>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    let bundles = service.bundles.list(service.app.now());
    match bundles.into_iter().find(|bundle| bundle.id == id.as_str()) {
        Some(bundle) => document(bundle),
        None => Err(missing(&id)),
    }
}

async fn download(
    State(service): Here,
    Names(id): Names<RoundId>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Response, Problem> {
    let place = service.download()?;
    let unreadable = |error: std::io::Error| {
        tracing::warn!(%error, bundle = id.as_str(), "cannot read an evidence bundle");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the bundle cannot be read")
    };
    let file = service.bundles.file(id.as_str(), service.app.now());
    let file = file.ok_or_else(|| missing(&id))?.map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let file = tokio::fs::File::from_std(file);
    let chunks = futures::stream::unfold((file, place), |(mut file, place)| async move {
        let mut chunk = Vec::with_capacity(CHUNK);
        match (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(Bytes::from(chunk)), (file, place))),
            Err(error) => Some((Err(error), (file, place))),
        }
    });
    let mut response = Content_::from_stream(chunks.boxed()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zstd"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let disposition = format!("attachment; filename=\"evidence-{}.tar.zst\"", id.as_str());
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn missing(id: &RoundId) -> Problem {
    Problem::not_found(format!("this replica has no bundle `{}` that is ready", id.as_str()))
}

impl From<BundleError> for Problem {
    fn from(error: BundleError) -> Self {
        let status = match &error {
            BundleError::Busy { .. } => StatusCode::CONFLICT,
            BundleError::Period(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}
