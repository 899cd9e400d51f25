//! The text of each page in each of its states.

use std::sync::Arc;

use insta::assert_snapshot;
use jiff::SignedDuration;
use maud::Markup;

use super::{fine, live_round, sample, samples_board, text, view};
use crate::ops::OpError;
use crate::ops::doctor::Item;
use crate::ops::role_stacks::{Found, RoleStacks};
use crate::report::contract::live::{LivePhase, Message};
use crate::report::contract::service::Signals;
use crate::serve::accounts::Accounts;
use crate::serve::board::{Board, Changes};
use crate::serve::pages::reading::Reading;
use crate::serve::pages::round::Finished;
use crate::serve::pages::view::View;
use crate::serve::pages::{
    account, attribution, chain, coverage, drift, events, evidence, landing_zone, overview, round,
    rounds, running, sources,
};
use crate::serve::samples;

fn shown(page: Result<Markup, Box<axum::response::Response>>) -> String {
    text(&page.unwrap())
}

#[test]
fn the_overview_says_what_is_wrong_and_what_to_do() {
    assert_snapshot!(text(&overview::overview(&sample("/"))));
}

#[test]
fn the_overview_of_an_organization_without_problems_says_so() {
    assert_snapshot!(text(&overview::overview(&view(fine(), "/"))));
}

#[test]
fn before_the_first_round_every_page_says_when_it_starts() {
    let view = |address: &str| view(Board::default(), address);
    let pages = [
        overview::overview(&view("/")),
        coverage::coverage(&view("/coverage")),
        drift::drift(&view("/drift")),
        sources::sources(&view("/sources")),
        rounds::rounds(&view("/rounds")),
        landing_zone::landing_zone(&view("/landing-zone")),
    ];
    assert_snapshot!(pages.map(|page| text(&page)).join("\n\n"));
}

#[test]
fn evidence_that_is_too_old_is_a_problem_even_without_findings() {
    let mut old = view(fine(), "/");
    old.now = samples::now() + SignedDuration::from_hours(30);
    let page = text(&overview::overview(&old));
    let mut lines = page.lines();
    assert!(lines.next().unwrap().starts_with("Old evidence Fine since "), "{page}");
    assert_eq!(lines.next(), Some("Not verified since 25 Nov, 03:23 UTC."));
    assert!(lines.next().unwrap().starts_with("The last result: All "), "{page}");
    assert!(overview::overview(&old).0.contains("class=\"card verdict bad\""));
    // A neighbour: within the time of two slots it is fine.
    let recent = view(fine(), "/");
    assert!(overview::overview(&recent).0.contains("class=\"card verdict\""));
}

#[test]
fn the_heat_map_shows_the_worst_accounts_first() {
    assert_snapshot!(text(&coverage::coverage(&sample("/coverage"))));
}

#[test]
fn the_heat_map_is_filtered() {
    let accounts = |address: &str| {
        let page = coverage::coverage(&sample(address)).0;
        page.matches("<th scope=\"row\"><a").count()
    };
    assert_eq!(accounts("/coverage"), samples::ACCOUNTS);
    assert_eq!(accounts("/coverage?state=dark"), 1);
    assert_eq!(accounts("/coverage?account=WORKLOAD-01"), 10);
    assert_eq!(accounts("/coverage?account=100000000008"), 1);
    assert_eq!(accounts("/coverage?ou=Root%2FSecurity"), 4);
    assert_eq!(accounts("/coverage?ou=Root%2FSecurity&state=proven"), 4);
    // The failed cell is in eu-central-1.
    assert_eq!(accounts("/coverage?state=failed&region=eu-central-1"), 1);
    for address in [
        "/coverage?state=failed&region=eu-west-1",
        "/coverage?state=nothing",
        "/coverage?region=mars-1",
        "/coverage?account=nobody",
    ] {
        let page = text(&coverage::coverage(&sample(address)));
        assert!(page.contains("No account matches. Clear the filter."), "{address}: {page}");
    }
}

#[test]
fn large_organizations_are_paged_and_their_pages_small() {
    let board = Arc::new(samples_board(5000));
    let at = |address: &str| {
        let mut view = view(Board::default(), address);
        view.board = Arc::clone(&board);
        view
    };
    let accounts = |page: &Markup| page.0.matches("<th scope=\"row\"><a").count();
    let all = coverage::coverage(&at("/coverage"));
    assert_eq!(accounts(&all), 6);
    assert!(all.0.contains("/coverage?ou=Root%2FSandbox&amp;state=proven"));
    let unit = coverage::coverage(&at("/coverage?ou=Root%2FSandbox&state=proven&page=2"));
    assert_eq!(accounts(&unit), 100);
    assert!(unit.0.contains("Page 2 of 13"), "{}", text(&unit));
    assert!(unit.0.contains("/coverage?ou=Root%2FSandbox&amp;state=proven&amp;page=3"));
    for (page, most) in [
        (all, 20_000),
        (unit, 80_000),
        (overview::overview(&at("/")), 20_000),
        (drift::drift(&at("/drift")), 40_000),
        (rounds::rounds(&at("/rounds")), 30_000),
    ] {
        assert!(page.0.len() < most, "{} bytes, at most {most}", page.0.len());
    }
    // 112 accounts on one page.
    assert!(coverage::coverage(&sample("/coverage")).0.len() < 60_000);
}

