//! Selections that match nothing, and the available values.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;

use super::discover::{Discovered, discover};
use super::{ListError, Selection, Source, Verification, Window};
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::archive::verify::place::ChainName;
use crate::names::{AccountId, Region, TrailName};

/// The maximum number of listed values.
const MAX_NAMED: usize = 20;

/// A selection that matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option} {value} matches nothing here")]
pub struct Unmatched {
    /// The option.
    pub option: &'static str,
    /// The selected value.
    pub value: String,
    /// The available values, as text.
    pub existing: String,
}

/// The first selected account or Region without digests and log files below a prefix; `None`
/// for an empty archive.
pub async fn unmatched(
    source: &Source,
    prefix: &str,
    selection: &Selection,
) -> Result<Option<Unmatched>, ListError> {
    if selection.accounts.is_empty() && selection.regions.is_empty() {
        return Ok(None);
    }
    let Discovered { scopes, .. } =
        discover(source, prefix, &Selection::default(), Window::default()).await?;
    let mut places = BTreeMap::<AccountId, BTreeSet<Region>>::new();
    for scope in scopes {
        places.entry(scope.account).or_default().insert(scope.region);
    }
    if places.is_empty() {
        return Ok(None);
    }
    if let Some(account) = selection.accounts.iter().find(|it| !places.contains_key(*it)) {
        return Ok(Some(unmatched_option("--account", account, "accounts", places.keys())));
    }
    let chosen = &selection.accounts;
    let regions: BTreeSet<&Region> = places
        .iter()
        .filter(|(account, _)| chosen.is_empty() || chosen.contains(*account))
        .flat_map(|(_, regions)| regions)
        .collect();
    let unmatched = selection.regions.iter().find(|region| !regions.contains(region));
    Ok(unmatched
        .map(|region| unmatched_option("--region", region, "Regions", regions.iter().copied())))
}

/// The first selected trail without digests in a verified archive that has digests of other
/// trails.
///
/// Digests outside the window count too: a trail may have none inside it.
pub async fn unmatched_trail(
    source: &Source,
    verification: &Verification,
    selection: &Selection,
    window: Window,
) -> Result<Option<Unmatched>, ListError> {
    let scopes = || verification.scopes.iter().filter(|scope| !scope.followed);
    let mut found: BTreeSet<TrailName> = scopes()
        .flat_map(|scope| {
            let chains = scope.chains.iter().map(|chain| chain.chain_name.trail.clone());
            chains.chain(scope.reported_trails.iter().cloned()).collect::<Vec<_>>()
        })
        .collect();
    let mut others: BTreeSet<TrailName> =
        scopes().flat_map(|scope| scope.other_trails.iter().cloned()).collect();
    let is_missing = |found: &BTreeSet<TrailName>| {
        selection.trails.iter().find(|trail| !found.contains(*trail)).cloned()
    };
    if is_missing(&found).is_none() {
        return Ok(None);
    }
    let is_whole = window.since.is_none() && window.last.is_none();
    if !is_whole {
        for scope in scopes() {
            for root in &scope.roots {
                let prefix = format!("{root}{}/{DIGEST_FOLDER}/{}/", scope.account, scope.region);
                let mut listed = source.list(&prefix, None);
                while let Some(object) = listed.try_next().await? {
                    let key = object.key.parse::<ObjectKey>().ok();
                    let Some(chain_name) = key.as_ref().and_then(ChainName::of) else { continue };
                    let known = if selection.trails.contains(&chain_name.trail) {
                        &mut found
                    } else {
                        &mut others
                    };
                    if known.insert(chain_name.trail) && is_missing(&found).is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }
    let missing = is_missing(&found).filter(|_| !(others.is_empty() && found.is_empty()));
    let existing = || found.iter().chain(&others);
    Ok(missing.map(|trail| unmatched_option("--trail", &trail, "trails", existing())))
}

fn unmatched_option<T: ToString>(
    option: &'static str,
    value: &impl ToString,
    what: &str,
    existing: impl Iterator<Item = T>,
) -> Unmatched {
    let mut names: Vec<String> = existing.map(|name| name.to_string()).collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let existing = format!("the {what} here are {}{more}", names.join(", "));
    Unmatched { option, value: value.to_string(), existing }
}
