//! Which log files may contain the events of a selection: by account, kind, Region and time of
//! their keys, in the order of their delivery.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::archive::key::{DIGEST_FOLDER, LogClass, ObjectKey, ObjectKind, Root};
use crate::archive::shard::{Shard, Unit};
use crate::archive::verify::run::{self, Selection as Scopes};
use crate::archive::verify::source::{ListError, METADATA_SUFFIX, Source};
use crate::names::{AccountId, Region};

/// How long after an event its log file is looked for.
///
/// Source: CloudTrail User Guide: log files arrive within about 5 minutes on average; the
/// digests of an hour, which list them, are due within two hours.
pub const DELIVERED_WITHIN: SignedDuration = SignedDuration::from_hours(2);

/// Listings at a time.
const LISTINGS: usize = 64;
/// Up to so many days are listed day by day, longer windows by month.
const DAY_BY_DAY: i64 = 31;
/// From so many folders on, every window is listed day by day, which bounds the keys in memory.
const MANY_FOLDERS: usize = 2_000;
/// The most files of a directory without CloudTrail's folders. Units: files.
const MAX_LOOSE: usize = 1_000_000;

/// The events to read.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only these accounts; all if empty.
    pub accounts: BTreeSet<AccountId>,
    /// Only these Regions; all if empty.
    pub regions: BTreeSet<Region>,
    /// Only these kinds; all if empty.
    pub classes: BTreeSet<LogClass>,
    /// When they happened.
    pub window: Window,
}

/// A period of events, both ends included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The earliest time; any if absent.
    pub since: Option<Timestamp>,
    /// The latest time; any if absent.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether a time is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at <= until)
    }

    /// Whether a file delivered at a time, to the minute, may contain events of it.
    fn may_be_in(&self, delivered: Timestamp) -> bool {
        let minute = SignedDuration::from_mins(1);
        let since = self.since.and_then(|since| since.checked_sub(minute).ok());
        let until = self.until.and_then(|until| until.checked_add(DELIVERED_WITHIN).ok());
        Self { since, until }.contains(delivered)
    }
}

/// A log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its key.
    pub key: String,
    /// Its size, as stored. Units: bytes.
    pub size_bytes: u64,
    /// What the key says; `None` for a file outside of CloudTrail's folders.
    pub parsed: Option<ObjectKey>,
}

impl LogFile {
    /// When it was delivered, by its key.
    #[must_use]
    pub fn delivered_at(&self) -> Option<Timestamp> {
        self.parsed.as_ref().map(ObjectKey::time)
    }
}

/// The log files of a selection.
#[derive(Debug)]
pub struct LogFiles {
    source: Arc<Source>,
    prefix: String,
    window: Window,
    folders: Arc<[Folder]>,
    /// Set for a directory of log files without CloudTrail's folders.
    loose: bool,
}

/// The log files of one kind of an account and Region.
#[derive(Debug, Clone)]
struct Folder {
    root: Root,
    account: AccountId,
    region: Region,
    class: LogClass,
}

impl Folder {
    fn path(&self) -> String {
        self.root.folder(&self.account, self.class.folder(), &self.region)
    }
}

/// A file of a folder, as small as can be: a month may have millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time: Timestamp,
    folder: u32,
    unique: [u8; 16],
    size_bytes: u64,
}

impl LogFiles {
    /// Finds the folders of a selection below a prefix, which is empty or ends in a slash.
    ///
    /// # Errors
    /// A listing failed.
    pub async fn find(
        source: Arc<Source>,
        prefix: &str,
        selection: &Selection,
    ) -> Result<Self, ListError> {
        let chosen = Scopes {
            accounts: selection.accounts.clone(),
            regions: selection.regions.clone(),
            ..Scopes::default()
        };
        let scopes = run::scopes(&source, prefix, &chosen).await?;
        let loose = scopes.is_empty() && matches!(*source, Source::Folder(_));
        let is_chosen =
            |class: &LogClass| selection.classes.is_empty() || selection.classes.contains(class);
        let folders = scopes
            .into_iter()
            .flat_map(|(scope, classes)| {
                classes.into_iter().map(move |class| Folder {
                    root: scope.root.clone(),
                    account: scope.account.clone(),
                    region: scope.region.clone(),
                    class,
                })
            })
            .filter(|folder| is_chosen(&folder.class));
        Ok(Self {
            folders: folders.collect(),
            prefix: prefix.to_owned(),
            window: selection.window,
            source,
            loose,
        })
    }

    /// The files of one account and Region, whose root is known. Calls nothing.
    #[must_use]
    pub fn of_folder(
        source: Arc<Source>,
        root: Root,
        account: AccountId,
        region: Region,
        window: Window,
    ) -> Self {
        let folder = Folder { root, account, region, class: LogClass::Events };
        Self { source, prefix: String::new(), window, folders: [folder].into(), loose: false }
    }

