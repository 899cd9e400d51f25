//! `/events`: what was recorded, as a timeline, one click from a finding or a gap.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use axum::Extension;
use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use orgtrail_events::Event;

use super::components::{card, command, count, field, list, note, quoted, select, tag, verdict};
use super::layout::{Page, Section};
use super::query::link;
use super::reading::Reading;
use super::time;
use super::view::{Allowed, View};
use crate::events::answer::{Searched, SearchedEvent};
use crate::events::query::SourceIp;
use crate::filter_pattern::FilterPatternError;
use crate::names::{AccountId, Region};
use crate::ops::events::search::{Request, search};
use crate::ops::{Env, Moment, OpError};
use crate::printable::plain;
use crate::report::contract::service::EventSpan;
use crate::report::events::{search_summary, who_in_words};
use crate::serve::app::App;
use crate::words::counted;

/// The most events of a page.
const EVENTS: u64 = 200;
/// The longest text of a cell. Units: characters.
const LONGEST: usize = 200;
/// How long before and after the events behind a finding others are shown.
const AROUND: SignedDuration = SignedDuration::from_mins(5);
/// What the form asks for.
const FIELDS: [&str; 9] =
    ["account", "region", "from", "to", "event", "principal", "ip", "errors", "changes"];
/// The pattern of events that changed something, or may have.
const CHANGES: &str = "{ $.readOnly IS FALSE }";

/// An event, as a row shows it.
#[derive(Debug)]
struct Row {
    at: Option<Timestamp>,
    name: String,
    source: String,
    who: String,
    /// What the page of the attribution asks for.
    session: Option<String>,
    from: String,
    error: Option<String>,
    place: String,
    id: Option<String>,
}

/// The events of a page, and what was read for them.
#[derive(Debug)]
pub(super) struct Found {
    rows: Vec<Row>,
    searched: Searched,
}

/// `GET /events`
pub(super) async fn page(
    Extracted(app): Extracted<App>,
    allowed: Option<Extension<Allowed>>,
    uri: Uri,
) -> Response {
    let view = match View::of_client(&app, &uri, allowed) {
        Ok(view) => view,
        Err(response) => return *response,
    };
    let asked = asked(&view);
    let is_asked = FIELDS.iter().any(|name| view.query.get(name).is_some());
    let reading = match &asked {
        Ok(request) if is_asked => {
            let request = request.clone();
            Reading::of(&app, &view, async move |env| find(&env, &request).await).await
        }
        _ => Reading::NotAsked,
    };
    super::layout::response(events(&view, &asked, &reading))
}

async fn find(env: &Env, request: &Request) -> Result<Found, OpError> {
    let mut rows = Vec::new();
    let mut each = |event: SearchedEvent| {
        rows.push(Row::of(&event.raw));
        Ok(ControlFlow::Continue(()))
    };
    let searched = Box::pin(search(env, request, &mut each)).await?;
    Ok(Found { rows, searched })
}

/// A link to the events of an account and Region in a period.
pub(super) fn events_link(account: &str, region: &str, from: Timestamp, to: Timestamp) -> String {
    let [from, to] = [from, to].map(stamp);
    link("/events", [("account", account), ("region", region), ("from", &from), ("to", &to)])
}

/// A link to the events behind a finding, and those around it.
pub(super) fn span_link(span: &EventSpan) -> String {
    let from = span.from.checked_sub(AROUND).unwrap_or(span.from);
    let to = span.to.checked_add(AROUND).unwrap_or(span.to);
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let [from, to] = [from, to].map(stamp);
    let (account, region) = (text(&span.account), text(&span.region));
    let changes = if span.changes_only { "1" } else { "" };
    let place = [("account", account.as_str()), ("region", &region)];
    link("/events", place.into_iter().chain([("from", &*from), ("to", &to), ("changes", changes)]))
}

/// The page.
pub(super) fn events(
    view: &View,
    asked: &Result<Request, String>,
    reading: &Reading<Found>,
) -> Markup {
    let sentence = match reading {
        Reading::Read(found) => format!("{} found.", counted(found.rows.len(), "event")),
        _ => "Find out who did what, where and when.".to_owned(),
    };
    let more = html! {
        "The archive is read for this page. Whether it is complete, "
        a href="/coverage" { "coverage" } " says."
    };
    let line = tag("delivering", "Events");
    let main = html! {
        (verdict("run", &line, &sentence, &more, &Markup::default()))
        (form(view))
        @match asked {
            Err(problem) => { section.card aria-label="Problem" { div.pad { (note(&html! {
                (tag("failed", "not possible")) " " (plain(problem))
            })) } } },
            Ok(request) => { (answer(view, request, reading)) },
        }
    };
    Page::new(view, Section::Events, "Events").render(&main)
}

fn answer(view: &View, request: &Request, reading: &Reading<Found>) -> Markup {
    let the_same = as_command(view, request);
    let heading = "Timeline";
    let Reading::Read(Found { rows, searched }) = reading else {
        let body = reading.instead(&the_same).unwrap_or_default();
        return card("timeline", heading, &Markup::default(), &body);
    };
    let body = html! {
        @if searched.was_stopped {
            div.pad { (note(&html! {
                (tag("unreadable", "incomplete"))
                " Reading took too long: narrow the time, the account or the Region, or run the \
                 command."
            })) }
        } @else if searched.is_cut {
            div.pad { (note(&html! {
                "The first " (count(rows.len())) " events. For later ones, begin later."
            })) }
        }
        @if rows.is_empty() {
            div.pad { (note(&html! { "No event that was read matches." })) }
        } @else {
            (list(heading, &["Time", "Event", "Who", "From", "Where", "Result"], &html! {
                @for row in rows { (row.render(view)) }
            }))
        }
        div.pad {
            p { "What was read:" }
            (command("What was read", search_summary(searched).trim_end()))
            p { "The same as a command, which can also prove each event:" }
            (command("The same as a command", &format!("{the_same} --proof")))
        }
    };
    card("timeline", heading, &Markup::default(), &body)
}

