//! What an answer covers: which files were read, which could not be, and on which days an
//! account and Region has none.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::files::{LogFile, Window};
use super::read::FileResult;
use crate::names::{AccountId, Region};

/// The most unreadable files, and days without files, that are named.
const MAX_NAMED: usize = 20;

/// What was read for an answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// The period that was asked for.
    pub window: Window,
    /// The files that were read whole.
    pub files: u64,
    /// Their size, as stored. Units: bytes.
    pub stored_bytes: u64,
    /// Their size, inflated. Units: bytes.
    pub inflated_bytes: u64,
    /// The records in them.
    pub records: u64,
    /// Records that could not be read.
    pub malformed: u64,
    /// Files that could not be read, or only in part.
    pub unreadable: u64,
    /// The first of them, with the reason.
    pub unreadable_files: Vec<(String, String)>,
    /// Why files after those that were read are unknown.
    pub cut_short: Option<String>,
    /// When the first and the last file were delivered.
    pub delivered: Option<(Timestamp, Timestamp)>,
    /// The days on which each account and Region has files.
    #[serde(with = "pairs")]
    days: BTreeMap<(AccountId, Region), BTreeSet<Date>>,
}

impl Coverage {
    /// Nothing read yet.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self { window, ..Self::default() }
    }

    /// Counts an account and Region that has files at some time.
    pub fn add_place(&mut self, account: AccountId, region: Region) {
        self.days.entry((account, region)).or_default();
    }

    /// Counts a file.
    pub fn add(&mut self, result: &FileResult) {
        self.records += result.records;
        self.malformed += result.malformed;
        self.inflated_bytes += result.inflated_bytes;
        self.stored_bytes += result.file.size_bytes;
        match &result.fault {
            None => self.files += 1,
            Some(fault) => self.add_unreadable(&result.file, &fault.to_string()),
        }
        let Some(key) = &result.file.parsed else { return };
        let at = key.time();
        let (first, last) = self.delivered.unwrap_or((at, at));
        self.delivered = Some((first.min(at), last.max(at)));
        let place = (key.account().clone(), key.region().clone());
        self.days.entry(place).or_default().insert(at.to_zoned(TimeZone::UTC).date());
    }

    /// Adds what another shard of the same work read.
    pub fn join(&mut self, shard: Self) {
        self.files += shard.files;
        self.stored_bytes += shard.stored_bytes;
        self.inflated_bytes += shard.inflated_bytes;
        self.records += shard.records;
        self.malformed += shard.malformed;
        self.unreadable += shard.unreadable;
        self.unreadable_files.extend(shard.unreadable_files);
        self.unreadable_files.truncate(MAX_NAMED);
        self.cut_short = self.cut_short.take().or(shard.cut_short);
        self.delivered = match (self.delivered, shard.delivered) {
            (Some((from, to)), Some((first, last))) => Some((from.min(first), to.max(last))),
            (one, other) => one.or(other),
        };
        for (place, days) in shard.days {
            self.days.entry(place).or_default().extend(days);
        }
    }

    fn add_unreadable(&mut self, file: &LogFile, why: &str) {
        self.unreadable += 1;
        if self.unreadable_files.len() < MAX_NAMED {
            self.unreadable_files.push((file.key.clone(), why.to_owned()));
        }
    }

    /// The number of accounts.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.days.keys().map(|(account, _)| account).collect::<BTreeSet<_>>().len()
    }

    /// The number of Regions.
    #[must_use]
    pub fn regions(&self) -> usize {
        self.days.keys().map(|(_, region)| region).collect::<BTreeSet<_>>().len()
    }

    /// Whether something that belongs to the answer was not read.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.unreadable > 0 || self.malformed > 0 || self.cut_short.is_some()
    }

    /// The days within the window, and after its first file, on which an account and Region
    /// has no log file: how many, and the first.
    ///
    /// Such a day may be one without events: only digests show which.
    #[must_use]
    pub fn silent_days(&self) -> (u64, Vec<(AccountId, Region, Date)>) {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let edges = self.delivered.map(|(first, last)| (day(first), day(last)));
        let Some((first, last)) = edges else { return (0, Vec::new()) };
        let first = self.window.since.map_or(first, day);
        let last = self.window.until.map_or(last, day);
        let (mut count, mut named) = (0, Vec::new());
        for ((account, region), days) in &self.days {
            for silent in first
                .series(Span::new().days(1))
                .take_while(|day| *day <= last)
                .filter(|day| !days.contains(day))
            {
                count += 1;
                if named.len() < MAX_NAMED {
                    named.push((account.clone(), region.clone(), silent));
                }
            }
        }
        (count, named)
    }
}

/// A map as a list of pairs: its keys are no text.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer, K: Serialize, V: Serialize>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        D: Deserializer<'de>,
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::events::read::FileFault;

    #[test]
    fn days_without_files_and_unreadable_files_are_named() {
        let file = |day: u8| {
            let key = format!(
                "AWSLogs/111111111111/CloudTrail/us-east-1/2026/01/{day:02}/111111111111_CloudTrail_us-east-1_202601{day:02}T0005Z_aaaaaaaaaaaaaaaa.json.gz"
            );
            let parsed = key.parse().ok();
            assert!(parsed.is_some());
            LogFile { key, size_bytes: 10, parsed }
        };
        let result = |day, fault| FileResult {
            file: Arc::new(file(day)),
            records: 3,
            malformed: 0,
            inflated_bytes: 100,
            sha256: None,
            fault,
        };
        let window = Window {
            since: "2026-01-01T12:00:00Z".parse().ok(),
            until: "2026-01-04T12:00:00Z".parse().ok(),
        };
        let mut coverage = Coverage::new(window);
        coverage.add_place("222222222222".parse().unwrap(), "eu-west-1".parse().unwrap());
        coverage.add(&result(1, None));
        coverage.add(&result(3, Some(FileFault::Missing)));
        assert_eq!((coverage.files, coverage.records, coverage.unreadable), (1, 6, 1));
        assert!(coverage.is_incomplete() && coverage.unreadable_files[0].1.contains("deleted"));
        let (count, named) = coverage.silent_days();
        let of_first: Vec<_> =
            named.iter().filter(|one| one.0.as_str() == "111111111111").collect();
        assert_eq!(count, 6);
        assert_eq!(of_first.iter().map(|one| one.2.day()).collect::<Vec<_>>(), [2, 4]);
        assert_eq!((coverage.accounts(), coverage.regions()), (2, 2));
    }
}