    /// The accounts and Regions that have log files at all.
    #[must_use]
    pub fn places(&self) -> BTreeSet<(AccountId, Region)> {
        let place = |folder: &Folder| (folder.account.clone(), folder.region.clone());
        self.folders.iter().map(place).collect()
    }

    /// Those of a shard. A directory without CloudTrail's folders is in the first.
    #[must_use]
    pub fn of_shard(self, shard: &Shard) -> Self {
        let unit = |folder: &Folder| Unit {
            account: folder.account.clone(),
            region: folder.region.clone(),
        };
        let folders = self.folders.iter().filter(|folder| shard.has(&unit(folder))).cloned();
        let folders = folders.collect();
        Self { folders, loose: self.loose && shard.is_first(), ..self }
    }

    /// The same by account and Region, so that each is read on its own. A directory without
    /// CloudTrail's folders stays one.
    #[must_use]
    pub fn by_place(self) -> Vec<Self> {
        if self.loose {
            return vec![self];
        }
        let of_place = |(account, region): (AccountId, Region)| {
            let is_there = |folder: &&Folder| folder.account == account && folder.region == region;
            Self {
                source: Arc::clone(&self.source),
                prefix: self.prefix.clone(),
                window: self.window,
                folders: self.folders.iter().filter(is_there).cloned().collect(),
                loose: false,
            }
        };
        self.places().into_iter().map(of_place).collect()
    }

    /// Whether the files are listed in the order of their delivery.
    #[must_use]
    pub fn has_order(&self) -> bool {
        !self.loose
    }

    /// The files, in the order of their delivery. Those of a directory without CloudTrail's
    /// folders are in the order of their names.
    pub fn list(self) -> BoxStream<'static, Result<LogFile, ListError>> {
        if self.loose {
            return stream::once(async move { loose(&self.source, &self.prefix).await })
                .map_ok(|files| stream::iter(files.into_iter().map(Ok)))
                .try_flatten()
                .boxed();
        }
        stream::once(async move {
            let periods = self.periods().await?;
            let this = Arc::new(self);
            let each = move |period: Period| {
                let this = Arc::clone(&this);
                async move { this.list_period(period).await }
            };
            Ok(stream::iter(periods).then(each).map_ok(|files| stream::iter(files).map(Ok)))
        })
        .try_flatten()
        .try_flatten()
        .boxed()
    }

    /// The days or months that are listed one after the other.
    async fn periods(&self) -> Result<Vec<Period>, ListError> {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let first = match self.window.since {
            Some(since) => Some(day(since)),
            None => self.edge(End::First).await?,
        };
        let until = self.window.until.and_then(|until| until.checked_add(DELIVERED_WITHIN).ok());
        let last = match until {
            Some(until) => Some(day(until)),
            None => self.edge(End::Last).await?,
        };
        let (Some(first), Some(last)) = (first, last) else { return Ok(Vec::new()) };
        Ok(periods(first, last, self.folders.len()))
    }

    /// The first or last day that any folder has.
    async fn edge(&self, end: End) -> Result<Option<Date>, ListError> {
        let paths: Vec<String> = self.folders.iter().map(Folder::path).collect();
        let days: Vec<Option<Date>> = stream::iter(paths)
            .map(async |path| day_at(&self.source, &path, end).await)
            .buffer_unordered(LISTINGS)
            .try_collect()
            .await?;
        let days = days.into_iter().flatten();
        Ok(match end {
            End::First => days.min(),
            End::Last => days.max(),
        })
    }

    /// The files of a period, in the order of their delivery.
    async fn list_period(
        &self,
        period: Period,
    ) -> Result<impl Iterator<Item = LogFile> + Send + use<>, ListError> {
        let numbers = 0..u32::try_from(self.folders.len()).unwrap_or(u32::MAX);
        let found: Vec<Vec<Entry>> = stream::iter(numbers)
            .map(async |number| self.list_folder(number, period).await)
            .buffer_unordered(LISTINGS)
            .try_collect()
            .await?;
        let mut entries: Vec<Entry> = found.into_iter().flatten().collect();
        entries.sort_unstable();
        let folders = Arc::clone(&self.folders);
        Ok(entries.into_iter().filter_map(move |entry| entry.file(&folders)))
    }

    async fn list_folder(&self, number: u32, period: Period) -> Result<Vec<Entry>, ListError> {
        let Some(folder) = self.folders.get(number as usize) else { return Ok(Vec::new()) };
        let path = format!("{}{}", folder.path(), period.folder());
        if !path.starts_with(&self.prefix) && !self.prefix.starts_with(&path) {
            return Ok(Vec::new());
        }
        let path = if path.len() < self.prefix.len() { self.prefix.clone() } else { path };
        let mut entries = Vec::new();
        let mut listed = self.source.list(&path, None);
        while let Some(object) = listed.try_next().await? {
            // What is not CloudTrail's is found by `verify`.
            let Ok(key) = object.key.parse::<ObjectKey>() else { continue };
            let ObjectKind::Log { unique, .. } = key.kind() else { continue };
            let Ok(unique) = <[u8; 16]>::try_from(unique.as_bytes()) else { continue };
            if self.window.may_be_in(key.time()) {
                let size_bytes = object.size_bytes;
                entries.push(Entry { time: key.time(), folder: number, unique, size_bytes });
            }
        }
        Ok(entries)
    }
}