impl Row {
    fn of(raw: &str) -> Self {
        let event = Event::parse(raw).unwrap_or_default();
        let cut = |text: &str| plain(text).chars().take(LONGEST).collect::<String>();
        let text = |field: &Option<std::borrow::Cow<'_, str>>| cut(field.as_deref().unwrap_or("-"));
        let identity = &event.identity;
        // A key is one session; a principal id is one of a role and name.
        let session = identity.access_key.as_deref().or(identity.principal_id.as_deref());
        Self {
            at: event.at(),
            name: text(&event.name),
            source: text(&event.source),
            who: cut(&who_in_words(&event)),
            session: session.map(cut).filter(|text| !text.is_empty()),
            from: text(&event.source_ip),
            error: event.failure().map(|failure| cut(&failure.code)),
            place: format!("{}, {}", cut(event.account().unwrap_or("-")), text(&event.region)),
            id: event.id.as_deref().map(cut),
        }
    }

    fn render(&self, view: &View) -> Markup {
        let at = self.at.map(stamp).unwrap_or_default();
        html! {
            tr {
                th scope="row" {
                    @match self.at {
                        Some(at) => { (time::at(at, view.now)) " " br; small { (time::second(at)) } },
                        None => { "unknown" },
                    }
                }
                td { (self.name) " " br; small { (self.source) } }
                td.wide {
                    @match &self.session {
                        Some(who) => {
                            a href=(link("/events/who", [("who", who.as_str()), ("at", &at)])) { (self.who) }
                        },
                        None => { (self.who) },
                    }
                }
                td { (self.from) }
                td { (self.place) }
                td.wide {
                    @match &self.error {
                        Some(error) => { (tag("failed", "failed")) " " (error) },
                        None => { "succeeded" },
                    }
                    @if let Some(id) = &self.id { " " br; small { (id) } }
                }
            }
        }
    }
}

fn form(view: &View) -> Markup {
    let query = &view.query;
    let regions = view.board.coverage.as_ref().map_or(&[][..], |coverage| &coverage.regions);
    let value = |name| query.get(name).unwrap_or_default();
    let from = query.get("from").unwrap_or("24h");
    html! {
        form.card.filter method="get" action="/events" aria-label="Events to find" {
            (field("Account ID, empty for all", "account", value("account")))
            (select(
                "Region",
                "region",
                "All",
                regions.iter().map(|region| (region.as_str(), region.as_str())),
                query,
            ))
            (field("From: a time, a day, or 24h", "from", from))
            (field("To, empty for now", "to", value("to")))
            (field("Event, as Stop*", "event", value("event")))
            (field("Who: a name, an ARN, a key", "principal", value("principal")))
            (field("Address or network", "ip", value("ip")))
            label {
                input type="checkbox" name="errors" value="1" checked[query.get("errors").is_some()];
                " Failed only"
            }
            label {
                input type="checkbox" name="changes" value="1"
                    checked[query.get("changes").is_some()];
                " Changes only"
            }
            button { "Find" }
        }
    }
}

/// What the form asks for; without one, the last 24 hours of everything.
pub(super) fn asked(view: &View) -> Result<Request, String> {
    let query = &view.query;
    let one = |name: &str| query.get(name).map(str::to_owned).into_iter().collect::<Vec<_>>();
    let account = match query.get("account") {
        None => None,
        Some(id) => Some(id.parse::<AccountId>().map_err(|_| "An account id has 12 digits.")?),
    };
    let region = match query.get("region") {
        None => None,
        Some(name) => Some(name.parse::<Region>().map_err(|_| "This is no Region.")?),
    };
    let moment = |name: &str| query.get(name).map(str::parse::<Moment>).transpose();
    let since = moment("from").map_err(|error| format!("From: {error}."))?;
    let until = moment("to").map_err(|error| format!("To: {error}."))?;
    let ip = query.get("ip").map(str::parse::<SourceIp>).transpose();
    Ok(Request {
        accounts: account.into_iter().collect(),
        regions: region.into_iter().collect(),
        since: Some(since.unwrap_or(Moment::Ago(SignedDuration::from_hours(24)))),
        until,
        events: one("event"),
        principals: one("principal"),
        source_ips: ip.map_err(|error| format!("Address: {error}."))?.into_iter().collect(),
        errors: query.get("errors").is_some(),
        pattern: query
            .get("changes")
            .map(|_| CHANGES.parse())
            .transpose()
            .map_err(|error: FilterPatternError| format!("Changes only: {error}."))?,
        limit: Some(EVENTS),
        ..Request::default()
    })
}

fn as_command(view: &View, request: &Request) -> String {
    let mut command = "orgtrail events search".to_owned();
    let mut add = |option: &str, value: &str| {
        let _ = write!(command, " --{option} {}", quoted(&plain(value)));
    };
    for account in &request.accounts {
        add("account", account.as_str());
    }
    for region in &request.regions {
        add("region", region.as_str());
    }
    let moments = [("since", request.since), ("until", request.until)];
    for (option, moment) in moments {
        if let Some(moment) = moment {
            add(option, &stamp(moment.resolve(view.now)));
        }
    }
    let given = [("event", "event"), ("principal", "principal"), ("source-ip", "ip")];
    for (option, name) in given {
        if let Some(value) = view.query.get(name) {
            add(option, value);
        }
    }
    if request.pattern.is_some() {
        let _ = write!(command, " {}", quoted(CHANGES));
    }
    if request.errors {
        command.push_str(" --errors");
    }
    command
}

fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
