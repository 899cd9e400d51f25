use super::inputs::Inputs;
use super::item::{Item, Verdict};
use crate::aws::{AwsError, ErrorKind, Observation};
use crate::names::Region;
use crate::words::counted;

const ID: &str = "endpoints";

/// Whether CloudTrail answers in every enabled Region that the configuration includes.
pub(super) fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let checked = inputs.trails.iter().filter(|(region, _)| inputs.is_checked(region));
    let mut answered = 0_usize;
    let mut failed: Vec<(String, &AwsError, Vec<&Region>)> = Vec::new();
    for (region, trails) in checked {
        let Observation::Unreadable(error) = trails else {
            answered += 1;
            continue;
        };
        let kind = format!("{}{:?}", error.kind(), error.code);
        match failed.iter_mut().find(|(known, ..)| *known == kind) {
            Some((.., regions)) => regions.push(region),
            None => failed.push((kind, error, vec![region])),
        }
    }
    if failed.is_empty() {
        let endpoint = inputs.aws.endpoint();
        let answered = counted(answered, "Region");
        return vec![Item::ok(ID, format!("{endpoint}: CloudTrail answers in {answered}"))];
    }
    failed.into_iter().map(|(_, error, regions)| item(error, &regions)).collect()
}

fn item(error: &AwsError, regions: &[&Region]) -> Item {
    let named: Vec<&str> = regions.iter().map(|region| region.as_str()).collect();
    let item = Item::unread(ID, error);
    let is_unreachable = [ErrorKind::Network, ErrorKind::Timeout].contains(&error.kind());
    Item {
        verdict: if is_unreachable { Verdict::Problem } else { Verdict::Unknown },
        evidence: format!("{}: {}", named.join(", "), item.evidence),
        ..item
    }
}
