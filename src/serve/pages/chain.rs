//! `/chains/{account}/{region}`: the digest chain of an account in a Region, hour by hour.

use axum::extract::{Path, State as Extracted};
use axum::http::Uri;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use orgtrail_base::percent::encode;

use super::components::{
    account_path, button, capital, card, command, crumbs, is_or_are, list, note, only_note, quoted,
    state, tag, verdict,
};
use super::coverage::{shown_unit, unit_link};
use super::errors::not_found;
use super::events::events_link;
use super::layout::{Page, Section};
use super::query::link;
use super::time;
use super::timeline::{Gap, HourState, Timeline};
use super::view::{View, respond};
use crate::names::{AccountId, Partition, Region};
use crate::printable::plain;
use crate::report::contract::Period;
use crate::report::contract::service::Signal;
use crate::serve::app::App;
use crate::serve::board::{Account, Cell, ChainFinding, ScopeChains, State};
use crate::words::counted;

/// How many gaps are listed.
const GAPS: usize = 200;
/// CloudTrail delivers a digest up to two hours after its hour. Units: hours.
const NOT_DUE: i64 = 3;

/// `GET /chains/{account}/{region}`
pub(super) async fn page(
    Extracted(app): Extracted<App>,
    Path((account, region)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    respond(&app, &uri, move |view| chain(view, &account, &region)).await
}

/// What is known about an account in a Region.
#[derive(Debug)]
struct Known<'a> {
    id: AccountId,
    region: Region,
    account: Option<&'a Account>,
    cell: Option<&'a Cell>,
    chains: &'a ScopeChains,
}

impl Known<'_> {
    fn name(&self) -> String {
        match self.account {
            Some(account) => plain(&account.name).into_owned(),
            None => self.id.to_string(),
        }
    }
}

/// The page.
///
/// # Errors
/// Nothing is known about the account and Region: 404.
pub(super) fn chain(view: &View, account: &str, region: &str) -> Result<Markup, Box<Response>> {
    let nothing = ScopeChains::default();
    let Some(known) = find(view, account, region, &nothing) else {
        let what = format!("Nothing is known about the account `{account}` in `{region}`.");
        return Err(Box::new(not_found(Some(view), &what)));
    };
    let until = view.query.get("until").and_then(|until| until.parse::<Timestamp>().ok());
    let timeline = Timeline::of(known.chains, until.unwrap_or(view.now), view.now);
    let unit = known.account.map_or("", |account| &account.unit_path);
    let name = known.name();
    let path = account_path(&known.id);
    let main = html! {
        (crumbs(
            &[("/coverage", "Coverage"), (&unit_link(unit), &shown_unit(unit)), (&path, &name)],
            &html! { (known.region) },
        ))
        (said(view, &known, &timeline))
        (hours(view, &known, &timeline))
        (gaps(view, &known, &timeline))
        div.two { (what_to_do(view, &known, &timeline)) (about(view, &known)) }
    };
    let word = word(&known);
    let title = format!("{word}: {name}, {}", known.region);
    let page = Page { is_top: false, ..Page::new(view, Section::Coverage, title) };
    Ok(page.render(&main))
}

fn find<'a>(
    view: &'a View,
    account: &str,
    region: &str,
    nothing: &'a ScopeChains,
) -> Option<Known<'a>> {
    let id: AccountId = account.parse().ok()?;
    let region: Region = region.parse().ok()?;
    let coverage = view.board.coverage.as_ref();
    let account = view.account(&id);
    let position = coverage.and_then(|it| it.regions.iter().position(|name| *name == region));
    let cell = account.zip(position).and_then(|(account, at)| account.cells.get(at));
    let scope = (id, region);
    let chains = view.board.chains.scopes.get(&scope);
    let (id, region) = scope;
    (cell.is_some() || chains.is_some()).then(|| Known {
        id,
        region,
        account,
        cell,
        chains: chains.unwrap_or(nothing),
    })
}

