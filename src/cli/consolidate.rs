//! `orgtrail consolidate`

use std::{collections::BTreeSet, sync::Arc};

use aws_sdk_s3::types::StorageClass;
use indicatif::{BinaryBytes, HumanCount};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::{
    CliError, Context, Exit, Explain, Format,
    archived::{self, RestoreTier},
    copying, estimate, sources,
};
use crate::{
    archive::{
        consolidate::{
            copy::{PART_BYTES, Target},
            discover::{self, Found, Unread},
            keys::{self, SaveKeysError},
            ledger::LedgerError,
            restore::Restore,
            run::{Archive, Asked, Failure, Progress, Report, Run, consolidate},
            source::Source,
        },
        key::Root,
        verify::{chain::Window, public_keys::PublicKeySet, run::ApiKeys},
    },
    aws::{Aws, Clients},
    config::Config,
    cost::{
        consolidation::{Estimate, estimate as reckon},
        prices,
    },
    names::{AccountId, Region},
};

/// How many objects are copied at once, where nobody says.
const CONCURRENCY: usize = 64;
/// For how many days restored copies stay, where nobody says.
const RESTORE_DAYS: u16 = 7;

/// Bring the logs of legacy trails into the archive, provably
///
/// Finds every trail that is not the organization's, lists its bucket (and those
/// that the config declares) and the archive side by side, and copies what is
/// missing: byte for byte, with the metadata that carries the signatures, never
/// over another object. A run that was stopped or killed is finished by the
/// next. What each run did is recorded in the archive under `orgtrail/runs/`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail consolidate --dry-run
  orgtrail consolidate --yes
  orgtrail consolidate --yes --account 444444444444 --since 2025-01-01
  orgtrail consolidate --yes --source 's3://legacy-*'
  orgtrail consolidate --yes --restore --restore-tier bulk

Exit code 0 only when every readable source is in the archive; 14 where objects
conflict, failed or must be restored first, or a source could not be read.")]
pub(crate) struct Args {
    /// Show what would be copied, and copy nothing.
    #[arg(long)]
    dry_run: bool,

    /// The first day, in UTC.
    #[arg(long, value_name = "DAY")]
    since: Option<Date>,

    /// The last day, in UTC.
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,

    /// Only this account's logs; may be repeated.
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,

    /// Only this Region's logs; may be repeated.
    #[arg(long, value_name = "REGION")]
    region: Vec<Region>,

    /// Only sources whose name matches, with `*` for anything; may be repeated.
    #[arg(long, value_name = "PATTERN")]
    source: Vec<String>,

    /// Copy at most so many objects, and leave the others to the next run.
    #[arg(long, value_name = "OBJECTS")]
    limit: Option<u64>,

    /// List again what earlier runs proved complete.
    #[arg(long)]
    full: bool,

    /// Which way the bytes go.
    #[arg(long, value_enum, value_name = "WAY", default_value_t)]
    copy: CopyWay,

    /// Start the restore of what lies in archive classes, which AWS charges for;
    /// a later run copies it.
    #[arg(long)]
    restore: bool,

    /// How fast it is restored.
    #[arg(long, value_enum, value_name = "TIER", default_value_t, requires = "restore")]
    restore_tier: RestoreTier,

    /// For how many days the restored copies stay.
    #[arg(long, value_name = "DAYS", default_value_t = RESTORE_DAYS, requires = "restore",
        value_parser = clap::value_parser!(u16).range(1..=365))]
    restore_days: u16,

    /// How many objects are copied at once at the most.
    #[arg(long, value_name = "COPIES", default_value_t = CONCURRENCY)]
    concurrency: usize,

    /// For how many days after its end late files are expected for a day; as
    /// the config says where not given.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=365))]
    overlap_days: Option<u32>,
}

impl Args {
    /// All that is missing, as a round asks for it.
    pub(super) fn everything() -> Self {
        Self {
            dry_run: false,
            since: None,
            until: None,
            account: Vec::new(),
            region: Vec::new(),
            source: Vec::new(),
            limit: None,
            full: false,
            concurrency: CONCURRENCY,
            copy: CopyWay::Auto,
            restore: false,
            restore_tier: RestoreTier::default(),
            restore_days: RESTORE_DAYS,
            overlap_days: None,
        }
    }
}

