//! `/evidence`: how to pack a bundle of logs with their proof, and how to verify it.

use axum::Extension;
use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use maud::{Markup, html};
use orgtrail_base::percent::encode;

use super::components::{
    card, command, count, field, list, note, only_note, select, size, tag, verdict,
};
use super::layout::{Page, Section};
use super::time;
use super::view::{Allowed, View, respond_to};
use crate::names::{AccountId, Region};
use crate::printable::plain;
use crate::report::contract::api::{Bundle, BundleState};
use crate::serve::app::App;

/// `GET /evidence`
pub(super) async fn page(
    Extracted(app): Extracted<App>,
    allowed: Option<Extension<Allowed>>,
    uri: Uri,
) -> Response {
    respond_to(&app, &uri, allowed, evidence).await
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
    let more = html! {
        @match view.proven_through() {
            (Some(through), 0) => {
                "Everything is proven through " (time::clock(through, view.now)) "; later hours \
                 of a bundle are incomplete."
            },
            _ => { "Not everything is proven: a bundle says what is, and what is missing." },
        }
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
        (bundles(view, &request))
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
        Some(text) => plain(text).into_owned(),
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
            section.card aria-label="Problem" { div.pad { (note(&html! {
                (tag("failed", "not possible")) " " (problem)
            })) } }
        }
    }
}

/// The bundles that this replica built, and a button to build the one of the form.
fn bundles(view: &View, request: &Result<Request, &'static str>) -> Markup {
    let heading = "Bundles of this replica";
    let Some(bundles) = &view.allowed.bundles else {
        let body = only_note(&html! {
            "To build bundles here, sign in with a token that has the scope " code { "evidence" }
            ". The command below does the same."
        });
        return card("bundles", heading, &Markup::default(), &body);
    };
    let bundles = bundles.list(view.now);
    let is_building = bundles.iter().any(|bundle| bundle.state == BundleState::Building);
    let build = html! { div.pad {
        @match request {
            Ok(request) if is_building => {
                p { "A bundle is being built: reload this page. The next one of "
                    (subject(request)) " can be built after it." }
            },
            Ok(request) => {
                p { "The form asks for " (subject(request)) ", from " (time::at(request.from, view.now))
                    " to " (time::at(request.until, view.now)) "." }
                form method="post" action="/api/v1/evidence" {
                    input type="hidden" name="from" value=(stamp(request.from));
                    input type="hidden" name="to" value=(stamp(request.until));
                    @if let Some(account) = &request.account {
                        input type="hidden" name="accounts" value=(account);
                    }
                    @if let Some(region) = &request.region {
                        input type="hidden" name="regions" value=(region);
                    }
                    button { "Build it in the background" }
                }
            },
            Err(_) => { p { "Correct the form first." } },
        }
    } };
    let rows = html! { @for bundle in &bundles { (row(view, bundle)) } };
    let columns = ["State", "Requested", "Contents", "#Files", "#Size", "SHA-256 of the manifest"];
    let body = html! {
        (build)
        @if !bundles.is_empty() { (list(heading, &columns, &rows)) }
    };
    card("bundles", heading, &html! { a href="/api/v1/evidence" { "JSON" } }, &body)
}

/// What a bundle is about.
fn subject(request: &Request) -> String {
    let account = request.account.as_ref().map_or("all accounts".to_owned(), ToString::to_string);
    let region = request.region.as_ref().map_or("all Regions".to_owned(), ToString::to_string);
    format!("{account} in {region}")
}

fn row(view: &View, bundle: &Bundle) -> Markup {
    let all = |list: Vec<String>, all: &str| match list.len() {
        0 => all.to_owned(),
        _ => list.join(", "),
    };
    let accounts = all(bundle.accounts.iter().map(ToString::to_string).collect(), "all accounts");
    let regions = all(bundle.regions.iter().map(ToString::to_string).collect(), "all Regions");
    html! {
        tr {
            td {
                @match bundle.state {
                    BundleState::Building => { (tag("running", "building")) },
                    BundleState::Failed => { (tag("failed", "failed")) },
                    BundleState::Ready => {
                        (tag("resolved", "ready"))
                        " " br; a href={ "/api/v1/evidence/" (encode(&bundle.id)) "/bundle" } { "Download" }
                    },
                }
            }
            td { (time::recent(bundle.requested_at, view.now)) }
            th.wide scope="row" {
                (accounts) ", " (regions) " " br;
                small { (time::at(bundle.period.from, view.now)) " to " (time::at(bundle.period.to, view.now)) }
                @match bundle.proven {
                    Some(true) => { " " (tag("proven", "proven")) },
                    Some(false) => { " " (tag("failed", "not proven")) },
                    None => {},
                }
                @if let Some(reason) = &bundle.reason { " " br; small { (plain(reason)) } }
                @if !bundle.omitted.is_empty() {
                    " " br; small { "Not in the bundle: " (plain(&bundle.omitted.join(", "))) }
                }
            }
            td.num { @match bundle.files { Some(files) => { (count(files)) }, None => { "–" } } }
            td.num { @match bundle.size_bytes { Some(bytes) => { (size(bytes)) }, None => { "–" } } }
            td { @match &bundle.manifest_sha256 {
                Some(hash) => { code { (plain(hash)) } },
                None => { "–" },
            } }
        }
    }
}

fn options(request: &Request) -> String {
    let account = request.account.as_ref().map(|account| format!("--account {account} "));
    let region = request.region.as_ref().map(|region| format!("--region {region} "));
    [account, region].into_iter().flatten().collect()
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
