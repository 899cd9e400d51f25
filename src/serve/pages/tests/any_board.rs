//! No page panics, or passes on markup or control characters, whatever a board has.

use std::sync::Arc;

use jiff::Timestamp;
use maud::Markup;
use proptest::prelude::*;

use super::{live_round, samples_board, view};
use crate::report::contract::Period;
use crate::report::contract::drift::{Suppression, Verdict};
use crate::report::contract::live::{LivePhase, Message};
use crate::report::contract::service::Verdict as Overall;
use crate::serve::board::{Board, ChainFinding, Changes, ScopeChains};
use crate::serve::pages::reading::Reading;
use crate::serve::pages::round::Finished;
use crate::serve::pages::view::View;
use crate::serve::pages::{
    account, attribution, chain, coverage, drift, events, evidence, landing_zone, overview, round,
    rounds, running, sources,
};
use crate::serve::samples;

/// Text that others choose: markup, control characters, and anything else.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("<script>alert(1)</script>".to_owned()),
        Just("\" onmouseover=alert(1) x=\"<zzz>".to_owned()),
        Just("'; rm -rf / #`<zzz>".to_owned()),
        Just("\u{1b}[31mred\u{0}\u{202e}\u{200b}<zzz>".to_owned()),
        Just(String::new()),
        "\\PC{0,12}".prop_map(|text| format!("<zzz>{text}")),
        any::<String>(),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(Timestamp::MIN),
        Just(Timestamp::MAX),
        (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second())
            .prop_map(|second| Timestamp::from_second(second).unwrap()),
        (-400_i64..400)
            .prop_map(|hours| { samples::now() + jiff::SignedDuration::from_hours(hours) }),
    ]
}

/// A board whose texts and times are not orgtrail's own.
fn board(texts: &[String], times: &[Timestamp], accounts: usize) -> Board {
    let mut board = samples_board(accounts);
    let mut texts = texts.iter().cycle().cloned();
    let mut times = times.iter().cycle().copied();
    let mut text = || texts.next().unwrap();
    let mut time = || times.next().unwrap();
    if let Some(coverage) = &mut board.coverage {
        coverage.as_of = time();
        for account in &mut coverage.accounts {
            account.name = text();
            account.unit_path = text().into();
            for cell in account.cells.iter_mut().step_by(3) {
                cell.reason = Some(text().into());
                cell.proven_through = Some(time());
                cell.newest_digest_at = Some(time());
            }
        }
    }
    for (position, scope) in board.chains.scopes.values_mut().enumerate().take(20) {
        let period = |from: Timestamp, to| Period { from: from.min(to), to: from.max(to) };
        let finding = ChainFinding {
            kind: text().into(),
            is_broken: position % 2 == 0,
            meaning: text().into(),
            key: Some(text()),
            expected: Some(text()),
            found: Some(text()),
            period: Some(period(time(), time())),
            objects: u64::MAX,
        };
        *scope = ScopeChains {
            trails: scope.trails.clone(),
            proven: vec![period(time(), time())],
            findings: vec![finding],
        };
    }
    if let Some(sources) = &mut board.sources {
        sources.round = text();
        sources.report.by_source =
            sources.report.by_source.values().map(|counts| (text(), *counts)).collect();
        for failure in &mut sources.report.failures {
            (failure.place, failure.reason, failure.hint) = (text(), text(), Some(text()));
        }
    }
    for round in &mut board.rounds {
        let round = Arc::make_mut(round);
        (round.id, round.schedule, round.replica) = (text(), text(), text());
        (round.program, round.started_at, round.ended_at) = (text(), time(), time());
        round.knowledge.since = time();
        round.knowledge.verified_through = Some(time());
        round.knowledge.verdict =
            if round.exit_code == 13 { Overall::Failed } else { Overall::Unknown };
        for part in &mut round.parts {
            (part.summary, part.verified_from) = (text(), Some(time()));
        }
    }
    if let Some(drift) = &mut board.drift {
        drift.round = text();
        for finding in &mut drift.findings {
            finding.check = text();
            finding.suppression = Some(Suppression {
                reason: text(),
                last_day: time().to_zoned(jiff::tz::TimeZone::UTC).date(),
                expired: false,
            });
            if let Verdict::Fail { found, expected } = &mut finding.verdict {
                (*found, *expected) = (text(), text());
            }
        }
    }
    if let Some(signals) = &mut board.signals {
        for signal in &mut Arc::make_mut(signals).signals {
            (signal.check, signal.title, signal.found) = (text(), text(), text());
            (signal.expected, signal.fix, signal.cause) =
                (Some(text()), Some(text()), Some(text()));
            (signal.unit_path, signal.since) = (Some(text()), time());
            signal.fingerprint = text();
        }
    }
    board
}

