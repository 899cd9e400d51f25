//! Random worlds of users, roles and sessions with colliding names and lost events: no answer
//! merges two principals over a claimed link.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::answer::{Origin, Strength, Verdict};
use super::links::{assumed, event, index_of, session, user};
use super::{Recorded, TOLERANCE};

/// A call that issues a session.
#[derive(Debug, Clone)]
struct Assumption {
    /// A user, or an earlier session.
    by: usize,
    role: usize,
    name: usize,
    /// After the call before. Units: seconds.
    after: u32,
    /// The session's creation after the call. Units: seconds.
    delay: u32,
    is_redacted: bool,
    is_lost: bool,
    has_key: bool,
    has_creation: bool,
    is_by_service: bool,
    copies: usize,
}

/// What is true of a session.
#[derive(Debug, Clone)]
struct Truth {
    key: String,
    principal: String,
    user: usize,
    created: u32,
    identity: Value,
    /// Whether it, or one that it descends from, can be taken for another one.
    parent: Option<usize>,
}

const USERS: usize = 3;

fn assumption() -> impl Strategy<Value = Assumption> {
    let flags = (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.1),
    );
    (0_usize..8, 0_usize..2, 0_usize..2, 0_u32..30, 0_u32..3, flags, 1_usize..3).prop_map(
        |(by, role, name, after, delay, flags, copies)| {
            let (is_redacted, is_lost, has_key, has_creation, is_by_service) = flags;
            Assumption {
                by,
                role,
                name,
                after,
                delay,
                is_redacted,
                is_lost,
                has_key,
                has_creation,
                is_by_service,
                copies,
            }
        },
    )
}

fn clock(seconds: u32) -> String {
    format!("{:02}:{:02}:{:02}", 10 + seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn user_id(number: usize) -> String {
    format!("AIDAUSER{number}EXAMPLE000")
}

/// Plays a world, and returns the events that remain and what is true.
fn play(assumptions: &[Assumption]) -> (Vec<String>, Vec<Truth>) {
    let (mut events, mut truths) = (Vec::new(), Vec::<Truth>::new());
    let mut now = 0;
    for (number, one) in assumptions.iter().enumerate() {
        now += one.after;
        let parent = one.by.checked_sub(USERS).filter(|parent| *parent < truths.len());
        let (caller, person) = if let Some(parent) = parent {
            (truths[parent].identity.clone(), truths[parent].user)
        } else {
            let number = one.by % USERS;
            // The second and the third user have one name.
            (user(&user_id(number), ["bob", "alice", "alice"][number]), number)
        };
        let role = format!("AROAROLE{}EXAMPLE0000", one.role);
        let name = ["deploy", "alice"][one.name];
        let key = format!("ASIASESSION{number:03}EXAMP");
        let created = now + one.delay;
        let shown = if one.is_redacted { "HIDDEN_DUE_TO_SECURITY_REASONS" } else { &key };
        let mut issuing = event(&format!("issue-{number}"), &clock(now), "AssumeRole", &caller);
        issuing["responseElements"] = assumed(&role, name, shown);
        if !one.is_lost {
            events.extend(vec![issuing; one.copies]);
        }
        let written = one.has_creation.then(|| clock(created));
        let mut identity = session(&role, name, one.has_key.then_some(&*key), written.as_deref());
        if one.is_by_service {
            identity["invokedBy"] = json!("cloudformation.amazonaws.com");
        }
        let used = event(&use_id(number), &clock(created + 40), "StopInstances", &identity);
        events.push(used);
        let principal = format!("{role}:{name}");
        truths.push(Truth { key, principal, user: person, created, identity, parent });
    }
    (events.iter().map(Value::to_string).collect(), truths)
}

fn use_id(number: usize) -> String {
    format!("{number:08}-0000-0000-0000-000000000000")
}

/// Whether another session of the same role and name began in the same seconds, here or
/// further back.
fn is_confusable(truths: &[Truth], number: usize) -> bool {
    let one = &truths[number];
    let near = u32::try_from(2 * TOLERANCE.as_secs()).unwrap() + 3;
    let here = truths.iter().enumerate().any(|(other, found)| {
        other != number
            && found.principal == one.principal
            && found.created.abs_diff(one.created) <= near
    });
    here || one.parent.is_some_and(|parent| is_confusable(truths, parent))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_answer_merges_two_principals_over_a_claimed_link(
        assumptions in prop::collection::vec(assumption(), 1..14),
    ) {
        let (events, truths) = play(&assumptions);
        for (number, truth) in truths.iter().enumerate() {
            let at = clock(truth.created + 40);
            for question in [&*truth.key, &*use_id(number), &*truth.principal] {
                let answer = index_of(question, Some(&at), &events).resolve(&Recorded::default());
                let Verdict::Resolved(strength) = answer.verdict else { continue };
                prop_assert!(strength >= Strength::Bounded);
                let wanted = user_id(truth.user);
                for chain in &answer.chains {
                    let Some(Origin::IamUser { id: Some(id), .. }) = &chain.origin else {
                        return Err(TestCaseError::fail(format!("{question}: {chain:?}")));
                    };
                    let is_right = **id == *wanted;
                    // The whole of what "bounded" leaves open.
                    let is_open = strength == Strength::Bounded && is_confusable(&truths, number);
                    prop_assert!(is_right || is_open, "{question} at {at}: {chain:?}");
                }
            }
        }
    }

    #[test]
    fn with_all_events_and_keys_every_session_is_proven(
        mut assumptions in prop::collection::vec(assumption(), 1..14),
    ) {
        for one in &mut assumptions {
            (one.is_lost, one.is_redacted, one.has_key) = (false, false, true);
        }
        let (events, truths) = play(&assumptions);
        for truth in &truths {
            let answer = index_of(&truth.key, None, &events).resolve(&Recorded::default());
            prop_assert_eq!(&answer.verdict, &Verdict::Resolved(Strength::Proven));
            let wanted = user_id(truth.user);
            let is_right = matches!(&answer.chains[0].origin, Some(Origin::IamUser { id: Some(id), .. }) if **id == *wanted);
            prop_assert!(is_right, "{:?}", answer.chains);
        }
        // Forward and back agree.
        for user in 0..USERS {
            let descendants = index_of(&user_id(user), None, &events).descendants(&Recorded::default());
            let mut found: Vec<_> = descendants.sessions.iter().map(|one| {
                (one.session.access_key.as_deref().unwrap_or_default().to_owned(), one.strength)
            }).collect();
            let mut wanted: Vec<_> = truths.iter().filter(|truth| truth.user == user)
                .map(|truth| (truth.key.clone(), Strength::Proven)).collect();
            found.sort();
            wanted.sort();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn no_order_of_the_events_changes_the_answer(
        assumptions in prop::collection::vec(assumption(), 1..8),
        seed in any::<u64>(),
    ) {
        let (events, truths) = play(&assumptions);
        let mut shuffled = events.clone();
        let length = shuffled.len();
        for at in (1..length).rev() {
            let range = at as u64 + 1;
            let other = seed.wrapping_mul(range).rotate_left(17) % range;
            let other = usize::try_from(other).unwrap();
            shuffled.swap(at, other);
        }
        for truth in &truths {
            let ask = |events: &[String]| {
                let answer = index_of(&truth.principal, None, events).resolve(&Recorded::default());
                (answer.verdict, answer.chains.len())
            };
            prop_assert_eq!(ask(&events), ask(&shuffled));
        }
    }
}
