//! SIGTERM, as schedulers send it: what is in flight is finished, the report and
//! the record are written, and the exit code says that it is not all.
#![cfg(unix)]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use orgtrail::sandbox::{Effect, Fault};
use serde_json::Value;

use crate::configured::ConfiguredEnv;
use crate::env::{MINIMAL, TestEnv};
use crate::program::{Finished, finished, signal, stop_twice};
use crate::retire_env::{BUCKET, config, with_legacy_trail};

/// What schedulers wait for before they kill.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command and sends it SIGTERM once the first fault has struck.
async fn terminated(
    env: &TestEnv,
    folder: &Path,
    config: &str,
    arguments: &[&str],
) -> (Finished, Duration) {
    let mut command = env.command(folder, config, arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    env.until_struck().await;
    signal(child.id(), "-TERM");
    let sent = Instant::now();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    (finished(output.await.unwrap()), sent.elapsed())
}

fn slow(call: &str, milliseconds: u64) -> Fault {
    Fault::every(call, Effect::Latency { milliseconds })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_reads_reports_what_it_read_before_the_signal() {
    let env = with_legacy_trail(3).await;
    let folder = tempfile::tempdir().unwrap();
    for (arguments, call) in [
        (&["accounts"][..], "sts:AssumeRole"),
        // Trails are looked for while accounts are still being found; after that, in buckets.
        (&["sources"], "s3:ListObjectsV2"),
        (&["cost"], "s3:ListObjectsV2"),
        (&["coverage"], "cloudtrail:GetTrailStatus"),
        (&["drift"], "cloudtrail:GetTrailStatus"),
        (&["verify"], "s3:GetObject"),
    ] {
        // The first object of a verification is the saved keys.
        let after = u64::from(arguments == ["verify"]);
        env.sandbox.faults().inject(slow(call, 700).after(after));
        let arguments = [arguments, &["--format", "json"]].concat();
        let (output, took) = terminated(&env, folder.path(), &config(), &arguments).await;
        env.sandbox.faults().clear();
        assert_eq!(output.code, 14, "{arguments:?}: {}", output.text());
        assert!(took < PATIENCE, "{arguments:?}: {took:?}");
        let report = output.json();
        assert_eq!(report["identity"]["sandbox"], true, "{arguments:?}");
        assert!(output.text().contains("SIGTERM"), "{arguments:?}: {}", output.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_that_is_stopped_names_what_it_did_not_verify() {
    let env = with_legacy_trail(3).await;
    let folder = tempfile::tempdir().unwrap();
    // No lane ends within the time that it has.
    env.sandbox.faults().inject(slow("s3:GetObject", 120_000).after(1));
    let arguments = ["verify", "--format", "json"];
    let (output, took) = terminated(&env, folder.path(), &config(), &arguments).await;
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(took < PATIENCE, "{took:?}");
    let report = output.json();
    let scopes = report["scopes"].as_array().unwrap();
    assert!(!scopes.is_empty());
    for scope in scopes {
        let is_of = |finding: &&Value| {
            ["account", "region"].iter().all(|part| finding[part] == scope[part])
        };
        let finding = report["findings"].as_array().unwrap().iter().find(is_of).unwrap();
        assert_eq!(finding["kind"], "not-verified", "{scope:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_is_stopped_says_where_and_the_next_does_the_rest() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["apply", "--yes"];
    env.sandbox.faults().inject(slow("s3:CreateBucket", 700));
    let (output, took) = terminated(&env, folder.path(), MINIMAL, &arguments).await;
    env.sandbox.faults().clear();
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(took < PATIENCE, "{took:?}");
    let report = output.stdout;
    let line = |start: &str| {
        let found = report.lines().find_map(|line| line.trim().strip_prefix(start));
        found.unwrap_or_else(|| panic!("no `{start}` in {report}")).to_owned()
    };
    assert!(report.contains("Stopped by SIGTERM."), "{report}");
    // What was in flight is finished.
    assert!(line("done: ").contains("archive-bucket"), "{report}");
    assert_eq!(line("interrupted, perhaps partly done: "), "none", "{report}");
    assert!(line("not started: ").contains("trail"), "{report}");
    let ran = env.run(MINIMAL, &arguments).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let ran = env.run(MINIMAL, &["plan"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_hangs_is_cut_off_and_named() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let folder = tempfile::tempdir().unwrap();
    env.sandbox.faults().inject(Fault::every("s3:CreateBucket", Effect::Hang));
    let arguments = ["apply", "--yes", "--format", "json"];
    let (output, took) = terminated(&env, folder.path(), MINIMAL, &arguments).await;
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(took < PATIENCE, "{took:?}");
    let report = output.json();
    let outcome = |id: &str| {
        let steps = report["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == id).unwrap()["outcome"]["status"].clone()
    };
    assert_eq!(outcome("archive-bucket"), "interrupted", "{report:#}");
    assert_eq!(outcome("trail"), "not_started", "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consolidation_that_is_stopped_writes_its_record() {
    let env = with_legacy_trail(3).await;
    let folder = tempfile::tempdir().unwrap();
    env.sandbox.faults().inject(slow("s3:CopyObject", 500));
    env.sandbox.faults().inject(slow("s3:PutObject", 500));
    let arguments = ["consolidate", "--yes", "--concurrency", "1", "--format", "json"];
    let (output, took) = terminated(&env, folder.path(), &config(), &arguments).await;
    env.sandbox.faults().clear();
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(took < PATIENCE, "{took:?}");
    let report = output.json();
    assert_eq!((&report["complete"], &report["stopped"]), (&false.into(), &true.into()));
    let ran = env.run(&config(), &["records", "--format", "json"]).await;
    let records = ran.json();
    assert_eq!(records["runs"][0]["complete"], false, "{records:#}");
    let ran = env.run(&config(), &["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_is_stopped_writes_its_report_and_begins_no_further_part() {
    let env = with_legacy_trail(3).await;
    let folder = tempfile::tempdir().unwrap();
    env.sandbox.faults().inject(slow("s3:PutObject", 500));
    let arguments = ["run", "consolidate,verify", "--yes", "--report", "round.json"];
    let (output, took) = terminated(&env, folder.path(), &config(), &arguments).await;
    assert_eq!(output.code, 14, "{}", output.text());
    assert!(took < PATIENCE, "{took:?}");
    let round = std::fs::read(folder.path().join("round.json")).unwrap();
    let round: Value = serde_json::from_slice(&round).unwrap();
    assert_eq!(round["exit_code"], 14);
    assert!(round["parts"][1]["summary"].as_str().unwrap().starts_with("not started"), "{round:#}");
    assert_eq!(round["identity"]["sandbox"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_retired_and_no_bundle_left_by_a_command_that_is_stopped() {
    let env = with_legacy_trail(3).await;
    let folder = tempfile::tempdir().unwrap();
    let day = |by: i64| (env.sandbox.now() + jiff::SignedDuration::from_hours(by)).to_string();
    let (from, until) = (day(-3), day(0));
    let trail = "arn:aws:cloudtrail:us-east-1:333333333333:trail/legacy";
    let evidence =
        ["evidence", "--from", from.as_str(), "--until", until.as_str(), "-o", "bundle.tar.zst"];
    for (arguments, call) in [
        (&["retire", trail, "--yes"][..], "s3:ListObjectsV2"),
        (&evidence, "s3:GetObject"),
        (&["destroy", "--confirm-trail", "orgtrail"], "s3:GetBucketPolicy"),
        (&["plan"], "s3:GetBucketPolicy"),
    ] {
        env.sandbox.faults().inject(slow(call, 700));
        let (output, took) = terminated(&env, folder.path(), &config(), arguments).await;
        env.sandbox.faults().clear();
        assert_eq!(output.code, 14, "{arguments:?}: {}", output.text());
        assert!(took < PATIENCE, "{arguments:?}: {took:?}");
        assert!(output.text().contains("stopped before anything was written"), "{arguments:?}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let ran = env.run(&config(), &["sources"]).await;
    assert!(ran.stdout.contains(BUCKET), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_whichever_it_is() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let folder = tempfile::tempdir().unwrap();
    env.sandbox.faults().inject(Fault::every("s3:CreateBucket", Effect::Hang));
    let mut command = env.command(folder.path(), MINIMAL, &["apply", "--yes"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    env.until_struck().await;
    signal(child.id(), "-TERM");
    let signals = ["-TERM", "-INT"];
    let (code, heard) = stop_twice(child, signals, orgtrail::stop::GRACE).await;
    assert_eq!(code, Some(14), "{heard}");
    assert!(heard.contains("stopped immediately"), "{heard}");
}
