//! `/landing-zone`: the organization and its trail, as far as orgtrail knows them.

use axum::extract::State as Extracted;
use axum::http::Uri;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use super::components::{card, command, list, only_note, tag, verdict, weight};
use super::layout::{Page, Section};
use super::view::{View, respond};
use super::{findings, role_stacks, time};
use crate::config::{ObjectLockMode, Regions};
use crate::printable::plain;
use crate::report::contract::drift::Scope;
use crate::report::contract::new_accounts::JoiningState;
use crate::report::contract::round::Part;
use crate::report::contract::service::Signal;
use crate::serve::app::App;
use crate::words::counted;

/// How many findings are listed.
const FINDINGS: usize = 50;
/// How many accounts are listed.
const ACCOUNTS: usize = 100;

/// `GET /landing-zone`
pub(super) async fn page(Extracted(app): Extracted<App>, uri: Uri) -> Response {
    respond(&app, &uri, |view| Ok(landing_zone(view))).await
}

/// The page.
pub(super) fn landing_zone(view: &View) -> Markup {
    let open = of_the_organization(view);
    let problems = role_stacks::problems(view);
    let (border, line, sentence) = match (&view.board.drift, open.len()) {
        (None, _) => (
            "run",
            tag("waiting", "Waiting"),
            "No round has checked the organization yet.".to_owned(),
        ),
        (Some(_), 0) if problems > 0 => (
            "bad",
            tag("failed", "Roles"),
            format!("{} with the stacks of orgtrail's roles.", counted(problems, "problem")),
        ),
        (Some(_), 0) => (
            "",
            tag("resolved", "Matches"),
            "The trail, the archive and the key match the configuration.".to_owned(),
        ),
        (Some(_), number) => (
            "bad",
            tag("failed", "Drift"),
            format!(
                "{} about the organization, the trail or the archive.",
                counted(number, "finding")
            ),
        ),
    };
    let line = html! {
        (line) " "
        span.soft { @if let Some(drift) = &view.board.drift {
            "from the check of " (time::clock(drift.as_of, view.now)) ", "
            (time::ago(drift.as_of, view.now))
        } }
    };
    let more = html! { "What follows is the configuration, with what the newest check found." };
    let main = html! {
        (verdict(border, &line, &sentence, &more, &Markup::default()))
        div.two { (organization(view)) (archive(view)) }
        (role_stacks::cards(view))
        (joined_card(view))
        (departed_card(view))
        (findings_card(view, &open))
        (not_checked())
    };
    Page::new(view, Section::LandingZone, "Landing zone").render(&main)
}

/// The findings about the organization, its trail, the archive and the key.
fn of_the_organization(view: &View) -> Vec<&Signal> {
    let signals = view.board.signals.iter().flat_map(|signals| &signals.signals);
    let is_common = |signal: &&Signal| {
        let of_one = matches!(signal.scope, Scope::Account { .. } | Scope::Region { .. });
        signal.part == Part::Drift && !signal.suppressed && !of_one
    };
    signals.filter(is_common).collect()
}

fn organization(view: &View) -> Markup {
    let config = &view.config.organization;
    let accounts = view.board.coverage.as_ref().map(|coverage| coverage.accounts.len());
    let regions = view.board.coverage.as_ref().map(|coverage| coverage.regions.len());
    let body = html! { div.pad { dl.pairs {
        dt { "Organization" }
        dd { @match &view.board.drift {
            Some(drift) => { code { (drift.organization) } },
            None => { "not read yet" },
        } }
        dt { "Management account" } dd { code { (config.management_account) } }
        dt { "Log-archive account" } dd { code { (config.log_archive_account) } }
        dt { "Audit account" }
        dd { @match &config.audit_account {
            Some(account) => { code { (account) } },
            None => { "not set" },
        } }
        dt { "Delegated administrators" }
        dd {
            @if config.delegated_administrators.is_empty() { "none" }
            @for (number, account) in config.delegated_administrators.iter().enumerate() {
                @if number > 0 { ", " }
                code { (account) }
            }
        }
        dt { "Home Region" } dd { (config.home_region) }
        dt { "Regions to check" }
        dd { @match &config.regions {
            Regions::AllEnabled => { "all that are enabled" },
            Regions::Only(regions) => { (counted(regions.len(), "Region")) },
        } }
        dt { "Accounts" }
        dd { @match (accounts, regions) {
            (Some(accounts), Some(regions)) => {
                a href="/coverage" { (counted(accounts, "account")) } " in "
                (counted(regions, "Region"))
            },
            _ => { "not read yet" },
        } }
    } } };
    card("organization", "Organization", &Markup::default(), &body)
}

fn archive(view: &View) -> Markup {
    let config = &view.config;
    let archive = &config.archive;
    let lock = &archive.object_lock;
    let body = html! { div.pad { dl.pairs {
        dt { "Organization trail" }
        dd { @match &view.board.drift {
            Some(drift) => { code { (plain(&drift.trail.to_string())) } },
            None => { (plain(config.trail.name.as_str())) },
        } }
        dt { "Archive" } dd { code { "s3://" (archive.bucket) } ", " (archive.region) }
        dt { "Retention" } dd { (counted(archive.retention_days, "day")) }
        dt { "Object Lock" }
        dd { @match lock.mode {
            ObjectLockMode::Off => { "off" },
            ObjectLockMode::Governance => { "GOVERNANCE, " (counted(lock.days, "day")) },
            ObjectLockMode::Compliance => { "COMPLIANCE, " (counted(lock.days, "day")) },
        } }
        dt { "Replication" }
        dd { @if archive.replication.is_some() { "to a vault" } @else { "not configured" } }
        dt { "Alarms" } dd { @if config.alarms.is_some() { "configured" } @else { "not configured" } }
    } } };
    card("archive", "Trail and archive", &Markup::default(), &body)
}

