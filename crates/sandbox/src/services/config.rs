//! AWS Config: the configuration recorder of an account and Region.
//!
//! Source: AWS Config API Reference, `PutConfigurationRecorder`, `PutDeliveryChannel`,
//! `StartConfigurationRecorder`, `DescribeConfigurationRecorders`,
//! `DescribeConfigurationRecorderStatus`.

use std::collections::BTreeMap;

use orgtrail_base::names::Region;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    regions: BTreeMap<Region, RegionState>,
}

/// What one Region has.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RegionState {
    recorder: Option<Value>,
    channel: Option<Value>,
    is_recording: bool,
}

impl State {
    /// Records in a Region, as the console sets it up.
    pub(crate) fn record(&mut self, region: Region) {
        let recorder = json!({ "name": "default", "recordingGroup": { "allSupported": true } });
        let channel = json!({ "name": "default", "s3BucketName": "config" });
        let recording =
            RegionState { recorder: Some(recorder), channel: Some(channel), is_recording: true };
        self.regions.insert(region, recording);
    }
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let account = input::account_mut(control, &call.caller.account)?;
    let found = account.config.regions.entry(call.region.clone()).or_default();
    match call.operation {
        "PutConfigurationRecorder" => {
            let recorder = call.input.get("ConfigurationRecorder");
            let recorder = recorder.filter(|it| it.is_object());
            let recorder = recorder.ok_or_else(|| input::missing("configurationRecorder"))?;
            if input::text(recorder, "roleARN").is_none() {
                return Err(ApiError::new("InvalidRoleException", "The role ARN is required."));
            }
            let mut recorder = recorder.clone();
            if input::text(&recorder, "name").is_none() {
                recorder["name"] = "default".into();
            }
            let known = found.recorder.as_ref().and_then(|it| input::text(it, "name"));
            if known.is_some_and(|known| input::text(&recorder, "name") != Some(known)) {
                return Err(ApiError::new(
                    "MaxNumberOfConfigurationRecordersExceededException",
                    "The limit of 1 configuration recorder is reached.",
                ));
            }
            found.recorder = Some(recorder);
            Ok(json!({}))
        }
        "PutDeliveryChannel" => {
            if found.recorder.is_none() {
                return Err(no_recorder());
            }
            let channel = call.input.get("DeliveryChannel");
            let channel = channel.filter(|it| input::text(it, "s3BucketName").is_some());
            found.channel = Some(channel.ok_or_else(|| input::missing("deliveryChannel"))?.clone());
            Ok(json!({}))
        }
        "StartConfigurationRecorder" | "StopConfigurationRecorder" => {
            let name = call.required("ConfigurationRecorderName")?;
            named(found, name)?;
            let starts = call.operation.starts_with("Start");
            if starts && found.channel.is_none() {
                return Err(ApiError::new(
                    "NoAvailableDeliveryChannelException",
                    "Delivery channel is not available to start configuration recorder.",
                ));
            }
            found.is_recording = starts;
            Ok(json!({}))
        }
        "DescribeConfigurationRecorders" => {
            wanted(found, call)?;
            let recorders: Vec<&Value> = found.recorder.iter().collect();
            Ok(json!({ "ConfigurationRecorders": recorders }))
        }
        "DescribeConfigurationRecorderStatus" => {
            wanted(found, call)?;
            let statuses: Vec<Value> = found
                .recorder
                .iter()
                .map(|recorder| {
                    json!({
                        "name": recorder["name"],
                        "recording": found.is_recording,
                        "lastStatus": if found.is_recording { "SUCCESS" } else { "PENDING" },
                    })
                })
                .collect();
            Ok(json!({ "ConfigurationRecordersStatus": statuses }))
        }
        _ => Err(unknown_operation(call)),
    }
}

/// The recorders that a call names must exist.
fn wanted(found: &RegionState, call: &Call<'_>) -> Result<(), ApiError> {
    let names = input::texts(call.input, "ConfigurationRecorderNames");
    names.iter().try_for_each(|name| named(found, name))
}

fn named(found: &RegionState, name: &str) -> Result<(), ApiError> {
    let known = found.recorder.as_ref().and_then(|it| input::text(it, "name"));
    if known == Some(name) { Ok(()) } else { Err(missing(name)) }
}

fn missing(name: &str) -> ApiError {
    ApiError::new(
        "NoSuchConfigurationRecorderException",
        format!("Cannot find configuration recorder with the specified name '{name}'."),
    )
}

fn no_recorder() -> ApiError {
    ApiError::new(
        "NoAvailableConfigurationRecorderException",
        "Configuration recorder is not available to put delivery channel.",
    )
}
