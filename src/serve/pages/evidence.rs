//! `/evidence`: how to pack a bundle of logs with their proof, and how to verify it.

use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use maud::{Markup, html};

use super::components::{card, command, field, note, select, tag, verdict};
use super::layout::{Page, Section};
use super::time;
use super::view::{View, respond};
use crate::names::{AccountId, Region};
use crate::serve::app::App;

/// `GET /evidence`
pub(super) async fn page(Extracted(app): Extracted<App>, uri: Uri) -> Response {
    respond(&app, &uri, |view| Ok(evidence(view))).await
}

/// What a bundle contains.
#[derive(Debug)]
struct Request {
    account: Option<AccountId>,
    region: Option<Region>,
    from: Timestamp,
    until: Timestamp,
}

/// The page.
pub(super) fn evidence(view: &View) -> Markup {
    let request = request(view);
    let through = view.board.newest().and_then(|round| round.knowledge.verified_through);
    let more = html! {
        @if let Some(through) = through {
            "Everything is proven through " (time::clock(through, view.now)) "; later hours of a \
             bundle are incomplete."
        } @else { "Not everything is proven: a bundle says what is, and what is missing." }
    };
    let line = tag("delivering", "Evidence");
    let main = html! {
        (verdict(
            "run",
            &line,
            "Pack logs and their proof for others to verify offline.",
            &more,
            &Markup::default(),
        ))
        (form(view, &request))
        div.two { (pack(&request)) (verify(&request)) }
    };
    Page::new(view, Section::Evidence, "Evidence").render(&main)
}

/// What the form asks for; without one, the last 7 days of everything.
fn request(view: &View) -> Result<Request, &'static str> {
    let query = &view.query;
    let today = view.now.to_zoned(TimeZone::UTC).date();
    let week = today.saturating_sub(7.days());
    let day = |name: &str, default: Date| match query.get(name) {
        None => Ok(default),
        Some(text) => text.parse::<Date>().map_err(|_| "A day is written as in 2026-11-28."),
    };
    let midnight = |day: Date| match day.to_zoned(TimeZone::UTC) {
        Ok(start) => Ok(start.timestamp()),
        Err(_) => Err("This day is out of range."),
    };
    let account = match query.get("account") {
        None => None,
        Some(id) => Some(id.parse().map_err(|_| "An account id has 12 digits.")?),
    };
    let region = match query.get("region") {
        None => None,
        Some(name) => Some(name.parse().map_err(|_| "This is no Region.")?),
    };
    let last = day("last", today)?;
    let next = last.checked_add(1.day()).map_err(|_| "This day is out of range.")?;
    let (from, until) = (midnight(day("first", week)?)?, midnight(next)?.min(view.now));
    if from >= until {
        return Err("The first day is after the last one, or in the future.");
    }
    Ok(Request { account, region, from, until })
}

fn form(view: &View, request: &Result<Request, &'static str>) -> Markup {
    let query = &view.query;
    let regions = view.board.coverage.as_ref().map_or(&[][..], |coverage| &coverage.regions);
    let today = view.now.to_zoned(TimeZone::UTC).date();
    let day = |name: &str, default: Date| match query.get(name) {
        Some(text) => text.to_owned(),
        None => default.to_string(),
    };
    html! {
        form.card.filter method="get" action="/evidence" aria-label="Contents of the bundle" {
            (field("Account ID, empty for all", "account", query.get("account").unwrap_or_default()))
            (select(
                "Region",
                "region",
                "All",
                regions.iter().map(|region| (region.as_str(), region.as_str())),
                query,
            ))
            label { "First day, UTC " input type="date" name="first"
                value=(day("first", today.saturating_sub(7.days()))); }
            label { "Last day, UTC " input type="date" name="last" value=(day("last", today)); }
            button { "Show the command" }
        }
        @if let Err(problem) = request {
            section.card aria-label="Problem" { div.pad { p {} (note(&html! {
                (tag("failed", "not possible")) " " (problem)
            })) } }
        }
    }
}

fn options(request: &Request) -> String {
    let mut options = String::new();
    if let Some(account) = &request.account {
        options.push_str(&format!("--account {account} "));
    }
    if let Some(region) = &request.region {
        options.push_str(&format!("--region {region} "));
    }
    options
}

fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The name of the bundle's file.
fn file(request: &Request) -> String {
    let subject = request.account.as_ref().map_or("organization", AccountId::as_str);
    let day = |time: Timestamp| time.strftime("%Y%m%d").to_string();
    format!("{subject}-{}-{}.tar.zst", day(request.from), day(request.until))
}

fn pack(request: &Result<Request, &'static str>) -> Markup {
    let body = html! { div.pad {
        @match request {
            Ok(request) => {
                p { "Run this where the configuration and the credentials of the service are. It \
                    reads the archive and writes one file." }
                (command("Pack a bundle", &format!(
                    "orgtrail evidence {}\\\n    --from {} --until {} \\\n    -o {}",
                    options(request),
                    stamp(request.from),
                    stamp(request.until),
                    file(request)
                )))
                p { "The command prints the SHA-256 of the manifest. Send it to the recipient over \
                    a different channel than the bundle." }
            },
            Err(_) => { p { "Correct the form first." } },
        }
    } };
    card("pack", "1. Pack the bundle", &Markup::default(), &body)
}

fn verify(request: &Result<Request, &'static str>) -> Markup {
    let body = html! { div.pad {
        @match request {
            Ok(request) => {
                p { "The recipient gets the public keys from AWS, and needs no access to the \
                    organization. The second command calls no AWS API." }
                (command("Verify the bundle offline", &format!(
                    "aws cloudtrail list-public-keys {}\\\n    --start-time {} \\\n    --end-time {} > keys.json\n\
                     orgtrail verify {} --offline \\\n    --public-keys keys.json \
                     --manifest-sha256 SHA256",
                    request.region.as_ref().map(|it| format!("--region {it} ")).unwrap_or_default(),
                    stamp(request.from),
                    stamp(request.until),
                    file(request)
                )))
                p { "Each Region has its own keys: repeat the first command for each Region of the \
                    bundle. The exit code is 0 if everything is proven, 13 if something was \
                    altered or deleted, and 14 if something is missing from the proof." }
            },
            Err(_) => { p { "Correct the form first." } },
        }
    } };
    card("verify", "2. Verify it offline", &Markup::default(), &body)
}
