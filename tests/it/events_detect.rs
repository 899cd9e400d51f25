//! `orgtrail events detect` on directories of log files, on published attacks, and on an
//! organization in which somebody tampers with the trail.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use aws_sdk_cloudtrail::types::{EventSelector, ReadWriteType};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use jiff::SignedDuration;
use orgtrail::sandbox::SignIn;
use serde_json::{Value, json};

use crate::digest_vectors::test_data;
use crate::env::{HOME, MINIMAL};
use crate::events_search::deliver;
use crate::program::{Finished, NOWHERE, finish, orgtrail_at};
use crate::rounds::{ARCHIVE, LegacyEnv};

const MANAGEMENT: &str = "111111111111";
pub(crate) const SIGMA: &str = r"
title: User created
id: 11111111-2222-3333-4444-555555555555
author: A. Author
level: high
tags: [attack.t1136.003]
logsource: { product: aws, service: cloudtrail }
detection:
  selection:
    eventSource: iam.amazonaws.com
    eventName: CreateUser
  condition: selection
";

fn record(id: u32, source: &str, name: &str, request: &Value) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "mallory",
            "arn": format!("arn:aws:iam::{MANAGEMENT}:user/mallory"), "accountId": MANAGEMENT,
        },
        "eventTime": format!("2026-01-01T10:{:02}:{:02}Z", id / 60, id % 60),
        "eventType": "AwsApiCall",
        "eventSource": format!("{source}.amazonaws.com"),
        "eventName": name,
        "awsRegion": HOME,
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2",
        "requestParameters": request,
        "eventID": format!("id-{id}"),
        "readOnly": false,
        "recipientAccountId": MANAGEMENT,
    })
}

fn detect(folder: &Path, arguments: &[&str]) -> Finished {
    let arguments = [&["events", "detect", "--in", "logs"], arguments].concat();
    finish(&mut orgtrail_at(NOWHERE, folder, &arguments))
}

/// The ids of the rules in a report.
fn rules(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().map(|one| one["rule"]["id"].as_str().unwrap()).collect()
}

#[test]
fn what_happened_to_the_resources_of_the_configuration_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let of_trail = json!({ "name": "orgtrail" });
    let mut denied = record(3, "cloudtrail", "DeleteTrail", &of_trail);
    denied["errorCode"] = "AccessDenied".into();
    let records = [
        record(1, "cloudtrail", "StopLogging", &of_trail),
        record(2, "cloudtrail", "StopLogging", &json!({ "name": "another" })),
        denied,
        record(4, "s3", "PutBucketLifecycle", &json!({ "bucketName": ARCHIVE })),
        record(5, "s3", "PutBucketLifecycle", &json!({ "bucketName": "another-bucket" })),
        record(6, "organizations", "LeaveOrganization", &Value::Null),
    ];
    deliver(
        &folder.path().join("logs"),
        HOME,
        "2026-01-01T10:05:00Z",
        "aaaaaaaaaaaaaaaa",
        &records,
    );
    let config = format!("{MINIMAL}[trail]\nname = \"orgtrail\"\n");
    fs::write(folder.path().join("orgtrail.toml"), config).unwrap();
    let found = detect(folder.path(), &["--format", "json"]);
    assert_eq!(found.code, 11, "{}", found.text());
    let report = found.json();
    assert_eq!(
        rules(&report),
        ["trail-stopped", "trail-deleted", "bucket-lifecycle-changed", "organization-left"]
    );
    let denied = &report["findings"][1];
    assert_eq!((&denied["failed"], &denied["severity"]), (&json!(true), &json!("high")));
    assert_eq!(denied["events"][0]["id"], "id-3");
    let key = denied["events"][0]["key"].as_str().unwrap();
    assert!(key.ends_with("aaaaaaaaaaaaaaaa.json.gz"), "{key}");
    assert_eq!(report["trail"]["configured"], true);
    // The id of the key is AWS's, and AWS is not asked for a directory.
    assert_eq!(report["trail"]["unknown"][0]["resource"], "the key");

    let text = detect(folder.path(), &[]);
    for part in [
        "2026-01-01T10:00:01Z  CRITICAL",
        "trail-stopped (T1685.002, T1562.008)",
        "arn:aws:iam::111111111111:user/mallory from 198.51.100.7",
        "4 findings in 6 records, 1 log file of 1 account × 1 Region",
        "first use of Regions: not checked",
        "proof: not checked",
    ] {
        assert!(text.stdout.contains(part), "{part}: {}", text.text());
    }
    let sarif: Value =
        serde_json::from_str(&detect(folder.path(), &["--format", "sarif"]).stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 4);
    let ocsf: Value =
        serde_json::from_str(&detect(folder.path(), &["--format", "ocsf"]).stdout).unwrap();
    assert_eq!(ocsf[0]["class_uid"], 2004);
    // The window, the account and the severity narrow it.
    let later = detect(folder.path(), &["--since", "2026-01-02"]);
    assert_eq!(later.code, 0, "{}", later.text());
    let other = detect(folder.path(), &["--account", "333333333333"]);
    assert_eq!(other.code, 0, "{}", other.text());
}

