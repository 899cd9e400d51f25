//! Calls that only read: [`crate::aws::Clients`] may make them.

use http::Method;

use super::Form;

/// A call that only reads, and is sent without an SDK client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedRead {
    /// Amazon Athena: saved queries by their ids.
    BatchGetNamedQuery,
    /// AWS Config: whether the configuration recorders record.
    DescribeConfigurationRecorderStatus,
    /// AWS Security Hub: reads the hub.
    DescribeHub,
    /// Amazon EventBridge: describes a rule.
    DescribeRule,
    /// AWS Glue: a database.
    GetDatabase,
    /// Amazon GuardDuty: reads a detector.
    GetDetector,
    /// AWS Control Tower: reads a landing zone.
    GetLandingZone,
    /// Amazon SQS: the attributes of a queue.
    GetQueueAttributes,
    /// Amazon SQS: the URL of a queue.
    GetQueueUrl,
    /// AWS Glue: a table.
    GetTable,
    /// AWS Glue: the tables of a database.
    GetTables,
    /// Amazon Athena: a workgroup.
    GetWorkGroup,
    /// Amazon GuardDuty: lists detectors.
    ListDetectors,
    /// AWS Control Tower: lists landing zones.
    ListLandingZones,
    /// Amazon Athena: the ids of a workgroup's saved queries.
    ListNamedQueries,
    /// Amazon EventBridge: lists the targets of a rule.
    ListTargetsByRule,
    /// Amazon Athena: the tags of a workgroup.
    ListWorkGroupTags,
}

impl SignedRead {
    /// Every one of them.
    pub const ALL: &[Self] = &[
        Self::BatchGetNamedQuery,
        Self::DescribeConfigurationRecorderStatus,
        Self::DescribeHub,
        Self::DescribeRule,
        Self::GetDatabase,
        Self::GetDetector,
        Self::GetLandingZone,
        Self::GetQueueAttributes,
        Self::GetQueueUrl,
        Self::GetTable,
        Self::GetTables,
        Self::GetWorkGroup,
        Self::ListDetectors,
        Self::ListLandingZones,
        Self::ListNamedQueries,
        Self::ListTargetsByRule,
        Self::ListWorkGroupTags,
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
            Self::GetDatabase => Form::glue("glue:GetDatabase", "AWSGlue.GetDatabase"),
            Self::GetTable => Form::glue("glue:GetTable", "AWSGlue.GetTable"),
            Self::GetTables => Form::glue("glue:GetTables", "AWSGlue.GetTables"),
            Self::BatchGetNamedQuery => {
                Form::athena("athena:BatchGetNamedQuery", "AmazonAthena.BatchGetNamedQuery")
            }
            Self::GetWorkGroup => Form::athena("athena:GetWorkGroup", "AmazonAthena.GetWorkGroup"),
            Self::ListNamedQueries => {
                Form::athena("athena:ListNamedQueries", "AmazonAthena.ListNamedQueries")
            }
            Self::ListWorkGroupTags => {
                Form::athena("athena:ListTagsForResource", "AmazonAthena.ListTagsForResource")
            }
            Self::ListTargetsByRule => {
                Form::event_bridge("events:ListTargetsByRule", "AWSEvents.ListTargetsByRule")
            }
        }
    }
}
