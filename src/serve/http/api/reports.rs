//! `GET /api/v1/rounds/{id}/report`

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::endpoint::{Answer, Content, Endpoint, schema};
use super::query::{Names, Parameters, RoundId};
use super::rounds::{NO_ROUND, ROUND, find};
use crate::checks::Run;
use crate::compute::of_pages;
use crate::report::contract;
use crate::report::contract::round::Part;
use crate::report::drift::{self, Format};
use crate::serve::http::Here;
use crate::serve::http::problem::Problem;

/// How much of a report is handed to a connection at once. Units: bytes.
const CHUNK: usize = 64 << 10;

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    path_parameters: &[ROUND],
    query: Some(schema::<Wanted>),
    answers: &[
        Answer {
            status: 200,
            description: "The report.",
            content: Content::Media(&[
                "application/json",
                "text/html",
                "application/sarif+json",
                "text/csv",
                "application/xml",
            ]),
        },
        NO_ROUND,
        Answer::problem(422, "The stored report cannot be converted by this version."),
        Answer::problem(
            503,
            "Too many downloads are running, another report is being converted, or the state \
             cannot be read.",
        ),
    ],
    ..Endpoint::read(
        "/api/v1/rounds/{id}/report",
        "report",
        "The report of a part of a round: as it is stored, or a drift report in another format.",
        || get(report),
    )
}];

/// Which report, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The part.
    part: Part,
    /// The format: formats other than `json` are those of the drift report.
    #[serde(default)]
    format: ReportFormat,
}

/// The format of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ReportFormat {
    /// The document as it is stored.
    #[default]
    Json,
    /// A page.
    Html,
    /// SARIF 2.1.0
    Sarif,
    /// One line for each result.
    Csv,
    /// `JUnit` XML.
    Junit,
    /// OCSF Compliance Findings.
    Ocsf,
}

impl ReportFormat {
    /// The format of the drift report, its media type, and the ending of its file.
    fn converted(self) -> Option<(Format, &'static str, &'static str)> {
        match self {
            Self::Json => None,
            Self::Html => Some((Format::Html, "text/html; charset=utf-8", "html")),
            Self::Sarif => Some((Format::Sarif, "application/sarif+json", "sarif")),
            Self::Csv => Some((Format::Csv, "text/csv; charset=utf-8", "csv")),
            Self::Junit => Some((Format::Junit, "application/xml", "xml")),
            Self::Ocsf => Some((Format::Ocsf, "application/json", "ocsf.json")),
        }
    }
}

async fn report(
    State(service): Here,
    Names(id): Names<RoundId>,
    Parameters(Wanted { part, format }): Parameters<Wanted>,
) -> Result<Response, Problem> {
    let converted = format.converted();
    if converted.is_some() && part != Part::Drift {
        let detail = "only the report of the part `drift` has other formats than `json`";
        return Err(Problem::bad_request(detail));
    }
    let place = service.download()?;
    let round = find(&service, &id).await?;
    let missing =
        || Problem::not_found(format!("the round has no report of the part `{}`", part.name()));
    if !round.parts.iter().any(|it| it.part == part && it.report_bytes.is_some()) {
        return Err(missing());
    }
    let stored = service.app.rounds().report(id.as_str(), part).await?.ok_or_else(missing)?;
    let (bytes, kind, ending) = match converted {
        None => (stored, "application/json", "json"),
        Some((format, kind, ending)) => {
            let conversion = service.conversion()?;
            // Reports of thousands of accounts are large: converting must not delay others.
            let text = of_pages(move || {
                let _place = conversion;
                convert(&stored, format)
            })
            .await;
            let text = text.map_err(|_| {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping")
            })??;
            (text.into(), kind, ending)
        }
    };
    let name = format!("orgtrail-{}-{}.{ending}", part.name(), id.as_str());
    Ok(attachment(bytes, kind, &name, place))
}

fn convert(stored: &[u8], format: Format) -> Result<String, Problem> {
    let unprocessable = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let report: contract::drift::Report = contract::read(stored)
        .map_err(|error| unprocessable(format!("the stored report: {error}")))?;
    drift::render(format, &Run::from(report), &[]).map_err(|error| unprocessable(error.to_string()))
}

/// A file to save. The place among the downloads is free once it was sent.
fn attachment(
    bytes: Bytes,
    kind: &'static str,
    name: &str,
    place: OwnedSemaphorePermit,
) -> Response {
    let length = bytes.len();
    let chunks = futures::stream::unfold((bytes, place), |(mut rest, place)| async move {
        if rest.is_empty() {
            return None;
        }
        let chunk = rest.split_to(CHUNK.min(rest.len()));
        Some((Ok::<_, std::convert::Infallible>(chunk), (rest, place)))
    });
    let mut response = Body::from_stream(chunks.boxed()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let disposition = format!("attachment; filename=\"{name}\"");
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}