/// The values of `--copy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum CopyWay {
    /// Inside S3 where the archive's credentials may read the source, else
    /// through this machine.
    #[default]
    Auto,
    /// Through this machine, always.
    Client,
}

/// The JSON contract. Fields may be added; `version` grows when one changes
/// its meaning or goes.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    version: u32,
    run_id: &'a str,
    dry_run: bool,
    complete: bool,
    sources: &'a [String],
    unread: &'a [Unread],
    #[serde(flatten)]
    report: &'a Report,
    /// What the run will take; of a dry run only.
    estimate: Option<Estimate>,
    /// From when and where its prices are.
    prices: Option<prices::PriceList>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let done = once(&args, context).await?;
    match context.format {
        Format::Json => context.out.json(&done.json())?,
        Format::Text => done.tell(context)?,
    }
    Ok(done.exit())
}

/// What one run came to, not told yet.
#[derive(Debug)]
pub(super) struct Done {
    run_id: String,
    dry_run: bool,
    sources: Vec<String>,
    found: Found,
    report: Report,
    /// The class that objects are written in.
    storage_class: String,
}

/// Consolidates once, with a yes to the question before anything is written.
pub(super) async fn once(args: &Args, context: &Context) -> Result<Done, CliError> {
    let config = context.config()?;
    let aws = context.aws(&config).await?;
    let legacy = sources::find(context, &aws, &config).await?;
    let selected = discover::selected(&legacy.found.trails, &config);
    let found: Vec<Source> = selected
        .sources
        .into_iter()
        .filter(|source| matches_any(&args.source, &source.name()))
        .collect();
    if !args.source.is_empty() && found.is_empty() {
        return Err(CliError::usage(format!("no source matches {}", args.source.join(", ")))
            .with_hint("`orgtrail sources` lists them"));
    }
    let names: Vec<String> = found.iter().map(Source::name).collect();
    if !args.dry_run && !found.is_empty() {
        let bucket = &config.archive.bucket;
        let restore = if args.restore { ", and restore what is archived" } else { "" };
        let from = count(found.len());
        let question = format!("copy what is missing from {from} into s3://{bucket}{restore}?");
        context.confirm(&question)?;
    }
    let archive = archive(&config, &legacy.organization.id, &aws);
    let readers: Vec<(Source, Clients)> = found
        .into_iter()
        .map(|source| {
            let clients = aws.clients(&source.account, &source.region);
            (source, clients)
        })
        .collect();
    let asked = Asked {
        since: args.since,
        until: args.until,
        accounts: args.account.iter().cloned().collect::<BTreeSet<_>>(),
        regions: args.region.iter().cloned().collect::<BTreeSet<_>>(),
        dry_run: args.dry_run,
        full: args.full,
        server_side: args.copy == CopyWay::Auto,
        restore: args
            .restore
            .then(|| Restore { tier: args.restore_tier.into(), days: args.restore_days }),
        limit: args.limit,
        concurrency: args.concurrency,
        overlap_days: args.overlap_days.unwrap_or(config.consolidate.overlap_days),
    };
    let run = begin(&aws);
    let bar = context.out.copying();
    let progress = Progress::new(args.limit);
    let progress = Arc::new(if bar.is_some() { progress.with_forecast() } else { progress });
    let shown = tokio::spawn(copying::show(context.out, Arc::clone(&progress), bar.clone()));
    let stop = tokio::spawn(stop_on_interrupt(context.out, Arc::clone(&progress)));
    let report = consolidate(&run, &asked, &archive, readers, Arc::clone(&progress)).await;
    shown.abort();
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    stop.abort();
    let mut report = report?;
    if !args.dry_run {
        save_keys(&aws, &config, &archive, run.now, &mut report).await?;
    }
    let storage_class = archive.target.storage_class.as_str().to_owned();
    Ok(Done {
        run_id: run.id,
        dry_run: args.dry_run,
        sources: names,
        found: legacy.found,
        report,
        storage_class,
    })
}

impl Done {
    fn complete(&self) -> bool {
        self.report.complete() && self.found.unread.is_empty()
    }

    pub(super) fn exit(&self) -> Exit {
        if self.complete() { Exit::Clean } else { Exit::Incomplete }
    }

