//! What duplicate trails and the archive cost per month.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::legacy::{self, Legacy, located};
use super::sources::unreadable_regions;
use super::{Env, OpError, Outcome, archive};
use crate::archive::batches::{LogPrefix, day_folder};
use crate::archive::consolidate::discover::{self, Found, Selected};
use crate::archive::consolidate::run::Archive;
use crate::archive::consolidate::source::Source;
use crate::archive::consolidate::source_stats::{self, CountMethod};
use crate::archive::inventory;
use crate::archive::key::LogClass;
use crate::aws::{At as _, Aws, AwsError};
use crate::config::{Athena, Config};
use crate::cost::Usd;
use crate::cost::athena::{AthenaCosts, ScanCost, Scanned, day_of_export, day_of_log};
use crate::cost::duplicates::{Duplicate, duplicate};
use crate::cost::prices::{self, KMS_KEY_MONTH, PriceList};
use crate::cost::storage::{ClassCost, StoredTotals, stored_totals};
use crate::names::{OrgId, Region, prefix_folder};
use crate::org::{EventDataStores, own_regions};
use crate::report::contract;
use crate::report::contract::sources::MissingSource;
use crate::resources::athena_table_names;

/// Sources and prefixes that are inspected at once.
const AT_ONCE: usize = 8;
/// Days of a prefix that are listed if not all are.
const SAMPLED_DAYS: usize = 6;

/// The costs per month, as far as they are known.
#[derive(Debug)]
pub struct Costs {
    /// The prices of the estimates.
    pub prices: PriceList,
    /// Whether the organization trail records the first, free copy; `None` if that is
    /// unreadable.
    pub organization_trail_logging: Option<bool>,
    /// The copies of events that other trails record.
    pub duplicates: Vec<Duplicate>,
    /// Sources whose buckets were deleted.
    pub missing: Vec<MissingSource>,
    /// Sources that the configuration excludes; not inspected.
    pub excluded: Vec<Source>,
    /// The objects of the archive.
    pub storage: Vec<ClassCost>,
    /// How the objects were counted.
    pub counting: CountMethod,
    /// The price of the KMS key.
    pub kms_key: Usd,
    /// The price of the duplicates.
    pub duplicates_sum: Usd,
    /// The price of the archive's storage.
    pub storage_sum: Usd,
    /// What Athena costs; none where it is not configured, or could not be read.
    pub athena: Option<AthenaCosts>,
    /// The legacy trails, and the accounts and Regions that were unreadable.
    pub found: Found,
    /// The event data stores of CloudTrail Lake in the management and log-archive accounts.
    pub event_data_stores: EventDataStores,
    /// Other reads that failed.
    pub failures: Vec<FailedRead>,
    is_stopped: bool,
}

/// A read that failed.
#[derive(Debug)]
pub struct FailedRead {
    /// What failed, and why.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl From<&AwsError> for FailedRead {
    fn from(error: &AwsError) -> Self {
        Self { reason: error.in_full(), hint: error.hint() }
    }
}

/// Estimates the costs; counts every object of the archive if `counting` is exact. Changes
/// nothing.
///
/// # Errors
/// Not signed in, or the organization is unreadable.
pub async fn costs(env: &Env, counting: CountMethod) -> Result<Costs, OpError> {
    let config = env.config()?;
    let aws = env.aws().await?;
    let Legacy { organization, found, .. } = legacy::find(env, &aws).await?;
    let archive = archive::archive(config, &organization.id, &aws);
    let mut failures = Vec::new();
    let organization_trail_logging =
        known(organization_trail_logging(&aws, config).await, &mut failures);
    let Selected { sources, excluded } = discover::selected(&found.trails, config);
    let located = located(&aws, config, Some(&organization), sources).await;
    for (source, why) in located.unreadable {
        let reason = format!("{}: {}", source.name(), why.reason);
        failures.push(FailedRead { reason, hint: why.hint });
    }
    let duplicates = duplicates(&aws, &archive, located.readable, &mut failures).await;
    let counted = count(&archive, &organization.id, counting).await;
    let (stored, logs) = known(counted, &mut failures).unwrap_or_default();
    let athena = match &config.athena {
        Some(athena) => known(athena_costs(&aws, athena, &logs).await, &mut failures),
        None => None,
    };
    let declared = &config.organization;
    let mut owners = vec![&declared.management_account, &declared.log_archive_account];
    owners.dedup();
    let home = own_regions(&aws, &declared.management_account, &declared.management_account).await;
    let regions: Vec<Region> = home.regions.into_iter().collect();
    let event_data_stores = EventDataStores::read(&aws, &owners, &regions).await;
    failures.extend(event_data_stores.unread.iter().map(|(.., error)| FailedRead::from(error)));
    Ok(Costs {
        event_data_stores,
        prices: prices::LIST,
        organization_trail_logging,
        duplicates_sum: duplicates.iter().map(|one| one.usd_a_month).sum(),
        duplicates,
        missing: located.missing.into_iter().map(MissingSource::from).collect(),
        excluded,
        storage: stored.costs(),
        counting,
        kms_key: Usd(KMS_KEY_MONTH),
        storage_sum: stored.usd_a_month(),
        athena,
        found,
        failures,
        is_stopped: env.stop().is_requested(),
    })
}

