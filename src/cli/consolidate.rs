//! `orgtrail consolidate`

mod done;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aws_sdk_s3::types::StorageClass;
use clap::builder::RangedU64ValueParser;
use jiff::{Timestamp, civil::Date};

pub(super) use self::done::Done;
use self::done::count;
use super::{OpError, Context, Outcome, Format, archived::RestoreTier, copying, sources};
use crate::{
    archive::{
        authenticity::Trust,
        consolidate::{
            copy::{PART_BYTES, Target, WriteTarget},
            discover, keys,
            locate::LocatedSources,
            pace::MOST,
            restore::Restore,
            run::{Archive, Asked, Failure, Progress, Report, Run, Sources, consolidate},
            server_side::ServerSide,
            source::Source,
        },
        key::Root,
        verify::{
            chain::Window,
            public_keys::PublicKeySet,
            run::{ApiKeys, KeyRing},
        },
    },
    aws::{Aws, Clients, WriteAuthority},
    config::{Config, matches_any},
    names::{AccountId, Region},
    ops::Interrupted,
    plan::apply::Stale,
    report::drift::plain,
    words::in_one_line,
};

/// How many objects are copied at once, where nobody says.
const CONCURRENCY: usize = 64;
/// After a signal, how long the run has to finish and to write its record: less
/// than the 30 seconds after which schedulers kill it.
const RECORDED_WITHIN: Duration = Duration::from_secs(25);
/// For how many days restored copies stay, where nobody says.
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

Outcome code 0 only if every source is in the archive, except sources whose buckets were
deleted. Outcome code 14 if objects conflict, failed, do not match their keys or must be
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
    copy: CopyWay,

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

    /// How many objects to copy at once.
    #[arg(long, value_name = "COPIES", default_value_t = CONCURRENCY,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST as u64))]
    concurrency: usize,

    /// How many days after the end of a day to expect late files for it. Default: the value in
    /// the configuration.
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
            trust_records: false,
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
    /// Inside S3 if the log-archive account owns the source, otherwise through this machine.
    #[default]
    Auto,
    /// Inside S3 if the archive's credentials can read the source, even if another account owns
    /// it. Objects are read first and compared with what S3 copied.
    Server,
    /// Always through this machine.
    Client,
}

