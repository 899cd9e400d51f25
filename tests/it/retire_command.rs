//! `orgtrail retire`: an older trail goes when everything speaks for it, and
//! stays otherwise.

use jiff::SignedDuration;
use orgtrail::sandbox::{Effect, Fault, Legacy};
use serde_json::{Value, json};

use crate::configured::ConfiguredEnv;
use crate::env::home;
use crate::retire_env::{
    BUCKET, MEMBER, TRAIL, account, config, consolidated, orgtrail, trail_is_there,
    with_legacy_trail,
};

async fn retire(env: &ConfiguredEnv, more: &[&str]) -> (i32, Value) {
    let arguments = [&["retire", TRAIL, "--format", "json"], more].concat();
    let ran = orgtrail(env, &arguments).await;
    let said = serde_json::from_str(&ran.stdout);
    (ran.code, said.unwrap_or_else(|_| panic!("{:?}: {}", ran.code, ran.stderr)))
}

/// How each condition stands, in the order that they were looked at.
fn standings(said: &Value) -> Vec<(&str, &str)> {
    said["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), c["status"].as_str().unwrap()))
        .collect()
}

fn standing<'a>(said: &'a Value, name: &str) -> &'a str {
    let all = standings(said);
    all.iter().find(|(found, _)| *found == name).unwrap().1
}

#[tokio::test]
async fn a_trail_goes_when_everything_speaks_for_it() {
    let env = with_legacy_trail(30).await;
    // Nothing is in the archive yet.
    let dry = orgtrail(&env, &["consolidate", "--dry-run", "--format", "json"]).await;
    let dry = dry.json();
    let to_copy = dry["counts"]["copied"].as_u64().unwrap();
    assert!(to_copy > 0);
    assert_eq!(dry["by_source"][format!("s3://{BUCKET}")]["copied"], to_copy);
    assert_eq!(dry["estimate"]["requests"][2]["action"], "s3:PutObject");
    assert_eq!(dry["estimate"]["requests"][2]["requests"], to_copy);
    assert!(dry["estimate"]["requests_usd"].as_f64().unwrap() > 0.0);
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!(code, 12, "{said:#}");
    assert_eq!(
        standing(&said, "the organization trail covers the same account and Regions"),
        "passed",
        "{said:#}"
    );
    for name in
        ["everything is in the archive", "the archived logs are proven", "the object counts match"]
    {
        assert_eq!(standing(&said, name), "failed", "{said:#}");
    }
    assert!(trail_is_there(&env).await);

    consolidated(&env).await;
    // Without a yes it is only looked at.
    let (code, said) = retire(&env, &[]).await;
    assert_eq!((code, &said["deletable"]), (0, &true.into()), "{said:#}");
    assert_eq!(said["retired"], false);
    assert!(trail_is_there(&env).await);

    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!((code, &said["retired"]), (0, &true.into()), "{said:#}");
    assert_eq!(said["bucket"]["objects"], to_copy);
    assert!(!trail_is_there(&env).await);
    assert_eq!(env.sandbox.keys_raw(BUCKET, "").len() as u64, to_copy);
    // Once more: it is gone.
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!((code, &said["retired"]), (0, &true.into()));
}

#[tokio::test]
async fn a_short_overlap_refuses() {
    let env = with_legacy_trail(10).await;
    consolidated(&env).await;
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!(code, 12, "{said:#}");
    assert_eq!(
        standing(&said, "the organization trail covers the same account and Regions"),
        "failed",
        "{said:#}"
    );
    assert_eq!(standing(&said, "everything is in the archive"), "passed", "{said:#}");
    assert!(trail_is_there(&env).await);
}

#[tokio::test]
async fn an_altered_log_in_the_archive_refuses() {
    let env = with_legacy_trail(30).await;
    consolidated(&env).await;
    let keys = env.sandbox.keys_raw("acme-log-archive", "");
    let own = env.sandbox.keys_raw(BUCKET, "");
    let name = own.iter().find(|key| key.contains("_CloudTrail_")).unwrap();
    let name = name.rsplit('/').next().unwrap();
    let altered = keys.iter().find(|key| key.ends_with(name)).unwrap();
    env.sandbox.tamper("acme-log-archive", altered, |body| body[20] ^= 1).unwrap();
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!(code, 12, "{said:#}");
    assert_eq!(standing(&said, "the archived logs are proven"), "failed", "{said:#}");
    assert!(trail_is_there(&env).await);
}

