//! Trails of AWS Control Tower and of the Landing Zone Accelerator: observed, never written, and
//! never duplicated.

use jiff::SignedDuration;
use orgtrail::plan::Action;
use serde_json::{Value, json};

use crate::configured::ConfiguredEnv;
use crate::doctor::broken::{accelerator, control_tower};
use crate::env::{MINIMAL, working_day};
use crate::program::finish_apart;

const TRAIL: &str = "aws-controltower-BaselineCloudTrail";

/// The configuration that `init` writes.
async fn init(env: &ConfiguredEnv) -> String {
    let folder = tempfile::tempdir().unwrap();
    let init = finish_apart(env.signed_in(folder.path(), &["init", "--out", "-"])).await;
    assert_eq!(init.code, 0, "{}", init.text());
    init.stdout
}

/// Everything that others can see of the trail, its bucket and its policy.
async fn state(env: &ConfiguredEnv, bucket: &str) -> Value {
    let management = env.management();
    let trails = management.cloudtrail().describe_trails().send().await.unwrap();
    let s3 = env.archive();
    let policy = s3.s3().get_bucket_policy().bucket(bucket).send().await.unwrap().policy;
    let versioning = s3.s3().get_bucket_versioning().bucket(bucket).send().await.unwrap();
    json!({
        "trails": format!("{:?}", trails.trail_list()),
        "policy": policy,
        "versioning": format!("{:?}", versioning.status()),
        "records": env.sandbox.keys_raw(bucket, "orgtrail/"),
    })
}

async fn is_observed_and_never_written(version: &str, bucket: &str, manager: &str) {
    let env = ConfiguredEnv::at(MINIMAL, working_day()).await;
    if version == "accelerator" {
        accelerator(&env).await;
    } else {
        control_tower(&env, version).await;
    }
    env.sandbox.tick(SignedDuration::from_hours(4));
    let config = init(&env).await;
    assert!(config.contains(&format!("managed_by = \"{manager}\"")), "{config}");
    let before = state(&env, bucket).await;
    let plan = env.run(&config, &["plan", "--format", "json"]).await.json();
    let steps = plan["steps"].as_array().unwrap();
    let writes: Vec<&str> = steps
        .iter()
        .filter(|step| step["action"] != "nothing")
        .map(|step| step["id"].as_str().unwrap_or_default())
        .collect();
    let is_theirs = |id: &&&str| {
        ["trail", "archive-bucket", "kms-key", "log-group"].iter().any(|it| id.starts_with(it))
    };
    assert_eq!(writes.iter().filter(is_theirs).collect::<Vec<_>>(), [&""; 0], "{plan:#}");
    env.run(&config, &["apply", "--yes"]).await;
    let refused = env.run(&config, &["consolidate", "--yes"]).await;
    assert_eq!(refused.code, 12, "{}", refused.text());
    assert!(refused.stderr.contains("orgtrail only observes it"), "{}", refused.stderr);
    assert_eq!(state(&env, bucket).await, before);
    // What it delivers is verified.
    let verified = env.run(&config, &["verify"]).await;
    assert!([0, 14].contains(&verified.code), "{}", verified.text());
    // On request, logs are consolidated into it.
    let requested = format!("{config}\n[consolidate]\ninto_managed = true\n");
    let consolidated = env.run(&requested, &["consolidate", "--yes"]).await;
    assert_ne!(consolidated.code, 12, "{}", consolidated.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_of_control_tower_3_is_observed_and_never_written() {
    let bucket = "aws-controltower-logs-222222222222-us-east-1";
    is_observed_and_never_written("3.3", bucket, "control-tower").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_of_control_tower_4_is_observed_and_never_written() {
    let bucket = "aws-controltower-cloudtrail-logs-222222222222-x7k";
    is_observed_and_never_written("4.0", bucket, "control-tower").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_of_the_accelerator_is_observed_and_never_written() {
    let bucket = "aws-accelerator-central-logs-222222222222-us-east-1";
    is_observed_and_never_written("accelerator", bucket, "landing-zone-accelerator").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_second_trail_is_created_beside_another_tools() {
    let env = ConfiguredEnv::at(MINIMAL, working_day()).await;
    control_tower(&env, "3.3").await;
    let plan = env.plan().await;
    let step = plan.step("trail").unwrap();
    assert_eq!(step.action, Action::Refused, "{}", plan.to_text());
    assert!(step.why.contains(TRAIL) && step.why.contains("AWS Control Tower"), "{}", step.why);
    assert!(step.hint.as_ref().unwrap().contains("trail.name"), "{step:?}");
    let applied = env.run(MINIMAL, &["apply", "--yes"]).await;
    assert_eq!(applied.code, 12, "{}", applied.text());
    // Without a landing zone, the same names are an organization's own.
    let own = ConfiguredEnv::at(MINIMAL, working_day()).await;
    control_tower(&own, "none").await;
    let plan = own.plan().await;
    assert_ne!(plan.step("trail").unwrap().action, Action::Refused, "{}", plan.to_text());
}

/// The reference incident: trusted access disappears, and the organization trail of Control
/// Tower records one account.
#[tokio::test(flavor = "multi_thread")]
async fn trusted_access_that_disappears_is_detected_in_one_run() {
    let env = ConfiguredEnv::at(MINIMAL, working_day()).await;
    control_tower(&env, "3.3").await;
    env.sandbox.tick(SignedDuration::from_hours(4));
    let config = init(&env).await;
    let failed = async || {
        let report = env.run(&config, &["drift", "--format", "json"]).await;
        let document = report.json();
        let findings = document["findings"].as_array().unwrap().clone();
        let failed = findings.into_iter().filter(|finding| finding["verdict"] == "fail");
        failed.map(|finding| finding["check"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(!failed().await.contains(&"org-trusted-access".to_owned()));
    let management = env.management();
    let off = management.organizations().disable_aws_service_access();
    off.service_principal("cloudtrail.amazonaws.com").send().await.unwrap();
    assert!(failed().await.contains(&"org-trusted-access".to_owned()));
    let doctor = env.run(&config, &["doctor"]).await;
    assert_eq!(doctor.code, 11);
    assert!(doctor.stdout.contains("PROBLEM  trusted-access: "), "{}", doctor.stdout);
}
