//! `docs/guarantees.md` and the tests that hold it: those here, and a check that
//! every promise names tests that exist.

use std::path::Path;
use std::process::Stdio;

use jiff::SignedDuration;
use orgtrail::sandbox::{Effect, Fault};

use crate::env::{HOME, MINIMAL, session_keys};
use crate::program::{finish_apart, sign};
use crate::rounds::{ARCHIVE, LegacyEnv};

/// A file and the names of its tests.
type TestsOfFile = (String, Vec<String>);

/// A row of the document: its number, and the names of its tests by their files.
fn promises() -> Vec<(usize, Vec<TestsOfFile>)> {
    let document = include_str!("../../docs/guarantees.md");
    let quoted = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    document
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let number = cells.get(1)?.parse().ok()?;
            assert_eq!(cells.len(), 5, "{line}");
            let mut held_by: Vec<TestsOfFile> = Vec::new();
            for quoted in quoted(cells[3]) {
                if quoted.contains('/') {
                    held_by.push((quoted, Vec::new()));
                } else {
                    let (_, tests) = held_by.last_mut().expect("a file before its tests");
                    tests.push(quoted);
                }
            }
            let is_named = |(_, tests): &TestsOfFile| !tests.is_empty();
            assert!(!held_by.is_empty() && held_by.iter().all(is_named), "promise {number}");
            Some((number, held_by))
        })
        .collect()
}

#[test]
fn every_promise_is_held_by_a_test() {
    let promises = promises();
    assert!(promises.len() >= 20);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (at, (number, _)) in promises.iter().enumerate() {
        assert_eq!(*number, at + 1, "the promises are numbered without gaps");
    }
    let files =
        promises.iter().flat_map(|(number, files)| files.iter().map(move |it| (number, it)));
    for (number, (file, tests)) in files {
        let source = std::fs::read_to_string(root.join(file))
            .unwrap_or_else(|error| panic!("promise {number}: {file}: {error}"));
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        for test in tests {
            let here = lines.iter().position(|line| {
                line.trim_start_matches("async ").starts_with(&format!("fn {test}("))
            });
            let at = here.unwrap_or_else(|| panic!("promise {number}: no `{test}` in {file}"));
            let marked = lines[..at].iter().rev().take_while(|line| line.starts_with('#'));
            assert!(
                marked.clone().any(|line| line.contains("test")),
                "promise {number}: `{test}` is no test"
            );
            assert!(
                !marked.clone().any(|line| line.contains("ignore")),
                "promise {number}: `{test}` is not run"
            );
        }
    }
}

/// The calls that only read; every other one counts as writing, whatever it is
/// called. Each call fits one pattern at the most.
const READS: [&str; 8] = [
    "*:Get*",
    "*:List*",
    "*:Describe*",
    "*:Head*",
    "*:LookupEvents",
    "*:FilterLogEvents",
    "sts:AssumeRole",
    "iam:SimulatePrincipalPolicy",
];

/// Counts the calls from now on, and lets them through.
fn watch_writes(env: &LegacyEnv) {
    env.sandbox.faults().clear();
    for calls in ["*"].iter().chain(&READS) {
        let seen = Effect::Latency { milliseconds: 0 };
        env.sandbox.faults().inject(Fault::every(*calls, seen));
    }
}

