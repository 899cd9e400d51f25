use super::inputs::{Inputs, SeenTrail};
use super::item::Item;
use crate::aws::Observation;
use crate::policy::CLOUDTRAIL;

const ACCESS: &str = "trusted-access";
const TRAIL: &str = "organization-trail";

/// Whether CloudTrail has trusted access, and whether the trail is still an organization
/// trail: without trusted access, it becomes a single-account trail without any notice.
pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let trusted = inputs.trusts(CLOUDTRAIL).await;
    let access = match &trusted {
        Ok(true) => Item::ok(ACCESS, "CloudTrail has trusted access to the organization"),
        Ok(false) => Item::problem(
            ACCESS,
            "CloudTrail has no trusted access: an organization trail cannot be created, and an existing one records one account only",
            "orgtrail apply; or aws organizations enable-aws-service-access --service-principal cloudtrail.amazonaws.com",
        ),
        Err(error) => Item::unread(ACCESS, error),
    };
    vec![access, trail(inputs, trusted.as_ref().ok().copied())]
}

fn trail(inputs: &Inputs<'_>, is_trusted: Option<bool>) -> Item {
    let trails = match inputs.home_trails() {
        Some(Observation::Present(trails)) => trails,
        Some(Observation::Unreadable(error)) => return Item::unread(TRAIL, error),
        Some(Observation::Absent) | None => {
            return Item::waits(TRAIL, "the home Region is not among the enabled Regions");
        }
    };
    let shrunk = trails.iter().find(|trail| is_shrunk(inputs, trail));
    if let Some(trail) = shrunk {
        let cause = match is_trusted {
            Some(false) => " because trusted access is off",
            _ => "",
        };
        return Item::problem(
            TRAIL,
            format!(
                "`{}` has become a single-account trail{cause}: it records only account {}",
                trail.name, inputs.management
            ),
            format!(
                "enable trusted access, then aws cloudtrail update-trail --name {} --is-organization-trail; orgtrail drift --fix does both",
                trail.name
            ),
        );
    }
    let organization: Vec<&str> = trails
        .iter()
        .filter(|trail| trail.is_organization && is_declared(inputs, trail))
        .map(|trail| trail.name.as_str())
        .collect();
    match (organization.as_slice(), inputs.config) {
        ([], Some(config)) => Item::problem(
            TRAIL,
            format!("the organization trail `{}` does not exist", config.trail.name),
            "orgtrail plan, then orgtrail apply",
        ),
        ([], None) => Item::problem(
            TRAIL,
            "there is no organization trail",
            "orgtrail init, then orgtrail plan",
        ),
        (names, _) => Item::ok(TRAIL, format!("{} records every account", names.join(", "))),
    }
}

fn is_declared(inputs: &Inputs<'_>, trail: &SeenTrail) -> bool {
    inputs.config.is_none_or(|config| trail.name == config.trail.name.as_str())
}

/// Whether a trail was an organization trail and is none: the configured one, or one that
/// writes where landing zones have their organization's logs.
fn is_shrunk(inputs: &Inputs<'_>, trail: &SeenTrail) -> bool {
    let is_own =
        trail.arn.as_ref().is_some_and(|arn| arn.account.as_ref() == Some(&inputs.management));
    if trail.is_organization || !is_own {
        return false;
    }
    match (inputs.config, &inputs.organization) {
        (Some(_), _) => is_declared(inputs, trail),
        (None, Ok(organization)) => trail.properties().resembles(&organization.id).is_some(),
        (None, Err(_)) => false,
    }
}