impl From<CopyWay> for ServerSide {
    fn from(way: CopyWay) -> Self {
        match way {
            CopyWay::Auto => Self::OwnBuckets,
            CopyWay::Server => Self::AnyBucket,
            CopyWay::Client => Self::Never,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let done = once(&args, context).await?;
    match context.format {
        Format::Json => context.document(done.document())?,
        Format::Text => {
            context.head()?;
            done.tell(context)?;
        }
    }
    Ok(done.outcome())
}

/// Consolidates once, with a yes to the question before anything is written.
pub(super) async fn once(args: &Args, context: &Context) -> Result<Done, OpError> {
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since > until
    {
        return Err(OpError::usage(format!("`--since {since}` is after `--until {until}`"))
            .with_hint("both days are among those that are looked at"));
    }
    let config = context.config()?;
    let first = async {
        let aws = context.env()?.aws().await?;
        let sought = Sought::seek(args, context, &aws, &config).await?;
        Ok::<_, OpError>((aws, sought))
    };
    let (aws, mut sought) = context.env()?.unless_stopped(Box::pin(first)).await??;
    if !args.dry_run && !sought.located.readable.is_empty() {
        let question = question(args, &config, &sought.located.readable, context);
        context.confirm(&question)?;
        if !context.yes {
            // What was confirmed is what was shown: sources may have changed under the prompt.
            let again = Box::pin(Sought::seek(args, context, &aws, &config));
            let now = context.env()?.unless_stopped(again).await??;
            sought.check_unchanged(&now)?;
            sought = now;
        }
    }
    let Sought { legacy, selected, known, located } = sought;
    let (found, missing) = (located.readable, located.missing);
    if context.format == Format::Text {
        for source in &found {
            sources::tell_unexpected_owner(context, &config, source);
        }
    }
    let failed: Vec<Failure> = located
        .unreadable
        .into_iter()
        .map(|(source, why)| Failure { place: source.name(), reason: why.reason, hint: why.hint })
        .collect();
    let names = found.iter().map(Source::name);
    let names: Vec<String> = names.chain(failed.iter().map(|one| one.place.clone())).collect();
    // A choice of sources is no reason to miss others.
    let vanished = if args.source.is_empty() {
        sources::vanished(&aws, &config, Some(&legacy.organization.id), &known).await
    } else {
        Vec::new()
    };
    let archive = archive(&config, &legacy.organization.id, &aws);
    let readers: Vec<(Source, Clients)> = found
        .into_iter()
        .map(|source| {
            let clients = source.clients(&aws);
            (source, clients)
        })
        .collect();
    let asked = Asked {
        since: args.since,
        until: args.until,
        accounts: args.account.iter().cloned().collect::<BTreeSet<_>>(),
        regions: args.region.iter().cloned().collect::<BTreeSet<_>>(),
        full: args.full,
        trust_records: args.trust_records,
        server_side: args.copy.into(),
        restore: args
            .restore
            .then(|| Restore { tier: args.restore_tier.into(), days: args.restore_days }),
        limit: args.limit,
        concurrency: args.concurrency,
        overlap_days: args.overlap_days.unwrap_or(config.consolidate.overlap_days),
        excluded: selected.excluded.iter().map(Source::name).collect(),
    };
    let run = begin(&aws);
    let bar = context.out.copying();
    let progress = Progress::new(args.limit).ending_on(context.stop.clone());
    let progress = Arc::new(if bar.is_some() { progress.with_forecast() } else { progress });
    let shown = tokio::spawn(copying::show(context.out, Arc::clone(&progress), bar.clone()));
    let failed: Vec<Failure> = failed.into_iter().chain(vanished).collect();
    let work = async {
        let scope = sources::scope(&config, &legacy.organization, legacy.regions);
        let mut failed = failed;
        let saved = keys::saved(&archive.target, archive.prefix.as_deref()).await;
        let saved = saved.unwrap_or_else(|error| {
            failed.push(Failure {
                place: format!("the public keys in s3://{}", archive.target.bucket),
                reason: format!("not read: {}", in_one_line(&error)),
                hint: None,
            });
            PublicKeySet::default()
        });
        let management = config.organization.management_account.clone();
        let keys = KeyRing::Api(ApiKeys::new(aws.clone(), management, saved, run.now));
        let sources = Sources { readable: readers, failed, scope, keys };
        let authority = (!args.dry_run).then(WriteAuthority::granted);
        let filled = Arc::clone(&progress);
        let mut report =
            consolidate(&run, &asked, &archive, sources, filled, authority.as_ref()).await?;
        // After a stop there is no time, and the next run saves them.
        if let Some(authority) = authority.as_ref().filter(|_| !context.stop.is_requested()) {
            let target = WriteTarget::new(archive.target.clone(), authority);
            save_keys(&aws, &config, &archive, &target, run.now, &mut report).await;
        }
        Ok::<_, OpError>(report)
    };
    let ended = tokio::select! {
        ended = context.env()?.unless_ended(Box::pin(work)) => ended,
        // Where even the record cannot be written in time.
        () = context.stop.over(RECORDED_WITHIN) => Err(Interrupted::AtOnce.into()),
    };
    shown.abort();
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let report = ended?;
    let storage_class = archive.target.storage_class.as_str().to_owned();
    Ok(Done {
        run_id: run.id,
        sources: names,
        missing: missing.into_iter().map(Into::into).collect(),
        excluded: selected.excluded.iter().map(Source::name).collect(),
        found: legacy.found,
        dry_run: args.dry_run,
        report,
        storage_class,
    })
}

/// What is found before a run copies anything.
struct Sought {
    legacy: sources::Legacy,
    /// What the configuration excludes; the sources are those of `located`.
    selected: discover::Selected,
    /// The buckets that trails or the configuration name.
    known: BTreeSet<String>,
    located: LocatedSources,
}

impl Sought {
    async fn seek(
        args: &Args,
        context: &Context,
        aws: &Aws,
        config: &Config,
    ) -> Result<Self, OpError> {
        let legacy = sources::find(context, aws, config).await?;
        let mut selected = discover::selected(&legacy.found.trails, config);
        let known = sources::buckets(&selected);
        let found: Vec<Source> = std::mem::take(&mut selected.sources)
            .into_iter()
            .filter(|source| args.source.is_empty() || matches_any(&args.source, &source.name()))
            .collect();
        if !args.source.is_empty() && found.is_empty() {
            return Err(OpError::usage(format!("no source matches {}", args.source.join(", ")))
                .with_hint("`orgtrail sources` lists them"));
        }
        let located = sources::located(aws, config, Some(&legacy.organization), found).await;
        Ok(Self { legacy, selected, known, located })
    }

    /// Whether the sources, their owners and the accounts that they speak for are still
    /// those that were shown.
    fn check_unchanged(&self, now: &Self) -> Result<(), OpError> {
        let (shown, now) = (&self.located.readable, &now.located.readable);
        let beyond = |one: &[Source], other: &[Source]| -> Vec<String> {
            one.iter().filter(|it| !other.contains(it)).map(Source::name).collect()
        };
        let changed: BTreeSet<String> =
            beyond(shown, now).into_iter().chain(beyond(now, shown)).collect();
        if changed.is_empty() {
            return Ok(());
        }
        Err(Stale { changed: changed.into_iter().collect() }.into())
    }
}

/// What is asked before anything is copied; the sources are listed above it.
fn question(args: &Args, config: &Config, sources: &[Source], context: &Context) -> String {
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
    let (bucket, from) = (&config.archive.bucket, count(sources.len()));
    let account = &config.organization.log_archive_account;
    let restore = if args.restore { ", and restore what is archived" } else { "" };
    format!("copy what is missing from {from} into s3://{bucket} of account {account}{restore}?")
}

/// Saves the public keys of every Region whose digests were moved. What does not
/// work is a failure of the run, whose report stands: later the keys may be gone.
async fn save_keys(
    aws: &Aws,
    config: &Config,
    archive: &Archive,
    target: &WriteTarget,
    now: Timestamp,
    report: &mut Report,
) {
    let management = config.organization.management_account.clone();
    let api = ApiKeys::new(aws.clone(), management, PublicKeySet::default(), now);
    for (region, accounts) in &report.digest_accounts {
        api.ask_too(region, accounts);
    }
    let mut keys = PublicKeySet::default();
    for region in report.digest_regions.clone() {
        match api.ask(&region, Window::default()).await {
            Ok(told) => keys.extend(&told),
            Err(error) => report.failures.push(Failure {
                place: format!("the public keys of {region}"),
                reason: in_one_line(&error),
                hint: error.hint(),
            }),
        }
    }
    if keys.is_empty() {
        return;
    }
    match keys::save(target, archive.prefix.as_deref(), &keys).await {
        Ok(saved) => report.record_faults.extend(saved.replaced.map(|key| {
            let reason = "it was no list of public keys, and was replaced by one; its earlier \
                versions may have more keys";
            (key, reason.to_owned())
        })),
        Err(error) => report.failures.push(Failure {
            place: format!("the public keys in s3://{}", archive.target.bucket),
            reason: format!("not saved: {}", in_one_line(&error)),
            hint: None,
        }),
    }
}

/// The archive as consolidation fills it.
pub(super) fn archive(config: &Config, org: &crate::names::OrgId, aws: &Aws) -> Archive {
    let prefix = config.archive.prefix.as_ref().map(|prefix| prefix.as_str().to_owned());
    let root = Root { prefix: prefix.as_deref().map(Into::into), org: Some(org.clone()) };
    let trust = Trust::of_config(config, aws, Some(org));
    Archive { target: target(config, aws), prefix, trust, root }
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

/// A run that begins now.
pub(super) fn begin(aws: &Aws) -> Run {
    let now = aws.now();
    Run {
        id: format!("{}-{:08x}", now.strftime("%Y%m%dT%H%M%SZ"), fastrand::u32(..)),
        now,
        caller: aws.caller().arn.to_string(),
        program: format!("orgtrail {}", env!("CARGO_PKG_VERSION")),
    }
}
