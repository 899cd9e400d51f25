//! The protocols of AWS's clients, hidden from the services: in goes a
//! request, out come an operation and its input; back comes an answer or error.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use s3s::Body;
use serde_json::{Map, Value, json};

use super::{cbor, form, xml};
use crate::api::{ApiError, Reply, Service};

/// A protocol of AWS's clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// JSON with the operation in `X-Amz-Target`.
    Json,
    /// A form in, XML out.
    Query,
    /// JSON with the operation in the path.
    Rest,
    /// Smithy RPC v2 CBOR.
    Cbor,
}

/// The operations of the services with paths of their own, by method and path. `*` is an id,
/// which the input has as `detectorId`.
const BY_PATH: [(Service, &str, &str, &str); 10] = [
    (Service::ControlTower, "POST", "get-landingzone", "GetLandingZone"),
    (Service::ControlTower, "POST", "list-landingzones", "ListLandingZones"),
    (Service::GuardDuty, "DELETE", "detector/*", "DeleteDetector"),
    (Service::GuardDuty, "GET", "detector", "ListDetectors"),
    (Service::GuardDuty, "GET", "detector/*", "GetDetector"),
    (Service::GuardDuty, "POST", "detector", "CreateDetector"),
    (Service::GuardDuty, "POST", "detector/*", "UpdateDetector"),
    (Service::SecurityHub, "GET", "accounts", "DescribeHub"),
    (Service::SecurityHub, "POST", "accounts", "EnableSecurityHub"),
    (Service::SecurityHub, "POST", "findings/import", "BatchImportFindings"),
];

/// Whether a member of this name is a time, which XML and CBOR write apart from
/// other numbers.
pub(super) fn is_timestamp(name: &str) -> bool {
    name.ends_with("Date")
        || name.ends_with("Timestamp")
        || matches!(
            name,
            "CreationTime"
                | "Expiration"
                | "LastUpdatedTime"
                | "PasswordLastUsed"
                | "EnableDate"
                | "StartTime"
                | "EndTime"
        )
}

impl Protocol {
    /// The protocol of a request to `service`.
    pub(super) fn of(service: Service, parts: &Parts) -> Self {
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        if header("smithy-protocol") == Some("rpc-v2-cbor")
            || parts.uri.path().starts_with("/service/")
        {
            return Self::Cbor;
        }
        if parts.headers.contains_key("x-amz-target") {
            return Self::Json;
        }
        match service {
            Service::Account
            | Service::ControlTower
            | Service::GuardDuty
            | Service::SecurityHub => Self::Rest,
            Service::CloudFormation
            | Service::Iam
            | Service::Sns
            | Service::Sts
            | Service::Monitoring => Self::Query,
            _ => Self::Json,
        }
    }

    /// The operation and its input.
    ///
    /// # Errors
    /// `UnknownOperationException` where no operation is named,
    /// `SerializationException` where the body is not what the protocol wants.
    pub(super) fn read(
        self,
        service: Service,
        parts: &Parts,
        body: &[u8],
    ) -> Result<(String, Value), ApiError> {
        let unnamed = || ApiError::new("UnknownOperationException", "no operation is given");
        let garbled = || {
            ApiError::new("SerializationException", "the request's body could not be deserialized")
        };
        let json = |body: &[u8]| -> Result<Value, ApiError> {
            if body.is_empty() {
                return Ok(Value::Object(Map::new()));
            }
            let value: Value = serde_json::from_slice(body).map_err(|_| garbled())?;
            if value.is_object() { Ok(without_nulls(value)) } else { Err(garbled()) }
        };
        match self {
            Self::Json => {
                let target =
                    parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
                let operation =
                    target.and_then(|target| target.rsplit('.').next()).ok_or_else(unnamed)?;
                Ok((operation.to_owned(), json(body)?))
            }
            Self::Query => {
                let mut text = std::str::from_utf8(body).map_err(|_| garbled())?;
                if parts.method == Method::GET {
                    text = parts.uri.query().unwrap_or_default();
                }
                let pairs = form::pairs(text);
                let operation = pairs.iter().find(|(name, _)| name == "Action");
                let operation = operation.map(|(_, value)| value.clone()).ok_or_else(unnamed)?;
                let input = pairs.into_iter().filter(|(name, _)| !name.starts_with("X-Amz-"));
                Ok((operation, form::nest(input)))
            }
            Self::Rest => {
                let path = parts.uri.path().trim_matches('/');
                if service != Service::Account {
                    let (operation, id) =
                        by_path(service, &parts.method, path).ok_or_else(unnamed)?;
                    let mut input = json(body)?;
                    if let Some(id) = id {
                        input["detectorId"] = id.into();
                    }
                    return Ok((operation.to_owned(), input));
                }
                let mut letters = path.chars();
                let first = letters.next().ok_or_else(unnamed)?;
                Ok((first.to_ascii_uppercase().to_string() + letters.as_str(), json(body)?))
            }
            Self::Cbor => {
                let operation = parts.uri.path().rsplit('/').next().unwrap_or_default();
                if operation.is_empty() {
                    return Err(unnamed());
                }
                Ok((operation.to_owned(), cbor::decode(body).ok_or_else(garbled)?))
            }
        }
    }

