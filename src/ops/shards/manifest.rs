//! The manifest of units: which shard has which, so that each has about as many bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::archive::consolidate::discover;
use crate::archive::consolidate::locate::LocatedSources;
use crate::archive::key::DIGEST_FOLDER;
use crate::archive::shard::{Assignment, ShardNumber, Unit, assign_by_size};
use crate::archive::verify::run::{self as chains, Selection};
use crate::archive::verify::source::Source;
use crate::cost::storage::stored_totals;
use crate::names::{AccountId, Region};
use crate::ops::events::PlaceRequest;
use crate::ops::events::place::Place;
use crate::ops::{Env, OpError, Outcome, archive, legacy};
use crate::words::{counted, json_fault};

/// Folders that are listed at the same time.
const AT_ONCE: usize = 32;

/// Of what the units are.
#[derive(Debug, Clone)]
pub enum UnitsOf {
    /// What `verify` and `events export` read.
    Archive(PlaceRequest),
    /// The sources that `consolidate` reads.
    Sources,
}

/// Which units to distribute.
#[derive(Debug, Clone)]
pub struct UnitsRequest {
    /// Of what.
    pub of: UnitsOf,
    /// Among how many shards.
    pub shards: NonZeroU32,
}

/// A shard in a manifest: a line of it, which an engine that maps over a list passes to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLine {
    /// Which of how many, as `--shard` takes it.
    pub shard: ShardNumber,
    /// The objects of its units.
    pub objects: u64,
    /// Their size, as stored. Units: bytes.
    pub size_bytes: u64,
    /// Its units: the Regions of each account.
    pub units: BTreeMap<AccountId, BTreeSet<Region>>,
}

/// What is stored of a unit.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    objects: u64,
    bytes: u64,
}

impl Size {
    /// The cost of reading it. Units: bytes; a request counts as 64 KiB, which take about as long.
    fn weight(self) -> u64 {
        self.bytes.saturating_add(self.objects.saturating_mul(64 << 10))
    }
}

/// Lists the units, and distributes them by size. Changes nothing.
///
/// # Errors
/// What they are of cannot be opened or listed, or there are more shards than units: usage.
pub async fn units(env: &Env, request: &UnitsRequest) -> Result<Vec<ManifestLine>, OpError> {
    let sizes = env
        .unless_stopped(Box::pin(async {
            match &request.of {
                UnitsOf::Archive(place) => of_archive(env, place).await,
                UnitsOf::Sources => of_sources(env).await,
            }
        }))
        .await??;
    if sizes.len() < request.shards.get() as usize {
        let message = format!(
            "{} for {}: every shard needs one",
            counted(sizes.len(), "unit"),
            counted(request.shards.get(), "shard")
        );
        return Err(OpError::usage(message).with_hint("a unit is an account in a Region"));
    }
    lines(&sizes, request.shards)
}

fn lines(sizes: &BTreeMap<Unit, Size>, shards: NonZeroU32) -> Result<Vec<ManifestLine>, OpError> {
    let weights = sizes.iter().map(|(unit, size)| (unit.clone(), size.weight())).collect();
    let mut lines = Vec::new();
    for number in 1..=shards.get() {
        let shard = ShardNumber::new(number, shards.get());
        let shard = shard.map_err(|error| OpError::usage(error.to_string()))?;
        lines.push(ManifestLine { shard, objects: 0, size_bytes: 0, units: BTreeMap::new() });
    }
    for (unit, number) in assign_by_size(&weights, shards) {
        let size = sizes.get(&unit).copied().unwrap_or_default();
        let Some(line) = lines.get_mut(number as usize - 1) else { continue };
        line.objects += size.objects;
        line.size_bytes += size.bytes;
        line.units.entry(unit.account).or_default().insert(unit.region);
    }
    Ok(lines)
}

