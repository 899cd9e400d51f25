use super::inputs::{Inputs, SeenTrail};
use super::item::Item;
use crate::aws::Observation;
use crate::config::TrailManager;
use crate::org::{LandingZone, Organization};
use crate::resources::called;

const ID: &str = "landing-zone";

/// Whether Control Tower or the Landing Zone Accelerator owns a trail.
pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let Ok(organization) = &inputs.organization else {
        return vec![Item::waits(ID, "the organization cannot be read")];
    };
    let Some(Observation::Present(trails)) = inputs.home_trails() else {
        return vec![Item::waits(ID, "the trails of the home Region cannot be read")];
    };
    let zone = LandingZone::read(&inputs.clients()).await;
    let managed: Vec<(&SeenTrail, TrailManager)> = trails
        .iter()
        .filter_map(|trail| Some((trail, trail.properties().manager(&organization.id, &zone)?)))
        .collect();
    let mut items = Vec::new();
    for (trail, manager) in &managed {
        items.push(judge(inputs, organization, trail, *manager, &zone));
    }
    if let Observation::Unreadable(error) = &zone {
        items.push(Item::unread(ID, error));
    }
    if items.is_empty() {
        items.push(Item::ok(
            ID,
            match &zone {
                Observation::Present(zone) => {
                    format!("Control Tower {} is set up, and owns no trail", zone.version)
                }
                _ => "no trail of AWS Control Tower or the Landing Zone Accelerator".to_owned(),
            },
        ));
    }
    items
}

fn judge(
    inputs: &Inputs<'_>,
    organization: &Organization,
    trail: &SeenTrail,
    manager: TrailManager,
    zone: &Observation<LandingZone>,
) -> Item {
    let SeenTrail { name, bucket, .. } = trail;
    let version = zone.present().filter(|_| manager == TrailManager::ControlTower);
    let version = version.map(|zone| format!(" {}", zone.version)).unwrap_or_default();
    let owner = format!("{}{version}", called(manager));
    let Some(config) = inputs.config else {
        let id = &organization.id;
        return Item::ok(
            ID,
            format!(
                "{owner} owns the trail `{name}` of {id}, which delivers to {bucket}: orgtrail init adopts it, and only observes it"
            ),
        );
    };
    if config.trail.name.as_str() != name {
        return Item::problem(
            ID,
            format!(
                "{owner} owns the trail `{name}`, and the configuration declares `{}`: a second trail",
                config.trail.name
            ),
            format!(
                "set trail.name = \"{name}\" and archive.bucket = \"{bucket}\", or run `orgtrail init`"
            ),
        );
    }
    if config.trail.managed_by == Some(TrailManager::Orgtrail) {
        return Item::problem(
            ID,
            format!(
                "{owner} owns the trail `{name}`, and trail.managed_by lets orgtrail change it"
            ),
            "remove trail.managed_by, unless you have removed the trail from that tool",
        );
    }
    Item::ok(ID, format!("{owner} owns the trail `{name}`: orgtrail only observes it"))
}