    /// The answer as the client wants to read it.
    pub(super) fn write(
        self,
        service: Service,
        operation: &str,
        reply: &Reply,
        request_id: &str,
    ) -> http::Response<Body> {
        let status = match reply {
            Ok(_) => StatusCode::OK,
            Err(error) => self.status(error),
        };
        let namespace = namespace(service);
        let (content_type, body) = match (self, reply) {
            (Self::Json | Self::Rest, Ok(output)) => {
                let kind = if self == Self::Json { json_type(service) } else { "application/json" };
                (kind, Bytes::from(without_nulls(output.clone()).to_string()))
            }
            (Self::Json, Err(error)) => {
                let mut code = self.code(service, error).to_owned();
                if service == Service::Sqs {
                    code = format!("com.amazonaws.sqs#{code}");
                }
                let body = json!({ "__type": code, "message": error.message }).to_string();
                (json_type(service), Bytes::from(body))
            }
            (Self::Rest, Err(error)) => {
                ("application/json", Bytes::from(json!({ "message": error.message }).to_string()))
            }
            (Self::Query, Ok(output)) => {
                ("text/xml", Bytes::from(xml::success(namespace, operation, output, request_id)))
            }
            (Self::Query, Err(error)) => {
                let code = self.code(service, error);
                ("text/xml", Bytes::from(xml::error(namespace, code, error, request_id)))
            }
            (Self::Cbor, Ok(output)) => ("application/cbor", Bytes::from(cbor::encode(output))),
            (Self::Cbor, Err(error)) => {
                let kind = format!("com.amazonaws.cloudwatch#{}", self.code(service, error));
                let error = json!({ "__type": kind, "message": error.message });
                ("application/cbor", Bytes::from(cbor::encode(&error)))
            }
        };
        let mut response = http::Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        if self == Self::Cbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        if let Err(error) = reply {
            let code = self.code(service, error);
            if self == Self::Rest
                && let Ok(value) = HeaderValue::from_str(code)
            {
                headers.insert("x-amzn-errortype", value);
            }
            let code = if service == Service::Sqs { query_code(code) } else { code };
            if (self == Self::Cbor || service == Service::Sqs)
                && let Ok(value) = HeaderValue::from_str(&format!("{code};Sender"))
            {
                headers.insert("x-amzn-query-error", value);
            }
        }
        response
    }

    /// The error's code as this protocol spells it: the query services dropped
    /// the suffix that the others keep, and have words of their own for what
    /// all services share.
    fn code(self, service: Service, error: &ApiError) -> &str {
        match (self, error.code.as_ref()) {
            (Self::Query, "AccessDeniedException") if service == Service::Sns => {
                "AuthorizationError"
            }
            (Self::Query, "AccessDeniedException") => "AccessDenied",
            (Self::Query, "ValidationException") if service == Service::Sns => "InvalidParameter",
            (Self::Query, "ValidationException") => "ValidationError",
            (Self::Query, "UnknownOperationException") => "InvalidAction",
            (Self::Query, "UnrecognizedClientException") => "InvalidClientTokenId",
            (Self::Query, "InvalidSignatureException") => "SignatureDoesNotMatch",
            (Self::Query, "ExpiredTokenException") => "ExpiredToken",
            (Self::Query, "MissingAuthenticationTokenException") => "MissingAuthenticationToken",
            (Self::Query, "ThrottlingException") => "Throttling",
            (Self::Query, "ServiceUnavailableException") => "ServiceUnavailable",
            (Self::Query, "InternalServerException") => "InternalFailure",
            (_, code) => code,
        }
    }

    fn status(self, error: &ApiError) -> StatusCode {
        let refused = matches!(
            error.code.as_ref(),
            "AccessDenied"
                | "AccessDeniedException"
                | "UnrecognizedClientException"
                | "InvalidSignatureException"
                | "ExpiredTokenException"
                | "MissingAuthenticationTokenException"
        );
        match self {
            Self::Query | Self::Rest if refused && error.status == StatusCode::BAD_REQUEST => {
                StatusCode::FORBIDDEN
            }
            _ => error.status,
        }
    }
}

/// The operation of a method and path, and the id in the path.
fn by_path<'p>(
    service: Service,
    method: &Method,
    path: &'p str,
) -> Option<(&'static str, Option<&'p str>)> {
    BY_PATH.iter().filter(|(of, verb, ..)| *of == service && method == *verb).find_map(
        |(_, _, pattern, operation)| match pattern.strip_suffix('*') {
            None => (path == *pattern).then_some((*operation, None)),
            Some(folder) => {
                let id = path.strip_prefix(folder)?;
                (!id.is_empty() && !id.contains('/')).then_some((*operation, Some(id)))
            }
        },
    )
}

/// The media type of a service's JSON.
fn json_type(service: Service) -> &'static str {
    match service {
        Service::Sqs => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}

/// The code of an error of SQS in the query protocol, which its clients still report.
fn query_code(code: &str) -> &str {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDeletedRecently" => "AWS.SimpleQueueService.QueueDeletedRecently",
        "QueueNameExists" => "QueueAlreadyExists",
        "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest",
        "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation",
        other => other,
    }
}

/// Drops the members that have no value: clients write and read them so.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| (name, without_nulls(member)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::CloudFormation => "http://cloudformation.amazonaws.com/doc/2010-05-15/",
        Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        Service::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
        Service::Monitoring => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        _ => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}
