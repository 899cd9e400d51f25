//! Consolidation beside a reference model: whatever lies where, whatever fails
//! and whenever a run ends, after enough runs the archive is the union.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use orgtrail::archive::consolidate::ledger::LedgerError;
use orgtrail::archive::consolidate::record::{Counts, Outcome, Row};
use orgtrail::archive::key::ObjectKey;
use orgtrail::archive::sequence::SequenceError;
use orgtrail::names::AccountId;
use orgtrail::sandbox::{Effect, Fault};
use proptest::prelude::*;

use super::consolidate_env::{
    ConsolidateEnv, Started, digest, digest_body, log, log_body, metadata_of, relocated,
};

/// Few contents, two of them of the same size, so that keys collide in every way.
const CONTENTS: [&str; 3] = ["content", "CONTENT", "another"];
const LONGER: &str = "of another size";

/// An object that is put somewhere: the kind, day and number make the key.
#[derive(Debug, Clone)]
struct Put {
    bucket: usize,
    kind: Kind,
    day: u8,
    number: u8,
    content: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Log,
    Digest,
    Foreign,
}

impl Put {
    fn key(&self, account: &AccountId) -> String {
        match self.kind {
            Kind::Log => log(account, self.day, self.number),
            Kind::Digest => digest(account, self.day, self.number),
            Kind::Foreign => log(account, self.day, self.number).replace(".json.gz", ".txt"),
        }
    }

    fn body(&self, account: &AccountId) -> Vec<u8> {
        let text = CONTENTS.get(self.content).unwrap_or(&LONGER);
        match self.kind {
            Kind::Digest => digest_body(&self.key(account), text, &[]),
            Kind::Log | Kind::Foreign => log_body(text),
        }
    }
}

/// One run, and what becomes of it.
#[derive(Debug, Clone)]
struct Attempt {
    /// What CloudTrail delivers before it, on days that are still open.
    late: Vec<Put>,
    faults: Vec<Fault>,
    limit: Option<u64>,
    /// Killed once so many objects are done.
    killed_after: Option<u64>,
}

fn puts(days: std::ops::Range<u8>, most: usize) -> impl Strategy<Value = Vec<Put>> {
    let kind = prop_oneof![
        6 => Just(Kind::Log),
        2 => Just(Kind::Digest),
        1 => Just(Kind::Foreign)
    ];
    // Mostly the same content, so that most cases end without a conflict.
    let content = prop_oneof![12 => Just(0_usize), 1 => 1_usize..=3];
    let put = (0_usize..2, kind, days, 0_u8..4, content).prop_map(
        |(bucket, kind, day, number, content)| Put { bucket, kind, day, number, content },
    );
    proptest::collection::vec(put, 0..most)
}

fn fault() -> impl Strategy<Value = Fault> {
    let call = prop::sample::select(vec!["s3:GetObject", "s3:PutObject", "s3:List*", "s3:*"]);
    let effect = prop::sample::select(vec![
        Effect::Throttle,
        Effect::Fail { status: 500 },
        Effect::Fail { status: 503 },
        Effect::Deny,
        Effect::Reset,
        Effect::ResetInBody,
        Effect::Truncate,
    ]);
    (call, effect, 0_u64..20, 1_u64..12).prop_map(|(call, effect, after, times)| {
        Fault::every(call, effect).after(after).times(times)
    })
}

fn attempt() -> impl Strategy<Value = Attempt> {
    (
        puts(30..32, 3),
        proptest::collection::vec(fault(), 0..3),
        proptest::option::weighted(0.3, 1_u64..6),
        proptest::option::weighted(0.3, 0_u64..6),
    )
        .prop_map(|(late, faults, limit, killed_after)| Attempt {
            late,
            faults,
            limit,
            killed_after,
        })
}

/// What may lie where.
#[derive(Default)]
struct Model {
    /// What others wrote to the archive before.
    before: BTreeMap<String, Vec<u8>>,
    /// By key in the archive: the contents that the sources have of it.
    wanted: BTreeMap<String, BTreeSet<Vec<u8>>>,
    /// By bucket and key: what a source holds. Nothing is written twice there.
    held: BTreeMap<(usize, String), Vec<u8>>,
    /// The archive after the last run.
    seen: BTreeMap<String, Vec<u8>>,
    /// Whether a run ended without a record of what it did.
    unrecorded: bool,
}

impl Model {
    async fn deliver(&mut self, env: &ConsolidateEnv, puts: &[Put]) {
        let mut delivered = Vec::new();
        for put in puts {
            // Both buckets hold logs of one account, as after a trail moved.
            let key = put.key(&env.members[0]);
            if self.held.contains_key(&(put.bucket, key.clone())) {
                continue;
            }
            self.held.insert((put.bucket, key.clone()), put.body(&env.members[0]));
            if key.parse::<ObjectKey>().is_ok() {
                self.wanted.entry(relocated(&key)).or_default().insert(put.body(&env.members[0]));
            }
            delivered.push((put.bucket, key, put.body(&env.members[0])));
        }
        env.put_all(&delivered).await;
    }

