use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use super::unit::{day, start};
use super::{DayRange, FoundRow, Scratch, Sorter, Unit};
use crate::events::files::DELIVERED_WITHIN;
use crate::events::read::{FileFault, FileResult};

/// Collects the records of one account and Region by day, while their files are read in the
/// order of delivery.
#[derive(Debug)]
pub struct Days {
    range: DayRange,
    /// Whether the files have names as CloudTrail gives them, which say when they were
    /// delivered.
    has_order: bool,
    scratch: Arc<Scratch>,
    /// How much memory the records take at most. Units: bytes.
    budget: usize,
    open: BTreeMap<Unit, UnitRows>,
    /// The records of files that are being read, by key and unit.
    reading: HashMap<Box<str>, BTreeMap<Unit, u64>>,
    /// The days of delivery of files that could not be fetched; `None` where no day is known.
    unread: BTreeSet<Option<Date>>,
}

/// The records of a unit, and the files that were read for it.
#[derive(Debug)]
pub struct UnitRows {
    /// The records.
    pub sorter: Sorter,
    /// The files, with the number of its records in each.
    pub files: Vec<(FileResult, u64)>,
    /// Whether a file could not be fetched, so that a later run may have more records. A
    /// damaged one stays damaged.
    pub lacks_files: bool,
}

impl Days {
    /// No records yet.
    #[must_use]
    pub fn new(range: DayRange, has_order: bool, scratch: Arc<Scratch>, budget: usize) -> Self {
        let (open, reading, unread) = (BTreeMap::new(), HashMap::new(), BTreeSet::new());
        Self { range, has_order, scratch, budget, open, reading, unread }
    }

    /// Adds records.
    ///
    /// # Errors
    /// The temporary directory is full.
    pub fn add(&mut self, found: Vec<FoundRow>) -> io::Result<()> {
        for FoundRow { row, file, account, region } in found {
            let happened = row.at.map(day);
            let delivered = file.delivered_at().filter(|_| self.has_order);
            let (day, late) = match delivered {
                None => (happened, None),
                Some(at) => assign(happened, at),
            };
            let decisive = late.or(day);
            if !decisive.is_none_or(|day| self.range.contains(day)) {
                continue;
            }
            let unit = Unit { account, region, day, late };
            if !self.reading.contains_key(file.key.as_str()) {
                self.reading.insert(file.key.as_str().into(), BTreeMap::new());
            }
            if let Some(units) = self.reading.get_mut(file.key.as_str()) {
                *units.entry(unit.clone()).or_default() += 1;
            }
            self.of(unit).sorter.push(row);
        }
        while self.open.values().map(|unit| unit.sorter.weight()).sum::<usize>() > self.budget {
            let largest = self.open.values_mut().max_by_key(|unit| unit.sorter.weight());
            let Some(largest) = largest else { break };
            largest.sorter.spill()?;
        }
        Ok(())
    }

    /// Adds a file that was read, after its records.
    pub fn file(&mut self, result: &FileResult) {
        let is_unread = matches!(result.fault, Some(FileFault::Missing | FileFault::Fetch(_)));
        if is_unread {
            let delivered = result.file.delivered_at().filter(|_| self.has_order);
            self.unread.insert(delivered.map(day));
        }
        let mut units = self.reading.remove(result.file.key.as_str()).unwrap_or_default();
        // A file without records of a day is part of that day, too.
        if let (true, Some(key)) = (self.has_order, &result.file.parsed) {
            let of_day = |day| Unit {
                account: Some(key.account().clone()),
                region: Some(key.region().clone()),
                day: Some(day),
                late: None,
            };
            let here = day(key.time());
            let before = here.checked_sub(Span::new().days(1)).ok();
            let before = before.filter(|day| is_in_time(*day, key.time()));
            for day in [Some(here), before].into_iter().flatten() {
                if self.range.contains(day) {
                    units.entry(of_day(day)).or_default();
                }
            }
        }
        for (unit, rows) in units {
            let unit = self.of(unit);
            unit.lacks_files |= is_unread;
            unit.files.push((result.clone(), rows));
        }
    }

