use std::collections::HashMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::report::contract::drift::Scope;

const PARTS: [Part; 2] = [Part::Verify, Part::Drift];

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + hours * 3600).unwrap()
}

fn signal(number: u8, state: SignalState, severity: Severity, found: &str) -> Signal {
    Signal {
        fingerprint: format!("{number:032x}"),
        part: PARTS[usize::from(number) % 2],
        check: "bucket-tls-only".to_owned(),
        severity,
        state,
        scope: Scope::Organization,
        unit_path: None,
        title: "title".to_owned(),
        expected: None,
        found: found.to_owned(),
        fix: None,
        cause: None,
        events: None,
        suppressed: false,
        since: at(0),
    }
}

fn signals(signals: Vec<Signal>) -> Signals {
    Signals { round: "round".to_owned(), parts: PARTS.to_vec(), signals }
}

/// What one round after another sends, each an hour after the one before.
fn run(rounds: Vec<Vec<Signal>>) -> Vec<Vec<Transition>> {
    let mut known = Known::new();
    let mut sent = Vec::new();
    for (hour, round) in (0..).zip(rounds) {
        let signals = signals(round);
        let seen = Seen { ran: &PARTS, signals: &signals, at: at(hour) };
        let (after, Transitions { changes, .. }) = transitions(known, seen);
        known = after;
        sent.push(changes.iter().map(|change| change.transition).collect());
    }
    sent
}

fn failing(severity: Severity, found: &str) -> Vec<Signal> {
    vec![signal(1, SignalState::Failing, severity, found)]
}

fn unreadable() -> Vec<Signal> {
    vec![signal(1, SignalState::Unreadable, Severity::Medium, "denied")]
}

#[test]
fn a_finding_is_sent_at_once_and_its_end_too() {
    let critical = failing(Severity::Critical, "broken");
    let sent = run(vec![critical.clone(), critical, vec![]]);
    assert_eq!(sent, [vec![Transition::New], vec![], vec![Transition::Resolved]]);
}

#[test]
fn an_unreadable_finding_is_sent_if_the_next_round_cannot_read_it_either() {
    let sent = run(vec![unreadable(), vec![], unreadable(), unreadable(), unreadable(), vec![]]);
    let none: Vec<Transition> = vec![];
    let expected = [
        none.clone(),
        none.clone(),
        none.clone(),
        vec![Transition::Unreadable],
        none,
        vec![Transition::Resolved],
    ];
    assert_eq!(sent, expected);
}

#[test]
fn a_failing_finding_that_becomes_unreadable_is_not_resolved() {
    let bad = || failing(Severity::High, "bad");
    let sent = run(vec![bad(), unreadable(), bad(), unreadable(), unreadable(), bad()]);
    let none: Vec<Transition> = vec![];
    let expected = [
        vec![Transition::New],
        none.clone(),
        none.clone(),
        none,
        vec![Transition::Unreadable],
        vec![Transition::Worse],
    ];
    assert_eq!(sent, expected);
}

#[test]
fn numbers_alone_are_no_change_and_a_higher_severity_is_worse() {
    let sent = run(vec![
        failing(Severity::Low, "delivered 61 minutes ago"),
        failing(Severity::Low, "delivered 121 minutes ago"),
        failing(Severity::High, "delivered 121 minutes ago"),
        failing(Severity::Low, "never delivered"),
    ]);
    let worse = vec![Transition::Worse];
    assert_eq!(sent, [vec![Transition::New], vec![], worse, vec![Transition::Changed]]);
}

#[test]
fn a_critical_finding_is_sent_again_after_a_day_and_others_after_a_week() {
    for (severity, hours) in [(Severity::Critical, 24), (Severity::High, 7 * 24)] {
        let rounds = vec![failing(severity, "bad"); 2 * hours + 1];
        let reminders: Vec<usize> = run(rounds)
            .iter()
            .enumerate()
            .filter(|(_, sent)| **sent == [Transition::Reminder])
            .map(|(hour, _)| hour)
            .collect();
        assert_eq!(reminders, [hours, 2 * hours], "{severity:?}");
    }
}

#[test]
fn without_a_result_of_their_part_findings_are_not_resolved() {
    let first = signals(failing(Severity::High, "bad"));
    let (known, _) = transitions(Known::new(), Seen { ran: &PARTS, signals: &first, at: at(0) });
    let empty = Signals { parts: vec![Part::Verify], ..signals(vec![]) };
    let (known, Transitions { changes, .. }) =
        transitions(known, Seen { ran: &[Part::Verify], signals: &empty, at: at(1) });
    assert_eq!(changes, []);
    let both = signals(vec![]);
    let (known, Transitions { changes, .. }) =
        transitions(known, Seen { ran: &PARTS, signals: &both, at: at(2) });
    assert!(known.is_empty() && changes.len() == 1, "{changes:?}");
}

#[test]
fn a_round_without_the_part_does_not_count_as_a_second_failure_to_read() {
    let signals = signals(unreadable());
    let mut known = Known::new();
    let mut sent = Vec::new();
    for ran in [&PARTS[..], &[Part::Verify], &PARTS] {
        let (after, Transitions { changes, .. }) =
            transitions(known, Seen { ran, signals: &signals, at: at(0) });
        known = after;
        sent.push(changes.len());
    }
    assert_eq!(sent, [0, 0, 1]);
}

