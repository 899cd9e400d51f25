//! AWS Control Tower: the landing zone of an organization.
//!
//! Source: Control Tower API Reference, `ListLandingZones`, `GetLandingZone`,
//! `LandingZoneDetail`.

use http::StatusCode;
use orgtrail_base::names::Region;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, unknown_operation};

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    landing_zone: Option<LandingZone>,
}

/// A landing zone. An organization has at most one, in its home Region.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LandingZone {
    arn: String,
    region: Region,
    version: String,
    manifest: Value,
}

impl State {
    /// Sets up a landing zone, as Control Tower does in its home Region.
    pub(crate) fn set_up(&mut self, arn: String, region: Region, version: &str, manifest: Value) {
        let version = version.to_owned();
        self.landing_zone = Some(LandingZone { arn, region, version, manifest });
    }
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    let account = control.accounts.get(&call.caller.account);
    let zone = account.and_then(|account| account.control_tower.landing_zone.clone());
    let zone = zone.filter(|zone| zone.region == *call.region);
    match call.operation {
        "ListLandingZones" => {
            call.allow(control, "*")?;
            let zones: Vec<Value> = zone.iter().map(|zone| json!({ "arn": zone.arn })).collect();
            Ok(json!({ "landingZones": zones }))
        }
        "GetLandingZone" => {
            let id = call.required("landingZoneIdentifier")?;
            call.allow(control, id)?;
            let found = zone.filter(|zone| zone.arn == id);
            let Some(zone) = found else {
                return Err(ApiError::new(
                    "ResourceNotFoundException",
                    format!("AWS Control Tower cannot find the landing zone {id}."),
                )
                .with_status(StatusCode::NOT_FOUND));
            };
            Ok(json!({ "landingZone": {
                "arn": zone.arn,
                "driftStatus": { "status": "IN_SYNC" },
                "latestAvailableVersion": "4.0",
                "manifest": zone.manifest,
                "status": "ACTIVE",
                "version": zone.version,
            } }))
        }
        _ => Err(unknown_operation(call)),
    }
}