#[test]
fn without_a_configuration_the_trail_may_be_any_and_with_an_invalid_one_nothing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        record(2, "cloudtrail", "StopLogging", &json!({ "name": "another" })),
        record(4, "s3", "PutBucketLifecycle", &json!({ "bucketName": ARCHIVE })),
    ];
    deliver(
        &folder.path().join("logs"),
        HOME,
        "2026-01-01T10:05:00Z",
        "aaaaaaaaaaaaaaaa",
        &records,
    );
    let found = detect(folder.path(), &["--format", "json"]);
    assert_eq!(found.code, 11, "{}", found.text());
    let report = found.json();
    assert_eq!(
        (rules(&report), &report["trail"]["configured"]),
        (vec!["trail-stopped"], &json!(false))
    );
    fs::write(folder.path().join("orgtrail.toml"), "[trail]\n").unwrap();
    assert_eq!(detect(folder.path(), &[]).code, 2);
}

#[test]
fn sign_ins_root_users_and_new_regions_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let login = |id: u32, result: &str| {
        let mut login = record(id, "signin", "ConsoleLogin", &Value::Null);
        login["eventType"] = "AwsConsoleSignIn".into();
        login["responseElements"] = json!({ "ConsoleLogin": result });
        login["additionalEventData"] = json!({ "MFAUsed": "No" });
        if result == "Failure" {
            login["errorMessage"] = "Failed authentication".into();
            login["userIdentity"].as_object_mut().unwrap().remove("arn");
        }
        login
    };
    let mut records: Vec<Value> = (1..=5).map(|id| login(id, "Failure")).collect();
    records.push(login(6, "Success"));
    let mut root = record(7, "iam", "CreateAccessKey", &Value::Null);
    root["userIdentity"] = json!({ "type": "Root", "accountId": MANAGEMENT,
        "arn": format!("arn:aws:iam::{MANAGEMENT}:root") });
    records.push(root);
    let logs = folder.path().join("logs");
    deliver(&logs, HOME, "2026-01-01T10:05:00Z", "aaaaaaaaaaaaaaaa", &records);
    let mut elsewhere = record(8, "ec2", "RunInstances", &Value::Null);
    elsewhere["awsRegion"] = "ap-south-1".into();
    deliver(&logs, "ap-south-1", "2026-01-01T10:05:00Z", "bbbbbbbbbbbbbbbb", &[elsewhere]);
    let mut before = record(9, "ec2", "RunInstances", &Value::Null);
    before["eventTime"] = "2025-12-20T10:00:00Z".into();
    deliver(&logs, HOME, "2025-12-20T10:05:00Z", "cccccccccccccccc", &[before]);
    let since = ["--since", "2026-01-01", "--format", "json"];
    let report = detect(folder.path(), &since).json();
    assert_eq!(
        rules(&report),
        ["sign-in-without-mfa", "failures-then-success", "root-usage"],
        "{report:#}"
    );
    assert_eq!(report["baseline"], Value::Null);
    let report = detect(folder.path(), &[&since[..], &["--baseline", "30d"]].concat()).json();
    assert!(rules(&report).contains(&"first-use-of-region"), "{report:#}");
    assert_eq!(report["baseline"]["account_regions"], 1);
    let short = detect(folder.path(), &[&since[..], &["--baseline", "1d"]].concat()).json();
    assert!(!rules(&short).contains(&"first-use-of-region"), "{short:#}");
    assert_eq!(short["baseline"]["accounts_without"], json!([MANAGEMENT]));
}

