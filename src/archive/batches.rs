//! How archives are divided: log prefixes and day batches.
//!
//! A log prefix is one source's objects of one account, kind and Region; a batch is one day
//! of it. Batches do not share objects, so they can run concurrently, in any order, on one
//! machine or several, and can be repeated.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::key::Root;
use crate::names::{AccountId, Region};

/// One source's objects of one account, kind and Region.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct LogPrefix {
    /// The bucket that the objects come from.
    pub bucket: String,
    /// The part of their keys before `<account>/`, with the trailing slash.
    pub root: String,
    /// The account whose activity they record.
    pub account: AccountId,
    /// The folder of their kind: `CloudTrail`, `CloudTrail-Digest`, ….
    pub folder: String,
    /// The Region whose activity they record.
    pub region: Region,
}

impl LogPrefix {
    /// The prefix of its keys.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{}{}/{}/{}/", self.root, self.account, self.folder, self.region)
    }

    /// The same folder below another root.
    #[must_use]
    pub fn folder_below(&self, root: &Root) -> String {
        root.folder(&self.account, &self.folder, &self.region)
    }

    /// The name of its source: `s3://bucket/prefix`.
    #[must_use]
    pub fn source(&self) -> String {
        // INVARIANT: equal to `Source::name` for any prefix.
        let above = self.root.rsplit_once("AWSLogs/").map_or("", |(above, _)| above);
        match above.strip_suffix('/') {
            Some(prefix) => format!("s3://{}/{prefix}", self.bucket),
            None => format!("s3://{}", self.bucket),
        }
    }

    /// The log prefix's stable name in records and reports.
    #[must_use]
    pub fn id(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix())
    }
}

/// One day of a log prefix.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct DayBatch {
    /// The log prefix.
    #[serde(rename = "prefix")]
    pub log_prefix: LogPrefix,
    /// The day of its folder, in UTC.
    pub day: Date,
}

/// The day that a path below a log prefix's prefix starts with: `2026/01/31/…`.
///
/// `None` if it does not start with a valid date.
#[must_use]
pub fn day_of(path: &str) -> Option<Date> {
    let mut parts = path.splitn(4, '/');
    let mut number = |width: usize| {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|b| b.is_ascii_digit());
        if digits { part.parse::<i16>().ok() } else { None }
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    parts.next()?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A day as it appears in keys: `2026/01/31/`.
#[must_use]
pub fn day_folder(day: Date) -> String {
    format!("{:04}/{:02}/{:02}/", day.year(), day.month(), day.day())
}

/// Splits ordered entries into days.
///
/// Pure: an entry's day depends only on its path. Entries without a day are returned with
/// `None`.
#[derive(Debug)]
pub struct DaySplitter<T> {
    day: Option<Date>,
    entries: Vec<T>,
}

impl<T> Default for DaySplitter<T> {
    fn default() -> Self {
        Self { day: None, entries: Vec::new() }
    }
}

impl<T> DaySplitter<T> {
    /// Adds the next entry; returns the completed previous day if this entry starts another.
    pub fn push(&mut self, path: &str, entry: T) -> Option<(Option<Date>, Vec<T>)> {
        let day = day_of(path);
        let done = if day != self.day && !self.entries.is_empty() {
            Some((self.day, std::mem::take(&mut self.entries)))
        } else {
            None
        };
        self.day = day;
        self.entries.push(entry);
        done
    }

    /// The last day.
    pub fn finish(self) -> Option<(Option<Date>, Vec<T>)> {
        if self.entries.is_empty() { None } else { Some((self.day, self.entries)) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_log_prefix_names_its_source() {
        for (root, source) in [
            ("AWSLogs/", "s3://logs"),
            ("a/b/AWSLogs/", "s3://logs/a/b"),
            ("a/AWSLogs/o-exampleorgid/", "s3://logs/a"),
            ("AWSLogs/AWSLogs/", "s3://logs/AWSLogs"),
            ("a//b/AWSLogs/", "s3://logs/a//b"),
            ("ct//AWSLogs/", "s3://logs/ct/"),
            ("/ct/AWSLogs/", "s3://logs//ct"),
        ] {
            let log_prefix = LogPrefix {
                bucket: "logs".to_owned(),
                root: root.to_owned(),
                account: "444444444444".parse().unwrap(),
                folder: "CloudTrail".to_owned(),
                region: "us-east-1".parse().unwrap(),
            };
            assert_eq!(log_prefix.source(), source);
        }
    }

    #[test]
    fn a_path_starts_with_a_day_or_has_none() {
        assert_eq!(day_of("2026/01/31/file"), Some(date(2026, 1, 31)));
        for path in ["2026/02/30/file", "2026/1/31/file", "2026/01/31", "x", "+026/01/31/f", ""] {
            assert_eq!(day_of(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn splitting_loses_nothing_and_keeps_the_order(
            mut paths in proptest::collection::vec("(2026/01/0[1-5]/|x/)[a-z]{1,3}", 0..40)
        ) {
            paths.sort();
            let mut splitter = DaySplitter::default();
            let mut units = Vec::new();
            for path in &paths {
                units.extend(splitter.push(path, path.clone()));
            }
            units.extend(splitter.finish());
            for (day, entries) in &units {
                prop_assert!(!entries.is_empty());
                prop_assert!(entries.iter().all(|path| day_of(path) == *day));
            }
            let days: Vec<_> = units.iter().map(|(day, _)| *day).collect();
            let mut unique = days.clone();
            unique.dedup();
            prop_assert_eq!(days, unique);
            let together: Vec<_> = units.into_iter().flat_map(|(_, entries)| entries).collect();
            prop_assert_eq!(together, paths);
        }

        #[test]
        fn a_days_folder_gives_the_day_back(year in 1970_i16..2100, month in 1_i8..=12, day in 1_i8..=28) {
            let day = date(year, month, day);
            prop_assert_eq!(day_of(&format!("{}file", day_folder(day))), Some(day));
        }
    }
}