    /// All files delivered before a time were read: returns the units that are complete.
    pub fn read_up_to(&mut self, delivered: Timestamp) -> Vec<(Unit, UnitRows)> {
        if !self.has_order {
            return Vec::new();
        }
        let is_complete = |unit: &Unit| match (unit.late, unit.day) {
            (Some(late), _) => end(late) <= delivered,
            (None, Some(day)) => !is_in_time(day, delivered),
            (None, None) => false,
        };
        let complete: Vec<_> = self.open.extract_if(.., |unit, _| is_complete(unit)).collect();
        complete.into_iter().map(|unit| self.closed(unit)).collect()
    }

    /// Nothing follows: returns the rest.
    #[must_use]
    pub fn finish(mut self) -> Vec<(Unit, UnitRows)> {
        let rest = std::mem::take(&mut self.open);
        rest.into_iter().map(|unit| self.closed(unit)).collect()
    }

    /// Which files have late events, and those of files without names, only their content says.
    fn closed(&self, (unit, mut rows): (Unit, UnitRows)) -> (Unit, UnitRows) {
        let of_late = unit.late.is_some() && self.unread.contains(&unit.late);
        rows.lacks_files |= of_late || self.unread.contains(&None);
        (unit, rows)
    }

    fn of(&mut self, unit: Unit) -> &mut UnitRows {
        self.open.entry(unit).or_insert_with(|| UnitRows {
            sorter: Sorter::new(Arc::clone(&self.scratch)),
            files: Vec::new(),
            lacks_files: false,
        })
    }
}

/// The day of a record, and the day of delivery of a late one.
fn assign(happened: Option<Date>, delivered: Timestamp) -> (Option<Date>, Option<Date>) {
    let here = day(delivered);
    // Without a time, it belongs to the day of its delivery.
    let happened = happened.unwrap_or(here);
    let is_due = happened == here || (happened < here && is_in_time(happened, delivered));
    (Some(happened), (!is_due).then_some(here))
}

/// Whether a file of this time is awaited before a day is closed.
fn is_in_time(day: Date, delivered: Timestamp) -> bool {
    end(day).checked_add(DELIVERED_WITHIN).map_or(true, |deadline| delivered < deadline)
}

fn end(day: Date) -> Timestamp {
    day.tomorrow().map_or(Timestamp::MAX, start)
}

#[cfg(test)]
mod tests {
    use orgtrail_base::cloudtrail::gzip::GzipError;

    use super::*;
    use crate::events::export::Row;
    use crate::events::files::LogFile;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn file(delivered: &str) -> Arc<LogFile> {
        let at = at(delivered);
        let (folder, name) = (at.strftime("%Y/%m/%d"), at.strftime("%Y%m%dT%H%MZ"));
        let key = format!(
            "AWSLogs/111111111111/CloudTrail/us-east-1/{folder}/111111111111_CloudTrail_us-east-1_{name}_aaaaaaaaaaaaaaaa.json.gz"
        );
        let parsed = key.parse().ok();
        assert!(parsed.is_some());
        Arc::new(LogFile { key, size_bytes: 1, parsed })
    }

    fn found(file: &Arc<LogFile>, happened: Option<&str>) -> FoundRow {
        let row = Row {
            at: happened.map(at),
            id: happened.unwrap_or_default().into(),
            is_original: true,
            key: file.key.as_str().into(),
            raw: "{}".into(),
        };
        let key = file.parsed.as_ref().unwrap();
        let (account, region) = (Some(key.account().clone()), Some(key.region().clone()));
        FoundRow { row, file: Arc::clone(file), account, region }
    }

    fn result(file: &Arc<LogFile>, fault: Option<FileFault>) -> FileResult {
        let file = Arc::clone(file);
        FileResult { file, records: 1, malformed: 0, inflated_bytes: 9, sha256: None, fault }
    }