#[tokio::test]
async fn a_log_that_no_digest_proves_refuses() {
    let env = with_legacy_trail(30).await;
    let owner = env.clients(&account(), &home());
    let key = format!(
        "AWSLogs/{MEMBER}/CloudTrail/us-east-1/2020/01/01/\
         {MEMBER}_CloudTrail_us-east-1_20200101T0005Z_0000000000000000.json.gz"
    );
    let put = owner.s3().put_object().bucket(BUCKET).key(key);
    let put = put.body(crate::consolidate_env::log_body("a log").into());
    put.send().await.unwrap();
    consolidated(&env).await;
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!(code, 12, "{said:#}");
    assert_eq!(standing(&said, "the archived logs are proven"), "failed", "{said:#}");
    let found = "1 log file of us-east-1 from 2020-01-01T00:05:00Z to 2020-01-01T00:05:00Z";
    assert!(said.to_string().contains(found), "{said:#}");
    assert!(trail_is_there(&env).await);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_good() {
    let env = with_legacy_trail(30).await;
    consolidated(&env).await;
    let owner = env.clients(&account(), &home());
    let deny = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:ListBucket",
        "Resource": format!("arn:aws:s3:::{BUCKET}"),
    }] });
    let put = owner.s3().put_bucket_policy().bucket(BUCKET).policy(deny.to_string());
    put.send().await.unwrap();
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!(code, 14, "{said:#}");
    let all = standings(&said);
    let seen: Vec<_> = all.iter().filter(|(_, standing)| *standing != "unknown").collect();
    assert_eq!(seen, [&("it may be deleted", "passed")], "{said:#}");
    assert!(trail_is_there(&env).await);
}

#[tokio::test]
async fn one_that_failed_half_way_is_finished_by_the_next() {
    let env = with_legacy_trail(30).await;
    consolidated(&env).await;
    let fails = Fault::every("cloudtrail:DeleteTrail", Effect::Fail { status: 503 });
    env.sandbox.faults().inject(fails);
    let ran = orgtrail(&env, &["retire", TRAIL, "--yes"]).await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert!(ran.stderr.contains("is not deleted"), "{}", ran.stderr);
    env.sandbox.faults().clear();
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!((code, &said["retired"]), (0, &true.into()), "{said:#}");
    assert!(!trail_is_there(&env).await);
}

#[tokio::test]
async fn one_that_was_killed_half_way_is_finished_by_the_next() {
    let env = with_legacy_trail(30).await;
    consolidated(&env).await;
    // However late the kill comes, the trail is not deleted before it.
    env.sandbox.faults().inject(Fault::every("cloudtrail:DeleteTrail", Effect::Hang));
    let arguments = ["retire", TRAIL, "--yes"];
    let stopped = |line: &str| line.contains("is stopped");
    let (ended, heard) = env.kill_at(&config(), &arguments, stopped).await;
    assert_eq!(ended, None, "{heard}");
    assert!(heard.contains("is stopped"), "{heard}");
    assert!(trail_is_there(&env).await);
    let owner = env.clients(&account(), &home());
    let status = owner.cloudtrail().get_trail_status().name(TRAIL).send().await.unwrap();
    assert_eq!(status.is_logging(), Some(false));

    env.sandbox.faults().clear();
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!((code, &said["retired"]), (0, &true.into()), "{said:#}");
    assert!(!trail_is_there(&env).await);
}

/// Has the older trail record.
async fn start(env: &ConfiguredEnv) {
    let owner = env.clients(&account(), &home());
    owner.cloudtrail().start_logging().name(TRAIL).send().await.unwrap();
}

async fn is_logging(env: &ConfiguredEnv) -> bool {
    let owner = env.clients(&account(), &home());
    let status = owner.cloudtrail().get_trail_status().name(TRAIL).send().await.unwrap();
    status.is_logging() == Some(true)
}

