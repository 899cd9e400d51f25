//! Shards: parts of the work on an archive for machines that share nothing but S3.
//!
//! A [`Unit`] is an account in a Region: its digests, its log files, and what sources have of
//! it. Units are independent of each other, so any number of machines can work on them at the
//! same time. Which shard has which unit follows from the unit and the number of shards alone, so
//! a retry does the same work, and an account that joins moves no other.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::names::{AccountId, Region};

/// The maximum number of shards: that of the array jobs of AWS Batch.
pub const MAX_SHARDS: u32 = 10_000;

/// An account in a Region: what one shard does as a whole.
///
/// INVARIANT: consolidation and verification have the same units. Verification of an account
/// and Region needs what all sources have of it, so a source is no part of a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

impl FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = || format!("`{text}` is not a unit, expected ACCOUNT/REGION");
        let (account, region) = text.split_once('/').ok_or_else(wanted)?;
        let account = account.parse().map_err(|_| wanted())?;
        let region = region.parse().map_err(|_| wanted())?;
        Ok(Self { account, region })
    }
}

/// The number of a shard, and of how many: `3/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShardNumber {
    /// From 1 to the count.
    number: NonZeroU32,
    count: NonZeroU32,
}

/// A shard number that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a shard, expected I/N with I from 1 to N and N up to {MAX_SHARDS}")]
pub struct NoShard {
    found: String,
}

impl ShardNumber {
    /// The shard `number` of `count`; the first is 1.
    ///
    /// # Errors
    /// There is no such shard.
    pub fn new(number: u32, count: u32) -> Result<Self, NoShard> {
        let none = || NoShard { found: format!("{number}/{count}") };
        let valid = number <= count && count <= MAX_SHARDS;
        let (Some(number), Some(count)) = (NonZeroU32::new(number), NonZeroU32::new(count)) else {
            return Err(none());
        };
        if valid { Ok(Self { number, count }) } else { Err(none()) }
    }

    /// From 1 to the count.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number.get()
    }

    /// How many shards there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count.get()
    }
}

impl fmt::Display for ShardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl FromStr for ShardNumber {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let none = || NoShard { found: text.to_owned() };
        // `parse` accepts a sign.
        let parse = |digits: &str| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| is_number).ok_or_else(none)
        };
        let (number, count) = text.split_once('/').ok_or_else(none)?;
        Self::new(parse(number)?, parse(count)?).map_err(|_| none())
    }
}

impl TryFrom<String> for ShardNumber {
    type Error = NoShard;

    fn try_from(text: String) -> Result<Self, NoShard> {
        text.parse()
    }
}

impl From<ShardNumber> for String {
    fn from(number: ShardNumber) -> Self {
        number.to_string()
    }
}

/// Which shard has which of the units that a manifest lists.
pub type Assignment = BTreeMap<Unit, u32>;

/// A shard, and how to find out what it has. Serialized as its number.
#[derive(Debug, Clone, Serialize)]
#[serde(into = "ShardNumber")]
pub struct Shard {
    number: ShardNumber,
    assignment: Arc<Assignment>,
}

impl From<Shard> for ShardNumber {
    fn from(shard: Shard) -> Self {
        shard.number
    }
}

impl Shard {
    /// A shard of units that are distributed by their names alone.
    #[must_use]
    pub fn new(number: ShardNumber) -> Self {
        Self { number, assignment: Arc::default() }
    }

    /// The same, of units that a manifest distributes. Units that it does not list, which
    /// appeared after it was made, are distributed by their names.
    #[must_use]
    pub fn assigned(number: ShardNumber, assignment: Arc<Assignment>) -> Self {
        Self { number, assignment }
    }

    /// Which of how many.
    #[must_use]
    pub fn number(&self) -> ShardNumber {
        self.number
    }

    /// Whether it has a unit. Every unit is in exactly one of the shards.
    #[must_use]
    pub fn has(&self, unit: &Unit) -> bool {
        let of_unit = self.assignment.get(unit).copied();
        of_unit.unwrap_or_else(|| by_name(unit, self.number.count)) == self.number.number()
    }

    /// Whether it has what belongs to an account and to no Region.
    #[must_use]
    pub fn has_account(&self, account: &AccountId) -> bool {
        highest(seed(account.as_str()), self.number.count) == self.number.number()
    }

    /// Whether it has what belongs to no account.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.number.number() == 1
    }
}

/// Distributes units by size: the largest first, each to the shard with the least until then.
#[must_use]
pub fn assign_by_size(units: &BTreeMap<Unit, u64>, count: NonZeroU32) -> Assignment {
    let mut by_size: Vec<(&Unit, u64)> = units.iter().map(|(unit, size)| (unit, *size)).collect();
    by_size.sort_by(|(one, size), (other, larger)| larger.cmp(size).then_with(|| one.cmp(other)));
    // By size, then by number: the order is total, so the result is the same every time.
    let mut shards: std::collections::BTreeSet<(u64, u32)> =
        (1..=count.get()).map(|number| (0, number)).collect();
    let mut assignment = Assignment::new();
    for (unit, size) in by_size {
        let Some((sum, number)) = shards.pop_first() else { break };
        // Empty units cost something too.
        shards.insert((sum.saturating_add(size.max(1)), number));
        assignment.insert(unit.clone(), number);
    }
    assignment
}