    /// Whether a file of an account's activity that CloudTrail delivered to a
    /// bucket may be still to come: not all of its source was brought, or it may
    /// be one that could not be found.
    pub(super) fn may_still_bring(&self, bucket: &str, account: Option<&AccountId>) -> bool {
        let of_bucket = |place: &str| {
            let rest = place.strip_prefix("s3://").and_then(|place| place.strip_prefix(bucket));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let report = &self.report;
        if self.sources.iter().any(|name| of_bucket(name)) {
            report.stopped
                || report.failures.iter().any(|failure| of_bucket(&failure.place))
                || report.by_source.iter().any(|(name, it)| of_bucket(name) && !it.complete())
        } else {
            self.found.unread.iter().any(|unread| Some(&unread.account) == account)
        }
    }

    /// Whether a person stopped it.
    pub(super) fn stopped(&self) -> bool {
        self.report.stopped
    }

    pub(super) fn json(&self) -> impl Serialize {
        Outcome {
            version: 1,
            run_id: &self.run_id,
            dry_run: self.dry_run,
            complete: self.complete(),
            sources: &self.sources,
            unread: &self.found.unread,
            report: &self.report,
            estimate: self.dry_run.then(|| self.estimate()),
            prices: self.dry_run.then_some(prices::LIST),
        }
    }

    fn estimate(&self) -> Estimate {
        reckon(&self.report.counts, self.report.lanes, &self.storage_class)
    }

    /// All of it in a line.
    pub(super) fn headline(&self) -> String {
        let counts = &self.report.counts;
        let verb = if self.dry_run { "to copy" } else { "copied" };
        format!(
            "{}: {} objects {verb} ({}), {} in the archive before",
            count(self.sources.len()),
            HumanCount(counts.copied),
            BinaryBytes(counts.copied_bytes),
            HumanCount(counts.present),
        )
    }

    pub(super) fn tell(&self, context: &Context) -> Result<(), CliError> {
        sources::tell_unread(context, &self.found);
        let report = &self.report;
        let counts = &report.counts;
        context.out.data(self.headline())?;
        if counts.copied_inside_s3 > 0 {
            context.out.note(format_args!(
                "{} of them copied inside S3, without passing through this machine",
                HumanCount(counts.copied_inside_s3)
            ));
        }
        if self.sources.is_empty() {
            context.out.note("no source is declared, and no trail but the organization's found");
        }
        let estimated = self.dry_run && !self.sources.is_empty();
        if estimated {
            estimate::tell(context, report, &self.estimate())?;
        }
        let told = [
            (
                counts.conflicts,
                "in conflict: their keys are taken by different content, left as it is",
            ),
            (counts.failed, "not copied: run again"),
            (counts.left, "left for the next run, this one was stopped before them"),
            (counts.archived, "archived: not copied before they are restored"),
            (counts.foreign, "not CloudTrail's, left where they are"),
            (report.stray_objects, "beside CloudTrail's folders, left where they are"),
        ];
        for (objects, words) in told.into_iter().filter(|(objects, _)| *objects > 0) {
            context.out.warn(format_args!("{} objects {words}", HumanCount(objects)));
        }
        let restores = archived::tell(context, &report.archived)?;
        if estimated {
            context.out.data(prices::LIST)?;
        } else if restores {
            context.out.note(prices::LIST);
        }
        for row in &report.examples {
            let reason = row.reason.as_deref().unwrap_or("no reason recorded");
            context
                .out
                .warn(format_args!("  s3://{}/{}: {reason}", row.origin_bucket, row.origin_key));
        }
        for failure in &report.failures {
            context.out.warn(format_args!("{}: {}", failure.place, failure.reason));
        }
        for folder in &report.foreign_folders {
            context.out.note(format_args!("not CloudTrail's, left alone: {folder}"));
        }
        if report.stopped {
            context.out.note("stopped before the end; the same command goes on from here");
        }
        if let Some(number) = report.last_record {
            context.out.note(format_args!("recorded as orgtrail/runs/{number:012}.jsonl.gz"));
        }
        Ok(())
    }
}

/// Saves the public keys of every Region whose digests were moved. A Region
/// that does not tell them is a failure of the run: later they may be gone.
async fn save_keys(
    aws: &Aws,
    config: &Config,
    archive: &Archive,
    now: Timestamp,
    report: &mut Report,
) -> Result<(), CliError> {
    let management = config.organization.management_account.clone();
    let api = ApiKeys::new(aws.clone(), management, PublicKeySet::default(), now);
    let mut keys = PublicKeySet::default();
    for region in report.digest_regions.clone() {
        match api.ask(&region, Window::default()).await {
            Ok(told) => keys.extend(&told),
            Err(error) => report.failures.push(Failure {
                place: format!("the public keys of {region}"),
                reason: error.to_string(),
            }),
        }
    }
    if !keys.is_empty() {
        keys::save(&archive.target, archive.prefix.as_deref(), &keys).await?;
    }
    Ok(())
}

/// The archive as consolidation fills it.
pub(super) fn archive(config: &Config, org: &crate::names::OrgId, aws: &Aws) -> Archive {
    let prefix = config.archive.prefix.as_ref().map(|prefix| prefix.as_str().to_owned());
    let root = Root { prefix: prefix.as_deref().map(Into::into), org: Some(org.clone()) };
    Archive { target: target(config, aws), prefix, root: root.to_string() }
}

/// The archive's bucket.
pub(super) fn target(config: &Config, aws: &Aws) -> Target {
    let account = &config.organization.log_archive_account;
    Target {
        clients: aws.clients(account, &config.archive.region),
        bucket: config.archive.bucket.clone(),
        storage_class: StorageClass::from(config.consolidate.storage_class.as_str()),
        part_bytes: PART_BYTES,
    }
}

async fn stop_on_interrupt(out: super::Output, progress: Arc<Progress>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        out.note("stopping: what is in flight is finished and recorded");
        progress.stop();
    }
}

