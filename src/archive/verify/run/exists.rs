//! What there is to choose from, where a choice matches nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;

use super::discover::{Discovered, discover};
use super::{ListError, Selection, Source, Verification, Window};
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::archive::verify::place::Stem;
use crate::names::{AccountId, Region, TrailName};

/// How many things are named.
const NAMED: usize = 20;

/// A choice that matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} {value} matches nothing here")]
pub struct Unmatched {
    /// The option that chose it.
    pub option: &'static str,
    /// What was chosen.
    pub value: String,
    /// What could have been chosen, as people read it.
    pub existing: String,
}

/// The first of the chosen accounts and Regions that has neither digests nor log files
/// below a prefix. An archive that has none at all is another matter.
pub async fn unmatched(
    source: &Source,
    prefix: &str,
    selection: &Selection,
) -> Result<Option<Unmatched>, ListError> {
    if selection.accounts.is_empty() && selection.regions.is_empty() {
        return Ok(None);
    }
    let Discovered { lanes, .. } =
        discover(source, prefix, &Selection::default(), Window::default()).await?;
    let mut places = BTreeMap::<AccountId, BTreeSet<Region>>::new();
    for lane in lanes {
        places.entry(lane.account).or_default().insert(lane.region);
    }
    if places.is_empty() {
        return Ok(None);
    }
    if let Some(account) = selection.accounts.iter().find(|it| !places.contains_key(*it)) {
        return Ok(Some(none_of("--account", account, "accounts", places.keys())));
    }
    let chosen = &selection.accounts;
    let regions: BTreeSet<&Region> = places
        .iter()
        .filter(|(account, _)| chosen.is_empty() || chosen.contains(*account))
        .flat_map(|(_, regions)| regions)
        .collect();
    let unmatched = selection.regions.iter().find(|region| !regions.contains(region));
    Ok(unmatched.map(|region| none_of("--region", region, "Regions", regions.iter().copied())))
}

/// The first of the chosen trails that has no digest in an archive that was verified,
/// although other trails have.
///
/// Digests outside the window count too: a trail without any in it is no mistake.
pub async fn unmatched_trail(
    source: &Source,
    verification: &Verification,
    selection: &Selection,
    window: Window,
) -> Result<Option<Unmatched>, ListError> {
    let lanes = || verification.lanes.iter().filter(|lane| !lane.followed);
    let mut found: BTreeSet<TrailName> = lanes()
        .flat_map(|lane| {
            let chains = lane.chains.iter().map(|chain| chain.stem.trail.clone());
            chains.chain(lane.told_trails.iter().cloned()).collect::<Vec<_>>()
        })
        .collect();
    let mut others: BTreeSet<TrailName> =
        lanes().flat_map(|lane| lane.other_trails.iter().cloned()).collect();
    let is_missing = |found: &BTreeSet<TrailName>| {
        selection.trails.iter().find(|trail| !found.contains(*trail)).cloned()
    };
    if is_missing(&found).is_none() {
        return Ok(None);
    }
    let is_whole = window.since.is_none() && window.last.is_none();
    if !is_whole {
        for lane in lanes() {
            for root in &lane.roots {
                let prefix = format!("{root}{}/{DIGEST_FOLDER}/{}/", lane.account, lane.region);
                let mut listed = source.list(&prefix, None);
                while let Some(object) = listed.try_next().await? {
                    let key = object.key.parse::<ObjectKey>().ok();
                    let Some(stem) = key.as_ref().and_then(Stem::of) else { continue };
                    let known = if selection.trails.contains(&stem.trail) {
                        &mut found
                    } else {
                        &mut others
                    };
                    if known.insert(stem.trail) && is_missing(&found).is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }
    let missing = is_missing(&found).filter(|_| !(others.is_empty() && found.is_empty()));
    let existing = || found.iter().chain(&others);
    Ok(missing.map(|trail| none_of("--trail", &trail, "trails", existing())))
}

fn none_of<T: ToString>(
    option: &'static str,
    value: &impl ToString,
    what: &str,
    existing: impl Iterator<Item = T>,
) -> Unmatched {
    let mut names: Vec<String> = existing.map(|name| name.to_string()).collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let existing = format!("the {what} here are {}{more}", names.join(", "));
    Unmatched { option, value: value.to_string(), existing }
}
