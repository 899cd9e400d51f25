//! `docs/guarantees.md` and the tests that hold it: those here, and a check that
//! every promise names tests that exist.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use orgtrail::sandbox::{Effect, Fault};

use crate::apply_command::command;
use crate::rounds::{ARCHIVE, Ground, code, said};
use crate::stage::MINIMAL;

/// A row of the document: its number, the file and the names of its tests.
fn promises() -> Vec<(usize, String, Vec<String>)> {
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
            let mut held_by = quoted(cells[3]);
            assert!(held_by.len() >= 2, "promise {number} names no test");
            let file = held_by.remove(0);
            Some((number, file, held_by))
        })
        .collect()
}

#[test]
fn every_promise_is_held_by_a_test() {
    let promises = promises();
    assert!(promises.len() >= 20);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (at, (number, file, tests)) in promises.iter().enumerate() {
        assert_eq!(*number, at + 1, "the promises are numbered without gaps");
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

/// Counts the calls that write from now on, and lets them through.
fn watch_writes(ground: &Ground) {
    ground.sandbox.faults().clear();
    for verb in [
        "Add", "Attach", "Create", "Delete", "Detach", "Disable", "Enable", "Put", "Register",
        "Schedule", "Set", "Start", "Stop", "Tag", "Update",
    ] {
        let call = format!("*:{verb}*");
        ground.sandbox.faults().inject(Fault::every(call, Effect::Latency { milliseconds: 0 }));
    }
}

fn writes(ground: &Ground) -> u64 {
    ground.sandbox.faults().struck().iter().map(|(_, struck)| struck).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_writes_without_a_yes() {
    let ground = Ground::lay().await;
    watch_writes(&ground);
    for (arguments, ends) in [
        (&["plan"][..], 0),
        (&["accounts"], 0),
        (&["sources"], 0),
        (&["verify"], 0),
        (&["consolidate", "--dry-run"], 0),
        (&["consolidate"], 2),
        (&["run", "consolidate"], 2),
        (&["destroy"], 12),
    ] {
        let ran = ground.run(arguments).await;
        assert_eq!(code(&ran), ends, "{arguments:?}: {}", said(&ran));
        assert_eq!(writes(&ground), 0, "{arguments:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{MINIMAL}readers = [\"333333333333\"]\n");
    let mut apply = command(&ground.sandbox, folder.path(), &config, &["apply"]);
    let ran = tokio::task::spawn_blocking(move || apply.output().unwrap()).await.unwrap();
    assert_eq!(code(&ran), 2, "{}", said(&ran));
    assert_eq!(writes(&ground), 0);
    // The count counts.
    let ran = ground.run(&["consolidate", "--yes"]).await;
    assert_eq!(code(&ran), 0, "{}", said(&ran));
    assert!(writes(&ground) >= ground.legacy.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_stale_is_refused_and_nothing_is_written() {
    let ground = Ground::lay().await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{MINIMAL}readers = [\"333333333333\"]\n");
    let run = |arguments: &[&str]| {
        let mut command = command(&ground.sandbox, folder.path(), &config, arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let saved = run(&["plan", "--out", "today.plan"]).await.unwrap();
    assert_eq!(code(&saved), 10, "{}", said(&saved));
    let applied = run(&["apply", "--yes"]).await.unwrap();
    assert_eq!(code(&applied), 0, "{}", said(&applied));
    watch_writes(&ground);
    let stale = run(&["apply", "today.plan", "--yes"]).await.unwrap();
    assert_eq!(code(&stale), 12, "{}", said(&stale));
    assert_eq!(writes(&ground), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consolidation_that_is_killed_thrice_loses_nothing() {
    let ground = Ground::lay().await;
    ground.sandbox.faults().inject(Fault::every("s3:*", Effect::Latency { milliseconds: 20 }));
    let arrived = || {
        let keys = ground.sandbox.keys_raw(ARCHIVE, "");
        ground.legacy.iter().filter(|key| keys.contains(&ground.relocated(key))).count()
    };
    let mut kills = 0;
    for part in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["consolidate", "--yes"];
        let mut command = command(&ground.sandbox, folder.path(), MINIMAL, &arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while child.try_wait().unwrap().is_none() && arrived() < part * ground.legacy.len() / 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        kills += usize::from(child.wait().unwrap().code().is_none());
    }
    assert!(kills > 0 && arrived() > 0, "{kills} kills, {} arrived", arrived());
    ground.sandbox.faults().clear();
    let ran = ground.run(&["consolidate", "--yes"]).await;
    assert_eq!(code(&ran), 0, "{}", said(&ran));
    ground.assert_arrived_once().await;
    assert!(ground.records().await > 0);
    let ran = ground.run(&["verify"]).await;
    assert_eq!(code(&ran), 0, "{}", said(&ran));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_printed_or_logged() {
    let ground = Ground::lay().await;
    let secret = ground.sandbox.administrator().unwrap().secret_access_key;
    for arguments in [
        &["plan", "--log", "trace"][..],
        &["accounts", "--log", "trace", "--format", "json"],
        &["consolidate", "--yes", "--log", "trace"],
        &["config", "show", "--log", "trace"],
    ] {
        let ran = ground.run(arguments).await;
        assert_eq!(code(&ran), 0, "{arguments:?}");
        let said = said(&ran);
        assert!(arguments[0] == "config" || said.len() > 10_000, "{arguments:?} logged nothing");
        assert!(!said.contains(&secret), "{arguments:?} told the secret key");
        // Those of assumed roles come in STS's answers.
        let session = said.find("<SecretAccessKey>").map(|at| &said[at..(at + 80).min(said.len())]);
        assert_eq!(session, None, "{arguments:?} told a session's secret");
    }
}
