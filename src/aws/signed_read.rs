//! Calls without an SDK client that only read: [`Clients`] may make them.

use http::Method;
use serde_json::Value;

use super::signed::Form;
use super::{AwsError, Clients};

/// A call that reads, and is sent without an SDK client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedRead {
    /// AWS Control Tower: lists landing zones.
    ListLandingZones,
    /// AWS Control Tower: reads a landing zone.
    GetLandingZone,
    /// AWS Config: whether the configuration recorders record.
    DescribeConfigurationRecorderStatus,
    /// Amazon GuardDuty: lists detectors.
    ListDetectors,
    /// Amazon GuardDuty: reads a detector.
    GetDetector,
    /// AWS Security Hub: reads the hub.
    DescribeHub,
}

/// Every call that reads and is sent without an SDK client.
pub const SIGNED_READS: [SignedRead; 6] = [
    SignedRead::ListLandingZones,
    SignedRead::GetLandingZone,
    SignedRead::DescribeConfigurationRecorderStatus,
    SignedRead::ListDetectors,
    SignedRead::GetDetector,
    SignedRead::DescribeHub,
];

impl SignedRead {
    /// The IAM action that the call needs.
    #[must_use]
    pub fn action(self) -> &'static str {
        self.form().action
    }

    /// Source: the Smithy models `controltower`, `guardduty` and `securityhub` (REST JSON) and
    /// `config` (AWS JSON 1.1).
    fn form(self) -> Form {
        let rest = |action, service_id, signing_name, method, path| Form {
            action,
            service_id,
            signing_name,
            method,
            path,
            content_type: "application/json",
            target: None,
        };
        match self {
            Self::ListLandingZones => rest(
                "controltower:ListLandingZones",
                "ControlTower",
                "controltower",
                Method::POST,
                "/list-landingzones",
            ),
            Self::GetLandingZone => rest(
                "controltower:GetLandingZone",
                "ControlTower",
                "controltower",
                Method::POST,
                "/get-landingzone",
            ),
            Self::DescribeConfigurationRecorderStatus => Form {
                action: "config:DescribeConfigurationRecorderStatus",
                service_id: "Config Service",
                signing_name: "config",
                method: Method::POST,
                path: "/",
                content_type: "application/x-amz-json-1.1",
                target: Some("StarlingDoveService.DescribeConfigurationRecorderStatus"),
            },
            Self::ListDetectors => {
                rest("guardduty:ListDetectors", "GuardDuty", "guardduty", Method::GET, "/detector")
            }
            Self::GetDetector => rest(
                "guardduty:GetDetector",
                "GuardDuty",
                "guardduty",
                Method::GET,
                "/detector/{detectorId}",
            ),
            Self::DescribeHub => rest(
                "securityhub:DescribeHub",
                "SecurityHub",
                "securityhub",
                Method::GET,
                "/accounts",
            ),
        }
    }
}

impl Clients {
    /// Makes a call that reads with a JSON document, and returns the response's.
    ///
    /// # Errors
    /// The call's own.
    pub async fn read(&self, call: SignedRead, input: &Value) -> Result<Value, AwsError> {
        self.call_signed(call.form(), input).await
    }
}
