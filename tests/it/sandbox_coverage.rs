//! What trails of the sandbox cover begins when they cover it, and requests carry
//! the Region that they are sent to.

use aws_sdk_organizations::types::PolicyType;
use serde_json::{Value, json};

use crate::env::HOME;
use crate::trail_env::{BUCKET, HOUR, TrailEnv, check_chain, code};

fn organizations(env: &TrailEnv) -> aws_sdk_organizations::Client {
    aws_sdk_organizations::Client::new(&env.config(0, HOME))
}

/// The times of the objects below a part of their keys, as the keys have them:
/// `20260101T0510`.
async fn times(env: &TrailEnv, part: &str) -> Vec<String> {
    let keys = env.keys(1, BUCKET, part).await;
    let time = |key: &String| {
        let name = key.rsplit('/').next().unwrap();
        let stamp = name.split('_').find(|part| part.starts_with("2026") && part.contains('T'));
        stamp.unwrap()[..13].to_owned()
    };
    keys.iter().map(time).collect()
}

#[tokio::test]
async fn a_trail_that_becomes_the_organizations_has_no_past_in_the_members() {
    let env = TrailEnv::start(4).await;
    let arn = env.trail_arn(0, "main");
    env.bucket(1, BUCKET, &arn, &[]).await;
    let trail = env.trail(0);
    let create = trail.create_trail().name("main").s3_bucket_name(BUCKET);
    let create = create.is_multi_region_trail(true).enable_log_file_validation(true);
    create.send().await.unwrap();
    trail.start_logging().name("main").send().await.unwrap();
    env.sandbox.tick(HOUR * 5);
    env.enable_organization_trails().await;
    trail.update_trail().name("main").is_organization_trail(true).send().await.unwrap();
    let organization = env.sandbox.organization_id().unwrap();
    let below = |index: usize, folder: &str| {
        format!("AWSLogs/{organization}/{}/{folder}/us-east-1/", env.account(index))
    };
    env.sandbox.tick(HOUR * 3);
    // From 05:02 on, when it became so; not from 00:02 on.
    for (index, digests) in [(1, 3), (2, 3), (3, 3), (0, 3)] {
        let found = times(&env, &below(index, "CloudTrail-Digest")).await;
        assert_eq!(found.len(), digests, "{index}: {found:?}");
        let logs = times(&env, &below(index, "CloudTrail")).await;
        assert!(logs.iter().all(|time| time.as_str() >= "20260101T0502"), "{index}: {logs:?}");
    }
    let member = below(2, "CloudTrail-Digest");
    assert_eq!(check_chain(&env, 1, 2, &member).await.0, 1);
    // What the management account did before is where it was.
    let own = format!("AWSLogs/{}/CloudTrail-Digest/us-east-1/", env.account(0));
    assert_eq!(times(&env, &own).await.len(), 5);

    // And back: the members' last digest, with what happened until then, and nothing more.
    trail.update_trail().name("main").is_organization_trail(false).send().await.unwrap();
    env.sandbox.tick(HOUR * 2);
    assert_eq!(times(&env, &below(2, "CloudTrail-Digest")).await.len(), 4);
    assert_eq!(times(&env, &own).await.len(), 7);
}

#[tokio::test]
async fn what_happened_while_the_trail_did_not_cover_it_is_not_delivered_later() {
    let env = TrailEnv::start(4).await;
    env.organization_trail().await;
    env.sandbox.tick(HOUR * 3);
    let service = "cloudtrail.amazonaws.com";
    let organizations = organizations(&env);
    organizations.disable_aws_service_access().service_principal(service).send().await.unwrap();
    env.sandbox.tick(HOUR * 5);
    organizations.enable_aws_service_access().service_principal(service).send().await.unwrap();
    env.sandbox.tick(HOUR * 3);
    let organization = env.sandbox.organization_id().unwrap();
    let below = |index: usize, folder: &str| {
        format!("AWSLogs/{organization}/{}/{folder}/us-east-1/", env.account(index))
    };
    assert_eq!(times(&env, &below(2, "CloudTrail-Digest")).await.len(), 6);
    assert_eq!(times(&env, &below(0, "CloudTrail-Digest")).await.len(), 11);
    let logs = times(&env, &below(2, "CloudTrail")).await;
    let silent = |time: &&String| ("20260101T0310".."20260101T0802").contains(&time.as_str());
    assert!(!logs.iter().any(|time| silent(&time)), "{logs:?}");
}

#[tokio::test]
async fn an_account_that_joins_is_covered_from_then_on() {
    let env = TrailEnv::start(4).await;
    env.organization_trail().await;
    env.sandbox.tick(HOUR * 4);
    let create = organizations(&env).create_account().account_name("new");
    create.email("new@example.com").send().await.unwrap();
    let accounts = organizations(&env).list_accounts().send().await.unwrap();
    let new = accounts.accounts().iter().find(|account| account.name() == Some("new"));
    let id = new.unwrap().id().unwrap().to_owned();
    // The trail appears some minutes later.
    env.sandbox.tick(HOUR * 2 + jiff::SignedDuration::from_mins(5));
    let organization = env.sandbox.organization_id().unwrap();
    let digests = format!("AWSLogs/{organization}/{id}/CloudTrail-Digest/us-east-1/");
    assert_eq!(times(&env, &digests).await.len(), 2);
}

#[tokio::test]
async fn requests_to_s3_carry_the_region_that_they_are_sent_to() {
    let env = TrailEnv::start(4).await;
    let deny = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "NotAction": ["iam:*", "organizations:*", "sts:*"], "Resource": "*",
        "Condition": { "StringNotEquals": {
            "aws:RequestedRegion": ["us-east-1", "eu-central-1"],
        } },
    }] });
    let organizations = organizations(&env);
    let root = organizations.list_roots().send().await.unwrap().roots()[0].clone();
    let scp = organizations
        .create_policy()
        .name("region-deny")
        .description("Regions")
        .r#type(PolicyType::ServiceControlPolicy)
        .content(deny.to_string())
        .send()
        .await
        .unwrap();
    let id = scp.policy.unwrap().policy_summary.unwrap().id.unwrap();
    organizations.attach_policy().policy_id(id).target_id(root.id.unwrap()).send().await.unwrap();

    let s3 = |region: &'static str| {
        let config = env.config(2, region);
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    };
    let (allowed, denied) = (s3("us-east-1"), s3("eu-west-1"));
    allowed.create_bucket().bucket("allowed").send().await.unwrap();
    allowed.list_objects_v2().bucket("allowed").send().await.unwrap();
    allowed.list_buckets().send().await.unwrap();
    assert_eq!(code(denied.list_buckets().send().await), "AccessDenied");
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder()
        .location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuWest1)
        .build();
    let create = denied.create_bucket().bucket("denied").create_bucket_configuration(place);
    assert_eq!(code(create.send().await), "AccessDenied");

    // The same in a bucket's own policy.
    let deny_home = |region: &str| -> Value {
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::allowed",
            "Condition": { "StringEquals": { "aws:RequestedRegion": region } },
        }] })
    };
    for (region, refused) in [("eu-central-1", false), ("us-east-1", true)] {
        let policy = deny_home(region).to_string();
        allowed.put_bucket_policy().bucket("allowed").policy(policy).send().await.unwrap();
        let listed = allowed.list_objects_v2().bucket("allowed").send().await;
        assert_eq!(listed.is_err(), refused, "{region}");
    }
}