fn pages(view: &mut View, texts: &[String], times: &[Timestamp]) -> Vec<Markup> {
    let mut live = live_round();
    (live.id, live.schedule, live.replica) = (texts[0].clone(), texts[1].clone(), texts[2].clone());
    (live.started_at, live.scheduled_at) = (times[0], times[1]);
    live.messages = vec![Message { at: times[0], text: texts[0].clone(), warning: true }];
    live.phase = Some(LivePhase { name: texts[1].clone(), done: u64::MAX, steps: Some(1) });
    view.live = Some(live.clone());
    view.replica.clone_from(&texts[2]);
    let signals = view.board.signals.as_deref().unwrap();
    let mut earlier = signals.clone();
    earlier.signals.truncate(2);
    let changes = Some(Changes::between(&earlier, signals));
    let [one, other] = [0, 1].map(|number| Arc::clone(&view.board.rounds[number]));
    let finished = Finished { round: one, other: Some(other), changes };
    let mut pages = vec![
        overview::overview(view),
        coverage::coverage(view),
        drift::drift(view),
        sources::sources(view),
        rounds::rounds(view),
        running::running(view, &live),
        round::finished_page(view, &finished),
        evidence::evidence(view),
        events::events(view, &events::asked(view), &Reading::NotAllowed),
        attribution::attribution(view, &attribution::asked(view), &Reading::NotAsked),
        landing_zone::landing_zone(view),
    ];
    let regions = ["ap-northeast-1", "eu-central-1", "sa-east-1"];
    for account_id in ["100000000001", "100000000008", "100000000013"] {
        pages.extend(account::account(view, account_id).ok());
        pages.extend(regions.iter().filter_map(|it| chain::chain(view, account_id, it).ok()));
    }
    pages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_board_is_rendered_and_escaped(
        texts in prop::collection::vec(hostile(), 3..9),
        times in prop::collection::vec(time(), 2..7),
        now in time(),
        query in hostile(),
        accounts in prop_oneof![4 => Just(20_usize), 1 => Just(samples::ACCOUNTS)],
    ) {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("account", &query).append_pair("q", &query).append_pair("ou", &query)
            .append_pair("first", &query).append_pair("until", &query).finish();
        for address in [String::from("/"), format!("/?{query}")] {
            let mut view = view(board(&texts, &times, accounts), &address);
            view.now = now;
            let mut known = samples::memberships();
            known.role_stacks = Some(Arc::new(samples::role_stacks(&texts[0], 50)));
            view.accounts = Arc::new(known);
            for page in pages(&mut view, &texts, &times) {
                let page = page.0;
                prop_assert!(!page.contains("<zzz>") && !page.contains("<script>"), "{}", page);
                prop_assert!(!page.contains("\" onmouseover"), "{}", page);
                let hidden = page.chars().find(|c| {
                    (c.is_control() && *c != '\n')
                        || matches!(c, '\u{202e}' | '\u{200b}')
                });
                prop_assert!(hidden.is_none(), "{:?} in {}", hidden, page);
                prop_assert!(page.ends_with("</html>"));
            }
        }
    }
}
