//! `orgtrail events export`

use super::arguments::{Reading, Selected};
use crate::aws::WriteAuthority;
use crate::cli::shard::{self, ShardOptions};
use crate::cli::{Context, Format as Printed, OpError, Outcome, Rendering};
use crate::events::export::{Exported, Format};
use crate::names::AccountId;
use crate::ops::Moment;
use crate::ops::events::export::{Request, outcome, prepare};
use crate::ops::shards::ShardWork;
use crate::report::contract::event_export::Report;
use crate::report::events::export_text;
use crate::words::counted;

/// Write the recorded events as files for DuckDB, Athena, Spark or a security lake
///
/// Each closed day of an account and Region becomes a file, whose name and bytes are the same
/// in each run: the next run writes what is missing. Beside it, a manifest lists the log files
/// that it was made from, with their hashes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail events export --to ./lake --since 30d
  orgtrail events export --to s3://acme-events/trail --since 3d --proof --yes
  orgtrail events export --to ./ocsf --as ocsf --in s3://old-trail-bucket
  orgtrail events export --to s3://aws-security-data-lake-us-east-1-x --as security-lake --yes
  duckdb -c \"select event_name, count(*) from './lake/events/**/*.parquet' group by 1\"

A day is closed two hours after its end. `--format parquet`, `ocsf` and `ndjson` are short for
`--as`; `--format json` prints the result as a document.

Exit code 0 if all closed days are written, 12 if the files of a day differ from what would be
written, 13 if an event or a file is contradicted by a digest, 14 if a file or record could not
be read, or with --proof something is not proven.")]
pub(crate) struct Args {
    /// Where to write: `s3://bucket/prefix` or a directory. Default: `athena.export` of the
    /// configuration.
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,

    /// What to write. Default: parquet.
    #[arg(long = "as", value_enum, value_name = "FORMAT")]
    written_as: Option<FileFormat>,

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    selected: Selected,

    /// The first day: a day, a time in it, `yesterday`, or how long ago, as in 7d.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// The last day. Default: the last that is closed.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// Write days again whose files differ, such as after log files were added to the archive.
    #[arg(long)]
    replace: bool,

    /// The account that must own the bucket of --to. Default: the caller's, or `athena.account`
    /// for the bucket of `athena.export`.
    #[arg(long, value_name = "ID")]
    to_owner: Option<AccountId>,

    #[command(flatten)]
    sharding: ShardOptions,
}

/// The values of `--as`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FileFormat {
    /// A table with a column for each field, and the record.
    Parquet,
    /// Events of OCSF, one a line.
    Ocsf,
    /// Records as CloudTrail wrote them, one a line.
    Ndjson,
    /// Records for OpenSearch's `_bulk`, each with its id.
    Opensearch,
    /// Tables of OCSF events, one for each class, in the folders of custom sources of Amazon
    /// Security Lake.
    SecurityLake,
}

impl From<FileFormat> for Format {
    fn from(format: FileFormat) -> Self {
        match format {
            FileFormat::Parquet => Self::Parquet,
            FileFormat::Ocsf => Self::Ocsf,
            FileFormat::Ndjson => Self::Ndjson,
            FileFormat::Opensearch => Self::OpenSearch,
            FileFormat::SecurityLake => Self::SecurityLake,
        }
    }
}

/// The files that a value of `--format` stands for.
pub(super) fn format_of(rendering: Rendering) -> Option<Format> {
    match rendering {
        Rendering::Parquet => Some(Format::Parquet),
        Rendering::Ocsf => Some(Format::Ocsf),
        Rendering::Ndjson => Some(Format::Ndjson),
        _ => None,
    }
}

impl Args {
    fn request(self, rendering: Rendering) -> Result<Request, OpError> {
        let named = self.written_as.map(Format::from);
        let short = format_of(rendering);
        if let (Some(named), Some(short)) = (named, short)
            && named != short
        {
            return Err(OpError::usage(format!(
                "`--as {}` and `--format {}` name two formats",
                named.as_str(),
                short.as_str()
            )));
        }
        let (place, proof) = self.reading.into_request();
        let (accounts, regions) = self.selected.into_sets();
        Ok(Request {
            place,
            to: self.to,
            to_owner: self.to_owner,
            format: named.or(short).unwrap_or_default(),
            accounts,
            regions,
            since: self.since,
            until: self.until,
            replace: self.replace,
            proof,
            shard: None,
        })
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let env = args.reading.env(context)?;
    let sharding = args.sharding.request(context)?;
    let mut request = args.request(context.rendering)?;
    let mut work = None;
    if let Some(sharding) = sharding {
        let is_fixed = |moment: Moment| matches!(moment, Moment::At(_));
        if !request.until.is_some_and(is_fixed) || !request.since.is_none_or(is_fixed) {
            return Err(OpError::usage(
                "`--shard` requires `--until`, and days that do not depend on the present",
            )
            .with_hint("give every shard the same days, as in 2026-11-30"));
        }
        let opened = ShardWork::open(&env, &sharding, "events export", request.asked()).await?;
        request.shard = Some(opened.shard().clone());
        work = Some(opened);
    }
    let prepared = prepare(&env, request).await?;
    let authority = match prepared.question() {
        Some(question) => {
            context.confirm(&question)?;
            Some(WriteAuthority::granted())
        }
        None => None,
    };
    let exported = Box::pin(prepared.run(&env, authority.as_ref())).await?;
    if let Some(work) = work {
        let days = counted(exported.written.days, "day");
        let done = work.keep_export(&env, exported).await?;
        shard::report(context, &done, &format!("{days} written"))?;
        return Ok(Outcome::Clean);
    }
    print(context, &exported)?;
    Ok(outcome(&exported))
}

/// Prints the result of an export.
pub(in crate::cli) fn print(context: &Context, exported: &Exported) -> Result<(), OpError> {
    match context.format {
        Printed::Json => context.document(Report::new(exported)),
        Printed::Text => context.out.data(export_text(exported).trim_end()),
    }
}