impl Entry {
    fn file(self, folders: &[Folder]) -> Option<LogFile> {
        let folder = folders.get(self.folder as usize)?;
        let unique = std::str::from_utf8(&self.unique).ok()?.into();
        let kind = ObjectKind::Log { class: folder.class, unique };
        let Folder { root, account, region, .. } = folder;
        let key = ObjectKey::new(root.clone(), account.clone(), region.clone(), self.time, kind)?;
        Some(LogFile { key: key.to_string(), size_bytes: self.size_bytes, parsed: Some(key) })
    }
}

/// A day or a month of folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Day(Date),
    Month(Date),
}

impl Period {
    fn folder(self) -> String {
        match self {
            Self::Day(day) => day.strftime("%Y/%m/%d/").to_string(),
            Self::Month(first) => first.strftime("%Y/%m/").to_string(),
        }
    }
}

fn periods(first: Date, last: Date, folders: usize) -> Vec<Period> {
    let days = first.until((jiff::Unit::Day, last)).map_or(0, |span| i64::from(span.get_days()));
    if days <= DAY_BY_DAY || folders >= MANY_FOLDERS {
        let days = first.series(Span::new().days(1)).take_while(|day| *day <= last);
        return days.map(Period::Day).collect();
    }
    let months = first.first_of_month().series(Span::new().months(1));
    months.take_while(|month| *month <= last).map(Period::Month).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// The first or last day of a folder.
async fn day_at(source: &Source, folder: &str, end: End) -> Result<Option<Date>, ListError> {
    let mut path = folder.to_owned();
    let mut parts = [0_i16; 3];
    for part in &mut parts {
        let numbers = source.folders(&path).await?;
        let named = numbers.iter().filter_map(|name| Some((name.parse::<i16>().ok()?, name)));
        let found = match end {
            End::First => named.min(),
            End::Last => named.max(),
        };
        let Some((number, name)) = found else { return Ok(None) };
        *part = number;
        path = format!("{path}{name}/");
    }
    let [year, month, day] = parts;
    let small = |number: i16| i8::try_from(number).ok();
    Ok(small(month).zip(small(day)).and_then(|(month, day)| Date::new(year, month, day).ok()))
}

/// The log files of a directory that someone copied without CloudTrail's folders: every
/// `.json` and `.json.gz`.
async fn loose(source: &Source, prefix: &str) -> Result<Vec<LogFile>, ListError> {
    let mut files = Vec::new();
    let mut listed = source.list(prefix, None);
    while let Some(object) = listed.try_next().await? {
        let name = object.key.rsplit('/').next().unwrap_or_default();
        let is_log = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".json").is_some()
            && !name.ends_with(METADATA_SUFFIX)
            && !name.contains(DIGEST_FOLDER);
        if is_log && files.len() < MAX_LOOSE {
            let parsed = object.key.parse().ok();
            files.push(LogFile { key: object.key, size_bytes: object.size_bytes, parsed });
        }
    }
    files.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_windows_are_listed_by_day_and_long_ones_by_month() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        let of = |first, last, folders| {
            periods(date(first), date(last), folders)
                .into_iter()
                .map(Period::folder)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of("2026-02-27", "2026-03-01", 1),
            ["2026/02/27/", "2026/02/28/", "2026/03/01/"]
        );
        assert_eq!(of("2026-01-31", "2026-03-05", 1), ["2026/01/", "2026/02/", "2026/03/"]);
        assert_eq!(of("2026-01-31", "2026-03-05", MANY_FOLDERS).len(), 34);
        assert!(of("2026-02-27", "2026-02-26", 1).is_empty());
    }

    #[test]
    fn files_are_read_up_to_two_hours_after_the_window() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let window = Window {
            since: Some(at("2026-01-01T10:00:30Z")),
            until: Some(at("2026-01-01T12:00:00Z")),
        };
        for (delivered, is_read) in [
            ("2026-01-01T09:59:00Z", false),
            // The key is cut to the minute.
            ("2026-01-01T10:00:00Z", true),
            ("2026-01-01T14:00:00Z", true),
            ("2026-01-01T14:01:00Z", false),
        ] {
            assert_eq!(window.may_be_in(at(delivered)), is_read, "{delivered}");
        }
    }
}
