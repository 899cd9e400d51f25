//! What the older trails' copies of events cost: a Region's first copy of
//! management events is free, every further one is paid for.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;

use super::Usd;
use super::prices::{DATA_EVENTS, EVENTS, FURTHER_MANAGEMENT_EVENTS};
use crate::archive::batches::{LogPrefix, day_folder};
use crate::archive::consolidate::join::Listed;
use crate::archive::consolidate::source::Source;
use crate::archive::inventory;
use crate::archive::key::LogClass;
use crate::archive::verify::gzip::inflate;
use crate::aws::{At, AwsError, Clients};
use crate::names::Arn;

/// Days before today that are listed.
const DAYS: u64 = 7;
/// Days of a month in estimates.
const DAYS_A_MONTH: u64 = 30;
/// Log files of a source that are read to see how many events a byte contains.
const SAMPLES: usize = 16;
/// The most that a log file is read to, as stored and inflated: CloudTrail's stay
/// below 50 MB. Units: bytes.
const MAX_LOG_BYTES: u64 = 64 << 20;
/// Lanes that are listed at once.
const LANES_AT_ONCE: usize = 8;

/// What was delivered into one source lately, and what that costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Duplicate {
    /// The source.
    pub source: String,
    /// The trails that deliver into it.
    pub trails: Vec<Arn>,
    /// The basis of the estimate.
    pub basis: Basis,
    /// Management events per month.
    pub management_events_a_month: u64,
    /// Data and network activity events per month.
    pub data_events_a_month: u64,
    /// What they cost.
    pub usd_a_month: Usd,
}

/// The basis of an estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Basis {
    /// Whole days before today whose log files were listed.
    pub days: u64,
    /// The log files of these days.
    pub logs: u64,
    /// Their size as stored. Units: bytes.
    pub bytes: u64,
    /// Log files that were read.
    pub read_logs: u64,
    /// Their size as stored. Units: bytes.
    pub read_bytes: u64,
    /// Their events.
    pub read_events: Events,
}

/// Events, by how they are charged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Events {
    /// Management events.
    pub management: u64,
    /// Data and network activity events.
    pub data: u64,
}

/// Lists the last whole days of a source's log files, reads some of them, and
/// estimates a month from that.
///
/// `log_prefixes` are the source's; `today` is skipped because it is incomplete.
pub async fn duplicate(
    clients: &Clients,
    source: &Source,
    log_prefixes: Vec<LogPrefix>,
    today: Date,
) -> Result<Duplicate, AwsError> {
    let log_prefixes = log_prefixes
        .into_iter()
        .filter(|log_prefix| log_prefix.folder == LogClass::Events.folder());
    let days: Vec<Date> = (1..=i64::try_from(DAYS).unwrap_or(1))
        .filter_map(|n| today.checked_sub(n.days()).ok())
        .collect();
    let logs = stream::iter(log_prefixes)
        .map(|log_prefix| list(clients, source, log_prefix, &days))
        .buffer_unordered(LANES_AT_ONCE)
        .try_fold(Logs::default(), |all, logs| std::future::ready(Ok(all.and(logs))))
        .await?;
    let mut basis = Basis { days: DAYS, logs: logs.files, bytes: logs.bytes, ..Basis::default() };
    for (key, size) in logs.sample.into_values() {
        // An invalid log file is skipped; verification reports it.
        let Some(events) = read(clients, source, &key, size).await? else { continue };
        basis.read_logs += 1;
        basis.read_bytes += size;
        basis.read_events.management += events.management;
        basis.read_events.data += events.data;
    }
    Ok(Duplicate::reckon(source, basis))
}

impl Duplicate {
    fn reckon(source: &Source, basis: Basis) -> Self {
        let month = |events| basis.month(events);
        let management = month(basis.read_events.management);
        let data = month(basis.read_events.data);
        Self {
            source: source.name(),
            trails: source.trails.clone(),
            basis,
            management_events_a_month: management,
            data_events_a_month: data,
            usd_a_month: Usd::of(management, FURTHER_MANAGEMENT_EVENTS, EVENTS)
                + Usd::of(data, DATA_EVENTS, EVENTS),
        }
    }
}

impl Basis {
    /// As many events a month, if all log files are like those that were read.
    fn month(&self, read_events: u64) -> u64 {
        let whole = u128::from(read_events) * u128::from(self.bytes) * u128::from(DAYS_A_MONTH);
        let part = u128::from(self.read_bytes) * u128::from(self.days);
        u64::try_from(whole.checked_div(part).unwrap_or_default()).unwrap_or(u64::MAX)
    }
}

