//! `/events/who`: who was behind a session, hop by hop.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use maud::{Markup, html};

use super::components::{card, command, crumbs, field, list, note, quoted, tag, verdict};
use super::events::events_link;
use super::layout::{Page, Section};
use super::reading::Reading;
use super::time;
use super::view::{Allowed, View};
use crate::events::answer::Attributed;
use crate::events::attribution::fact::EventRef;
use crate::events::attribution::{Chain, Hop, Question, Strength, Verdict};
use crate::ops::events::PlaceRequest;
use crate::ops::events::who::{Request, who};
use crate::ops::{Env, Moment};
use crate::printable::plain;
use crate::report::events::{
    actor_in_words, break_in_words, claim_in_words, link_in_words, origin_in_words, search_summary,
};
use crate::serve::app::App;
use crate::words::counted;

/// `GET /events/who`
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
    let reading = match &asked {
        Ok(Some(request)) => {
            let request = request.clone();
            let find = async move |env: Env| Box::pin(who(&env, &request)).await;
            Reading::of(&app, &view, find).await
        }
        _ => Reading::NotAsked,
    };
    super::layout::response(attribution(&view, &asked, &reading))
}

/// The page.
pub(super) fn attribution(
    view: &View,
    asked: &Result<Option<Request>, String>,
    reading: &Reading<Attributed>,
) -> Markup {
    let (class, word, sentence) = match reading {
        Reading::Read(attributed) => said(attributed),
        _ => (
            "delivering",
            "Attribution",
            "Find the person or workload behind a session.".to_owned(),
        ),
    };
    let more = html! {
        "A link is proven by an id that AWS wrote, bounded by the second in which a session began, \
         or claimed by a name that the caller chose. A claimed link never resolves a session."
    };
    let main = html! {
        (crumbs(&[("/events", "Events")], &html! { "Who" }))
        (verdict("run", &tag(class, word), &sentence, &more, &Markup::default()))
        (form(view))
        @match asked {
            Err(problem) => { section.card aria-label="Problem" { div.pad { (note(&html! {
                (tag("failed", "not possible")) " " (plain(problem))
            })) } } },
            Ok(_) => { (answer(view, reading)) },
        }
    };
    let page = Page { is_top: false, ..Page::new(view, Section::Events, "Who") };
    page.render(&main)
}

/// The class, the word and the sentence of an answer.
fn said(attributed: &Attributed) -> (&'static str, &'static str, String) {
    let answer = &attributed.answer;
    let origin = answer.chains.first().and_then(|chain| chain.origin.as_ref());
    let origin = origin.map_or_else(|| "unknown".to_owned(), origin_in_words);
    let asked = plain(&attributed.question);
    match &answer.verdict {
        Verdict::Resolved(strength) => {
            let class = if *strength == Strength::Proven { "resolved" } else { "late" };
            (class, strength.as_str(), format!("{asked} was {origin}."))
        }
        Verdict::Ambiguous => {
            let candidates = counted(answer.chains.len() as u64, "candidate");
            ("unreadable", "ambiguous", format!("{asked} may have been one of {candidates}."))
        }
        Verdict::Claimed => {
            ("unreadable", "claimed", format!("{asked} was perhaps {origin}: the caller said so."))
        }
        Verdict::Broken(why) => {
            ("unreadable", "unknown", format!("{asked}: {}.", break_in_words(why)))
        }
        Verdict::NotFound => {
            ("unreadable", "not found", format!("No event that was read is about {asked}."))
        }
    }
}

fn answer(view: &View, reading: &Reading<Attributed>) -> Markup {
    let the_same = as_command(view);
    let Reading::Read(attributed) = reading else {
        let body = reading.instead(&the_same).unwrap_or_default();
        return card("chain", "Hop by hop", &Markup::default(), &body);
    };
    let chains = &attributed.answer.chains;
    html! {
        @for (number, chain) in chains.iter().enumerate() {
            @let heading = match chains.len() {
                1 => "Hop by hop".to_owned(),
                _ => format!("Candidate {}", number + 1),
            };
            (card(&format!("chain-{number}"), &heading, &Markup::default(), &chain_table(view, &heading, chain)))
        }
        (card("read", "What was read", &Markup::default(), &html! { div.pad {
            (command("What was read", search_summary(&attributed.searched).trim_end()))
            p { "The same as a command, which can also prove each hop:" }
            (command("The same as a command", &format!("{the_same} --proof")))
        } }))
    }
}

