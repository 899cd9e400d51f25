//! The number and size of a source's objects: counted exactly, or estimated from three days
//! of each log prefix.

use futures::StreamExt;
use jiff::civil::Date;

use super::source::Source;
use crate::archive::batches::{LogPrefix, day_folder, day_of};
use crate::archive::inventory;
use crate::archive::key::DIGEST_FOLDER;
use crate::aws::{AwsError, Clients};
use crate::names::BucketName;

/// How the objects were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountMethod {
    /// Every object was listed.
    Exact,
    /// The first, the middle and the last day of each log prefix were listed, and the days
    /// between are assumed to be similar.
    Sampled,
}

/// The statistics of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStats {
    /// How it was counted.
    pub counting: CountMethod,
    /// Folders of an account, kind and Region.
    pub log_prefixes: usize,
    /// Objects under them.
    pub objects: u64,
    /// Units: bytes.
    pub bytes: u64,
    /// Objects among them that must be restored before they can be read.
    pub archived: u64,
    /// The first day of any log prefix.
    pub first_day: Option<Date>,
    /// The last day of any log prefix.
    pub last_day: Option<Date>,
    /// Whether there are digests; without them nothing can be proven.
    pub digests: bool,
    /// Folders that CloudTrail does not create, by their full prefix.
    pub unexpected: Vec<String>,
    /// Objects in places where CloudTrail creates only folders.
    pub stray_objects: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    objects: u64,
    bytes: u64,
    archived: u64,
}

/// Counts a source without the prefixes for which `is_in_archive` is true: a legacy trail may
/// write to the archive's own bucket.
///
/// # Errors
/// A listing failed: a partial count is not returned.
pub async fn source_stats(
    clients: &Clients,
    source: &Source,
    counting: CountMethod,
    is_in_archive: impl Fn(&LogPrefix) -> bool,
) -> Result<SourceStats, AwsError> {
    let mut log_prefixes = source.log_prefixes(clients).await?;
    log_prefixes.log_prefixes.retain(|log_prefix| !is_in_archive(log_prefix));
    let mut stats = SourceStats {
        counting,
        log_prefixes: log_prefixes.log_prefixes.len(),
        objects: 0,
        bytes: 0,
        archived: 0,
        first_day: None,
        last_day: None,
        digests: log_prefixes
            .log_prefixes
            .iter()
            .any(|log_prefix| log_prefix.folder == DIGEST_FOLDER),
        unexpected: log_prefixes.unexpected,
        stray_objects: log_prefixes.stray_objects,
    };
    for log_prefix in &log_prefixes.log_prefixes {
        let (sum, days) = match counting {
            CountMethod::Exact => exact(clients, &source.bucket, log_prefix).await?,
            CountMethod::Sampled => sampled(clients, &source.bucket, log_prefix).await?,
        };
        stats.objects += sum.objects;
        stats.bytes += sum.bytes;
        stats.archived += sum.archived;
        if let Some((first, last)) = days {
            stats.first_day = Some(stats.first_day.map_or(first, |day| day.min(first)));
            stats.last_day = stats.last_day.max(Some(last));
        }
    }
    Ok(stats)
}

type StatsWithDays = (Sum, Option<(Date, Date)>);

async fn exact(
    clients: &Clients,
    bucket: &BucketName,
    log_prefix: &LogPrefix,
) -> Result<StatsWithDays, AwsError> {
    let mut sum = Sum::default();
    let mut days: Option<(Date, Date)> = None;
    let mut listing = inventory::list(clients, bucket, log_prefix.prefix(), None);
    while let Some(listed) = listing.next().await {
        let listed = listed?;
        sum.objects += 1;
        sum.bytes += listed.size_bytes;
        sum.archived += u64::from(listed.archived.is_some());
        if let Some(day) = day_of(&listed.path) {
            days = Some(days.map_or((day, day), |(first, last)| (first.min(day), last.max(day))));
        }
    }
    Ok((sum, days))
}

async fn sampled(
    clients: &Clients,
    bucket: &BucketName,
    log_prefix: &LogPrefix,
) -> Result<StatsWithDays, AwsError> {
    let days = days(clients, bucket, &log_prefix.prefix()).await?;
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else {
        return Ok((Sum::default(), None));
    };
    let mut sample = vec![first, days[days.len() / 2], last];
    sample.dedup();
    let mut sum = Sum::default();
    for day in &sample {
        let prefix = format!("{}{}", log_prefix.prefix(), day_folder(*day));
        let mut listing = inventory::list(clients, bucket, prefix, None);
        while let Some(listed) = listing.next().await {
            let listed = listed?;
            sum.objects += 1;
            sum.bytes += listed.size_bytes;
            sum.archived += u64::from(listed.archived.is_some());
        }
    }
    let scale = |count: u64| count * days.len() as u64 / sample.len() as u64;
    let sum =
        Sum { objects: scale(sum.objects), bytes: scale(sum.bytes), archived: scale(sum.archived) };
    Ok((sum, Some((first, last))))
}

/// Estimates the number of objects of a log prefix between two days from the day in the
/// middle.
pub(super) async fn estimate_objects(
    clients: &Clients,
    bucket: &BucketName,
    log_prefix: &LogPrefix,
    (first, last): (Option<Date>, Option<Date>),
) -> Result<u64, AwsError> {
    let mut days = days(clients, bucket, &log_prefix.prefix()).await?;
    days.retain(|day| {
        first.is_none_or(|first| *day >= first) && last.is_none_or(|last| *day <= last)
    });
    let Some(middle) = days.get(days.len() / 2) else { return Ok(0) };
    let prefix = format!("{}{}", log_prefix.prefix(), day_folder(*middle));
    let mut listing = inventory::list(clients, bucket, prefix, None);
    let mut objects = 0;
    while let Some(listed) = listing.next().await {
        listed?;
        objects += 1;
    }
    Ok(objects * days.len() as u64)
}

/// The days with a folder below a prefix, in order.
pub(crate) async fn days(
    clients: &Clients,
    bucket: &BucketName,
    prefix: &str,
) -> Result<Vec<Date>, AwsError> {
    let mut days = Vec::new();
    for year in inventory::folders(clients, bucket, prefix).await?.0 {
        let year = format!("{year}/");
        for month in inventory::folders(clients, bucket, &format!("{prefix}{year}")).await?.0 {
            let month = format!("{year}{month}/");
            let below = inventory::folders(clients, bucket, &format!("{prefix}{month}")).await?.0;
            days.extend(below.iter().filter_map(|day| day_of(&format!("{month}{day}/"))));
        }
    }
    days.sort();
    Ok(days)
}