#[test]
fn rules_of_others_are_evaluated_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let records = [record(1, "iam", "CreateUser", &json!({ "userName": "x" }))];
    deliver(
        &folder.path().join("logs"),
        HOME,
        "2026-01-01T10:05:00Z",
        "aaaaaaaaaaaaaaaa",
        &records,
    );
    let rules_folder = folder.path().join("rules/aws");
    fs::create_dir_all(&rules_folder).unwrap();
    fs::write(rules_folder.join("user.yml"), SIGMA).unwrap();
    let given = ["--rules", "rules"];
    let found = detect(folder.path(), &[&given[..], &["--format", "json"]].concat());
    assert_eq!(found.code, 11, "{}", found.text());
    let report = found.json();
    let sigma = &report["findings"][0]["rule"]["sigma"];
    assert_eq!((&sigma["author"], &sigma["file"]), (&json!("A. Author"), &json!("aws/user.yml")));
    let text = detect(folder.path(), &given);
    assert!(text.stdout.contains("by A. Author, aws/user.yml"), "{}", text.text());
    let lint = |code: i32| {
        let arguments = ["events", "detect", "--rules", "rules", "--lint"];
        let ran = finish(&mut orgtrail_at(NOWHERE, folder.path(), &arguments));
        assert_eq!(ran.code, code, "{}", ran.text());
        ran.stdout
    };
    assert!(lint(0).contains("1 Sigma rule in 1 file"));
    let wrong =
        SIGMA.replace("iam.amazonaws.com", "s3").replace("CreateUser", "PutLifecycleConfiguration");
    fs::write(rules_folder.join("wrong.yml"), wrong.replace("11111111-", "2-")).unwrap();
    fs::write(rules_folder.join("broken.yml"), "title: [").unwrap();
    let text = lint(2);
    for part in
        ["[event-name]", "`PutBucketLifecycle`", "[event-source]", "error [syntax] aws/broken.yml"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A rule that cannot be used makes the answer incomplete.
    fs::remove_file(rules_folder.join("user.yml")).unwrap();
    let incomplete = detect(folder.path(), &given);
    assert_eq!(incomplete.code, 14, "{}", incomplete.text());
}

