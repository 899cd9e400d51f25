//! `orgtrail consolidate`

mod result;

use clap::builder::RangedU64ValueParser;
use jiff::civil::Date;

pub(super) use self::result::print;
use super::archived::RestoreTier;
use super::shard::{self, ShardOptions};
use super::{Context, Format, OpError, Outcome};
use crate::archive::consolidate::concurrency::MAX_CONCURRENCY;
use crate::archive::consolidate::restore::Restore;
use crate::archive::consolidate::server_side::ServerSide;
use crate::archive::consolidate::source::Source;
use crate::aws::WriteAuthority;
use crate::config::Config;
use crate::names::{AccountId, Region};
use crate::ops::consolidate::{CONCURRENCY, Consolidated, Request, count_sources, prepare};
use crate::ops::shards::ShardWork;
use crate::report::drift::plain;
use crate::words::counted;

/// How many days restored copies stay by default.
const RESTORE_DAYS: u16 = 7;

/// Copy the logs of legacy trails into the archive
///
/// Finds every trail other than the organization trail, compares its bucket (and the buckets in
/// the configuration) with the archive, and copies what is missing: byte for byte, with the
/// metadata that contains the signatures, and never over another object. If a run is stopped or
/// killed, the next one completes it. Each run is recorded in the archive under
/// `orgtrail/runs/`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail consolidate --dry-run
  orgtrail consolidate --yes
  orgtrail consolidate --yes --account 444444444444 --since 2025-01-01
  orgtrail consolidate --yes --source 's3://legacy-*'
  orgtrail consolidate --yes --restore --restore-tier bulk

Exit code 0 only if every source is in the archive, except sources whose buckets were
deleted. Exit code 14 if objects conflict, failed, do not match their keys or must be
restored first, if a source was unreadable, or if the public keys could not be saved.
On Ctrl-C or SIGTERM it finishes what is in flight and writes the record (14); a
second signal stops it immediately (14).")]
pub(crate) struct Args {
    /// Show what would be copied, without copying.
    #[arg(long)]
    dry_run: bool,

    /// The first day to copy, in UTC.
    #[arg(long, value_name = "DAY")]
    since: Option<Date>,

    /// The last day to copy, in UTC.
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,

    /// Copy only this account's logs. Can be repeated.
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,

    /// Copy only this Region's logs. Can be repeated.
    #[arg(long, value_name = "REGION")]
    region: Vec<Region>,

    /// Copy only from sources whose name matches; `*` matches anything. Can be repeated.
    #[arg(long, value_name = "PATTERN")]
    source: Vec<String>,

    /// Copy at most this many objects, and leave the rest to the next run.
    #[arg(long, value_name = "OBJECTS")]
    limit: Option<u64>,

    /// List days again that earlier runs proved complete.
    #[arg(long)]
    full: bool,

    /// Skip the days that the records of earlier runs list as complete.
    ///
    /// If `records.mac_key` is set, only records with a valid MAC are trusted. Otherwise
    /// nothing authenticates them: anyone who can write below `orgtrail/` in the archive can
    /// make such a run skip days. All days are still listed every 7 days.
    #[arg(long, conflicts_with = "full")]
    trust_records: bool,

    /// How to copy the objects.
    #[arg(long, value_enum, value_name = "METHOD", default_value_t)]
    copy: CopyMethod,

    /// Start restoring objects in archive storage classes; AWS charges for it. A later run
    /// copies them.
    #[arg(long)]
    restore: bool,

    /// The speed of the restore.
    #[arg(long, value_enum, value_name = "TIER", default_value_t, requires = "restore")]
    restore_tier: RestoreTier,

    /// How many days to keep the restored copies.
    #[arg(long, value_name = "DAYS", default_value_t = RESTORE_DAYS, requires = "restore",
        value_parser = clap::value_parser!(u16).range(1..=365))]
    restore_days: u16,

    /// How many objects to copy at once at most: their number grows from 64 as long as that makes
    /// copies faster.
    #[arg(long, value_name = "COPIES", default_value_t = CONCURRENCY,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_CONCURRENCY as u64))]
    concurrency: usize,

    /// How many days after the end of a day to expect late files for it. Default: the value in
    /// the configuration.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=365))]
    overlap_days: Option<u32>,

    #[command(flatten)]
    sharding: ShardOptions,
}

