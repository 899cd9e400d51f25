use std::collections::BTreeSet;

use crate::archive::shard::ShardNumber;
use crate::ops::{Explain, Outcome};
use crate::store::StoreError;

/// A result that could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[error("the results of shards in {place}")]
pub(super) struct NotKept {
    pub(super) place: String,
    #[source]
    pub(super) source: StoreError,
}

impl Explain for NotKept {
    fn hint(&self) -> Option<String> {
        match &self.source {
            StoreError::Object { source, .. } => source.hint(),
            StoreError::File { .. } => {
                Some("name a directory that every shard can write to".to_owned())
            }
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match &self.source {
            StoreError::Object { source, .. } => source.outcome(),
            _ => Outcome::Usage,
        }
    }
}

/// Results that are not those of all shards of one run.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ungathered {
    #[error("no shard has kept a result in {place}")]
    Nothing { place: String },
    #[error("{name} is not the result of a shard: {why}")]
    NotAResult { name: String, why: String },
    #[error("{name} is the result of other work: {what} is {found}, expected {expected}")]
    OtherWork { name: String, what: String, found: String, expected: String },
    #[error("{name} is the result of shard {number}, as {other} is")]
    Duplicate { name: String, other: String, number: ShardNumber },
    #[error("{name} is of {found} shards, expected {expected} as in {other}")]
    OtherCount { name: String, other: String, found: u32, expected: u32 },
    #[error("{} of {count} shards without a result in {place}: {}", missing.len(), named(missing))]
    Missing { place: String, count: u32, missing: BTreeSet<u32> },
}

/// How many missing shards are named.
const MAX_NAMED: usize = 20;

/// Numbers and ranges, such as `3, 5-8`: as array jobs take them.
fn named(numbers: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let more = ranges.len().saturating_sub(MAX_NAMED);
    let text = |&(first, last): &(u32, u32)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}-{last}"),
    };
    let mut texts: Vec<String> = ranges.iter().take(MAX_NAMED).map(text).collect();
    if more > 0 {
        texts.push(format!("and {more} more ranges"));
    }
    texts.join(", ")
}

impl Explain for Ungathered {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Nothing { .. } => "name the place that the shards had as `--results`",
            Self::NotAResult { .. } => {
                "the results of a run belong in a place of their own, and are gathered by the version of orgtrail that wrote them"
            }
            Self::OtherWork { .. } => {
                "give every shard the same options, configuration and version, and every run a place of its own"
            }
            Self::Duplicate { .. } | Self::OtherCount { .. } => {
                "give every run a place of its own, and let only its shards write there"
            }
            Self::Missing { .. } => {
                "they failed, were stopped or are still running: run them again, and gather then"
            }
        };
        Some(hint.to_owned())
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Missing { .. } | Self::Nothing { .. } => Outcome::Incomplete,
            _ => Outcome::Usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_shards_are_named_as_ranges() {
        assert_eq!(named(&[1, 3, 4, 5, 9].into()), "1, 3-5, 9");
        let many: BTreeSet<u32> = (0..100).map(|nth| nth * 2).collect();
        assert!(named(&many).ends_with("38, and 80 more ranges"), "{}", named(&many));
    }
}
