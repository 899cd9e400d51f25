//! `CreateTrail`, `UpdateTrail`, `DeleteTrail`.

use jiff::Timestamp;
use orgtrail_base::names::Arn;
use serde_json::json;

use super::{
    ApiError, Call, Control, Reply, Trail, checks, find, input, organization, settings, tags,
};
use crate::services::iam;
use crate::simulator;

/// How many trails a Region takes, copies included.
const MAX_TRAILS: usize = 5;

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = find::parse_name(call.required("Name")?)?;
    let for_organization = input::flag(call.input, "IsOrganizationTrail").unwrap_or(false);
    let resource = call.arn(format!("trail/{name}")).to_string();
    call.allow(control, &resource)?;
    if !input::list(call.input, "TagsList").is_empty() {
        call.allow_action(control, "cloudtrail:AddTags", &resource, &[])?;
    }
    let owner = if for_organization {
        organization::require(control, call)?
    } else {
        call.caller.account.clone()
    };
    let resource = format!("trail/{name}");
    let arn = Arn::regional(call.caller.partition, "cloudtrail", call.region, &owner, resource);
    let mut trail = Trail::new(arn, name, call.region.clone(), owner);
    trail.tags = tags::of_call(call)?;
    call.required("S3BucketName")?;
    settings::apply(&mut trail, call)?;
    check_room(control, call, &trail)?;
    check(control, call, &mut trail)?;
    let reply = trail.summary();
    trail.settle_digests(call.now);
    store(control, trail);
    Ok(reply)
}

/// Refuses a second trail of that name and a sixth in a Region.
fn check_room(control: &Control, call: &Call<'_>, trail: &Trail) -> Result<(), ApiError> {
    let seen = find::visible(control, &trail.owner, call.region, call.now);
    if seen.iter().any(|other| other.name == trail.name && other.owner == trail.owner) {
        return Err(ApiError::new(
            "TrailAlreadyExistsException",
            format!("Trail {} already exists for customer: {}", trail.name, trail.owner),
        ));
    }
    check_quota(control, trail, call.now)
}

/// Checks that the caller may pass the role, and that the trail can deliver.
fn check(control: &Control, call: &Call<'_>, trail: &mut Trail) -> Result<(), ApiError> {
    if let Some(role) = input::text(call.input, "CloudWatchLogsRoleArn") {
        iam::pass_role(control, call, role, organization::PRINCIPAL)?;
    }
    checks::check(control, call, trail)
}

fn check_quota(control: &Control, trail: &Trail, now: Timestamp) -> Result<(), ApiError> {
    let regions = control.accounts.get(&trail.owner).map(|owner| &owner.enabled_regions);
    for region in regions.into_iter().flatten() {
        if *region != trail.home_region && !trail.multi_region {
            continue;
        }
        let others = find::visible(control, &trail.owner, region, now)
            .into_iter()
            .filter(|other| other.arn != trail.arn)
            .count();
        if others >= MAX_TRAILS {
            return Err(ApiError::new(
                "MaximumNumberOfTrailsExceededException",
                format!("User: {} already has {MAX_TRAILS} trails in {region}.", trail.owner),
            ));
        }
    }
    Ok(())
}

fn store(control: &mut Control, trail: Trail) {
    if let Some(owner) = control.accounts.get_mut(&trail.owner) {
        owner.cloudtrail.trails.insert(trail.arn.to_string(), trail);
    }
}

pub(super) fn update(control: &mut Control, call: &Call<'_>) -> Reply {
    let before = find::manage(control, call, call.required("Name")?)?.clone();
    let mut trail = before.clone();
    settings::apply(&mut trail, call)?;
    if trail.organization && !before.organization {
        let owner = organization::require(control, call)?;
        if owner != trail.owner {
            return Err(ApiError::new(
                "NotOrganizationMasterAccountException",
                "A trail of a member account cannot become the organization's.",
            ));
        }
    }
    if trail.multi_region && !before.multi_region {
        check_quota(control, &trail, call.now)?;
    }
    check(control, call, &mut trail)?;
    let reply = trail.summary();
    let ends = trail.settle_digests(call.now);
    simulator::change(call.simulation, control, before, ends);
    store(control, trail);
    Ok(reply)
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let trail = find::manage(control, call, call.required("Name")?)?.clone();
    if let Some(owner) = control.accounts.get_mut(&trail.owner) {
        owner.cloudtrail.trails.remove(&trail.arn.to_string());
    }
    control.simulator.end(trail, call.now);
    Ok(json!({}))
}