fn word(known: &Known<'_>) -> &'static str {
    match known.cell {
        _ if known.chains.is_broken() => "Failed",
        Some(cell) if cell.state == State::Proven => "Proven",
        Some(cell) if cell.state == State::Excluded => "Excluded",
        Some(cell) if cell.state == State::Dark => "Dark",
        Some(cell) if cell.state == State::Late => "Late",
        Some(cell) if cell.state == State::Unreadable => "Unreadable",
        _ => "Open",
    }
}

fn said(view: &View, known: &Known<'_>, timeline: &Timeline<'_>) -> Markup {
    let chains = known.chains;
    let number = |state: HourState| {
        let of_state = |finding: &&ChainFinding| HourState::of(finding) == state;
        chains.findings.iter().filter(of_state).map(|finding| finding.objects).sum::<u64>()
    };
    let (missing, altered) = (number(HourState::Missing), number(HourState::Altered));
    let place = format!("{}, {}", known.name(), known.region);
    let is = |number: u64| is_or_are(usize::try_from(number).unwrap_or(usize::MAX));
    let sentence = match (missing, altered) {
        (0, 0) if chains.is_broken() => format!("{place}: the chain fails verification."),
        (0, 0) if !chains.findings.is_empty() => {
            format!("{place}: {} open.", counted(chains.findings.len(), "finding"))
        }
        (0, 0) => match (chains.proven_through(), known.cell.map(|cell| cell.state)) {
            (Some(through), _) => {
                format!("{place}: proven through {} UTC.", time::text(through, view.now))
            }
            (None, Some(state)) if state > State::Proven => format!("{place} is {}.", state.word()),
            (None, _) => format!("{place}: nothing is verified yet."),
        },
        (missing, 0) => format!("{place}: {} {} missing.", counted(missing, "object"), is(missing)),
        (0, altered) => format!(
            "{place}: {} {} not what CloudTrail wrote.",
            counted(altered, "object"),
            is(altered)
        ),
        (missing, altered) => format!(
            "{place}: {} {} missing, and {altered} {} not what CloudTrail wrote.",
            counted(missing, "object"),
            is(missing),
            is(altered)
        ),
    };
    let since = first_found(view, known).filter(|_| !chains.findings.is_empty());
    let line = html! {
        @match known.cell {
            _ if chains.is_broken() => { (tag("failed", "Failed")) },
            Some(cell) => { (state(cell.state)) },
            None => { (tag("open", "open")) },
        }
        " "
        span.soft {
            @if let Some(since) = since {
                "found by the round of " (time::at(since, view.now)) ", "
                (time::ago(since, view.now))
            } @else if let Some(as_of) = view.board.chains.as_of {
                "verified at " (time::clock(as_of, view.now)) ", " (time::ago(as_of, view.now))
            }
        }
    };
    let more = html! {
        (counted(timeline.number(HourState::Valid), "hour")) " of these 7 days "
        (is_or_are(timeline.number(HourState::Valid))) " valid."
        @if let Some(reason) = known.cell.and_then(|cell| cell.reason.as_ref()) {
            " " (capital(&plain(reason))) "."
        }
    };
    let is_fine =
        chains.findings.is_empty() && known.cell.is_none_or(|cell| cell.state <= State::Proven);
    let aside = html! {
        @if !is_fine { (button("#do", "What to do now")) }
    };
    verdict(if is_fine { "" } else { "bad" }, &line, &sentence, &more, &aside)
}

/// When the worst finding was found first.
fn first_found(view: &View, known: &Known<'_>) -> Option<Timestamp> {
    use crate::report::contract::drift::Scope;
    let signals = view.board.signals.iter().flat_map(|signals| &signals.signals);
    let is_own = |signal: &&Signal| {
        let scope = Scope::Region { account: known.id.clone(), region: known.region.clone() };
        signal.scope == scope
    };
    signals.filter(is_own).map(|signal| signal.since).min()
}

fn hours(view: &View, known: &Known<'_>, timeline: &Timeline<'_>) -> Markup {
    let path = format!("{}/{}", account_path(&known.id), known.region);
    let to = |until: Timestamp| {
        let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        link(&path, [("until", until.as_str())])
    };
    let week = SignedDuration::from_hours(super::timeline::HOURS);
    let is_newest = timeline.until >= view.now;
    let aside = html! {
        "UTC. " a href=(to(timeline.from)) { "Previous 7 days" }
        @if !is_newest {
            @if let Ok(next) = timeline.until.checked_add(week) {
                " " a href=(to(next.min(view.now))) { "Next 7 days" }
            }
            " " a href=(path) { "Newest" }
        }
    };
    let heading = if is_newest {
        "Last 7 days, hour by hour".to_owned()
    } else {
        format!("7 days until {}, hour by hour", time::text(timeline.until, view.now))
    };
    let body = html! { div.pad { (timeline.legend()) (timeline.table(GAPS)) } };
    card("time", &heading, &aside, &body)
}

fn gaps(view: &View, known: &Known<'_>, timeline: &Timeline<'_>) -> Markup {
    let json =
        link("/api/v1/chains", [("account", known.id.as_str()), ("region", known.region.as_str())]);
    let aside = html! { a href=(json) { "JSON" } };
    let heading = format!("Gaps: {}, worst first", timeline.gaps.len());
    if timeline.gaps.is_empty() {
        let body = only_note(&html! { "None. Every hour of these 7 days is proven." });
        return card("gaps", "Gaps: none", &aside, &body);
    }
    let rows = html! {
        @for (number, gap) in timeline.gaps.iter().take(GAPS).enumerate() {
            tr id={ "g" (number + 1) } {
                td { (tag(gap.state.word(), gap.state.word())) }
                th scope="row" { (span(view, known, gap.period)) }
                td.wide { (found(view, gap)) }
                td.wide { (digest(view, gap)) }
                td.wide { (next_step(view, gap)) }
            }
        }
    };
    let more = timeline.gaps.len().saturating_sub(GAPS);
    let body = html! {
        (list("Gaps", &["State", "Hours", "Finding", "Object", "Next step"], &rows))
        @if more > 0 {
            (only_note(&html! { (counted(more, "more gap")) " in the JSON." }))
        }
    };
    card("gaps", &heading, &aside, &body)
}

fn span(view: &View, known: &Known<'_>, period: Option<Period>) -> Markup {
    html! {
        @match period {
            Some(Period { from, to }) => {
                (time::at(from, view.now)) " to " (time::clock(to, from))
                " " br; small {
                    (time::between(from, to)) ", "
                    a href=(events_link(known.id.as_str(), known.region.as_str(), from, to)) { "events" }
                }
            },
            None => { "time unknown" },
        }
    }
}

fn is_not_due(view: &View, gap: &Gap<'_>) -> bool {
    let limit = SignedDuration::from_hours(NOT_DUE + 1);
    gap.finding.is_none()
        && gap
            .period
            .is_some_and(|it| it.to >= view.now && view.now.duration_since(it.from) <= limit)
}

fn found(view: &View, gap: &Gap<'_>) -> Markup {
    html! {
        @match gap.finding {
            Some(finding) => {
                code { (plain(&finding.kind)) } ": " (plain(&finding.meaning))
                @if finding.objects > 1 { " (" (counted(finding.objects, "object")) ")" }
                "."
                @if let Some(found) = &finding.found { " Found: " (plain(found)) "." }
                @if let Some(expected) = &finding.expected { " Expected: " (plain(expected)) "." }
            },
            None if is_not_due(view, gap) => {
                "Not yet due. CloudTrail delivers digests up to 2 hours after their hour."
            },
            None => { "No verification with a result has covered this time." },
        }
    }
}

/// The object of a finding, with a link to S3's console.
fn digest(view: &View, gap: &Gap<'_>) -> Markup {
    let Some(key) = gap.finding.and_then(|finding| finding.key.as_deref()) else {
        return html! { span.soft { "–" } };
    };
    let name = key.rsplit('/').next().unwrap_or(key);
    html! {
        @match console(view, key) {
            Some(console) => { a href=(console) rel="noreferrer" { code { (plain(name)) } } },
            None => { code { (plain(name)) } },
        }
    }
}

/// The page of an object in S3's console; none in partitions whose console is not public.
fn console(view: &View, key: &str) -> Option<String> {
    let region = &view.config.archive.region;
    let host = match Partition::of(region) {
        Partition::Aws => "s3.console.aws.amazon.com",
        Partition::AwsCn => "console.amazonaws.cn",
        Partition::AwsUsGov => "console.amazonaws-us-gov.com",
        _ => return None,
    };
    let (bucket, key) = (view.bucket(), encode(key));
    Some(format!("https://{host}/s3/object/{bucket}?region={region}&prefix={key}"))
}

fn next_step(view: &View, gap: &Gap<'_>) -> Markup {
    html! {
        @match (gap.state, gap.finding) {
            (HourState::Missing, _) => {
                "Keep the evidence, then restore the versions that Object Lock keeps: "
                a href="#do" { "steps" } "."
            },
            (HourState::Altered, _) => {
                "Keep the evidence, then restore the first version: " a href="#do" { "steps" } "."
            },
            (_, None) if is_not_due(view, gap) => {
                "Nothing. "
                @if let Some(next) = view.next_slot() {
                    "The round of " (time::clock(next.at, view.now)) " verifies it."
                }
            },
            (_, Some(_)) => { "Verify again: " a href="#do" { "command" } "." },
            (_, None) => { "Wait for a round that verifies this time, or " a href="#do" { "verify it now" } "." },
        }
    }
}

fn what_to_do(view: &View, known: &Known<'_>, timeline: &Timeline<'_>) -> Markup {
    let gaps: Vec<&Gap<'_>> = timeline.gaps.iter().filter(|gap| !is_not_due(view, gap)).collect();
    let periods = || gaps.iter().filter_map(|gap| gap.period);
    let hour = SignedDuration::from_hours(2);
    let from = periods().map(|period| period.from).min();
    let from = from.and_then(|from| from.checked_sub(hour).ok());
    let until = periods().map(|period| period.to).max();
    let until = until.and_then(|until| until.checked_add(hour).ok()).map(|it| it.min(view.now));
    let stamp = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let scope = format!("--account {} --region {}", known.id, known.region);
    let since = from.map(|from| format!(" \\\n    --since {}", stamp(from))).unwrap_or_default();
    let verify = format!("orgtrail verify {scope}{since}");
    let broken = gaps.iter().find(|gap| {
        matches!(gap.state, HourState::Missing | HourState::Altered) && gap.finding.is_some()
    });
    let key = broken.and_then(|gap| gap.finding).and_then(|finding| finding.key.as_deref());
    let body = html! { div.pad {
        @if gaps.is_empty() {
            (note(&html! {
                "Nothing. "
                @if let Some(next) = view.next_slot() {
                    "Next round at " (time::clock(next.at, view.now)) "."
                }
            }))
        } @else if broken.is_some() {
            ol.steps {
                li {
                    p { "Keep the proof before anything changes." }
                    @let (from, until) = (from.unwrap_or(timeline.from), until.unwrap_or(view.now));
                    (command("Pack evidence", &format!(
                        "orgtrail evidence {scope} \\\n    --from {} --until {} \\\n    -o {}",
                        stamp(from),
                        stamp(until),
                        quoted(&format!("{}-{}.tar.zst", known.id, known.region))
                    )))
                }
                li {
                    p { "Find out who wrote or deleted the object, and its versions. The data \
                        events and access logs of the archive name the caller." }
                    @if let Some(key) = key {
                        (command("List the versions of the object", &format!(
                            "aws s3api list-object-versions --bucket {} \\\n    --prefix {}",
                            view.bucket(),
                            quoted(key)
                        )))
                    }
                }
                li { p { "Restore the locked version: delete the delete marker, or copy the first \
                    version over the altered one. orgtrail never does this by itself." } }
                li { p { "Re-check this chain only." } (command("Verify again", &verify)) }
            }
        } @else {
            p { "Verify this chain again. A round does the same at its time." }
            (command("Verify again", &verify))
        }
    } };
    card("do", "What to do now", &Markup::default(), &body)
}

fn about(view: &View, known: &Known<'_>) -> Markup {
    let chains = known.chains;
    let time_or = |at: Option<Timestamp>| {
        html! { @match at {
            Some(at) => { (time::full(at)) },
            None => { "unknown" },
        } }
    };
    let body = html! { div.pad { dl.pairs {
        dt { "Account" } dd { (known.name()) " " code { (known.id) } }
        dt { "Region" } dd { (known.region) }
        dt { "Trail" }
        dd {
            @if chains.trails.is_empty() { "unknown" }
            @for (number, chain) in chains.trails.iter().enumerate() {
                @if number > 0 { br; }
                (plain(&chain.trail)) ", home Region " (plain(&chain.home_region))
                @if let Some(owner) = &chain.owner { ", account " (owner) }
            }
        }
        dt { "Verified through" } dd { (time_or(chains.proven_through())) }
        dt { "Proven from" } dd { (time_or(chains.proven.first().map(|period| period.from))) }
        dt { "Newest digest" } dd { (time_or(known.cell.and_then(|cell| cell.newest_digest_at))) }
        dt { "Newest log file" } dd { (time_or(known.cell.and_then(|cell| cell.newest_log_file_at))) }
        dt { "Last verification" } dd { (time_or(view.board.chains.as_of)) }
    } } };
    card("about", "This chain", &Markup::default(), &body)
}