impl From<Args> for Request {
    fn from(args: Args) -> Self {
        let (tier, days) = (args.restore_tier.into(), args.restore_days);
        Self {
            since: args.since,
            until: args.until,
            accounts: args.account.into_iter().collect(),
            regions: args.region.into_iter().collect(),
            sources: args.source,
            limit: args.limit,
            full: args.full,
            trust_records: args.trust_records,
            server_side: args.copy.into(),
            restore: args.restore.then_some(Restore { tier, days }),
            concurrency: args.concurrency,
            overlap_days: args.overlap_days,
            shard: None,
        }
    }
}

/// The values of `--copy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum CopyMethod {
    /// Inside S3 if the log-archive account owns the source, otherwise through this machine.
    #[default]
    Auto,
    /// Inside S3 if the archive's credentials can read the source, even if another account owns
    /// it. Objects are read first and compared with what S3 copied.
    Server,
    /// Always through this machine.
    Client,
}

impl From<CopyMethod> for ServerSide {
    fn from(method: CopyMethod) -> Self {
        match method {
            CopyMethod::Auto => Self::OwnBuckets,
            CopyMethod::Server => Self::AnyBucket,
            CopyMethod::Client => Self::Never,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let env = context.env()?;
    let (is_dry_run, restores) = (args.dry_run, args.restore);
    let sharding = args.sharding.request(context)?;
    let mut request = Request::from(args);
    let mut work = None;
    if let Some(sharding) = sharding {
        if !is_dry_run && !context.yes {
            return Err(OpError::usage("a shard never prompts")
                .with_hint("to allow it to write, add `--yes`"));
        }
        if request.limit.is_some() {
            return Err(OpError::usage("`--shard` cannot be used with `--limit`"));
        }
        let opened = ShardWork::open(&env, &sharding, "consolidate", request.asked(is_dry_run));
        let opened = opened.await?;
        request.shard = Some(opened.shard().clone());
        work = Some(opened);
    }
    let mut prepared = prepare(&env, request).await?;
    if !is_dry_run && !prepared.sources().is_empty() {
        confirm(env.config()?, prepared.sources(), restores, context)?;
        if !context.yes {
            prepared = prepared.refreshed(&env).await?;
        }
    }
    let authority = (!is_dry_run).then(WriteAuthority::granted);
    let consolidated = prepared.run(&env, authority.as_ref()).await?;
    if let Some(work) = work {
        let copied = counted(consolidated.report.counts.copied, "object");
        let done = work.keep_consolidation(&env, consolidated).await?;
        shard::report(context, &done, &format!("{copied} copied"))?;
        return Ok(Outcome::Clean);
    }
    print_result(context, &consolidated)?;
    Ok(consolidated.outcome())
}

/// Prints a consolidation.
pub(super) fn print_result(context: &Context, consolidated: &Consolidated) -> Result<(), OpError> {
    match context.format {
        Format::Json => context.document(consolidated.document()),
        Format::Text => {
            context.head()?;
            print(context, consolidated)
        }
    }
}

/// Prompts before anything is copied, with the sources above the prompt.
fn confirm(
    config: &Config,
    sources: &[Source],
    restores: bool,
    context: &Context,
) -> Result<(), OpError> {
    if !context.yes {
        for source in sources {
            let owner = source.owner.as_ref().unwrap_or(&source.account);
            let accounts: Vec<&str> = source.accounts.iter().map(AccountId::as_str).collect();
            context.out.warn(format_args!(
                "  {} of account {owner}, for the logs of {}",
                plain(&source.name()),
                accounts.join(", ")
            ));
        }
    }
    let (bucket, from) = (&config.archive.bucket, count_sources(sources.len()));
    let account = &config.organization.log_archive_account;
    let restore = if restores { ", and restore objects in archive storage classes" } else { "" };
    context.confirm(&format!(
        "Copy missing objects from {from} to s3://{bucket} in account {account}{restore}?"
    ))
}
