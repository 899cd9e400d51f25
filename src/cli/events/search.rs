//! `orgtrail events search`

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::arguments::{Reading, Selected};
use crate::archive::key::LogClass;
use crate::cli::{Context, OpError, Outcome, Output, Rendering};
use crate::events::answer::SearchedEvent;
use crate::events::query::SourceIp;
use crate::filter_pattern::FilterPattern;
use crate::ops::Moment;
use crate::ops::events::search::{Request, outcome, search};
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

    #[command(flatten)]
    reading: Reading,

    #[command(flatten)]
    selected: Selected,

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
}

fn pattern(text: &str) -> Result<FilterPattern, String> {
    text.parse::<FilterPattern>().map_err(|error| {
        let is_name =
            text.chars().all(|character| character.is_ascii_alphanumeric() || character == '*');
        if is_name && !text.is_empty() {
            return format!("{error}. Events of a name are found by `--event {text}`");
        }
        error.to_string()
    })
}

impl Args {
    fn request(self, rendering: Rendering) -> Request {
        let classes = if self.insights { [LogClass::Insight].into() } else { BTreeSet::new() };
        let in_document = (rendering == Rendering::Json).then_some(MAX_IN_DOCUMENT);
        let (place, proof) = self.reading.into_request();
        let (accounts, regions) = self.selected.into_sets();
        Request {
            place,
            accounts,
            regions,
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
            proof,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let rendering = context.rendering;
    let env = args.reading.env(context)?;
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