/// Attaches a service control policy with one statement to the root.
async fn deny_by_scp(env: &ConfiguredEnv, statement: Value) {
    use aws_sdk_organizations::types::PolicyType;
    let management = env.management();
    let organizations = management.organizations();
    let root = env.desired.organization.root.to_string();
    let content = json!({ "Version": "2012-10-17", "Statement": [statement] });
    let made = organizations
        .create_policy()
        .name("keep-trails")
        .description("")
        .r#type(PolicyType::ServiceControlPolicy)
        .content(content.to_string())
        .send()
        .await
        .unwrap();
    let id = made.policy.unwrap().policy_summary.unwrap().id.unwrap();
    organizations.attach_policy().policy_id(id).target_id(root).send().await.unwrap();
}

#[tokio::test]
async fn a_trail_that_may_not_be_deleted_is_not_stopped() {
    let env = with_legacy_trail(30).await;
    start(&env).await;
    consolidated(&env).await;
    let deny = json!({
        "Sid": "Keep", "Effect": "Deny", "Action": "cloudtrail:DeleteTrail", "Resource": "*",
    });
    deny_by_scp(&env, deny).await;
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!(code, 12, "{said:#}");
    assert_eq!(standing(&said, "it may be deleted"), "failed", "{said:#}");
    assert!(said.to_string().contains("statement Keep of the service control policy keep-trails"));
    assert!(is_logging(&env).await);
    let faults = env.sandbox.faults();
    // What the policies say of it could not be read: CloudTrail itself refuses.
    faults.inject(Fault::every("organizations:ListPoliciesForTarget", Effect::Deny));
    let ran = orgtrail(&env, &["retire", TRAIL, "--yes"]).await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert!(ran.stderr.contains("logging was started again"), "{}", ran.stderr);
    assert!(is_logging(&env).await && trail_is_there(&env).await);
}

#[tokio::test]
async fn a_policy_that_excepts_the_role_does_not_keep_the_trail() {
    let env = with_legacy_trail(30).await;
    consolidated(&env).await;
    let deny = json!({
        "Effect": "Deny", "Action": "cloudtrail:*", "Resource": "*",
        "Condition": { "ArnNotLike": {
            "aws:PrincipalArn": "arn:aws:iam::*:role/OrganizationAccountAccessRole",
        } },
    });
    deny_by_scp(&env, deny).await;
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!((code, &said["retired"]), (0, &true.into()), "{said:#}");
}

#[tokio::test]
async fn a_trail_that_cannot_be_started_again_is_said_to_be_left_stopped() {
    let env = with_legacy_trail(30).await;
    start(&env).await;
    consolidated(&env).await;
    for call in ["cloudtrail:DeleteTrail", "cloudtrail:StartLogging"] {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
    }
    let ran = orgtrail(&env, &["retire", TRAIL, "--yes"]).await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert!(ran.stderr.contains("could not be started again"), "{}", ran.stderr);
    assert!(ran.stderr.contains("aws cloudtrail start-logging --name"), "{}", ran.stderr);
    assert!(!is_logging(&env).await && trail_is_there(&env).await);
    // The next run completes it.
    env.sandbox.faults().clear();
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!((code, &said["retired"]), (0, &true.into()), "{said:#}");
}