impl Costs {
    /// The price of all that is paid every month, so not of queries.
    #[must_use]
    pub fn sum(&self) -> Usd {
        let export = self.athena.as_ref().map(|athena| athena.export_usd_a_month);
        self.duplicates_sum + self.storage_sum + self.kms_key + export.unwrap_or_default()
    }

    /// Whether everything was readable.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let is_complete =
            self.found.failed_reads.is_empty() && self.failures.is_empty() && !self.is_stopped;
        if is_complete { Outcome::Clean } else { Outcome::Incomplete }
    }

    /// The report.
    #[must_use]
    pub fn document(&self) -> contract::cost::Report {
        let failure = |it: &FailedRead| contract::cost::FailedRead {
            reason: it.reason.clone(),
            hint: it.hint.clone(),
        };
        contract::cost::Report {
            prices: contract::prices::PriceList::current(),
            organization_trail_logging: self.organization_trail_logging,
            duplicates: self.duplicates.iter().map(contract::cost::Duplicate::from).collect(),
            missing_sources: self.missing.clone(),
            excluded_sources: self.excluded.iter().map(contract::sources::Source::from).collect(),
            storage: self.storage.iter().map(contract::cost::StoredObjects::from).collect(),
            storage_counting: self.counting.into(),
            kms_key_usd_per_month: self.kms_key.0,
            duplicates_usd_per_month: self.duplicates_sum.0,
            storage_usd_per_month: self.storage_sum.0,
            athena: self.athena.as_ref().map(contract::cost::Athena::from),
            total_usd_per_month: self.sum().0,
            unreadable_regions: unreadable_regions(&self.found.failed_reads),
            event_data_stores: (&self.event_data_stores).into(),
            failures: self.failures.iter().map(failure).collect(),
        }
    }
}

fn known<T>(read: Result<T, AwsError>, failures: &mut Vec<FailedRead>) -> Option<T> {
    read.map_err(|error| failures.push((&error).into())).ok()
}

