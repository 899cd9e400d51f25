//! Amazon GuardDuty: the detector of an account and Region.
//!
//! Source: GuardDuty API Reference, `CreateDetector`, `ListDetectors`, `GetDetector`.

use std::collections::BTreeMap;

use orgtrail_base::names::Region;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

/// The characters of a detector's id.
const HEX: &str = "0123456789abcdef";

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    detectors: BTreeMap<Region, Detector>,
}

/// A detector. A Region has at most one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Detector {
    id: String,
    is_enabled: bool,
}

impl State {
    /// Creates an enabled detector in a Region.
    pub(crate) fn enable(&mut self, region: Region, id: String) {
        self.detectors.insert(region, Detector { id, is_enabled: true });
    }
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    let id = input::text(call.input, "detectorId").unwrap_or_default();
    let resource = match call.operation {
        "CreateDetector" | "ListDetectors" => "*".to_owned(),
        _ => call.arn(format!("detector/{id}")).to_string(),
    };
    call.allow(control, &resource)?;
    let detectors = &mut input::account_mut(control, &call.caller.account)?.guardduty.detectors;
    match call.operation {
        "CreateDetector" => {
            let is_enabled = input::flag(call.input, "enable").ok_or_else(|| {
                bad("The request is rejected because the parameter enable has an invalid value.")
            })?;
            if detectors.contains_key(call.region) {
                return Err(bad(
                    "The request is rejected because a detector already exists for the current account.",
                ));
            }
            let id = call.simulation.random_text(HEX, 32);
            detectors.insert(call.region.clone(), Detector { id: id.clone(), is_enabled });
            Ok(json!({ "detectorId": id }))
        }
        "ListDetectors" => {
            let ids: Vec<&String> =
                detectors.get(call.region).map(|it| &it.id).into_iter().collect();
            Ok(json!({ "detectorIds": ids }))
        }
        "GetDetector" | "UpdateDetector" | "DeleteDetector" => {
            let found = detectors.get_mut(call.region).filter(|it| it.id == id);
            let found = found.ok_or_else(|| bad("The request is rejected because the input detectorId is not owned by the current account."))?;
            if call.operation == "GetDetector" {
                return Ok(shape(found));
            }
            if call.operation == "UpdateDetector" {
                found.is_enabled = input::flag(call.input, "enable").unwrap_or(found.is_enabled);
            } else {
                detectors.remove(call.region);
            }
            Ok(json!({}))
        }
        _ => Err(unknown_operation(call)),
    }
}

fn shape(detector: &Detector) -> Value {
    json!({
        "status": if detector.is_enabled { "ENABLED" } else { "DISABLED" },
        "serviceRole": "arn:aws:iam::aws:role/aws-service-role/guardduty.amazonaws.com/AWSServiceRoleForAmazonGuardDuty",
        "findingPublishingFrequency": "SIX_HOURS",
    })
}

fn bad(message: &str) -> ApiError {
    ApiError::new("BadRequestException", message)
}
