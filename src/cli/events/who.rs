//! `orgtrail events who`

use std::ops::ControlFlow;

use super::arguments::Reading;
use crate::archive::key::LogClass;
use crate::cli::{Context, OpError, Outcome, Output, Rendering};
use crate::events::answer::SearchedEvent;
use crate::events::attribution::{Question, Verdict};
use crate::names::AccountId;
use crate::ops::Moment;
use crate::ops::events::search;
use crate::ops::events::who::{Request, followed, outcome, who};
use crate::report::contract::attribution;
use crate::report::contract::events::FoundEvent;
use crate::report::events::{Columns, attribution_text, json_line, search_summary};

/// Find the person or workload behind a session, an access key or an event
///
/// Follows a session back over the calls that issued its credentials, in all accounts and
/// Regions, and reports how strong each link is. If several sessions match, it lists them as
/// candidates. Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail events who AROAEXAMPLEEXAMPLE:deploy --at 2026-11-20T10:42:00Z
  orgtrail events who ASIAEXAMPLEEXAMPLE --since 2d --proof
  orgtrail events who 6e882b9d-2af8-4c67-b91f-aeac6a0e5e70 --in ./logs
  orgtrail events who AKIAEXAMPLEEXAMPLE --since 7d --sessions
  orgtrail events who alice --since 2026-11-20 --until 2026-11-21 --events

Links are `proven` by an id that AWS wrote, `bounded` by the role, the session's name and the
second of its creation, or `claimed` by a name that the caller chose. A claimed link never
resolves a session.

Exit code 0 if one person or workload is found over proven and bounded links, 13 if a log file
is contradicted by a digest, 14 if there are several candidates, a link is claimed or broken,
or something could not be read or, with --proof, is not proven.")]
pub(crate) struct Args {
    /// An access key, a principal id as in `AROA…:session` or `AIDA…`, `role/session`, an ARN,
    /// an event id, an instance id, or a name.
    who: Question,

    /// When it acted: a time, a day, `yesterday`, or how long ago, as in 12h.
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,

    #[command(flatten)]
    reading: Reading,

    /// Read no event before this time. Default: 36h before --at or before now, and earlier
    /// where a session was created earlier; everything in a directory or bundle without --at.
    /// With --sessions or --events, calls that issued credentials are read from 36h before.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Read no event after this time. Default: an hour after --at, or now.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,

    /// Read only log files of this account. Can be repeated.
    #[arg(long, value_name = "ID")]
    account: Vec<AccountId>,

    /// List the sessions that descend from it.
    #[arg(long)]
    sessions: bool,

    /// Print what it did, directly and through the sessions that descend from it.
    #[arg(long, conflicts_with = "sessions")]
    events: bool,
}

impl From<Args> for Request {
    fn from(args: Args) -> Self {
        let (place, proof) = args.reading.into_request();
        Self {
            place,
            question: args.who,
            at: args.at,
            since: args.since,
            until: args.until,
            accounts: args.account.into_iter().collect(),
            sessions: args.sessions || args.events,
            proof,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let rendering = context.rendering;
    let wants_events = args.events;
    if rendering == Rendering::Jsonl && !wants_events {
        return Err(OpError::usage("--format jsonl prints events: use it with --events"));
    }
    let env = args.reading.env(context)?;
    let request = Request::from(args);
    let attributed = Box::pin(who(&env, &request)).await?;
    let text = attribution_text(&attributed, Output::width());
    let mut ended = outcome(&attributed);
    let followed = followed(&request, &attributed).filter(|_| wants_events);
    let is_ambiguous = attributed.answer.verdict == Verdict::Ambiguous;
    if request.sessions && is_ambiguous {
        context.out.note(
            "no sessions or events are printed: ask for one of the candidates by its id or key",
        );
    }
    let Some(followed) = followed else {
        match rendering {
            Rendering::Json => context.document(attribution::Report::new(&attributed))?,
            _ => {
                context.out.data(format_args!("{text}{}", search_summary(&attributed.searched)))?;
            }
        }
        return Ok(ended);
    };
    match rendering {
        Rendering::Text => context.out.data(&text)?,
        _ => context.out.note(text.trim_end()),
    }
    let columns = Columns::new(Output::width());
    let mut events = Vec::new();
    let mut print = |event: SearchedEvent| match rendering {
        Rendering::Json => {
            events.push(FoundEvent::new(&event).map_err(OpError::unexpected)?);
            Ok(ControlFlow::Continue(()))
        }
        Rendering::Jsonl => Output::row(json_line(&event).map_err(OpError::unexpected)?),
        _ => Output::row(columns.line(&event)),
    };
    let search = search::Request {
        place: request.place,
        accounts: request.accounts,
        since: request.since.or(attributed.searched.coverage.window.since.map(Moment::At)),
        classes: [LogClass::Events].into(),
        until: request.until,
        followed: Some(followed),
        limit: (rendering == Rendering::Json).then_some(attribution::MAX_EVENTS),
        proof: request.proof,
        ..search::Request::default()
    };
    let searched = Box::pin(search::search(&env, &search, &mut print)).await?;
    ended = Outcome::most_severe([ended, search::outcome(&searched)]);
    match rendering {
        Rendering::Json => {
            let report = attribution::Report::new(&attributed).with_events(events, &searched);
            context.document(report)?;
        }
        Rendering::Jsonl => context.out.note(search_summary(&searched).trim_end()),
        _ => context.out.data(format_args!("\n{}", search_summary(&searched)))?,
    }
    Ok(ended)
}
