use std::collections::BTreeMap;

use aws_sdk_cloudtrail::types::Trail;

use crate::aws::{Clients, Observation};
use crate::config::TrailManager;
use crate::org::{LandingZone, TrailProperties};
use crate::resources::Desired;

/// The other tools that manage trails, by the trail's name. Control Tower is asked only if a
/// trail looks like its own.
pub(super) async fn managers(
    management: &Clients,
    desired: &Desired,
    trails: &[Trail],
) -> BTreeMap<String, TrailManager> {
    let organization = desired.org_id();
    let of_control_tower = Some(TrailManager::ControlTower);
    let is_asked =
        trails.iter().any(|trail| properties(trail).resembles(organization) == of_control_tower);
    let zone = if is_asked { LandingZone::read(management).await } else { Observation::Absent };
    let managed = trails.iter().filter_map(|trail| {
        let manager = properties(trail).manager(organization, &zone)?;
        Some((trail.name()?.to_owned(), manager))
    });
    managed.collect()
}

fn properties(trail: &Trail) -> TrailProperties<'_> {
    TrailProperties {
        name: trail.name().unwrap_or_default(),
        bucket: trail.s3_bucket_name().unwrap_or_default(),
        prefix: trail.s3_key_prefix().filter(|prefix| !prefix.is_empty()),
        log_group: trail.cloud_watch_logs_log_group_arn(),
    }
}