#[test]
fn thousands_of_findings_of_one_cause_are_counted_not_listed() {
    let mut board = samples_board(5000);
    let signals = board.signals.as_ref().unwrap();
    let first = signals.signals[0].clone();
    let accounts = &board.coverage.as_ref().unwrap().accounts;
    let all = accounts.iter().map(|account| {
        let mut signal = first.clone();
        signal.fingerprint = account.account.to_string();
        signal.scope =
            crate::report::contract::drift::Scope::Account { account: account.account.clone() };
        signal
    });
    board.signals = Some(Arc::new(Signals { signals: all.collect(), ..Signals::clone(signals) }));
    let page = drift::drift(&view(board, "/drift"));
    assert!(page.0.len() < 60_000, "{}", page.0.len());
    let page = text(&page);
    assert!(page.contains("5,000 findings with 1 cause."), "{page}");
    assert!(page.contains("4,900 more findings, all in the API"), "{page}");
}

#[test]
fn an_account_shows_its_regions_the_worst_first() {
    let view = sample("/chains/100000000008");
    assert_snapshot!(shown(account::account(&view, "100000000008")));
}

#[test]
fn a_chain_that_fails_shows_its_hours_and_what_to_do() {
    let view = sample("/chains/100000000008/eu-central-1");
    assert_snapshot!(shown(chain::chain(&view, "100000000008", "eu-central-1")));
}

#[test]
fn a_chain_that_is_fine_says_so_and_earlier_days_can_be_chosen() {
    let path = "/chains/100000000001/eu-central-1";
    let page = |address: &str| chain::chain(&sample(address), "100000000001", "eu-central-1");
    let newest = shown(page(path));
    assert!(newest.contains("management, eu-central-1: proven through 25 Nov, 03:00 UTC."));
    assert!(newest.contains("Nothing. Next round at 04:23."), "{newest}");
    let earlier = shown(page(&format!("{path}?until=2026-11-18T04:00:00Z")));
    assert!(earlier.contains("7 days until 18 Nov, 04:00, hour by hour"), "{earlier}");
    assert!(earlier.contains("Gaps: none"), "{earlier}");
    // A time that is none, or in the future, shows the newest days.
    for until in ["yesterday", "2099-01-01T00:00:00Z"] {
        let page = shown(page(&format!("{path}?until={until}")));
        assert!(page.contains("Last 7 days, hour by hour"), "{until}: {page}");
    }
}

#[test]
fn a_chain_of_an_account_that_is_dark_says_so() {
    let page = shown(chain::chain(&sample("/"), "100000000013", "eu-central-1"));
    assert!(page.contains("workload-012, eu-central-1 is dark."), "{page}");
    assert!(page.contains("orgtrail verify --account 100000000013 --region eu-central-1"));
}

#[test]
fn drift_is_shown_by_cause_with_its_fix() {
    assert_snapshot!(text(&drift::drift(&sample("/drift"))));
}

#[test]
fn drift_is_filtered_by_text_severity_unit_and_time() {
    let causes = |address: &str| {
        let page = drift::drift(&sample(address)).0;
        page.matches("<div class=\"pad\" id=\"f-").count()
    };
    assert_eq!(causes("/drift"), 7);
    assert_eq!(causes("/drift?severity=critical"), 2);
    assert_eq!(causes("/drift?q=workload-007"), 1);
    assert_eq!(causes("/drift?q=TLS"), 1);
    assert_eq!(causes("/drift?ou=Root%2FSuspended"), 1);
    assert_eq!(causes("/drift?since=round"), 6);
    assert_eq!(causes("/drift?since=7d"), 7);
    let page = text(&drift::drift(&sample("/drift?q=nothing-like-this")));
    assert!(page.contains("No finding matches. Clear the filter."), "{page}");
    // The verdict is that of everything, also with a filter.
    assert!(page.contains("4 findings with 4 causes, and 3 findings are unreadable."), "{page}");
}

#[test]
fn an_organization_without_drift_says_so() {
    let page = text(&drift::drift(&view(fine(), "/drift")));
    assert!(page.contains("No drift: everything matches the configuration."), "{page}");
    assert!(page.contains("Nothing is wrong, and everything could be read."), "{page}");
}