/// The accounts that joined since the service began.
fn joined_card(view: &View) -> Markup {
    let accounts = &view.accounts;
    let joined = accounts.joined(&view.config, view.now);
    let aside = html! { @match accounts.as_of {
        Some(as_of) => { "list of accounts read " (time::ago(as_of, view.now)) },
        None => { "list of accounts not read yet" },
    } };
    let problem = html! {
        @if let Some(error) = &accounts.error {
            (only_note(&html! { "The accounts could not be read: " (plain(error)) }))
        }
    };
    let began = accounts.history.began_at();
    if joined.is_empty() {
        let body = html! { @match began {
            Some(began) => { "None since " (time::at(began, view.now)) "." },
            None => { "Nothing is known yet." },
        } };
        let body = html! { (problem) (only_note(&body)) };
        return card("joined", "Accounts that joined", &aside, &body);
    }
    let rows = html! {
        @for account in joined.iter().take(ACCOUNTS) {
            tr {
                td { (joining_state(account.state)) }
                th scope="row" { code { (account.account) } " " (plain(&account.name)) }
                td { (time::at(account.joined_at, view.now)) }
                td { (step(account.role_assumed_at, account.joined_at)) }
                td { (step(account.trail_logging_at, account.joined_at)) }
                td { (step(account.covered_at, account.joined_at)) }
                td.wide { @if let Some(reason) = &account.reason { (plain(reason)) } }
            }
        }
    };
    let columns =
        ["State", "Account", "Joined", "Role after", "Trail after", "Covered after", "Missing"];
    let heading = format!("Accounts that joined: {}", joined.len());
    let body = html! { (problem) (list("Accounts that joined", &columns, &rows)) };
    card("joined", &heading, &aside, &body)
}

/// How long after joining a step was noticed.
fn step(at: Option<Timestamp>, joined_at: Timestamp) -> Markup {
    html! { @match at {
        Some(at) => { (time::between(joined_at, at)) },
        None => { span.soft { "not yet" } },
    } }
}

fn joining_state(state: JoiningState) -> Markup {
    match state {
        JoiningState::Covered => tag("resolved", "covered"),
        JoiningState::Joining => tag("waiting", "joining"),
        JoiningState::Late => tag("failed", "not covered"),
        JoiningState::Excluded => tag("excluded", "excluded"),
        JoiningState::Departed => tag("excluded", "left"),
    }
}

/// The accounts that left since the service began.
fn departed_card(view: &View) -> Markup {
    let departed = view.accounts.departed();
    if departed.is_empty() {
        return Markup::default();
    }
    let rows = html! {
        @for account in departed.iter().take(ACCOUNTS) {
            tr {
                th scope="row" { code { (account.account) } " " (plain(&account.name)) }
                td { (time::at(account.joined_at, view.now)) }
                td { (time::at(account.departed_at, view.now)) }
            }
        }
    };
    let columns = ["Account", "Joined", "Left"];
    let body = html! {
        (list("Accounts that left", &columns, &rows))
        (only_note(&html! { "Their logs stay in the archive, where they can be verified." }))
    };
    let heading = format!("Accounts that left: {}", departed.len());
    card("departed", &heading, &Markup::default(), &body)
}

fn findings_card(view: &View, open: &[&Signal]) -> Markup {
    let heading = format!("Findings: {}", open.len());
    let aside = html! { a href="/drift" { "All drift" } };
    if view.board.drift.is_none() {
        let body = only_note(&html! { "Nothing is known yet." });
        return card("findings", "Findings", &aside, &body);
    }
    if open.is_empty() {
        let body = only_note(&html! { "None." });
        return card("findings", &heading, &aside, &body);
    }
    let rows = html! {
        @for signal in open.iter().take(FINDINGS) {
            tr {
                td { (weight(signal.severity, signal.state)) }
                th.wide scope="row" { code { (plain(&signal.check)) } " " (plain(&signal.title)) }
                td { (findings::scope(view, &signal.scope)) }
                td.wide { (plain(&signal.found)) }
                td { (time::at(signal.since, view.now)) }
            }
        }
    };
    let columns = ["Severity", "Check", "Scope", "Found", "Since"];
    card("findings", &heading, &aside, &list("Findings", &columns, &rows))
}

fn not_checked() -> Markup {
    let body = html! { div.pad {
        ul.plain role="list" {
            li { (tag("excluded", "not checked")) " Organizational units, except those that the \
                configuration names." }
            li { (tag("excluded", "not checked")) " Settings of AWS Control Tower." }
        }
        p { "To see what orgtrail would change in AWS now:" }
        (command("Plan", "orgtrail plan"))
    } };
    card("not-checked", "Not checked yet", &Markup::default(), &body)
}