    /// Nothing in the archive is lost, altered, or what nobody had.
    async fn look(&mut self, env: &ConsolidateEnv) {
        let mut now = BTreeMap::new();
        for (key, (body, stored)) in env.archived().await {
            assert_eq!(stored, metadata_of(&body), "{key}");
            if let Some(before) = self.before.get(&key) {
                assert_eq!(&body, before, "{key}");
            } else {
                assert!(self.wanted[&key].contains(&body), "{key}: nobody had {body:?}");
            }
            now.insert(key, body);
        }
        for (key, body) in &self.seen {
            assert_eq!(now.get(key), Some(body), "{key} was there before");
        }
        self.seen = now;
    }

    /// Whether every source's content can be in the archive.
    fn conflicts(&self) -> bool {
        self.wanted.iter().any(|(key, contents)| {
            let before = self.before.get(key);
            contents.len() > 1 || before.is_some_and(|body| !contents.contains(body))
        })
    }

    /// The records say of themselves and of the archive what is so.
    fn audit(&self, rows: &[Row]) {
        let mut copied = BTreeSet::new();
        let mut named = BTreeSet::new();
        for run in rows.split_inclusive(|row| matches!(row, Row::End { .. })) {
            let [Row::Begin { .. }, rows @ .., Row::End { totals, .. }] = run else {
                panic!("a record without its ends: {run:?}");
            };
            let mut sum = Counts::default();
            for row in rows {
                if let Row::Object(object) = row {
                    sum.add(object.outcome, object.size_bytes, object.copy_method);
                    named.insert(object.key.clone());
                    if object.outcome == Outcome::Copied {
                        assert!(copied.insert(object.key.clone()), "{} twice", object.key);
                        let held = &self.seen[&object.key];
                        assert_eq!(object.sha256, Some(sha256_hex(held)), "{}", object.key);
                    }
                }
            }
            // What was there before has no row.
            let there = totals.present - sum.present;
            sum.present += there;
            // What a stopped run left has none either.
            sum.left = totals.left;
            sum.source = sum.present
                + sum.copied
                + sum.conflicts
                + sum.failed
                + sum.unexpected
                + sum.left
                + sum.held_back;
            assert_eq!(&sum, totals);
        }
        let arrived = self.seen.keys().filter(|key| !self.before.contains_key(*key));
        let unnamed: Vec<_> = arrived.filter(|key| !named.contains(*key)).collect();
        assert!(self.unrecorded || unnamed.is_empty(), "in no record: {unnamed:?}");
    }
}

fn sha256_hex(body: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body))
}

async fn attempt_once(env: &ConsolidateEnv, model: &mut Model, attempt: Attempt) {
    model.deliver(env, &attempt.late).await;
    for fault in attempt.faults {
        env.sandbox.faults().inject(fault);
    }
    let started = Started::new(attempt.limit);
    let progress = &started.progress;
    let killed = async {
        let Some(after) = attempt.killed_after else { return std::future::pending().await };
        // The run may end before: then this waits in vain.
        env.sandbox.until(|_| progress.done.load(Ordering::Relaxed) >= after).await;
    };
    tokio::select! {
        result = env.run(&started) => match result {
            Ok(_) => {}
            // Its copies stay, its record could not be written.
            Err(LedgerError::Sequence(SequenceError::Aws(_) | SequenceError::Fetch(_))) => {
                model.unrecorded = true;
            }
            Err(error) => panic!("{error:?}"),
        },
        () = killed => model.unrecorded = true,
    }
    env.sandbox.faults().clear();
    model.look(env).await;
}

async fn play(before: Vec<Put>, held: Vec<Put>, attempts: Vec<Attempt>) {
    let env = ConsolidateEnv::new().await;
    let mut model = Model::default();
    for put in before.iter().filter(|put| !matches!(put.kind, Kind::Foreign)) {
        let key = relocated(&put.key(&env.members[0]));
        if let Entry::Vacant(place) = model.before.entry(key) {
            env.put_archived(place.key(), &put.body(&env.members[0])).await;
            place.insert(put.body(&env.members[0]));
        }
    }
    model.deliver(&env, &held).await;
    for attempt in attempts {
        attempt_once(&env, &mut model, attempt).await;
    }
    // Nothing fails any more: one run is enough, and a second finds no work.
    let last = env.run(&Started::new(None)).await.unwrap();
    model.look(&env).await;
    assert!(last.failures.is_empty() && last.counts.failed == 0, "{last:?}");
    assert_eq!(last.complete(), !model.conflicts(), "{last:?}");
    let union: BTreeSet<_> = model.before.keys().chain(model.wanted.keys()).collect();
    assert_eq!(model.seen.keys().collect::<BTreeSet<_>>(), union);
    let again = env.run(&Started::new(None)).await.unwrap();
    assert_eq!((again.counts.copied, again.complete()), (0, last.complete()), "{again:?}");
    model.look(&env).await;
    model.audit(&env.records().await);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_fails_and_stops_the_archive_becomes_the_union(
        before in puts(27..32, 5),
        held in puts(27..32, 16),
        attempts in proptest::collection::vec(attempt(), 0..4),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(before, held, attempts));
    }
}
