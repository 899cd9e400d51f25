//! `drift`, `coverage` and `explain` as a user runs them.

use orgtrail::sandbox::{Effect, Fault};
use serde_json::Value;

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;
use crate::program::{Finished, finish, orgtrail};

/// Runs orgtrail in a folder.
async fn run(env: &ConfiguredEnv, folder: &std::path::Path, arguments: &[&str]) -> Finished {
    env.run_in(folder, MINIMAL, arguments).await
}

fn broken(report: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(report).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["verdict"] == "fail")
        .map(|finding| finding["check"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) async fn stop_rotation(env: &ConfiguredEnv) {
    let archive = env.archive();
    let alias = env.desired.config.key.alias.to_string();
    let key = archive.kms().describe_key().key_id(alias).send().await.unwrap();
    let key = key.key_metadata.unwrap().key_id;
    archive.kms().disable_key_rotation().key_id(key).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_found_compared_and_mended() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    // The command goes by the machine's clock, which is later than the sandbox's.
    let folder = tempfile::tempdir().unwrap();
    let checks = ["--check", "key-rotation", "--check", "trail-log-validation"];
    let with = |more: &[&'static str]| -> Vec<&'static str> {
        ["drift"].into_iter().chain(checks).chain(more.iter().copied()).collect()
    };
    let clean = run(&env, folder.path(), &with(&["--report", "json=before.json"])).await;
    assert_eq!(clean.code, 0, "{}{}", clean.stdout, clean.stderr);

    stop_rotation(&env).await;

    let found = run(&env, folder.path(), &with(&["--format", "json"])).await;
    assert_eq!(found.code, 11, "{}", found.stderr);
    assert_eq!(broken(&found.stdout), ["key-rotation"]);
    // The whole document, with whom it was made as.
    let report = found.json();
    assert_eq!(
        (&report["summary"]["failed"], &report["identity"]["sandbox"]),
        (&1.into(), &true.into())
    );
    assert_eq!(report["checks"].as_array().unwrap().len(), 2);
    let lenient = run(&env, folder.path(), &with(&["--fail-on", "critical"])).await;
    assert_eq!(lenient.code, 0, "{}", lenient.stderr);

    let since = with(&["--format", "json", "--baseline", "before.json"]);
    let since: Value =
        serde_json::from_str(&run(&env, folder.path(), &since).await.stdout).unwrap();
    assert_eq!(since["comparison"]["new"][0]["check"], "key-rotation");
    assert_eq!(since["comparison"]["fixed"], Value::Array(Vec::new()));

    let nobody = run(&env, folder.path(), &with(&["--fix"])).await;
    assert_eq!(
        nobody.code, 2,
        "cannot prompt: standard input is not a terminal: {}",
        nobody.stderr
    );
    let mended = run(&env, folder.path(), &with(&["--fix", "--yes"])).await;
    assert_eq!(mended.code, 0, "{}{}", mended.stdout, mended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_plan_alone_tells_is_mended() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    stop_rotation(&env).await;
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["drift", "--check", "plan-empty"];
    let found = run(&env, folder.path(), &arguments).await;
    assert_eq!(found.code, 11, "{}{}", found.stdout, found.stderr);
    let arguments = [&arguments[..], &["--fix", "--yes"]].concat();
    let mended = run(&env, folder.path(), &arguments).await;
    assert_eq!(mended.code, 0, "{}{}", mended.stdout, mended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_unknown_and_names_the_permission() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    env.sandbox.faults().inject(Fault::every("kms:GetKeyRotationStatus", Effect::Deny));
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["drift", "--check", "key-rotation", "--format", "json"];
    let ran = run(&env, folder.path(), &arguments).await;
    assert_eq!(ran.code, 14, "{}{}", ran.stdout, ran.stderr);
    let report = ran.json();
    assert_eq!(report["findings"][0]["verdict"], "unknown");
    assert_eq!(report["findings"][0]["permission"], "kms:GetKeyRotationStatus");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_coverage_has_a_cell_for_every_account_and_region() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let folder = tempfile::tempdir().unwrap();
    let ran = run(&env, folder.path(), &["coverage", "--format", "json"]).await;
    let report = ran.json();
    let regions = report["regions"].as_array().unwrap().len();
    assert!(regions > 10, "{regions}");
    let accounts = report["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 4);
    for account in accounts {
        assert_eq!(account["cells"].as_array().unwrap().len(), regions, "{account}");
    }
    // Begun a moment ago by the sandbox's clock, which is AWS's: nothing is late.
    assert_eq!(accounts[0]["cells"][0]["state"], "covered");
    assert_eq!(ran.code, 0);
}

#[test]
fn a_check_that_there_is_not_is_answered_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let ran = finish(&mut orgtrail(folder.path(), &["explain", "bucket-tls"]));
    assert_eq!(ran.code, 2);
    let said = ran.stderr;
    assert!(said.contains("did you mean `bucket-tls-only`?"), "{said}");
}