#[test]
fn sources_show_what_is_stuck() {
    assert_snapshot!(text(&sources::sources(&sample("/sources"))));
    let page = text(&sources::sources(&view(fine(), "/sources")));
    assert!(page.contains("Everything of 0 sources is in the archive."), "{page}");
}

#[test]
fn sources_show_the_consolidation_that_runs() {
    let mut view = sample("/sources");
    let mut live = live_round();
    live.parts.truncate(1);
    live.parts[0].state = crate::report::contract::live::PartState::Running;
    live.phase = Some(LivePhase { name: "copying".to_owned(), done: 100, steps: Some(400) });
    view.live = Some(live);
    let page = text(&sources::sources(&view));
    assert!(page.contains("Copied | 86.40 MiB, 61.44 KiB/s"), "{page}");
    assert!(page.contains("Time left | about 1 h 12 min, at the rate so far"), "{page}");
}

#[test]
fn rounds_are_listed_with_their_schedules() {
    assert_snapshot!(text(&rounds::rounds(&sample("/rounds"))));
}

#[test]
fn a_round_lists_its_parts_and_what_changed() {
    let view = sample("/rounds/x");
    let [round, other] = [0, 1].map(|number| Arc::clone(&view.board.rounds[number]));
    let later = view.board.signals.as_deref().unwrap();
    let mut earlier = later.clone();
    earlier.signals.truncate(3);
    earlier.signals[1].fingerprint = "gone".to_owned();
    earlier.signals[2].found = "something else".to_owned();
    let changes = Some(Changes::between(&earlier, later));
    let finished = Finished { round, other: Some(other), changes };
    assert_snapshot!(text(&round::finished_page(&view, &finished)));
}

#[test]
fn a_round_that_finished_after_a_replica_was_killed_says_so() {
    let view = sample("/rounds/x");
    let mut round = (*view.board.rounds[0]).clone();
    round.attempt = 2;
    round.parts[0].report_bytes = None;
    let finished = Finished { round: Arc::new(round), other: None, changes: None };
    let page = text(&round::finished_page(&view, &finished));
    assert!(page.contains("Attempt 2: an earlier one stopped without a report."), "{page}");
    assert!(page.contains("no report: the part failed"), "{page}");
    assert!(page.contains("There is no earlier round to compare with."), "{page}");
}

fn running(view: &mut View) -> Markup {
    let mut live = live_round();
    live.phase =
        Some(LivePhase { name: "verifying chains".to_owned(), done: 1219, steps: Some(1904) });
    live.messages =
        vec![Message { at: samples::now(), text: "S3 is slow".to_owned(), warning: true }];
    view.live = Some(live.clone());
    running::running(view, &live)
}

#[test]
fn a_round_that_runs_shows_its_progress() {
    let page = running(&mut sample("/rounds/x"));
    assert_snapshot!(text(&page));
    // What the script updates.
    for part in [
        "<progress data-round=\"250999999999-nightly-00000001\" value=\"1219\" max=\"1904\"",
        "<p id=\"progress-text\">",
        "<tr data-part=\"verify\">",
        "id=\"news\" role=\"status\"",
    ] {
        assert!(page.0.contains(part), "{part}: {}", page.0);
    }
    // Other pages have no script, and each shows that the round runs.
    let mut view = sample("/");
    let _ = running(&mut view);
    let page = overview::overview(&view);
    assert!(!page.0.contains("<script"), "{}", page.0);
    assert!(text(&page).contains("Running | Nightly, since 03:17"), "{}", text(&page));
}

#[test]
fn events_are_asked_for_by_a_form() {
    let form = |address: &str| {
        let view = sample(address);
        text(&events::events(&view, &events::asked(&view), &Reading::NotAsked))
    };
    assert_snapshot!(form("/events"));
    let address = "/events?account=100000000008&region=eu-central-1&from=2026-11-27T00:00:00Z\
                   &event=Stop*&principal=o'neil&ip=198.51.100.0/24&errors=1";
    let command = "orgtrail events search --account 100000000008 --region eu-central-1 \
                   --since 2026-11-27T00:00:00Z --event 'Stop*' --principal 'o'\\''neil' \
                   --source-ip 198.51.100.0/24 --errors";
    assert!(form(address).contains(command), "{}", form(address));
    for (address, problem) in [
        ("/events?region=nowhere", "This is no Region."),
        ("/events?from=soon", "From: expected a time"),
        ("/events?to=soon", "To: expected a time"),
        ("/events?ip=everywhere", "Address: expected an address"),
    ] {
        assert!(form(address).contains(problem), "{address}: {}", form(address));
    }
}