#[tokio::test]
async fn a_trail_that_may_not_be_stopped_is_left_as_it_was() {
    let env = with_legacy_trail(30).await;
    start(&env).await;
    consolidated(&env).await;
    env.sandbox.faults().inject(Fault::every("cloudtrail:StopLogging", Effect::Deny));
    let ran = orgtrail(&env, &["retire", TRAIL, "--yes"]).await;
    assert_eq!(ran.code, 12, "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert!(is_logging(&env).await && trail_is_there(&env).await);
}

/// Ends the older trail's bucket.
async fn delete_bucket(env: &ConfiguredEnv) {
    let owner = env.clients(&account(), &home());
    for key in env.sandbox.keys_raw(BUCKET, "") {
        owner.s3().delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }
    owner.s3().delete_bucket().bucket(BUCKET).send().await.unwrap();
}

#[tokio::test]
async fn a_trail_whose_bucket_is_gone_can_be_retired() {
    let env = with_legacy_trail(3).await;
    delete_bucket(&env).await;
    let config = format!("{}[consolidate]\nexclude = [\"s3://{BUCKET}\"]\n", config());
    let ran = env.run(&config, &["retire", TRAIL]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("does not exist: nothing is left to copy"), "{}", ran.stdout);
    assert!(trail_is_there(&env).await, "nobody said yes");
    let ran = env.run(&config, &["retire", TRAIL, "--yes"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("delivers nothing"), "{}", ran.stderr);
    assert!(!trail_is_there(&env).await);
}

#[tokio::test]
async fn a_bucket_whose_name_belongs_to_another_account_is_not_gone() {
    let env = with_legacy_trail(3).await;
    delete_bucket(&env).await;
    let other = env.archive();
    other.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    let (code, said) = retire(&env, &["--yes"]).await;
    // It is looked into as what it is now, and the conditions are those of any bucket.
    assert_eq!(code, 12, "{said:#}");
    assert_eq!(said["bucket"]["objects"], 0, "{said:#}");
    assert!(!said.to_string().contains("does not exist"), "{said:#}");
    assert!(trail_is_there(&env).await);
}

/// A member's trail of the organization trail's name, which recorded before that one
/// was made.
async fn of_the_same_name(hours: i64) -> (ConfiguredEnv, String) {
    let env = with_legacy_trail(hours).await;
    let until = env.sandbox.now() - SignedDuration::from_hours(hours);
    let legacy = Legacy {
        account: account(),
        bucket: BUCKET.parse().unwrap(),
        prefix: None,
        trail: env.desired.config.trail.name.clone(),
        regions: vec!["us-east-1".parse().unwrap()],
        from: until - SignedDuration::from_hours(30),
        until,
    };
    env.sandbox.fill_legacy(&legacy).unwrap();
    consolidated(&env).await;
    let trail = env.desired.trail_arn().to_string().replace("111111111111", MEMBER);
    (env, trail)
}

#[tokio::test]
async fn a_trail_of_the_organization_trails_name_is_told_from_it_by_its_digests() {
    let (env, trail) = of_the_same_name(30).await;
    let ran = orgtrail(&env, &["retire", &trail, "--yes", "--format", "json"]).await;
    let said: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    assert_eq!(
        standing(&said, "the organization trail covers the same account and Regions"),
        "passed",
        "{said:#}{}",
        ran.stderr
    );
}

#[tokio::test]
async fn what_a_trail_of_the_same_name_delivered_is_not_the_organization_trails() {
    // The member's own covers the hours of the overlap that the organization's lacks.
    let (env, trail) = of_the_same_name(10).await;
    let ran = orgtrail(&env, &["retire", &trail, "--yes", "--format", "json"]).await;
    let said: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    assert_eq!(
        standing(&said, "the organization trail covers the same account and Regions"),
        "failed",
        "{said:#}{}",
        ran.stderr
    );
    assert_eq!(ran.code, 12);
}

#[tokio::test]
async fn the_organization_trail_is_never_retired() {
    let env = with_legacy_trail(3).await;
    let own = env.desired.trail_arn().to_string();
    let ran = orgtrail(&env, &["retire", &own, "--yes"]).await;
    assert_eq!(ran.code, 12, "{}", ran.stderr);
    assert!(ran.stderr.contains("organization trail itself"), "{}", ran.stderr);
    assert!(env.observe().await.trails.present().unwrap().own.is_some());
}

#[tokio::test]
async fn a_trail_that_records_more_than_the_organizations_is_retired_with_a_confirmation_alone() {
    use aws_sdk_cloudtrail::types::{DataResource, EventSelector, ReadWriteType};

    let env = with_legacy_trail(30).await;
    let owner = env.clients(&account(), &home());
    let buckets = DataResource::builder().r#type("AWS::S3::Object").values("arn:aws:s3");
    let selector = EventSelector::builder()
        .read_write_type(ReadWriteType::All)
        .include_management_events(true)
        .data_resources(buckets.build());
    let put = owner.cloudtrail().put_event_selectors().trail_name(TRAIL);
    put.event_selectors(selector.build()).send().await.unwrap();
    start(&env).await;
    consolidated(&env).await;
    let (code, said) = retire(&env, &["--yes"]).await;
    assert_eq!(code, 12, "{said:#}");
    assert!(said.to_string().contains("--confirm-weakened-guard"), "{said:#}");
    assert!(trail_is_there(&env).await);
    let (code, said) = retire(&env, &["--yes", "--confirm-weakened-guard"]).await;
    assert_eq!(code, 0, "{said:#}");
    assert!(!trail_is_there(&env).await);
}
