//! How much lies in a source: counted exactly, or estimated from three days of
//! each lane.

use futures::StreamExt;
use jiff::civil::Date;

use super::source::Source;
use crate::{
    archive::{
        inventory,
        key::DIGEST_FOLDER,
        units::{Lane, day_folder, day_of},
    },
    aws::{AwsError, Clients},
    names::BucketName,
};

/// How the objects were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Every object was listed.
    Exact,
    /// The first, the middle and the last day of each lane were listed, and
    /// the days between taken to be like them.
    Sampled,
}

/// What lies in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// How it was counted.
    pub counting: Counting,
    /// Folders of an account, kind and Region.
    pub lanes: usize,
    /// Objects under them.
    pub objects: u64,
    /// Units: bytes.
    pub bytes: u64,
    /// Objects among them that must be restored before they can be read.
    pub archived: u64,
    /// The first day of any lane.
    pub first_day: Option<Date>,
    /// The last day of any lane.
    pub last_day: Option<Date>,
    /// Whether there are digests, without which nothing can be proven.
    pub digests: bool,
    /// Folders that are not CloudTrail's, by their full prefix.
    pub foreign: Vec<String>,
    /// Objects that lie where CloudTrail writes only folders.
    pub stray_objects: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    objects: u64,
    bytes: u64,
    archived: u64,
}

/// Counts a source, but for what `has_arrived`: an older trail may write into the
/// archive's own bucket.
///
/// # Errors
/// A listing failed: half a count is none.
pub async fn census(
    clients: &Clients,
    source: &Source,
    counting: Counting,
    has_arrived: impl Fn(&Lane) -> bool,
) -> Result<Census, AwsError> {
    let mut lanes = source.lanes(clients).await?;
    lanes.lanes.retain(|lane| !has_arrived(lane));
    let mut census = Census {
        counting,
        lanes: lanes.lanes.len(),
        objects: 0,
        bytes: 0,
        archived: 0,
        first_day: None,
        last_day: None,
        digests: lanes.lanes.iter().any(|lane| lane.folder == DIGEST_FOLDER),
        foreign: lanes.foreign,
        stray_objects: lanes.stray_objects,
    };
    for lane in &lanes.lanes {
        let (sum, days) = match counting {
            Counting::Exact => exact(clients, &source.bucket, lane).await?,
            Counting::Sampled => sampled(clients, &source.bucket, lane).await?,
        };
        census.objects += sum.objects;
        census.bytes += sum.bytes;
        census.archived += sum.archived;
        if let Some((first, last)) = days {
            census.first_day = Some(census.first_day.map_or(first, |day| day.min(first)));
            census.last_day = census.last_day.max(Some(last));
        }
    }
    Ok(census)
}

type Counted = (Sum, Option<(Date, Date)>);

async fn exact(clients: &Clients, bucket: &BucketName, lane: &Lane) -> Result<Counted, AwsError> {
    let mut sum = Sum::default();
    let mut days: Option<(Date, Date)> = None;
    let mut listing = inventory::list(clients, bucket, lane.prefix(), None);
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

async fn sampled(clients: &Clients, bucket: &BucketName, lane: &Lane) -> Result<Counted, AwsError> {
    let days = days(clients, bucket, &lane.prefix()).await?;
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else {
        return Ok((Sum::default(), None));
    };
    let mut sample = vec![first, days[days.len() / 2], last];
    sample.dedup();
    let mut sum = Sum::default();
    for day in &sample {
        let prefix = format!("{}{}", lane.prefix(), day_folder(*day));
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

/// How many objects a lane has from the first to the last of these days, if all
/// of them are like the one in the middle.
pub(super) async fn expected(
    clients: &Clients,
    bucket: &BucketName,
    lane: &Lane,
    (first, last): (Option<Date>, Option<Date>),
) -> Result<u64, AwsError> {
    let mut days = days(clients, bucket, &lane.prefix()).await?;
    days.retain(|day| {
        first.is_none_or(|first| *day >= first) && last.is_none_or(|last| *day <= last)
    });
    let Some(middle) = days.get(days.len() / 2) else { return Ok(0) };
    let prefix = format!("{}{}", lane.prefix(), day_folder(*middle));
    let mut listing = inventory::list(clients, bucket, prefix, None);
    let mut objects = 0;
    while let Some(listed) = listing.next().await {
        listed?;
        objects += 1;
    }
    Ok(objects * days.len() as u64)
}

/// The days that have a folder below a prefix, in order.
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
