//! `orgtrail cost`

use comfy_table::{ContentArrangement, Table, presets};
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{BinaryBytes, HumanCount};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::sources;
use super::{Context, Format, OpError, Outcome, consolidate};
use crate::archive::consolidate::census;
use crate::archive::consolidate::discover::{self, Selected, Unread};
use crate::archive::consolidate::run::Archive;
use crate::archive::consolidate::source::Source;
use crate::archive::inventory;
use crate::archive::units::day_folder;
use crate::aws::{At as _, Aws, AwsError};
use crate::config::Config;
use crate::cost::Usd;
use crate::cost::duplicates::{Duplicate, duplicate};
use crate::cost::prices::{self, KMS_KEY_MONTH, PriceList};
use crate::cost::storage::{ClassCost, Holdings, holdings};
use crate::names::prefix_folder;
use crate::report::contract::sources::{Counting, MissingSource};
use crate::report::contract::{self, cost};
use crate::report::drift::plain;

/// Sources and lanes that are looked at at once.
const AT_ONCE: usize = 8;
/// Days of a lane that are listed where not all are.
const SAMPLED_DAYS: usize = 6;

/// Estimate the monthly cost of duplicate trails and of the archive
///
/// Legacy trails that still deliver make paid copies of management events. Their log files of
/// the last seven days are listed, and a sample of them is read. The archive's objects are
/// counted by storage class. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail cost
  orgtrail cost --exact --format json

Without --exact, objects are counted on six days of each prefix and extrapolated to
the other days. Noncurrent versions are not counted.

Exit code 14 if an account or a bucket was unreadable.")]
pub(crate) struct Args {
    /// Count every object of the archive instead of estimating.
    #[arg(long)]
    exact: bool,
}

/// What is known of the costs.
#[derive(Debug)]
struct Report {
    prices: PriceList,
    /// Whether the organization trail records the first, free copy; `None`
    /// where that could not be read.
    organization_trail_logs: Option<bool>,
    duplicates: Vec<Duplicate>,
    /// Sources whose buckets were deleted.
    missing: Vec<MissingSource>,
    /// Sources that the config leaves where they are; not looked at.
    excluded: Vec<Source>,
    storage: Vec<ClassCost>,
    storage_exact: bool,
    kms_key_usd_a_month: Usd,
    duplicates_usd_a_month: Usd,
    storage_usd_a_month: Usd,
    total_usd_a_month: Usd,
    /// Buckets and trails that could not be read.
    unreadable: Vec<NotRead>,
}

impl Report {
    fn document(&self, unread: &[Unread]) -> cost::Report {
        let failure =
            |it: &NotRead| cost::FailedRead { reason: it.reason.clone(), hint: it.hint.clone() };
        cost::Report {
            prices: contract::prices::PriceList::current(),
            organization_trail_logging: self.organization_trail_logs,
            duplicates: self.duplicates.iter().map(cost::Duplicate::from).collect(),
            missing_sources: self.missing.clone(),
            excluded_sources: self.excluded.iter().map(contract::sources::Source::from).collect(),
            storage: self.storage.iter().map(cost::StoredObjects::from).collect(),
            storage_counting: if self.storage_exact { Counting::Exact } else { Counting::Sampled },
            kms_key_usd_per_month: self.kms_key_usd_a_month.0,
            duplicates_usd_per_month: self.duplicates_usd_a_month.0,
            storage_usd_per_month: self.storage_usd_a_month.0,
            total_usd_per_month: self.total_usd_a_month.0,
            unreadable_regions: sources::unreadable_regions(unread),
            failures: self.unreadable.iter().map(failure).collect(),
        }
    }
}

/// What could not be read.
#[derive(Debug)]
struct NotRead {
    reason: String,
    hint: Option<String>,
}

