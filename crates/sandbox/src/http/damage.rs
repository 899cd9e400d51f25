//! Faults as clients meet them.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use s3s::Body;

use crate::api::ApiError;
use crate::faults::Effect;
use crate::simulation::Simulation;

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Whole,
    /// The connection closes in the middle of the body.
    Broken,
    /// At half of the body, looking complete.
    Short,
    /// With another byte in the middle of its body.
    Altered,
}

/// Lets go wrong with a call what is to go wrong before it is done: waits, fails
/// the connection, or refuses. What is to go wrong with its answer is returned.
///
/// # Errors
/// Where the connection is to close without an answer.
pub(super) async fn trigger(
    simulation: &Simulation,
    call: &str,
) -> io::Result<Result<Ending, ApiError>> {
    let mut ending = Ending::Whole;
    let effects = simulation.faults.trigger(call);
    if !effects.is_empty() {
        simulation.notify();
    }
    for effect in effects {
        match effect {
            Effect::Latency { milliseconds } => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            }
            Effect::Throttle => {
                return Ok(Err(ApiError::new("ThrottlingException", "Rate exceeded")));
            }
            Effect::Fail { status } => {
                let status = StatusCode::from_u16(status)
                    .ok()
                    .filter(StatusCode::is_server_error)
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let error = if status == StatusCode::SERVICE_UNAVAILABLE {
                    ApiError::new(
                        "ServiceUnavailableException",
                        "Service is unable to handle request.",
                    )
                } else {
                    ApiError::new(
                        "InternalServerException",
                        "We encountered an internal error. Please try again.",
                    )
                };
                return Ok(Err(error.with_status(status)));
            }
            Effect::Deny => {
                return Ok(Err(ApiError::access_denied(format!(
                    "You are not authorized to perform: {call}"
                ))));
            }
            Effect::Refuse { code, message, status } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
                return Ok(Err(ApiError::new(code, message).with_status(status)));
            }
            Effect::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            Effect::ResetInBody => ending = Ending::Broken,
            Effect::Truncate => ending = Ending::Short,
            Effect::Alter => ending = Ending::Altered,
            Effect::Hang => std::future::pending::<()>().await,
            Effect::WriteConflict => {
                let message = "A conflicting operation occurred during the request.";
                let error = ApiError::new("ConditionalRequestConflict", message);
                return Ok(Err(error.with_status(StatusCode::CONFLICT)));
            }
        }
    }
    Ok(Ok(ending))
}

impl Ending {
    /// Ends the answer so.
    pub(super) async fn apply(self, response: Response<Body>) -> Response<Body> {
        if self == Self::Whole {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        let whole = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => Bytes::new(),
        };
        if self == Self::Altered {
            let mut altered = whole.to_vec();
            let middle = altered.len() / 2;
            if let Some(byte) = altered.get_mut(middle) {
                *byte ^= 1;
            }
            return Response::from_parts(parts, Body::from(altered));
        }
        let half = whole.slice(..whole.len() / 2);
        let body = if self == Self::Short {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(half.len()));
            Body::from(half)
        } else {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
            let broken = io::Error::from(io::ErrorKind::ConnectionReset);
            let frames = futures::stream::iter([Ok(Frame::data(half)), Err(broken)]);
            Body::http_body_unsync(StreamBody::new(frames))
        };
        Response::from_parts(parts, body)
    }
}

/// A refusal as S3 words it.
pub(super) fn s3_error(error: &ApiError, request_id: &str) -> Response<Body> {
    let (code, status) = match error.code.as_ref() {
        "ThrottlingException" => ("SlowDown", StatusCode::SERVICE_UNAVAILABLE),
        "ServiceUnavailableException" => ("ServiceUnavailable", error.status),
        "AccessDeniedException" => ("AccessDenied", StatusCode::FORBIDDEN),
        "InternalServerException" => ("InternalError", error.status),
        code => (code, error.status),
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{}</Message><RequestId>{request_id}</RequestId></Error>",
        error.message
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
