//! `orgtrail events reconcile`: what Event history has and the archive lacks.

use jiff::SignedDuration;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::env::MINIMAL;
use crate::rounds::{ARCHIVE, LegacyEnv};

const ALL: [&str; 6] = ["events", "reconcile", "--since", "2d", "--all", "--format"];

/// An organization whose trail delivered for a day.
async fn delivered(more: &str) -> LegacyEnv {
    let mut env = LegacyEnv::provisioned(4).await;
    if !more.is_empty() {
        env.config = format!("{MINIMAL}{more}");
        let applied = env.run(&["apply", "--yes", "--confirm-weakened-guard"]).await;
        assert_eq!(applied.code, 0, "{}", applied.text());
    }
    env.sandbox.tick(SignedDuration::from_hours(26));
    env
}

async fn reconciled(env: &LegacyEnv) -> (i32, Value) {
    let ran = env.run(&[&ALL[..], &["json"]].concat()).await;
    (ran.code, ran.json())
}

fn sum(report: &Value, member: &str) -> u64 {
    let places = report["places"].as_array().unwrap();
    places.iter().map(|place| place[member].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_archive_lacks_nothing_and_a_removed_file_is_found() {
    let env = delivered("").await;
    let (code, report) = reconciled(&env).await;
    assert_eq!((code, sum(&report, "missing")), (0, 0), "{report:#}");
    let sampled = sum(&report, "sampled");
    assert!(sampled > 100 && sum(&report, "found") > 100, "{report:#}");
    assert_eq!(report["unknown"], json!([]));
    let some = env.run(&["events", "reconcile"]).await;
    assert_eq!(some.code, 0, "{}", some.text());
    assert!(some.stdout.contains("0 MISSING"), "{}", some.text());

    // The files of a Region from some hour on.
    let keys = env.sandbox.keys_raw(ARCHIVE, "AWSLogs/");
    let of_region: Vec<&String> =
        keys.iter().filter(|key| key.contains("333333333333/CloudTrail/eu-central-1/")).collect();
    assert!(of_region.len() > 10);
    for key in &of_region[of_region.len() / 2..] {
        env.sandbox.delete_raw(ARCHIVE, key).unwrap();
    }
    let (code, report) = reconciled(&env).await;
    assert_eq!(code, 11, "{report:#}");
    let missing: Vec<&Value> = report["places"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|place| place["missing"].as_u64() != Some(0))
        .collect();
    assert_eq!(missing.len(), 1, "{report:#}");
    assert_eq!(
        (&missing[0]["account"], &missing[0]["region"]),
        (&json!("333333333333"), &json!("eu-central-1"))
    );
    assert!(missing[0]["nothing_delivered_since"].is_string(), "{report:#}");
    // The trail says that it delivers; only Event history shows that it does not.
    let covered = env.run(&["coverage"]).await;
    assert_eq!(covered.code, 0, "{}", covered.text());
    let covered = env.run(&["coverage", "--event-history", "4", "--format", "json"]).await;
    assert_eq!(covered.code, 11, "{}", covered.text());
    let covered = covered.json();
    assert!(sum(&covered["event_history"], "missing") > 0, "{covered:#}");
    let accounts = covered["accounts"].as_array().unwrap();
    let cells = accounts.iter().flat_map(|account| account["cells"].as_array().unwrap());
    let uncovered: Vec<&Value> = cells.filter(|cell| cell["state"] == "uncovered").collect();
    assert_eq!(uncovered.len(), 1, "{covered:#}");
    let found = uncovered[0]["found"].as_str().unwrap();
    assert!(found.starts_with("the archive lacks "), "{found}");
    let text = env.run(&[&ALL[..], &["text"]].concat()).await;
    assert!(
        text.stdout.contains("333333333333 in eu-central-1: every sampled event since"),
        "{}",
        text.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_selectors_leave_out_is_expected() {
    let selectors = "[trail]\nread_write_type = \"WriteOnly\"\n";
    let env = delivered(selectors).await;
    let (code, report) = reconciled(&env).await;
    assert_eq!((code, sum(&report, "missing")), (0, 0), "{report:#}");
    let reasons: Vec<&Value> = report["places"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|place| place["expected"].as_array().unwrap())
        .filter(|expected| expected["reason"] == "selectors")
        .collect();
    assert!(!reasons.is_empty(), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_never_clean() {
    let env = delivered("").await;
    env.sandbox.faults().inject(Fault::every("cloudtrail:LookupEvents", Effect::Deny));
    let ran = env.run(&["events", "reconcile", "--region", "us-east-1"]).await;
    assert_eq!(ran.code, 14, "{}", ran.text());
    assert!(
        ran.stdout.contains("NOT COMPARED") && ran.stdout.contains("NOT KNOWN"),
        "{}",
        ran.text()
    );
    let wrong = env.run(&["events", "reconcile", "--account", "999999999999"]).await;
    assert_eq!(wrong.code, 2, "{}", wrong.text());
    let young = env.run(&["events", "reconcile", "--since", "10m"]).await;
    assert!(
        young.code == 2 && young.stderr.contains("may still be on their way"),
        "{}",
        young.text()
    );
}