/// Whether the organization trail records: then the copies of all others are
/// further ones.
async fn organization_trail_logging(aws: &Aws, config: &Config) -> Result<bool, AwsError> {
    let declared = &config.organization;
    let clients = aws.clients(&declared.management_account, &declared.home_region);
    let status = clients.cloudtrail().get_trail_status().name(config.trail.name.as_str());
    match status.send().await.at(&clients, "cloudtrail:GetTrailStatus") {
        Ok(status) => Ok(status.is_logging() == Some(true)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn duplicates(
    aws: &Aws,
    archive: &Archive,
    sources: Vec<Source>,
    failures: &mut Vec<FailedRead>,
) -> Vec<Duplicate> {
    let today = aws.now().to_zoned(TimeZone::UTC).date();
    let mut read: Vec<(Source, Result<Duplicate, AwsError>)> = stream::iter(sources)
        .map(|source| async move {
            let found = sampled(aws, archive, &source, today).await;
            (source, found)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    read.sort_by(|one, other| one.0.cmp(&other.0));
    let mut duplicates = Vec::new();
    for (source, found) in read {
        match found {
            Ok(found) => duplicates.push(found),
            Err(error) => failures.push(FailedRead {
                reason: format!("{}: {}", source.name(), error.in_full()),
                hint: error.hint(),
            }),
        }
    }
    duplicates
}

async fn sampled(
    aws: &Aws,
    archive: &Archive,
    source: &Source,
    today: Date,
) -> Result<Duplicate, AwsError> {
    let clients = source.clients(aws);
    let mut log_prefixes = source.log_prefixes(&clients).await?.log_prefixes;
    // What the archive itself has is the organization trail's.
    log_prefixes.retain(|log_prefix| !archive.has(log_prefix));
    duplicate(&clients, source, log_prefixes, today).await
}

/// The archive's objects by storage class, and the log files that Athena's table covers.
async fn count(
    archive: &Archive,
    organization: &OrgId,
    counting: CountMethod,
) -> Result<(StoredTotals, Scanned), AwsError> {
    let (clients, bucket) = (&archive.target.clients, &archive.target.bucket);
    let prefix = archive.prefix.as_deref();
    let folder = prefix_folder(prefix);
    let covered = format!("{folder}AWSLogs/{organization}/");
    let mut logs = Scanned::default();
    if counting == CountMethod::Exact {
        let mut seen = |key: &str, class: &str, bytes: u64| {
            if let Some(day) = day_of_log(key).filter(|_| key.starts_with(&covered)) {
                logs.add_file(class, bytes, day);
            }
        };
        let all = stored_totals(clients, bucket, &folder, &mut seen).await?;
        return Ok((all, logs));
    }
    let log_prefixes = inventory::log_prefixes(clients, bucket, prefix).await?.log_prefixes;
    let counted: Vec<(LogPrefix, Vec<Date>, StoredTotals)> = stream::iter(log_prefixes)
        .map(|log_prefix| async move {
            let days = source_stats::days(clients, bucket, &log_prefix.prefix()).await?;
            let sample = spread(&days);
            let mut totals = StoredTotals::default();
            for day in &sample {
                let prefix = format!("{}{}", log_prefix.prefix(), day_folder(*day));
                totals += stored_totals(clients, bucket, &prefix, |_, _, _| {}).await?;
            }
            let totals = totals.scaled(days.len() as u64, sample.len() as u64);
            Ok::<_, AwsError>((log_prefix, days, totals))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut all = StoredTotals::default();
    for (log_prefix, days, totals) in counted {
        if log_prefix.root == covered && log_prefix.folder == LogClass::Events.folder() {
            logs.add(&totals, days);
        }
        all += totals;
    }
    Ok((all, logs))
}

/// What the tables' queries scan, and what the exported events cost. All exported files are
/// listed: there are few for each account, Region and day.
async fn athena_costs(aws: &Aws, athena: &Athena, logs: &Scanned) -> Result<AthenaCosts, AwsError> {
    let mut names = athena_table_names(athena);
    let mut scans: Vec<ScanCost> =
        names.next().map(|name| ScanCost::of(name, logs)).into_iter().collect();
    let (mut stored, mut events) = (StoredTotals::default(), Scanned::default());
    if let (Some(export), Some(name)) = (&athena.export, names.next()) {
        let clients = aws.clients(&athena.account, &athena.region);
        let folder = format!("{}events/", prefix_folder(export.prefix.as_ref()));
        let seen = |key: &str, class: &str, bytes: u64| {
            if let Some(day) = day_of_export(key) {
                events.add_file(class, bytes, day);
            }
        };
        match stored_totals(&clients, &export.bucket, &folder, seen).await {
            Ok(found) => stored = found,
            // Nothing was exported yet.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        scans.push(ScanCost::of(name, &events));
    }
    Ok(AthenaCosts { export: stored.costs(), export_usd_a_month: stored.usd_a_month(), scans })
}

/// Some of the days, evenly spread over all.
fn spread(days: &[Date]) -> Vec<Date> {
    let some = SAMPLED_DAYS.min(days.len());
    (0..some).filter_map(|at| days.get(at * days.len() / some)).copied().collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_sample_is_spread_over_all_days() {
        let days: Vec<Date> = (1..=30).map(|day| date(2026, 1, day)).collect();
        let sample = spread(&days);
        assert_eq!(sample.len(), SAMPLED_DAYS);
        assert_eq!((sample[0].day(), sample[5].day()), (1, 26));
        assert_eq!(spread(&days[..2]), days[..2]);
        assert_eq!(spread(&[]), []);
    }
}
