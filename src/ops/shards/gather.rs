//! Making one result of the results of all shards.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{NotKept, Ungathered};
use super::kept::{FOLDER, Kept, ShardResult, Work};
use super::place::open;
use crate::archive::shard::{MAX_SHARDS, ShardNumber};
use crate::events::export::Exported;
use crate::names::AccountId;
use crate::ops::consolidate::Consolidated;
use crate::ops::round::{Round, ShardRound};
use crate::ops::verify::{Examination, Verified};
use crate::ops::{Env, OpError};

/// The result of all shards together.
#[derive(Debug)]
pub enum Gathered {
    /// Of `orgtrail verify`.
    Verified(Box<Verified>),
    /// Of `orgtrail consolidate`.
    Consolidated(Box<Consolidated>),
    /// Of `orgtrail events export`.
    Exported(Box<Exported>),
    /// Of `orgtrail run`.
    Round(Box<Round>),
}

/// Reads the results of all shards in a place, and joins them. Changes nothing.
///
/// # Errors
/// The place cannot be read. A shard is missing: incomplete. A result is there twice, or is not
/// one of the same command, options, configuration, organization and version: usage.
pub async fn gather(
    env: &Env,
    place: &str,
    owner: Option<&AccountId>,
) -> Result<Gathered, OpError> {
    let store = open(env, place, owner, false).await?;
    let lost = |source| NotKept { place: place.to_owned(), source };
    let keys = store.list(FOLDER, 2 * MAX_SHARDS as usize).await.map_err(lost)?;
    let mut kept = Vec::new();
    for key in keys {
        let file = env.unless_stopped(Box::pin(store.read(&key))).await?.map_err(lost)?;
        if let Some(file) = file {
            kept.push((key.clone(), Kept::parse(&key, &file.bytes)?));
        }
    }
    let results = all_of_one_run(place, kept)?;
    join(results).ok_or_else(|| Ungathered::Nothing { place: place.to_owned() }.into())
}

/// The results in the order of their shards.
fn all_of_one_run(place: &str, kept: Vec<(String, Kept)>) -> Result<Vec<ShardResult>, Ungathered> {
    let mut of_shards = BTreeMap::<u32, (String, ShardResult)>::new();
    let mut first: Option<(String, ShardNumber, Work)> = None;
    for (name, Kept { shard, work, result, .. }) in kept {
        if let Some((other, number, expected)) = &first {
            work.check(expected, &name)?;
            if shard.count() != number.count() {
                let (found, expected) = (shard.count(), number.count());
                return Err(Ungathered::OtherCount { name, other: other.clone(), found, expected });
            }
        } else {
            first = Some((name.clone(), shard, work));
        }
        if let Some((other, _)) = of_shards.get(&shard.number()) {
            return Err(Ungathered::Duplicate { name, other: other.clone(), number: shard });
        }
        of_shards.insert(shard.number(), (name, result));
    }
    let Some((_, number, _)) = first else {
        return Err(Ungathered::Nothing { place: place.to_owned() });
    };
    let count = number.count();
    let missing: BTreeSet<u32> = (1..=count).filter(|it| !of_shards.contains_key(it)).collect();
    if !missing.is_empty() {
        return Err(Ungathered::Missing { place: place.to_owned(), count, missing });
    }
    Ok(of_shards.into_values().map(|(_, result)| result).collect())
}

/// Joins the results of one command.
fn join(results: Vec<ShardResult>) -> Option<Gathered> {
    let (mut verifications, mut consolidations) = (Vec::new(), Vec::new());
    let (mut exports, mut rounds) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            ShardResult::Verification(it) => verifications.push(*it),
            ShardResult::Consolidation(it) => consolidations.push(*it),
            ShardResult::Export(it) => exports.push(*it),
            ShardResult::Round(it) => rounds.push(*it),
        }
    }
    // INVARIANT: all are of one command, so only one of these is not empty.
    let consolidated = Consolidated::join(consolidations);
    let consolidated = consolidated.map(|joined| Gathered::Consolidated(Box::new(joined)));
    let exported = Exported::join(exports).map(|joined| Gathered::Exported(Box::new(joined)));
    let verified = Examination::join(verifications);
    let verified = verified.map(|joined| Gathered::Verified(Box::new(joined.conclude())));
    let round = ShardRound::join(rounds).map(|joined| Gathered::Round(Box::new(joined)));
    consolidated.or(exported).or(verified).or(round)
}