/// Whether a name matches one of the patterns, or there are none.
fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| iam_rs::Arn::wildcard_match(name, pattern))
}

fn count(sources: usize) -> String {
    match sources {
        0 => "no sources".to_owned(),
        1 => "1 source".to_owned(),
        more => format!("{more} sources"),
    }
}

/// A run that begins now.
pub(super) fn begin(aws: &Aws) -> Run {
    let now = super::verify::now();
    Run {
        id: format!("{}-{:08x}", now.strftime("%Y%m%dT%H%M%SZ"), fastrand::u32(..)),
        now,
        caller: aws.caller().arn.to_string(),
        program: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
    }
}

impl Explain for SaveKeysError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) => error.hint(),
            Self::Saved(_) => Some(
                "orgtrail/public-keys.json in the archive is damaged; an earlier version of it may hold".to_owned(),
            ),
            Self::Body(_) | Self::Encode(_) => None,
        }
    }
}

impl Explain for LedgerError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) => error.hint(),
            Self::Record(_) => Some(
                "the run records were altered: keep the bucket as it is and look at the versions of orgtrail/runs/".to_owned(),
            ),
            Self::Fetch(_) | Self::Encode(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Record(_) => Exit::IntegrityFailure,
            _ => Exit::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, holds) in [
            ("s3://legacy-a", "s3://legacy-a", true),
            ("s3://legacy-a", "s3://legacy-ab", false),
            ("s3://legacy-*", "s3://legacy-ab", true),
            ("*-ab", "s3://legacy-ab", true),
            ("s3://*-a*b", "s3://legacy-ab", true),
            ("s3://x*", "s3://legacy-ab", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches_any(&[pattern.to_owned()], name), holds, "{pattern} {name}");
        }
    }

    #[test]
    fn only_what_was_not_brought_may_be_still_to_come() {
        let mut done = Done {
            run_id: String::new(),
            dry_run: false,
            sources: vec!["s3://whole".to_owned(), "s3://part/logs".to_owned()],
            found: Found::default(),
            report: Report::default(),
            storage_class: String::new(),
        };
        let (one, other) = ("111111111111".parse().unwrap(), "222222222222".parse().unwrap());
        let failed = crate::archive::consolidate::record::Counts {
            source: 2,
            present: 1,
            failed: 1,
            ..Default::default()
        };
        done.report.by_source.insert("s3://part/logs".to_owned(), failed);
        done.found.unread.push(Unread {
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            reason: "denied".to_owned(),
            hint: None,
        });
        assert!(done.may_still_bring("part", Some(&other)));
        assert!(!done.may_still_bring("whole", Some(&one)));
        // Of an account that could not be asked, there may be trails.
        assert!(done.may_still_bring("unknown", Some(&one)));
        assert!(!done.may_still_bring("unknown", Some(&other)));
        done.report
            .failures
            .push(Failure { place: "s3://whole".to_owned(), reason: String::new() });
        assert!(done.may_still_bring("whole", Some(&one)));
        assert!(!done.may_still_bring("who", Some(&other)));
    }
}