async fn of_archive(env: &Env, place: &PlaceRequest) -> Result<BTreeMap<Unit, Size>, OpError> {
    let place = Place::open(place, env).await?;
    let scopes = chains::scopes(&place.source, &place.prefix, &Selection::default()).await?;
    let phase = env.progress().phase("counting objects", scopes.len());
    let sizes: Vec<(Unit, Size)> = stream::iter(scopes)
        .map(async |(scope, classes)| {
            let mut size = Size::default();
            for folder in classes.iter().map(|class| class.folder()).chain([DIGEST_FOLDER]) {
                let folder = scope.root.folder(&scope.account, folder, &scope.region);
                size += folder_size(&place.source, &folder).await?;
            }
            phase.step_done();
            Ok::<_, OpError>((Unit { account: scope.account, region: scope.region }, size))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(summed(sizes))
}

async fn folder_size(source: &Arc<Source>, folder: &str) -> Result<Size, OpError> {
    let mut size = Size::default();
    let mut listed = source.list(folder, None);
    while let Some(object) = listed.try_next().await? {
        size.objects += 1;
        size.bytes += object.size_bytes;
    }
    Ok(size)
}

async fn of_sources(env: &Env) -> Result<BTreeMap<Unit, Size>, OpError> {
    let config = env.config()?;
    let aws = env.aws().await?;
    let found = legacy::find(env, &aws).await?;
    let selected = discover::selected(&found.found.trails, config);
    let organization = Some(&found.organization);
    let LocatedSources { readable, .. } =
        legacy::located(&aws, config, organization, selected.sources).await;
    let scope = legacy::scope(config, &found.organization, found.regions);
    let archive = archive::archive(config, &found.organization.id, &aws);
    let mut prefixes = Vec::new();
    for source in readable {
        let clients = source.clients(&aws);
        let binding = scope.binding(&source);
        let wants = |account: &AccountId| binding.admits_account(account).is_ok();
        let listed = source.log_prefixes_of(&clients, wants).await?;
        let own = listed.log_prefixes.into_iter().filter(|log_prefix| {
            binding.admits(&log_prefix.account, &log_prefix.region).is_ok()
                && !archive.has(log_prefix)
        });
        prefixes.extend(own.map(|log_prefix| (clients.clone(), source.bucket.clone(), log_prefix)));
    }
    let phase = env.progress().phase("counting objects", prefixes.len());
    let sizes: Vec<(Unit, Size)> = stream::iter(prefixes)
        .map(async |(clients, bucket, log_prefix)| {
            let mut size = Size::default();
            let add = |_: &str, _: &str, bytes| size += Size { objects: 1, bytes };
            stored_totals(&clients, &bucket, &log_prefix.prefix(), add).await?;
            phase.step_done();
            Ok::<_, OpError>((
                Unit { account: log_prefix.account, region: log_prefix.region },
                size,
            ))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(summed(sizes))
}

fn summed(sizes: Vec<(Unit, Size)>) -> BTreeMap<Unit, Size> {
    let mut sums = BTreeMap::<Unit, Size>::new();
    for (unit, size) in sizes {
        *sums.entry(unit).or_default() += size;
    }
    sums
}

impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// Reads a manifest of so many shards.
///
/// # Errors
/// It is not a manifest, is of another number of shards, lacks one, or gives a unit to several.
pub(super) fn read(name: &str, text: &[u8], shards: u32) -> Result<Assignment, OpError> {
    let fault = |line: usize, why: String| {
        OpError::usage(format!(
            "line {line} of `{name}` is not a shard's line of a manifest: {why}"
        ))
        .with_hint("`orgtrail units` makes one")
    };
    let mut assignment = Assignment::new();
    let mut seen = BTreeSet::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let fault = |why: String| fault(at + 1, why);
        let line: ManifestLine =
            serde_json::from_slice(line).map_err(|error| fault(json_fault(&error)))?;
        if line.shard.count() != shards {
            let found = format!("it is of {} shards, expected {shards}", line.shard.count());
            return Err(fault(found));
        }
        if !seen.insert(line.shard) {
            return Err(fault(format!("shard {} is there twice", line.shard)));
        }
        for (account, regions) in line.units {
            for region in regions {
                let unit = Unit { account: account.clone(), region };
                let text = unit.to_string();
                if assignment.insert(unit, line.shard.number()).is_some() {
                    return Err(fault(format!("another shard has {text}, too")));
                }
            }
        }
    }
    if seen.len() != shards as usize {
        let message = format!("`{name}` lists {} of {shards} shards", seen.len());
        return Err(OpError::new(message, Outcome::Usage).with_hint("it may have been cut off"));
    }
    Ok(assignment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes() -> BTreeMap<Unit, Size> {
        (0..20_u64)
            .map(|nth| {
                let unit = Unit {
                    account: format!("{:012}", nth / 2).parse().unwrap(),
                    region: ["us-east-1", "eu-west-1"][usize::from(nth % 2 == 0)].parse().unwrap(),
                };
                (unit, Size { objects: nth * 10, bytes: nth * nth * 1_000 })
            })
            .collect()
    }

    fn text(lines: &[ManifestLine]) -> String {
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
    }

    #[test]
    fn a_manifest_is_read_as_it_was_made() {
        let sizes = sizes();
        let lines = lines(&sizes, NonZeroU32::new(3).unwrap()).unwrap();
        assert_eq!(lines.iter().map(|line| line.objects).sum::<u64>(), 1_900);
        let assignment = read("m", text(&lines).as_bytes(), 3).unwrap();
        assert_eq!(assignment.len(), sizes.len());
        let (unit, number) = assignment.first_key_value().unwrap();
        assert!(lines[*number as usize - 1].units[&unit.account].contains(&unit.region));
    }

    #[test]
    fn a_manifest_of_other_shards_or_cut_off_or_with_a_unit_twice_is_refused() {
        let lines = lines(&sizes(), NonZeroU32::new(3).unwrap()).unwrap();
        let says = |text: &str, shards| read("m", text.as_bytes(), shards).unwrap_err().render();
        assert!(says(&text(&lines), 4).contains("it is of 3 shards, expected 4"));
        assert!(says(&text(&lines[..2]), 3).contains("lists 2 of 3 shards"));
        let twice = text(&lines) + &text(&lines[..1]);
        assert!(says(&twice, 3).contains("shard 1/3 is there twice"));
        let mut stolen = lines.clone();
        stolen[0].units.extend(lines[1].units.clone());
        assert!(
            says(&text(&stolen), 3).contains("another shard has"),
            "{}",
            says(&text(&stolen), 3)
        );
        assert!(says("<html>", 3).contains("it is not JSON"));
        assert!(says("", 3).contains("lists 0 of 3 shards"));
    }
}