#[test]
fn pages_of_events_say_why_they_read_nothing() {
    let view = sample("/events?from=24h");
    let page = |reading: &Reading<events::Found>| {
        text(&events::events(&view, &events::asked(&view), reading))
    };
    assert!(page(&Reading::NotAllowed).contains("the scope evidence"));
    assert!(page(&Reading::Busy).contains("Reload this page in a few seconds."));
    let failed = OpError::usage("no such bucket").with_hint("check the name");
    let failed = page(&Reading::Failed(failed));
    assert!(failed.contains("not read no such bucket. check the name."), "{failed}");
}

#[test]
fn whom_to_attribute_is_asked_for_by_a_form() {
    let form = |address: &str| {
        let view = sample(address);
        text(&attribution::attribution(&view, &attribution::asked(&view), &Reading::NotAsked))
    };
    assert_snapshot!(form("/events/who"));
    let command = "orgtrail events who AROAEXAMPLE:deploy --at 12h";
    assert!(form("/events/who?who=AROAEXAMPLE%3Adeploy&at=12h").contains(command));
    assert!(form("/events/who?who=alice&at=soon").contains("When: expected a time"));
}

#[test]
fn the_form_of_evidence_makes_commands() {
    assert_snapshot!(text(&evidence::evidence(&sample("/evidence"))));
    let page = text(&evidence::evidence(&sample(
        "/evidence?account=100000000008&region=eu-central-1&first=2026-11-01&last=2026-11-02",
    )));
    let command = "orgtrail evidence --account 100000000008 --region eu-central-1 \\ --from \
                   2026-11-01T00:00:00Z --until 2026-11-03T00:00:00Z \\ \
                   -o 100000000008-20261101-20261103.tar.zst";
    assert!(page.replace('\n', " ").contains(command), "{page}");
    for (query, problem) in [
        ("account=1", "An account id has 12 digits."),
        ("account=$(id)", "An account id has 12 digits."),
        ("region=%3Bid", "This is no Region."),
        ("first=soon", "A day is written as in 2026-11-28."),
        ("last=9999-12-31", "This day is out of range."),
        ("first=2026-11-03&last=2026-11-02", "The first day is after the last one"),
    ] {
        let page = text(&evidence::evidence(&sample(&format!("/evidence?{query}"))));
        assert!(page.contains(problem), "{query}: {page}");
        assert!(!page.contains("orgtrail evidence"), "{query}: {page}");
    }
}

#[test]
fn the_landing_zone_says_what_is_not_checked() {
    assert_snapshot!(text(&landing_zone::landing_zone(&sample("/landing-zone"))));
}

#[test]
fn accounts_that_joined_show_how_long_it_took_until_they_were_covered() {
    let mut view = sample("/landing-zone");
    view.accounts = Arc::new(samples::memberships());
    let page = landing_zone::landing_zone(&view);
    assert!(!page.0.contains("<b>joined"), "{}", page.0);
    let text = text(&page);
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default();
    let covered = line("joined-40");
    assert!(covered.contains("covered") && covered.contains("9 min"), "{covered}");
    assert!(line("joined-41").contains("not covered"), "{text}");
    assert!(text.contains("Accounts that left: 1"), "{text}");
}

#[test]
fn the_landing_zone_shows_the_stacks_of_the_roles_and_what_is_wrong_first() {
    let mut view = sample("/landing-zone");
    view.accounts = Arc::new(samples::memberships());
    let text = text(&landing_zone::landing_zone(&view));
    let from = text.find("Doctor").unwrap();
    let until = text.find("Accounts that joined").unwrap();
    let shown: Vec<&str> =
        text[from..until].lines().filter(|it| !it.starts_with("current")).collect();
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn the_landing_zone_says_where_bootstrap_did_not_create_the_roles() {
    let shown = |found| {
        let mut view = view(fine(), "/landing-zone");
        let mut known = Accounts::default();
        known.role_stacks = Some(Arc::new(RoleStacks { as_of: samples::now(), found }));
        view.accounts = Arc::new(known);
        text(&landing_zone::landing_zone(&view))
    };
    let unused = shown(Ok(Found::default()));
    assert!(unused.contains("orgtrail bootstrap did not create the roles"), "{unused}");
    assert!(!unused.contains("Stacks:"), "{unused}");
    let unnamed = shown(Err("roles.name is taken".to_owned()));
    assert!(unnamed.contains("cannot create the roles of this configuration"), "{unnamed}");
    let problem = Item::problem("stack-sets", "a role exists", "rename it");
    let broken = shown(Ok(Found { items: vec![problem], ..Found::default() }));
    assert!(broken.contains("1 problem with the stacks of orgtrail's roles."), "{broken}");
    let fine = shown(Ok(Found::default()));
    assert!(fine.contains("match the configuration"), "{fine}");
}