#[test]
fn published_attacks_trigger_what_they_are_named_for() {
    let Some(data) = test_data() else { return };
    let stratus = data.join("stratus-red-team");
    let run = |place: &Path| {
        let folder = tempfile::tempdir().unwrap();
        let place = place.to_str().unwrap();
        let arguments = ["events", "detect", "--in", place, "--format", "json"];
        let ran = finish(&mut orgtrail_at(NOWHERE, folder.path(), &arguments));
        let report = ran.json();
        assert_eq!(report["malformed_records"], 0, "{report:#}");
        rules(&report).into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    for (name, rule) in [
        ("aws.defense-evasion.cloudtrail-stop", "trail-stopped"),
        ("aws.defense-evasion.cloudtrail-delete", "trail-deleted"),
        ("aws.defense-evasion.cloudtrail-event-selectors", "trail-selectors-changed"),
        ("aws.defense-evasion.organizations-leave", "organization-left"),
        ("aws.initial-access.console-login-without-mfa", "sign-in-without-mfa"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("{name}.json");
        fs::copy(stratus.join(&file), folder.path().join(&file)).unwrap();
        let found = run(folder.path());
        assert!(found.contains(rule), "{name}: {found:?}");
    }
    let invictus = run(&data.join("invictus-aws-dataset/CloudTrail"));
    for rule in
        ["trail-stopped", "trail-deleted", "trail-selectors-changed", "bucket-lifecycle-changed"]
    {
        assert!(invictus.contains(rule), "{rule}: {invictus:?}");
    }
}

/// Detects in the archive, since some hours.
async fn detected(env: &LegacyEnv, hours: u32) -> (i32, Value) {
    let since = format!("{hours}h");
    let ran = env.run(&["events", "detect", "--since", &since, "--format", "json"]).await;
    (ran.code, ran.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_does_to_the_trail_is_detected() {
    let env = LegacyEnv::provisioned(4).await;
    env.sandbox.tick(SignedDuration::from_hours(3));
    let admin = env.sdk_config(env.administrator(), HOME);
    let trail = aws_sdk_cloudtrail::Client::new(&admin);
    let trails = trail.describe_trails().send().await.unwrap();
    let ours = trails.trail_list()[0].clone();
    let (name, arn) = (ours.name().unwrap(), ours.trail_arn().unwrap());
    let selector = EventSelector::builder()
        .read_write_type(ReadWriteType::WriteOnly)
        .include_management_events(true)
        .build();
    trail.put_event_selectors().trail_name(name).event_selectors(selector).send().await.unwrap();
    trail.stop_logging().name(arn).send().await.unwrap();
    trail.start_logging().name(name).send().await.unwrap();
    // The root user of the archive's account.
    let archive = "222222222222".parse().unwrap();
    let root = env.root_user(&archive);
    let s3 = env.s3_client(root.clone(), HOME);
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended);
    // The guards may refuse it: an attempt is detected too.
    let put = s3.put_bucket_versioning().bucket(ARCHIVE);
    drop(put.versioning_configuration(suspended.build()).send().await);
    let policy = s3.get_bucket_policy().bucket(ARCHIVE).send().await.unwrap();
    s3.delete_bucket_policy().bucket(ARCHIVE).send().await.unwrap();
    // Without it, nothing more is delivered.
    let policy = policy.policy().unwrap();
    s3.put_bucket_policy().bucket(ARCHIVE).policy(policy).send().await.unwrap();
    drop(s3.delete_bucket_lifecycle().bucket(ARCHIVE).send().await);
    let kms = aws_sdk_kms::Client::new(&env.sdk_config(root, HOME));
    let key = ours.kms_key_id().unwrap();
    kms.disable_key().key_id(key).send().await.unwrap();
    kms.enable_key().key_id(key).send().await.unwrap();
    let account = MANAGEMENT.parse().unwrap();
    let user = Some("admin".to_owned());
    env.sandbox.sign_in(&SignIn { account, user, mfa: false, fails: false }).unwrap();
    env.sandbox.tick(SignedDuration::from_hours(2));
    let (code, report) = detected(&env, 3).await;
    assert_eq!(code, 11, "{report:#}");
    let found: BTreeSet<&str> = rules(&report).into_iter().collect();
    for rule in [
        "trail-selectors-changed",
        "trail-stopped",
        "bucket-versioning-changed",
        "bucket-policy-deleted",
        "bucket-lifecycle-changed",
        "key-disabled",
        "root-usage",
        "sign-in-without-mfa",
    ] {
        assert!(found.contains(rule), "{rule}: {report:#}");
    }
    let of = |rule: &str| {
        let all = report["findings"].as_array().unwrap();
        all.iter().find(|one| one["rule"]["id"] == rule).unwrap()
    };
    // AWS says which key it is.
    assert_eq!(of("key-disabled")["certainty"], "certain");
    assert_eq!(report["trail"]["unknown"], json!([]));
    assert_eq!(of("trail-selectors-changed")["claims_own_apply"], false, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_apply_does_is_told_apart() {
    let mut env = LegacyEnv::provisioned(4).await;
    env.sandbox.tick(SignedDuration::from_hours(3));
    env.config = format!(
        "{MINIMAL}[trail]\nexclude_management_event_sources = [\"rdsdata.amazonaws.com\"]\n[archive.lifecycle]\nabort_multipart_days = 3\n"
    );
    let applied = env.run(&["apply", "--yes", "--confirm-weakened-guard"]).await;
    assert_eq!(applied.code, 0, "{}", applied.text());
    env.sandbox.tick(SignedDuration::from_hours(2));
    let (_, report) = detected(&env, 3).await;
    let of_apply: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["claims_own_apply"] == true)
        .collect();
    let changed: Vec<&Value> = of_apply.iter().map(|one| &one["rule"]["id"]).collect();
    assert!(changed.contains(&&json!("trail-selectors-changed")), "{report:#}");
    assert!(of_apply.iter().all(|one| one["severity"] == "low"), "{report:#}");
    // Besides, there are sign-ins that have nothing to do with it.
    let others = report["findings"].as_array().unwrap();
    let others = others.iter().filter(|one| one["claims_own_apply"] != true);
    let others: BTreeSet<&str> = others.map(|one| one["rule"]["id"].as_str().unwrap()).collect();
    let of_sign_ins =
        BTreeSet::from(["root-usage", "failures-then-success", "sign-in-without-mfa"]);
    assert!(others.is_subset(&of_sign_ins), "{others:?}: {report:#}");
}