/// Rendezvous hashing: the shard with the highest score of a unit.
fn by_name(unit: &Unit, count: NonZeroU32) -> u32 {
    highest(seed(&unit.to_string()), count)
}

fn highest(seed: u64, count: NonZeroU32) -> u32 {
    let score = |number: &u32| (mixed(seed ^ mixed(u64::from(*number))), *number);
    (1..=count.get()).max_by_key(score).unwrap_or(1)
}

/// The same on every machine, in every version of the program and of its libraries.
fn seed(name: &str) -> u64 {
    let hash = digest(&SHA256, name.as_bytes());
    hash.as_ref().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// The finalizer of `SplitMix64`: every bit of the result depends on every bit of the input.
fn mixed(value: u64) -> u64 {
    let mut value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(nth: u64) -> Unit {
        let regions = ["us-east-1", "eu-central-1", "ap-southeast-2"];
        Unit {
            account: format!("{:012}", nth / 3).parse().unwrap(),
            region: regions[usize::try_from(nth % 3).unwrap()].parse().unwrap(),
        }
    }

    fn count(shards: u32) -> NonZeroU32 {
        NonZeroU32::new(shards).unwrap()
    }

    fn shards(count: u32, assignment: &Arc<Assignment>) -> Vec<Shard> {
        let number = |number| ShardNumber::new(number, count).unwrap();
        (1..=count).map(|it| Shard::assigned(number(it), Arc::clone(assignment))).collect()
    }

    proptest! {
        #[test]
        fn every_unit_is_in_exactly_one_shard(
            units in proptest::collection::btree_map(0_u64..5_000, 0_u64..1_000_000, 0..60),
            later in proptest::collection::vec(0_u64..5_000, 0..20),
            shard_count in 1_u32..40,
        ) {
            let sizes: BTreeMap<Unit, u64> =
                units.iter().map(|(nth, size)| (unit(*nth), *size)).collect();
            let by_size = Arc::new(assign_by_size(&sizes, count(shard_count)));
            for assignment in [Arc::default(), by_size] {
                let shards = shards(shard_count, &assignment);
                for unit in sizes.keys().cloned().chain(later.iter().map(|nth| unit(*nth))) {
                    let owners = shards.iter().filter(|shard| shard.has(&unit)).count();
                    prop_assert_eq!(owners, 1, "{}", unit);
                    let of_account = shards.iter().filter(|it| it.has_account(&unit.account));
                    prop_assert_eq!(of_account.count(), 1);
                }
            }
        }

        #[test]
        fn another_shard_takes_units_and_moves_none_between_the_others(
            nth in 0_u64..100_000, shard_count in 1_u32..100,
        ) {
            let before = by_name(&unit(nth), count(shard_count));
            let after = by_name(&unit(nth), count(shard_count + 1));
            prop_assert!(after == before || after == shard_count + 1);
        }

        #[test]
        fn sizes_are_distributed_within_the_largest_unit(
            sizes in proptest::collection::vec(1_u64..10_000, 1..200), shard_count in 1_u32..20,
        ) {
            let units: BTreeMap<Unit, u64> =
                sizes.iter().enumerate().map(|(nth, size)| (unit(nth as u64), *size)).collect();
            let assignment = assign_by_size(&units, count(shard_count));
            let mut sums = vec![0; shard_count as usize];
            for (unit, number) in &assignment {
                sums[*number as usize - 1] += units[unit];
            }
            let (most, least) = (sums.iter().max().unwrap(), sums.iter().min().unwrap());
            prop_assert!(most - least <= *sizes.iter().max().unwrap());
        }
    }

    #[test]
    fn names_are_distributed_evenly_and_always_the_same() {
        let mut sums = [0_u32; 16];
        for nth in 0..16_000 {
            sums[by_name(&unit(nth), count(16)) as usize - 1] += 1;
        }
        assert!(sums.iter().all(|sum| (880..1_120).contains(sum)), "{sums:?}");
        // Workers of different versions must agree.
        let first: Vec<u32> = (0..8).map(|nth| by_name(&unit(nth), count(16))).collect();
        assert_eq!(first, [12, 2, 11, 1, 7, 12, 3, 14]);
    }

    #[test]
    fn numbers_start_at_one() {
        let parsed = |text: &str| text.parse::<ShardNumber>().map(|it| it.to_string());
        assert_eq!(parsed("3/16"), Ok("3/16".to_owned()));
        assert_eq!(parsed("1/1"), Ok("1/1".to_owned()));
        assert!(parsed("10000/10000").is_ok());
        for wrong in ["0/4", "5/4", "1/0", "1/10001", "3", "", "/", "a/b", "+1/4", "1/4/4", " 1/4"]
        {
            assert_eq!(parsed(wrong), Err(NoShard { found: wrong.to_owned() }), "{wrong}");
        }
        assert!("1/4".parse::<Unit>().unwrap_err().contains("ACCOUNT/REGION"));
    }
}