    fn days(first: &str, last: &str) -> Days {
        let range = DayRange { first: first.parse().ok(), last: last.parse().unwrap() };
        Days::new(range, true, Arc::new(Scratch::new().unwrap()), 1 << 20)
    }

    /// Each unit with its day and day of late delivery, its rows, files, and whether it lacks any.
    fn described(units: Vec<(Unit, UnitRows)>) -> Vec<(String, usize, usize, bool)> {
        let describe = |(unit, rows): (Unit, UnitRows)| {
            let name = unit.name().replace("111111111111-us-east-1-", "");
            (name, rows.sorter.finish().unwrap().count(), rows.files.len(), rows.lacks_files)
        };
        units.into_iter().map(describe).collect()
    }

    #[test]
    fn records_belong_to_their_day_and_late_ones_to_the_day_of_delivery_too() {
        let mut days = days("2026-01-02", "2026-01-03");
        for (delivered, happened) in [
            // Of the day before, which is not exported.
            ("2026-01-02T00:05:00Z", Some("2026-01-01T23:59:00Z")),
            ("2026-01-02T12:00:00Z", Some("2026-01-02T11:55:00Z")),
            ("2026-01-02T12:00:00Z", None),
            // In time for the day before.
            ("2026-01-03T01:59:00Z", Some("2026-01-02T23:00:00Z")),
            // Late.
            ("2026-01-03T02:00:00Z", Some("2026-01-02T23:01:00Z")),
            ("2026-01-03T09:00:00Z", Some("2025-12-24T23:00:00Z")),
            // After its delivery.
            ("2026-01-03T09:00:00Z", Some("2026-02-01T00:00:00Z")),
            // Late ones of the day after are not complete yet.
            ("2026-01-04T01:00:00Z", Some("2026-01-01T00:00:00Z")),
            ("2026-01-04T01:00:00Z", Some("2026-01-03T23:00:00Z")),
        ] {
            let file = file(delivered);
            days.add(vec![found(&file, happened)]).unwrap();
            days.file(&result(&file, None));
        }
        assert_eq!(described(days.read_up_to(at("2026-01-03T01:59:00Z"))), []);
        let all = |rows: &[(&str, usize, usize)]| {
            let one = |(name, rows, files): &(&str, usize, usize)| {
                ((*name).to_owned(), *rows, *files, false)
            };
            rows.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(
            described(days.read_up_to(at("2026-01-03T02:00:00Z"))),
            all(&[("20260102", 3, 4)])
        );
        assert_eq!(
            described(days.read_up_to(at("2026-01-04T00:00:00Z"))),
            all(&[
                ("20251224-late-20260103", 1, 1),
                ("20260102-late-20260103", 1, 1),
                ("20260201-late-20260103", 1, 1)
            ])
        );
        assert_eq!(described(days.finish()), all(&[("20260103", 1, 6)]));
    }

    #[test]
    fn a_unit_lacks_files_that_could_not_be_fetched_but_not_damaged_ones() {
        let mut days = days("2026-01-02", "2026-01-03");
        let late = file("2026-01-03T09:00:00Z");
        days.add(vec![found(&late, Some("2026-01-02T00:00:00Z"))]).unwrap();
        days.file(&result(&late, Some(FileFault::Gzip(GzipError::Truncated { inflated: 1 }))));
        let gone = file("2026-01-03T10:00:00Z");
        days.file(&result(&gone, Some(FileFault::Missing)));
        let damaged = file("2026-01-02T10:00:00Z");
        days.file(&result(&damaged, Some(FileFault::Gzip(GzipError::Truncated { inflated: 1 }))));
        let units = described(days.finish());
        let lacks: Vec<_> =
            units.iter().map(|(name, _, _, lacks)| (name.as_str(), *lacks)).collect();
        assert_eq!(
            lacks,
            [("20260102", false), ("20260102-late-20260103", true), ("20260103", true)]
        );
    }
}