fn chain_table(view: &View, heading: &str, chain: &Chain) -> Markup {
    let subject = &chain.subject;
    let rows = html! {
        tr {
            td { (tag("open", "session")) }
            td.wide { (actor_in_words(&subject.actor)) }
            td.wide {
                (counted(subject.events, "event"))
                @if let Some((first, last)) = subject.time {
                    ", " (time::at(first, view.now)) " to " (time::clock(last, first))
                }
            }
            td { @if let Some(event) = &subject.event { (place(event)) } }
        }
        @for hop in &chain.hops { (hop_row(view, hop)) }
        @if let Some(origin) = &chain.origin {
            tr {
                td { (tag("resolved", "origin")) }
                td.wide { (origin_in_words(origin)) }
                td {}
                td {}
            }
        }
        @for claim in &chain.claims {
            tr {
                td { (tag("late", "claimed")) }
                td.wide { (claim_in_words(claim)) }
                td.wide { "chosen by the caller" }
                td {}
            }
        }
    };
    list(heading, &["Link", "Who", "How", "Recorded in"], &rows)
}

fn hop_row(view: &View, hop: &Hop) -> Markup {
    let class = match hop.strength {
        Strength::Proven => "resolved",
        Strength::Bounded => "late",
        Strength::Claimed | Strength::Broken => "unreadable",
    };
    html! {
        tr {
            td { (tag(class, hop.strength.as_str())) }
            td.wide { @if let Some(by) = &hop.by { (actor_in_words(by)) } }
            td.wide {
                @match &hop.broken {
                    Some(why) => { (break_in_words(why)) },
                    None => { (link_in_words(hop.link)) },
                }
                @if let Some(from) = &hop.source_ip { ", from " (plain(from)) }
                @match hop.mfa {
                    Some(true) => { ", with MFA" },
                    Some(false) => { ", without MFA" },
                    None => {},
                }
                @if let Some(at) = hop.event.as_ref().and_then(|event| event.time) {
                    ", " (time::at(at, view.now))
                }
            }
            td { @if let Some(event) = &hop.event { (place(event)) } }
        }
    }
}

/// Where an event is recorded, with a link to what else happened then.
fn place(event: &EventRef) -> Markup {
    let text = |field: Option<&str>| plain(field.unwrap_or("-")).into_owned();
    let (account, region) = (text(event.account.as_deref()), text(event.region.as_deref()));
    html! {
        @match event.time {
            Some(at) => {
                a href=(events_link(&account, &region, at, at)) { (text(event.name.as_deref())) }
            },
            None => { (text(event.name.as_deref())) },
        }
        " " br; small { (account) ", " (region) }
        " " br; small { (text(event.id.as_deref())) }
    }
}

fn form(view: &View) -> Markup {
    let value = |name| view.query.get(name).unwrap_or_default();
    html! {
        form.card.filter method="get" action="/events/who" aria-label="Whom to find" {
            (field("A key, an id, an ARN, or role/session", "who", value("who")))
            (field("When it acted: a time, or 12h", "at", value("at")))
            button { "Find" }
        }
    }
}

/// What the form asks for; nothing without whom.
pub(super) fn asked(view: &View) -> Result<Option<Request>, String> {
    let Some(who) = view.query.get("who") else { return Ok(None) };
    let question = who.parse::<Question>().map_err(|error| format!("{error}."))?;
    let at = view.query.get("at").map(str::parse::<Moment>).transpose();
    Ok(Some(Request {
        place: PlaceRequest::default(),
        question,
        at: at.map_err(|error| format!("When: {error}."))?,
        since: None,
        until: None,
        accounts: BTreeSet::new(),
        sessions: false,
        proof: None,
    }))
}

fn as_command(view: &View) -> String {
    let value = |name| view.query.get(name).map(plain);
    let who = value("who").map_or_else(|| "WHO".to_owned(), |who| quoted(&who));
    let at = value("at").map(|at| format!(" --at {}", quoted(&at))).unwrap_or_default();
    format!("orgtrail events who {who}{at}")
}