/// How many calls wrote, of all that were made.
fn writes(env: &LegacyEnv) -> u64 {
    let struck = env.sandbox.faults().triggered();
    let reads: u64 = struck[1..].iter().map(|(_, struck)| struck).sum();
    struck[0].1.checked_sub(reads).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_writes_without_a_yes() {
    let env = LegacyEnv::new().await;
    watch_writes(&env);
    let window = hours_ago(&env, [24, 4]);
    let evidence = ["evidence", "--from", &window[0], "--until", &window[1]];
    let mut otherwise = Vec::new();
    for (arguments, ends) in [
        (&["plan"][..], 0),
        (&["accounts"], 0),
        (&["sources"], 0),
        (&["cost"], 0),
        (&["coverage"], 0),
        (&["drift"], 11),
        (&["verify"], 0),
        (&[&evidence[..], &["-o", "bundle.tar.zst"]].concat(), 0),
        (&["records"], 0),
        (&["accept", "--list"], 0),
        (&["consolidate", "--dry-run"], 0),
        (&["consolidate"], 2),
        (&["retire", "arn:aws:cloudtrail:us-east-1:333333333333:trail/old-trail"], 12),
        (&["run", "consolidate"], 2),
        (&["run", "verify"], 0),
        (&["destroy"], 12),
    ] {
        let ran = env.run(arguments).await;
        // In a sandbox a day old, silent Regions may count as late.
        let is_late = arguments == ["coverage"] && ran.code == 11;
        if ran.code != ends && !is_late {
            otherwise.push((arguments.to_vec(), ran.code, tail(&ran.text())));
        }
        assert_eq!(writes(&env), 0, "{arguments:?}: {:?}", env.sandbox.faults().triggered());
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{MINIMAL}readers = [\"333333333333\"]\n");
    let apply = env.command(folder.path(), &config, &["apply"]);
    let ran = finish_apart(apply).await;
    assert_eq!(ran.code, 2, "{}", ran.text());
    assert_eq!(writes(&env), 0);
    let bootstrap = "[roles]\nname = \"OrgTrailMember\"\n[roles.accounts.222222222222]\nname = \"OrgTrailArchive\"\n";
    let config = format!("{MINIMAL}{bootstrap}");
    for (arguments, ends) in [
        (&["bootstrap"][..], 10),
        (&["bootstrap", "--apply"], 2),
        (&["bootstrap", "--destroy"], 12),
        (&["bootstrap", "--destroy", "--dry-run"], 12),
    ] {
        let ran = finish_apart(env.command(folder.path(), &config, arguments)).await;
        assert_eq!(ran.code, ends, "{arguments:?}: {}", ran.text());
        assert_eq!(writes(&env), 0, "{arguments:?}");
    }
    // The count counts.
    let ran = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(writes(&env) >= env.legacy.len() as u64);
    // Whatever service is written to: filters, alarms, a topic, a subscriber.
    watch_writes(&env);
    let config = format!("{MINIMAL}[alarms]\nsubscribers = [\"security@example.com\"]\n");
    let apply = env.command(folder.path(), &config, &["apply", "--yes"]);
    let ran = finish_apart(apply).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    assert!(writes(&env) >= 2 * 16 + 2, "{:?}", env.sandbox.faults().triggered());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_stale_is_refused_and_nothing_is_written() {
    let env = LegacyEnv::new().await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{MINIMAL}readers = [\"333333333333\"]\n");
    let run = |arguments: &[&str]| {
        let command = env.command(folder.path(), &config, arguments);
        finish_apart(command)
    };
    let saved = run(&["plan", "--out", "today.plan"]).await;
    assert_eq!(saved.code, 10, "{}", saved.text());
    let applied = run(&["apply", "--yes"]).await;
    assert_eq!(applied.code, 0, "{}", applied.text());
    watch_writes(&env);
    let stale = run(&["apply", "today.plan", "--yes"]).await;
    assert_eq!(stale.code, 12, "{}", stale.text());
    assert_eq!(writes(&env), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consolidation_that_is_killed_thrice_loses_nothing() {
    let env = LegacyEnv::new().await;
    env.sandbox.faults().inject(Fault::every("s3:*", Effect::Latency { milliseconds: 20 }));
    let arrived = || {
        let keys = env.sandbox.keys_raw(ARCHIVE, "");
        env.legacy.iter().filter(|key| keys.contains(&env.relocated(key))).count()
    };
    let mut kills = 0;
    for part in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["consolidate", "--yes"];
        let mut command = env.command(folder.path(), MINIMAL, &arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        env.until(|_| arrived() >= part * env.legacy.len() / 4).await;
        child.kill().unwrap();
        kills += usize::from(child.wait().unwrap().code().is_none());
    }
    assert!(kills > 0 && arrived() > 0, "{kills} kills, {} arrived", arrived());
    env.sandbox.faults().clear();
    let ran = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    env.assert_arrived_once().await;
    assert!(env.records().await > 0);
    let ran = env.run(&["verify"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_printed_or_logged() {
    let env = LegacyEnv::new().await;
    // Signed in with a session, so that a token goes along with every call.
    let sts = aws_sdk_sts::Client::new(&env.sdk_config(env.administrator(), HOME));
    let session = sts.get_session_token().send().await.unwrap().credentials.unwrap();
    let window = hours_ago(&env, [24, 4]);
    let evidence = ["evidence", "--from", &window[0], "--until", &window[1]];
    let (mut given_out, mut otherwise) = (0, Vec::new());
    for (arguments, ends) in [
        (&["plan", "--log", "trace"][..], 0),
        (&["accounts", "--log", "trace", "--format", "json"], 0),
        (&["sources", "--log", "trace"], 0),
        (&["consolidate", "--yes", "--log", "trace"], 0),
        (&["verify", "--log", "trace"], 0),
        (&["drift", "--log", "trace", "--format", "json"], 11),
        (&[&evidence[..], &["-o", "bundle.tar.zst", "--log", "trace"]].concat(), 0),
        (&["apply", "--yes", "--log", "trace"], 0),
        (&["config", "show", "--log", "trace"], 0),
    ] {
        let before = env.sandbox.secrets();
        let folder = tempfile::tempdir().unwrap();
        let mut command = env.command(folder.path(), MINIMAL, arguments);
        sign(&mut command, &session_keys(session.clone()));
        let ran = finish_apart(command).await;
        if ran.code != ends {
            otherwise.push((arguments.to_vec(), ran.code, tail(&ran.text())));
        }
        let said = ran.text();
        assert!(arguments[0] == "config" || said.len() > 10_000, "{arguments:?} logged nothing");
        // Those of the session, and of every role that was entered meanwhile.
        let known = [session.secret_access_key(), session.session_token()].map(str::to_owned);
        let new = env.sandbox.secrets().into_iter().filter(|secret| !before.contains(secret));
        let secrets: Vec<String> = new.chain(known).collect();
        for secret in &secrets {
            let around = said.find(secret.as_str()).map(|at| tail(&said[..at]));
            assert_eq!(around, None, "{arguments:?} printed a secret");
        }
        given_out = given_out.max(secrets.len());
    }
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    // The session and those of three roles at least: a secret key and a token each.
    assert!(given_out >= 2 * 4, "{given_out}");
}

/// Times of the organization's clock, as options take them.
fn hours_ago<const N: usize>(env: &LegacyEnv, hours: [i64; N]) -> [String; N] {
    hours.map(|hours| (env.sandbox.now() - SignedDuration::from_hours(hours)).to_string())
}

/// The end of a text that is too long to print.
fn tail(text: &str) -> String {
    let tail: Vec<char> = text.chars().rev().take(400).collect();
    tail.into_iter().rev().collect()
}