#[test]
fn too_many_findings_are_counted_and_none_that_is_followed_is_lost() {
    let open = |count: u8| {
        signals(
            (0..count).map(|it| signal(it, SignalState::Failing, Severity::Low, "bad")).collect(),
        )
    };
    let run = |known, signals: &Signals, hour| {
        limited(known, Seen { ran: &PARTS, signals, at: at(hour) }, 3)
    };
    let (known, first) = run(Known::new(), &open(5), 0);
    assert_eq!((known.len(), first.changes.len(), first.not_followed), (3, 3, 2));
    // The same findings in another order: what is followed stays so, and is not resolved.
    let mut other = open(5);
    other.signals.reverse();
    let (known, second) = run(known, &other, 1);
    assert_eq!((second.changes.len(), second.not_followed), (0, 2));
    // What is resolved makes room in the next round.
    other.signals.retain(|it| it.fingerprint >= format!("{:032x}", 2));
    let (known, third) = run(known, &other, 2);
    assert!(third.changes.iter().all(|it| it.transition == Transition::Resolved));
    assert_eq!((third.changes.len(), third.not_followed), (2, 2));
    let (known, fourth) = run(known, &other, 3);
    assert!(fourth.changes.iter().all(|it| it.transition == Transition::New));
    assert_eq!((known.len(), fourth.changes.len(), fourth.not_followed), (3, 2, 0));
}

type Step = (i64, Vec<Part>, BTreeMap<u8, (SignalState, Severity, &'static str, bool)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let states = select(vec![SignalState::Failing, SignalState::Unreadable]);
    let severities = select(vec![Severity::Low, Severity::High, Severity::Critical]);
    let found = select(vec!["a 1", "a 2", "b"]);
    let finding = (states, severities, found, prop::bool::weighted(0.15));
    vec((1_i64..80, subsequence(PARTS.to_vec(), 0..=2), btree_map(0_u8..4, finding, 0..4)), 1..25)
}

fn signals_of(step: &Step) -> Signals {
    signals(
        step.2
            .iter()
            .map(|(number, (state, severity, found, suppressed))| Signal {
                suppressed: *suppressed,
                ..signal(*number, *state, *severity, found)
            })
            .collect(),
    )
}

proptest! {
    /// A receiver that knows only what it was sent knows what is open, once two rounds have
    /// read everything; and nothing that it is sent is what it knows already.
    #[test]
    fn a_receiver_knows_everything_and_is_sent_nothing_twice(mut steps in steps()) {
        let last = steps.last().unwrap().2.clone();
        steps.extend([(1, PARTS.to_vec(), last.clone()), (1, PARTS.to_vec(), last.clone())]);
        let mut known = Known::new();
        let mut view: HashMap<String, (Signal, Timestamp)> = HashMap::new();
        let mut hours = 0;
        for step in &steps {
            hours += step.0;
            let signals = signals_of(step);
            let seen = Seen { ran: &step.1, signals: &signals, at: at(hours) };
            let suppressed = |fingerprint: &str| {
                signals.signals.iter().any(|it| it.suppressed && it.fingerprint == fingerprint)
            };
            let (after, Transitions { changes, .. }) = transitions(known, seen);
            for change in changes {
                let fingerprint = change.finding.fingerprint.clone();
                prop_assert!(!suppressed(&fingerprint));
                let is_open = signals.signals.iter().any(|it| it.fingerprint == fingerprint);
                prop_assert_eq!(is_open, change.transition != Transition::Resolved);
                let before = view.remove(&fingerprint);
                prop_assert_eq!(
                    change.severity_before,
                    before.as_ref().map(|(signal, _)| signal.severity)
                );
                match (&before, change.transition) {
                    (None, Transition::New) => {
                        prop_assert_eq!(change.finding.state, SignalState::Failing);
                    }
                    (None, Transition::Unreadable) | (Some(_), Transition::Resolved) => {}
                    (Some((was, sent_at)), transition) => {
                        prop_assert!(change.changed_at > *sent_at);
                        let now = &change.finding;
                        let is_same = was.severity == now.severity
                            && was.state == now.state
                            && shape(&was.found) == shape(&now.found);
                        prop_assert_eq!(is_same, transition == Transition::Reminder);
                        let age = change.changed_at.duration_since(*sent_at);
                        prop_assert!(!is_same || age >= REMIND_OF_CRITICAL_AFTER);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
                if change.transition != Transition::Resolved {
                    view.insert(fingerprint, (change.finding, change.changed_at));
                }
            }
            // The configuration's own doing is not announced.
            view.retain(|fingerprint, _| !suppressed(fingerprint));
            // The same round once more changes nothing.
            let (again, Transitions { changes, .. }) = transitions(after.clone(), Seen { ran: &[], ..seen });
            prop_assert_eq!(&changes, &[]);
            prop_assert_eq!(&again, &after);
            known = after;
        }
        let last = signals_of(steps.last().unwrap());
        let open: Vec<&Signal> = last.signals.iter().filter(|it| !it.suppressed).collect();
        prop_assert_eq!(open.len(), view.len());
        for signal in open {
            let (seen, _) = &view[&signal.fingerprint];
            prop_assert_eq!((seen.state, seen.severity), (signal.state, signal.severity));
            prop_assert_eq!(shape(&seen.found), shape(&signal.found));
        }
    }
}
