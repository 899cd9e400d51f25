//! What every service sees of a request, whatever protocol it came in.

use std::borrow::Cow;

use http::StatusCode;
use jiff::Timestamp;
use orgtrail_base::names::Region;
use serde_json::Value;

use super::auth::Caller;
use super::simulation::Simulation;

/// The services the sandbox answers for, by the name that requests are signed
/// with.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub(super) enum Service {
    /// AWS Account Management.
    Account,
    /// Amazon Athena.
    Athena,
    /// AWS CloudFormation.
    CloudFormation,
    /// AWS CloudTrail.
    CloudTrail,
    /// AWS Config.
    Config,
    /// AWS Control Tower.
    ControlTower,
    /// Amazon CloudWatch, signed as `monitoring`.
    Monitoring,
    /// Amazon EventBridge.
    Events,
    /// AWS Glue.
    Glue,
    /// Amazon GuardDuty.
    GuardDuty,
    /// AWS Identity and Access Management.
    Iam,
    /// AWS Key Management Service.
    Kms,
    /// Amazon CloudWatch Logs.
    Logs,
    /// AWS Organizations.
    Organizations,
    /// Amazon S3.
    S3,
    /// AWS Security Hub.
    SecurityHub,
    /// Amazon Simple Notification Service.
    Sns,
    /// Amazon Simple Queue Service.
    Sqs,
    /// AWS Security Token Service.
    Sts,
}

impl Service {
    /// The service of a SigV4 credential scope.
    pub(super) fn from_signing_name(name: &str) -> Option<Self> {
        Some(match name {
            "account" => Self::Account,
            "athena" => Self::Athena,
            "cloudformation" => Self::CloudFormation,
            "cloudtrail" => Self::CloudTrail,
            "config" => Self::Config,
            "controltower" => Self::ControlTower,
            "monitoring" => Self::Monitoring,
            "events" => Self::Events,
            "glue" => Self::Glue,
            "guardduty" => Self::GuardDuty,
            "iam" => Self::Iam,
            "kms" => Self::Kms,
            "logs" => Self::Logs,
            "organizations" => Self::Organizations,
            "s3" => Self::S3,
            "securityhub" => Self::SecurityHub,
            "sns" => Self::Sns,
            "sqs" => Self::Sqs,
            "sts" => Self::Sts,
            _ => return None,
        })
    }

    /// The prefix of the service's IAM actions, and its name in ARNs:
    /// `cloudwatch` for [`Service::Monitoring`], else the signing name.
    pub(super) fn action_prefix(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Athena => "athena",
            Self::CloudFormation => "cloudformation",
            Self::CloudTrail => "cloudtrail",
            Self::Config => "config",
            Self::ControlTower => "controltower",
            Self::Monitoring => "cloudwatch",
            Self::Events => "events",
            Self::Glue => "glue",
            Self::GuardDuty => "guardduty",
            Self::Iam => "iam",
            Self::Kms => "kms",
            Self::Logs => "logs",
            Self::Organizations => "organizations",
            Self::S3 => "s3",
            Self::SecurityHub => "securityhub",
            Self::Sns => "sns",
            Self::Sqs => "sqs",
            Self::Sts => "sts",
        }
    }
}

/// One authenticated request to a service other than S3.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// What it is sent to.
    pub(super) simulation: &'a Simulation,
    /// When it was made, by the simulated clock.
    pub(super) now: Timestamp,
    /// Who signed it.
    pub(super) caller: &'a Caller,
    /// The Region of the credential scope (`us-east-1` for global services).
    pub(super) region: &'a Region,
    /// The service, from the credential scope.
    pub(super) service: Service,
    /// The API operation: `CreateTrail`.
    pub(super) operation: &'a str,
    /// The input's members by their API names, from JSON, CBOR or a query form.
    /// From a query form every scalar is a string: deserialise leniently.
    pub(super) input: &'a Value,
    /// Whether the request came over TLS, or stands for one that did: the
    /// loopback endpoint counts as TLS unless the request says otherwise.
    pub(super) secure_transport: bool,
}

/// A service's answer: the output's members by their API names.
///
/// Timestamps are epoch seconds as JSON numbers; the XML protocols turn lists
/// into `<member>`s.
pub(super) type Reply = Result<Value, ApiError>;

/// An error as AWS answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct ApiError {
    /// The error's shape name: `TrailNotFoundException`.
    pub(super) code: Cow<'static, str>,
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// The message for people.
    pub(super) message: String,
}

impl ApiError {
    /// A client's error, HTTP 400.
    pub(super) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// The same with another HTTP status.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The refusal of an authorization decision, HTTP 403 or 400 as the
    /// protocol wants it.
    pub(super) fn access_denied(message: impl Into<String>) -> Self {
        Self::new("AccessDeniedException", message)
    }

    /// The input lacks or misuses a member.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}
