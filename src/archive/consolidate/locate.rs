//! Finds the owners and Regions of the sources' buckets.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::source::Source;
use crate::config::{Config, DeclaredSource};
use crate::names::{AccountId, BucketName};
use crate::org::{BucketState, Buckets, Unlocated};

/// Buckets that are located concurrently.
const BUCKETS_AT_ONCE: usize = 8;

/// A source, and whether its bucket can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// The bucket is readable with the source's account and Region.
    Readable(Source),
    /// The bucket was deleted: nothing is left to consolidate.
    Missing(Source),
    /// The bucket is unreadable, or belongs to an account outside the organization.
    Unreadable(Source, Unlocated),
}

/// Sources by whether their buckets can be read, each in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LocatedSources {
    /// Readable sources.
    pub readable: Vec<Source>,
    /// Sources whose buckets were deleted: nothing is left to consolidate.
    pub missing: Vec<Source>,
    /// Unreadable sources, with the reason.
    pub unreadable: Vec<(Source, Unlocated)>,
}

impl FromIterator<Located> for LocatedSources {
    fn from_iter<T: IntoIterator<Item = Located>>(all: T) -> Self {
        let mut sorted = Self::default();
        for one in all {
            match one {
                Located::Readable(source) => sorted.readable.push(source),
                Located::Missing(source) => sorted.missing.push(source),
                Located::Unreadable(source, why) => sorted.unreadable.push((source, why)),
            }
        }
        sorted.readable.sort();
        sorted.missing.sort();
        sorted.unreadable.sort_by(|(one, _), (other, _)| one.cmp(other));
        sorted
    }
}

/// Finds the owner and Region of every source's bucket.
///
/// A declared source is read with its declared account, other sources with the bucket's
/// owner. Each bucket is located once. Failures are independent.
pub async fn locate(buckets: &Buckets, config: &Config, sources: Vec<Source>) -> Vec<Located> {
    let mut trails: BTreeMap<BucketName, Vec<AccountId>> = BTreeMap::new();
    let undeclared = sources.iter().filter(|source| declaration(config, source).is_none());
    for source in undeclared {
        let accounts = trails.entry(source.bucket.clone()).or_default();
        let more: BTreeSet<AccountId> =
            source.trails.iter().filter_map(|trail| trail.account.clone()).collect();
        accounts.extend(
            more.into_iter().filter(|account| !accounts.contains(account)).collect::<Vec<_>>(),
        );
    }
    let states: BTreeMap<BucketName, BucketState> = stream::iter(trails)
        .map(|(bucket, accounts)| async move {
            let state = buckets.find(&bucket, &accounts).await;
            (bucket, state)
        })
        .buffer_unordered(BUCKETS_AT_ONCE)
        .collect()
        .await;
    stream::iter(sources)
        .map(|source| {
            let known = states.get(&source.bucket).cloned();
            async move {
                match declaration(config, &source) {
                    Some(declared) => of_declared(buckets, source, declared).await,
                    None => with_state(source, known),
                }
            }
        })
        .buffered(BUCKETS_AT_ONCE)
        .collect()
        .await
}

/// The configuration of a source.
#[must_use]
pub fn declaration<'a>(config: &'a Config, source: &Source) -> Option<&'a DeclaredSource> {
    config.consolidate.sources.iter().find(|declared| is_declared(declared, source))
}

/// Whether a declaration refers to a source; leading and trailing slashes of the prefix are
/// ignored.
pub(super) fn is_declared(declared: &DeclaredSource, source: &Source) -> bool {
    declared.bucket == source.bucket
        && match (&declared.prefix, &source.prefix) {
            (Some(one), Some(other)) => one.is_same_folder(other),
            (one, other) => one == other,
        }
}

async fn of_declared(buckets: &Buckets, source: Source, declared: &DeclaredSource) -> Located {
    let (owner, region) = (declared.owner.as_ref(), declared.region.as_ref());
    let state = buckets.declared(&source.bucket, &declared.account, owner, region).await;
    if matches!(state, BucketState::Missing) && source.trails.is_empty() {
        // A misspelled name would look like a finished source.
        let why = Unlocated {
            reason: format!("no bucket is named {}", source.bucket),
            hint: Some(
                "correct the name under [[consolidate.sources]], or remove the declaration if the bucket was deleted"
                    .to_owned(),
            ),
        };
        return Located::Unreadable(source, why);
    }
    with_state(source, Some(state))
}

fn with_state(source: Source, state: Option<BucketState>) -> Located {
    match state {
        Some(BucketState::Found(place)) => Located::Readable(Source {
            account: place.reader,
            region: place.region,
            owner: place.owner,
            ..source
        }),
        Some(BucketState::Missing) => Located::Missing(source),
        Some(BucketState::Outside(why) | BucketState::Unknown(why)) => {
            Located::Unreadable(source, why)
        }
        None => {
            let reason = "its bucket was not located".to_owned();
            Located::Unreadable(source, Unlocated { reason, hint: None })
        }
    }
}
