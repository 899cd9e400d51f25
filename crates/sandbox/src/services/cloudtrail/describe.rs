//! `GetTrail`, `DescribeTrails`, `ListTrails`.

use serde_json::{Value, json};

use super::{Call, Control, Reply, find, input};

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let trail = find::find(control, call, call.required("Name")?)?;
    find::allow(control, call, trail)?;
    Ok(json!({ "Trail": trail.description() }))
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let shadows = input::flag(call.input, "includeShadowTrails").unwrap_or(true);
    let names = input::texts(call.input, "trailNameList");
    let account = &call.caller.account;
    let trails = if names.is_empty() {
        find::visible(control, account, call.region, call.now)
    } else {
        // A missing trail is omitted, an invalid name refused.
        let mut trails = Vec::new();
        for name in &names {
            match find::find(control, call, name) {
                Ok(trail) => trails.push(trail),
                Err(error) if error.code == "TrailNotFoundException" => {}
                Err(error) => return Err(error),
            }
        }
        trails
    };
    let trails: Vec<Value> = trails
        .into_iter()
        .filter(|trail| shadows || !trail.is_shadow(control, account, call.region))
        .map(super::Trail::description)
        .collect();
    Ok(json!({ "trailList": trails }))
}

/// How many trails `ListTrails` gives at once.
const PAGE: usize = 100;

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    // Unlike the others, it answers for all Regions.
    let trails = control
        .accounts
        .values()
        .flat_map(|owner| owner.cloudtrail.trails.values())
        .filter(|trail| {
            trail.is_visible(control, &call.caller.account, &trail.home_region, call.now)
        })
        .map(|trail| {
            let home = &trail.home_region;
            let item = json!({ "TrailARN": trail.arn, "Name": trail.name, "HomeRegion": home });
            (trail.arn.to_string(), item)
        });
    super::page(call, "Trails", trails, PAGE)
}