/// Log files: how many, and some of them, however many there are.
#[derive(Debug, Default)]
struct Logs {
    files: u64,
    bytes: u64,
    /// Those with the lowest hashes of their keys: spread over all, and the same
    /// each time.
    sample: BTreeMap<u64, (String, u64)>,
}

impl Logs {
    fn add(&mut self, key: String, size_bytes: u64) {
        self.files += 1;
        self.bytes += size_bytes;
        if size_bytes <= MAX_LOG_BYTES {
            let mut hash = DefaultHasher::new();
            key.hash(&mut hash);
            self.sample.insert(hash.finish(), (key, size_bytes));
            self.keep_few();
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.files += other.files;
        self.bytes += other.bytes;
        self.sample.extend(other.sample);
        self.keep_few();
        self
    }

    fn keep_few(&mut self) {
        while self.sample.len() > SAMPLES {
            self.sample.pop_last();
        }
    }
}

/// The log files of a lane's days.
async fn list(
    clients: &Clients,
    source: &Source,
    log_prefix: LogPrefix,
    days: &[Date],
) -> Result<Logs, AwsError> {
    let mut logs = Logs::default();
    for day in days {
        let prefix = format!("{}{}", log_prefix.prefix(), day_folder(*day));
        let mut listing = inventory::list(clients, &source.bucket, prefix.clone(), None);
        while let Some(listed) = listing.next().await {
            let Listed { path, size_bytes, archived, .. } = listed?;
            if archived.is_none() {
                logs.add(format!("{prefix}{path}"), size_bytes);
            }
        }
    }
    Ok(logs)
}

async fn read(
    clients: &Clients,
    source: &Source,
    key: &str,
    size_bytes: u64,
) -> Result<Option<Events>, AwsError> {
    let got = clients
        .s3()
        .get_object()
        .bucket(source.bucket.as_str())
        .key(key)
        .send()
        .await
        .at(clients, "s3:GetObject")?;
    // What became larger than listed is not read.
    if got.content_length().and_then(|length| u64::try_from(length).ok()) != Some(size_bytes) {
        return Ok(None);
    }
    let body = got.body.collect().await;
    let body = body.map_err(|error| clients.malformed("s3:GetObject", &error.to_string()))?;
    Ok(count(&body.into_bytes()))
}

#[derive(Deserialize)]
struct LogFile {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_category: Option<String>,
    management_event: Option<bool>,
}

/// The events of a log file; `None` where it is none.
fn count(stored: &[u8]) -> Option<Events> {
    let mut json = Vec::new();
    inflate(stored, MAX_LOG_BYTES, &mut Vec::new(), |piece| json.extend_from_slice(piece)).ok()?;
    let file: LogFile = serde_json::from_slice(&json).ok()?;
    let mut events = Events::default();
    for record in file.records {
        // Older versions of the format have no category.
        let management = match record.event_category.as_deref() {
            Some(category) => category == "Management",
            None => record.management_event != Some(false),
        };
        if management {
            events.management += 1;
        } else {
            events.data += 1;
        }
    }
    Some(events)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn few_of_many_files_are_held_and_the_same_each_time() {
        let listed = |numbers: &mut dyn Iterator<Item = u64>| {
            let mut logs = Logs::default();
            numbers.for_each(|number| logs.add(format!("log {number}"), 10));
            logs
        };
        let one = listed(&mut (0..1000));
        let other = listed(&mut (0..500).rev()).and(listed(&mut (500..1000)));
        assert_eq!((one.files, one.bytes, one.sample.len()), (1000, 10_000, SAMPLES));
        assert_eq!(one.sample, other.sample);
        // What is no log file for its size is counted and not read.
        let mut large = Logs::default();
        large.add("large".to_owned(), MAX_LOG_BYTES + 1);
        assert_eq!((large.files, large.sample.len()), (1, 0));
    }

    #[test]
    fn events_are_told_apart_by_their_category() {
        let file = r#"{"Records":[{"eventCategory":"Management"},{"eventCategory":"Data"},
            {"managementEvent":false},{"eventName":"old"}]}"#;
        assert_eq!(count(&gzip(file)), Some(Events { management: 2, data: 2 }));
        assert_eq!(count(b"no gzip"), None);
        assert_eq!(count(&gzip("{}")), None);
    }

    #[test]
    fn a_month_is_reckoned_from_what_was_read() {
        let basis = Basis {
            days: 7,
            logs: 700,
            bytes: 7_000_000,
            read_logs: 10,
            read_bytes: 100_000,
            read_events: Events { management: 500, data: 100 },
        };
        // A million bytes a day, five events in a thousand.
        assert_eq!(basis.month(500), 150_000);
        assert_eq!(Basis::default().month(0), 0);
    }
}
