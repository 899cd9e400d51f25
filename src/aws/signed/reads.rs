//! Calls that only read: [`crate::aws::Clients`] may make them.

use http::Method;

use super::Form;

/// A call that only reads, and is sent without an SDK client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedRead {
    /// AWS Config: whether the configuration recorders record.
    DescribeConfigurationRecorderStatus,
    /// AWS Security Hub: reads the hub.
    DescribeHub,
    /// Amazon EventBridge: describes a rule.
    DescribeRule,
    /// Amazon GuardDuty: reads a detector.
    GetDetector,
    /// AWS Control Tower: reads a landing zone.
    GetLandingZone,
    /// Amazon SQS: the attributes of a queue.
    GetQueueAttributes,
    /// Amazon SQS: the URL of a queue.
    GetQueueUrl,
    /// Amazon GuardDuty: lists detectors.
    ListDetectors,
    /// AWS Control Tower: lists landing zones.
    ListLandingZones,
    /// Amazon EventBridge: lists the targets of a rule.
    ListTargetsByRule,
}

impl SignedRead {
    /// Every one of them.
    pub const ALL: &[Self] = &[
        Self::DescribeConfigurationRecorderStatus,
        Self::DescribeHub,
        Self::DescribeRule,
        Self::GetDetector,
        Self::GetLandingZone,
        Self::GetQueueAttributes,
        Self::GetQueueUrl,
        Self::ListDetectors,
        Self::ListLandingZones,
        Self::ListTargetsByRule,
    ];

    /// The IAM action that the call needs.
    #[must_use]
    pub fn action(self) -> &'static str {
        self.form().action
    }

    /// Source: the Smithy models `controltower`, `guardduty` and `securityhub` (REST JSON) and
    /// `config` (AWS JSON 1.1).
    pub(super) fn form(self) -> Form {
        const CONTROL_TOWER: (&str, &str) = ("ControlTower", "controltower");
        const GUARD_DUTY: (&str, &str) = ("GuardDuty", "guardduty");
        match self {
            Self::DescribeConfigurationRecorderStatus => Form::json(
                "config:DescribeConfigurationRecorderStatus",
                ("Config Service", "config"),
                "application/x-amz-json-1.1",
                "StarlingDoveService.DescribeConfigurationRecorderStatus",
            ),
            Self::DescribeHub => Form::rest(
                "securityhub:DescribeHub",
                ("SecurityHub", "securityhub"),
                Method::GET,
                "/accounts",
            ),
            Self::DescribeRule => {
                Form::event_bridge("events:DescribeRule", "AWSEvents.DescribeRule")
            }
            Self::GetDetector => Form::rest(
                "guardduty:GetDetector",
                GUARD_DUTY,
                Method::GET,
                "/detector/{detectorId}",
            ),
            Self::GetLandingZone => Form::rest(
                "controltower:GetLandingZone",
                CONTROL_TOWER,
                Method::POST,
                "/get-landingzone",
            ),
            Self::GetQueueAttributes => {
                Form::sqs("sqs:GetQueueAttributes", "AmazonSQS.GetQueueAttributes")
            }
            Self::GetQueueUrl => Form::sqs("sqs:GetQueueUrl", "AmazonSQS.GetQueueUrl"),
            Self::ListDetectors => {
                Form::rest("guardduty:ListDetectors", GUARD_DUTY, Method::GET, "/detector")
            }
            Self::ListLandingZones => Form::rest(
                "controltower:ListLandingZones",
                CONTROL_TOWER,
                Method::POST,
                "/list-landingzones",
            ),
            Self::ListTargetsByRule => {
                Form::event_bridge("events:ListTargetsByRule", "AWSEvents.ListTargetsByRule")
            }
        }
    }
}
