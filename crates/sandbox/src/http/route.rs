//! From a request to the service that answers it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use jiff::SignedDuration;
use orgtrail_base::SANDBOX_TIME;
use s3s::Body;
use s3s::service::S3Service;
use serde_json::Value;

use super::damage::{self, Ending};
use super::protocol::Protocol;
use super::{admin, s3_call, xml};
use crate::api::{Call, Reply, Service};
use crate::auth::{self, Signature};
use crate::simulation::Simulation;
use crate::{s3, services};

/// No call to a service other than S3 is larger.
const MAX_CALL_BYTES: usize = 4 << 20;

/// What every answer says it is from: AWS has other names.
const SERVER: &str = "orgtrail-sandbox";

/// Answers requests.
pub(super) struct Endpoint {
    simulation: Arc<Simulation>,
    s3: S3Service,
}

impl Endpoint {
    pub(super) fn new(simulation: Arc<Simulation>) -> Self {
        Self { s3: s3::service(Arc::clone(&simulation)), simulation }
    }

    /// Answers one request, whatever it is, and states the simulated time.
    ///
    /// # Errors
    /// Where a fault is to close the connection without an answer.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let mut response = self.respond(request).await?;
        let headers = response.headers_mut();
        headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
        if let Ok(shows) = HeaderValue::try_from(self.simulation.clock.now().to_string()) {
            headers.insert(SANDBOX_TIME, shows);
        }
        Ok(response)
    }

    async fn respond(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        if parts.uri.path().starts_with(admin::PREFIX) {
            return Ok(match collect(body).await {
                Ok(body) => admin::answer(&self.simulation, &parts, &body),
                Err(response) => response,
            });
        }
        // An unsigned request can only be for a public object.
        let signing_name = Signature::of(&parts).map(|signature| signature.service.to_owned());
        match signing_name.as_deref().map_or(Some(Service::S3), Service::from_signing_name) {
            Some(Service::S3) => self.s3(Request::from_parts(parts, Body::from(body))).await,
            Some(service) => match collect(body).await {
                Ok(body) => self.call(service, &parts, &body).await,
                Err(response) => Ok(response),
            },
            None => Ok(plain(
                StatusCode::NOT_FOUND,
                &format!("the sandbox has no service `{}`", signing_name.unwrap_or_default()),
            )),
        }
    }

    async fn s3(&self, request: Request<Body>) -> io::Result<Response<Body>> {
        let mut ending = Ending::Whole;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let named = || s3_call::operation(&method, &uri, request.headers());
        self.simulation.recorder.record(named, &request);
        if self.simulation.faults.any() {
            let operation = s3_call::operation(&method, &uri, request.headers());
            match damage::trigger(&self.simulation, &format!("s3:{operation}")).await? {
                Ok(found) => ending = found,
                Err(error) => return Ok(damage::s3_error(&error, &self.simulation.request_id())),
            }
        }
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        let response = match self.s3.call(request).await {
            Ok(response) => response,
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error:?}")),
        };
        if changes {
            self.simulation.touch();
        }
        let response = readable(response, &method, &uri);
        Ok(ending.apply(response).await)
    }

    async fn call(
        &self,
        service: Service,
        parts: &Parts,
        body: &Bytes,
    ) -> io::Result<Response<Body>> {
        let protocol = Protocol::of(service, parts);
        let request_id = self.simulation.request_id();
        let (operation, input) = match protocol.read(parts, body) {
            Ok(read) => read,
            Err(error) => return Ok(protocol.write(service, "", &Err(error), &request_id)),
        };
        let mut ending = Ending::Whole;
        if self.simulation.faults.any() {
            let name = format!("{}:{operation}", service.action_prefix());
            match damage::trigger(&self.simulation, &name).await? {
                Ok(found) => ending = found,
                Err(error) => {
                    return Ok(protocol.write(service, &operation, &Err(error), &request_id));
                }
            }
        }
        let request = Read { service, parts, body, operation: &operation, input: &input };
        let reply = self.reply_or_wait(&request).await;
        Ok(ending.apply(protocol.write(service, &operation, &reply, &request_id)).await)
    }

    /// The reply to a request; one that waits for messages waits until there are some, or
    /// until its time is over by the simulated or the real clock.
    async fn reply_or_wait(&self, request: &Read<'_>) -> Reply {
        let mut changes = self.simulation.events();
        let (mut until, began) = (None, Instant::now());
        loop {
            changes.mark_unchanged();
            let (reply, wait) = self.reply(request);
            let is_empty = reply.as_ref().is_ok_and(|it| it.get("Messages").is_none());
            let (Some(wait), true) = (wait, is_empty) else { return reply };
            let now = self.simulation.clock.now();
            let until = *until.get_or_insert(now + wait);
            let left = Duration::try_from(wait).unwrap_or_default().saturating_sub(began.elapsed());
            if now >= until || left.is_zero() {
                return reply;
            }
            tokio::select! {
                // The sender lives as long as the simulation.
                _ = changes.changed() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// The reply, and for how long the request waits for messages.
    fn reply(&self, request: &Read<'_>) -> (Reply, Option<SignedDuration>) {
        let Read { service, parts, body, operation, input } = *request;
        let (caller, region) = match auth::authenticate(&self.simulation, parts, body) {
            Ok(authenticated) => authenticated,
            Err(error) => return (Err(error), None),
        };
        let call = Call {
            simulation: &self.simulation,
            now: self.simulation.clock.now(),
            caller: &caller,
            region: &region,
            service,
            operation,
            input,
            secure_transport: auth::is_over_tls(&parts.headers),
        };
        let mut control = self.simulation.control.write();
        let enabled = auth::check_enabled(&self.simulation, &control, &caller.account, &region);
        if let Err(error) = enabled {
            return (Err(error), None);
        }
        let reply = services::dispatch(&mut control, &call);
        let waits = services::waits(&control, &call);
        // A call that found no message changed nothing, and wakes nobody.
        let is_in_vain =
            waits.is_some() && reply.as_ref().is_ok_and(|it| it.get("Messages").is_none());
        if reply.is_ok() && !is_in_vain {
            self.simulation.touch();
        }
        (reply, waits)
    }
}

/// A request as it was read.
struct Read<'a> {
    service: Service,
    parts: &'a Parts,
    body: &'a [u8],
    operation: &'a str,
    input: &'a Value,
}

async fn collect(body: Incoming) -> Result<Bytes, Response<Body>> {
    match Limited::new(body, MAX_CALL_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(_) => Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large")),
    }
}

/// An answer in XML that clients can read, whatever characters keys have.
fn readable(mut response: Response<Body>, method: &Method, uri: &Uri) -> Response<Body> {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/xml") {
        return response;
    }
    let body = response.body().bytes().unwrap_or_default();
    // Such bytes are in no other character.
    if !body.iter().any(|byte| xml::is_reference(char::from(*byte))) {
        return response;
    }
    // An object's content is the client's own, XML or not. No header makes another
    // call of a GET.
    if s3_call::operation(method, uri, &HeaderMap::new()) == "GetObject" {
        return response;
    }
    if let Ok(text) = std::str::from_utf8(&body) {
        let written = xml::with_references(text);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(written);
    }
    response
}

/// An answer in words, where no protocol says how.
pub(super) fn plain(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(message.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
    response
}