impl From<&AwsError> for NotRead {
    fn from(error: &AwsError) -> Self {
        Self { reason: error.in_full(), hint: error.hint() }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let config = context.config()?;
    let aws = context.env()?.aws().await?;
    let legacy = sources::find(context, &aws, &config).await?;
    let archive = consolidate::archive(&config, &legacy.organization.id, &aws);
    let mut unreadable = Vec::new();
    let logs = keep(organization_trail_logs(&aws, &config).await, &mut unreadable);
    let Selected { sources, excluded } = discover::selected(&legacy.found.trails, &config);
    let located = sources::located(&aws, &config, Some(&legacy.organization), sources).await;
    let missing: Vec<MissingSource> =
        located.missing.into_iter().map(MissingSource::from).collect();
    for (source, why) in located.unreadable {
        let reason = format!("{}: {}", source.name(), why.reason);
        unreadable.push(NotRead { reason, hint: why.hint });
    }
    let duplicates = duplicates(&aws, &archive, located.readable, &mut unreadable).await;
    let counted = count(&archive, args.exact).await;
    let held = keep(counted, &mut unreadable).unwrap_or_default();
    let duplicates_usd_a_month = duplicates.iter().map(|one| one.usd_a_month).sum();
    let storage_usd_a_month = held.usd_a_month();
    let report = Report {
        prices: prices::LIST,
        organization_trail_logs: logs,
        storage: held.costs(),
        storage_exact: args.exact,
        kms_key_usd_a_month: Usd(KMS_KEY_MONTH),
        duplicates_usd_a_month,
        storage_usd_a_month,
        total_usd_a_month: duplicates_usd_a_month + storage_usd_a_month + Usd(KMS_KEY_MONTH),
        duplicates,
        missing,
        excluded,
        unreadable,
    };
    let complete = legacy.found.unread.is_empty()
        && report.unreadable.is_empty()
        && !context.stop.is_requested();
    match context.format {
        Format::Json => context.document(report.document(&legacy.found.unread))?,
        Format::Text => {
            context.head()?;
            tell(context, &report)?;
            sources::tell_unread(context, &legacy.found);
            for NotRead { reason, hint } in &report.unreadable {
                context.out.warn(plain(reason));
                if let Some(hint) = hint {
                    context.out.warn(format_args!("  hint: {}", plain(hint)));
                }
            }
        }
    }
    Ok(if complete { Outcome::Clean } else { Outcome::Incomplete })
}

fn keep<T>(seen: Result<T, AwsError>, unreadable: &mut Vec<NotRead>) -> Option<T> {
    seen.map_err(|error| unreadable.push((&error).into())).ok()
}

/// Whether the organization trail records: then the copies of all others are
/// further ones.
async fn organization_trail_logs(aws: &Aws, config: &Config) -> Result<bool, AwsError> {
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
    unreadable: &mut Vec<NotRead>,
) -> Vec<Duplicate> {
    let today = aws.now().to_zoned(TimeZone::UTC).date();
    let mut looked: Vec<(Source, Result<Duplicate, AwsError>)> = stream::iter(sources)
        .map(|source| async move {
            let found = look(aws, archive, &source, today).await;
            (source, found)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    looked.sort_by(|one, other| one.0.cmp(&other.0));
    let mut duplicates = Vec::new();
    for (source, found) in looked {
        match found {
            Ok(found) => duplicates.push(found),
            Err(error) => unreadable.push(NotRead {
                reason: format!("{}: {}", source.name(), error.in_full()),
                hint: error.hint(),
            }),
        }
    }
    duplicates
}

async fn look(
    aws: &Aws,
    archive: &Archive,
    source: &Source,
    today: Date,
) -> Result<Duplicate, AwsError> {
    let clients = source.clients(aws);
    let mut lanes = source.lanes(&clients).await?.lanes;
    // What lies in the archive proper is the organization trail's.
    lanes.retain(|lane| !archive.has(lane));
    duplicate(&clients, source, lanes, today).await
}

/// The archive's objects by storage class.
async fn count(archive: &Archive, exact: bool) -> Result<Holdings, AwsError> {
    let (clients, bucket) = (&archive.target.clients, &archive.target.bucket);
    let prefix = archive.prefix.as_deref();
    if exact {
        let folder = prefix_folder(prefix);
        return holdings(clients, bucket, &folder).await;
    }
    let lanes = inventory::lanes(clients, bucket, prefix).await?.lanes;
    let counted: Vec<Holdings> = stream::iter(lanes)
        .map(|lane| async move {
            let days = census::days(clients, bucket, &lane.prefix()).await?;
            let sample = spread(&days);
            let mut held = Holdings::default();
            for day in &sample {
                let prefix = format!("{}{}", lane.prefix(), day_folder(*day));
                held += holdings(clients, bucket, &prefix).await?;
            }
            Ok::<_, AwsError>(held.scaled(days.len() as u64, sample.len() as u64))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut all = Holdings::default();
    for held in counted {
        all += held;
    }
    Ok(all)
}

/// Some of the days, evenly spread over all.
fn spread(days: &[Date]) -> Vec<Date> {
    let some = SAMPLED_DAYS.min(days.len());
    (0..some).filter_map(|at| days.get(at * days.len() / some)).copied().collect()
}

fn tell(context: &Context, report: &Report) -> Result<(), OpError> {
    sources::tell_missing(context, &report.missing);
    if report.duplicates.is_empty() && report.missing.is_empty() {
        context.out.note("no source is declared, and no trail but the organization's found");
    } else if !report.duplicates.is_empty() {
        context.out.data(duplicates_table(&report.duplicates).trim_fmt())?;
        context.out.note(
            "reckoned from the log files of the last seven whole days, and the events in some of them; a source without any costs nothing",
        );
    }
    for source in &report.excluded {
        context.out.note(format_args!("left out by the config: {}", plain(&source.name())));
    }
    if report.organization_trail_logs == Some(false) {
        context.out.warn(
            "the organization trail does not record: the first copy of each account and Region is one of these, and free",
        );
    }
    if !report.storage.is_empty() {
        context.out.data(storage_table(report).trim_fmt())?;
    }
    context.out.data(format_args!(
        "a month: {} for copies of events, {} for the archive's storage, {} for its key: {}",
        report.duplicates_usd_a_month,
        report.storage_usd_a_month,
        report.kms_key_usd_a_month,
        report.total_usd_a_month,
    ))?;
    context.out.data(report.prices)
}

fn unframed(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}

fn duplicates_table(duplicates: &[Duplicate]) -> Table {
    let mut table =
        unframed(&["SOURCE", "MANAGEMENT EVENTS A MONTH", "DATA EVENTS A MONTH", "USD A MONTH"]);
    for one in duplicates {
        table.add_row([
            plain(&one.source).into_owned(),
            format!("~{}", HumanCount(one.management_events_a_month)),
            format!("~{}", HumanCount(one.data_events_a_month)),
            one.usd_a_month.to_string(),
        ]);
    }
    table
}

fn storage_table(report: &Report) -> Table {
    let about = if report.storage_exact { "" } else { "~" };
    let mut table = unframed(&["STORAGE CLASS", "OBJECTS", "BYTES", "CHARGED AS", "USD A MONTH"]);
    for cost in &report.storage {
        table.add_row([
            plain(&cost.class).into_owned(),
            format!("{about}{}", HumanCount(cost.held.objects)),
            format!("{about}{}", BinaryBytes(cost.held.bytes)),
            format!("{about}{}", BinaryBytes(cost.held.charged_bytes)),
            cost.usd_a_month.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string()),
        ]);
    }
    table
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
