//! `orgtrail events search`

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::env_of;
use crate::archive::key::LogClass;
use crate::cli::verify::ScopeOptions;
use crate::cli::{Context, OpError, Outcome, Output, Rendering};
use crate::events::answer::SearchedEvent;
use crate::events::query::SourceIp;
use crate::filter_pattern::FilterPattern;
use crate::names::{AccountId, Region};
use crate::ops::Moment;
use crate::ops::events::PlaceRequest;
use crate::ops::events::search::{Request, outcome, search};
use crate::ops::verify::Scope;
use crate::report::contract::events::{FoundEvent, SearchReport, SearchSummary};
use crate::report::events::{Columns, csv_header, csv_row, json_line, search_summary};

/// The most events of a JSON document, which is built in memory.
const MAX_IN_DOCUMENT: u64 = 100_000;

/// Search the recorded events
///
/// Reads the log files that can contain matching events, and prints the events in the order in
/// which they happened, each once. At the end it reports what was read: a search without a
/// result says nothing about files that are missing. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail events search --event StopLogging --since 7d
  orgtrail events search '{ $.eventName = \"Delete*\" && $.errorCode = * }' --since 2026-11-01
  orgtrail events search --principal alice --since yesterday --proof
  orgtrail events search --source-ip 198.51.100.0/24 --in ./logs --format jsonl | jq .eventName
  orgtrail events search --errors --in s3://old-trail-bucket --format csv > errors.csv

PATTERN is a filter pattern of CloudWatch Logs for JSON.

Exit code 0 if all files were read, 13 if an event or a file is contradicted by a digest, 14
if a file or record could not be read, or with --proof something is not proven.")]
pub(crate) struct Args {
    /// A filter pattern, as in `{ $.eventName = StopLogging }`.
    #[arg(value_parser = pattern)]
    pattern: Option<FilterPattern>,

    /// `s3://bucket/prefix`, a directory of log files, or an evidence bundle. Default: the
    /// archive of the configuration.
    #[arg(long = "in", value_name = "PLACE")]
    place: Option<String>,

    /// Only events recorded for this account. Can be repeated.
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,

    /// Only events of this Region. Can be repeated.
    #[arg(long)]
    region: Vec<Region>,

    /// Only events by this principal: a user's or role's name, a session's name, an ARN, a
    /// principal id or an access key; `*` matches any characters. Can be repeated.
    #[arg(long, value_name = "WHO")]
    principal: Vec<String>,

    /// Only events of this name; `*` matches any characters. Can be repeated.
    #[arg(long, value_name = "NAME")]
    event: Vec<String>,

    /// Only events from this address, network or service. Can be repeated.
    #[arg(long, value_name = "IP")]
    source_ip: Vec<SourceIp>,

    /// Only failed events.
    #[arg(long)]
    errors: bool,

    /// Only Insights events.
    #[arg(long)]
    insights: bool,

    /// Only events at this time or later: a time, a day, `yesterday`, or how long ago, as in
    /// 12h or 7d.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Only events at this time or earlier. Default: now.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// Print at most so many events.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Mark each event as proven, unproven or contradicted by the digest that lists its file.
    /// Verifies the digests and log files of the searched accounts, Regions and time.
    #[arg(long)]
    proof: bool,

    /// The account that must own the bucket `s3://…`. Default: as for `verify`.
    #[arg(long, value_name = "ID")]
    bucket_owner: Option<AccountId>,

    /// Public keys for --proof, as printed by `aws cloudtrail list-public-keys`.
    #[arg(long, value_name = "FILE", requires = "proof")]
    public_keys: Option<std::path::PathBuf>,

    /// Call no AWS API for --proof. The place must be a directory or a bundle.
    #[arg(long, requires = "proof")]
    offline: bool,
}

fn pattern(text: &str) -> Result<FilterPattern, String> {
    text.parse::<FilterPattern>().map_err(|error| error.to_string())
}

impl Args {
    fn request(self, rendering: Rendering) -> Request {
        let classes = if self.insights { [LogClass::Insight].into() } else { BTreeSet::new() };
        let in_document = (rendering == Rendering::Json).then_some(MAX_IN_DOCUMENT);
        let scope = Scope::from(ScopeOptions {
            bucket_owner: self.bucket_owner.clone(),
            public_keys: self.public_keys,
            offline: self.offline,
            ..ScopeOptions::default()
        });
        Request {
            place: PlaceRequest { name: self.place, bucket_owner: self.bucket_owner },
            accounts: self.account.into_iter().collect(),
            regions: self.region.into_iter().collect(),
            classes,
            since: self.since,
            until: self.until,
            pattern: self.pattern,
            events: self.event,
            principals: self.principal,
            source_ips: self.source_ip,
            errors: self.errors,
            followed: None,
            limit: [self.limit, in_document].into_iter().flatten().min(),
            proof: self.proof.then_some(scope),
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let rendering = context.rendering;
    let env = env_of(args.place.as_ref(), context)?;
    let columns = Columns::new(Output::width());
    let mut document = Vec::new();
    let mut head = false;
    let mut print = |event: SearchedEvent| {
        let line = match rendering {
            Rendering::Json => {
                document.push(FoundEvent::new(&event).map_err(OpError::unexpected)?);
                return Ok(ControlFlow::Continue(()));
            }
            Rendering::Jsonl => json_line(&event).map_err(OpError::unexpected)?,
            Rendering::Csv => {
                let row = csv_row(&event).map_err(OpError::unexpected)?;
                if std::mem::replace(&mut head, true) {
                    row
                } else {
                    format!("{}\n{row}", csv_header().map_err(OpError::unexpected)?)
                }
            }
            _ => columns.line(&event),
        };
        Output::row(line)
    };
    let searched = search(&env, &args.request(rendering), &mut print).await?;
    let summary = search_summary(&searched);
    match rendering {
        Rendering::Json => {
            let summary = SearchSummary::new(&searched);
            context.document(SearchReport { events: document, summary })?;
        }
        Rendering::Jsonl => context.out.note(summary.trim_end()),
        Rendering::Csv => {
            if !head {
                context.out.data(csv_header().map_err(OpError::unexpected)?)?;
            }
            context.out.note(summary.trim_end());
        }
        _ => {
            let space = if searched.matched > 0 { "\n" } else { "" };
            context.out.data(format_args!("{space}{summary}"))?;
        }
    }
    Ok(outcome(&searched))
}
