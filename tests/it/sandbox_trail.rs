//! The sandbox's trails: their life, who is refused what, and what they deliver.

use aws_sdk_cloudtrail::types::{
    DataResource, EventSelector, InsightSelector, InsightType, LookupAttribute,
};
use jiff::SignedDuration;
use orgtrail::sandbox::{DigestEncryption, Legacy};
use serde_json::{Value, json};

use crate::env::HOME;
use crate::trail_env::{BUCKET, HOUR, TrailEnv, check_chain, code};

#[tokio::test]
async fn an_account_trail_delivers_a_day_that_verifies() {
    let env = TrailEnv::start(3).await;
    env.account_trail().await;
    env.sandbox.tick(HOUR * 30);
    let account = env.account(1);
    let digests = format!("AWSLogs/{account}/CloudTrail-Digest/us-east-1/");
    assert_eq!(env.keys(1, BUCKET, &digests).await.len(), 30);
    let (chains, files) = check_chain(&env, 1, 1, &digests).await;
    assert_eq!(chains, 1);
    let logs = env.keys(1, BUCKET, &format!("AWSLogs/{account}/CloudTrail/us-east-1/")).await;
    assert!(files > 20 && (files..files + 12).contains(&logs.len()), "{files} {}", logs.len());
    let status = env.trail(1).get_trail_status().name("own-trail").send().await.unwrap();
    assert_eq!(status.is_logging(), Some(true));
    assert_eq!(status.latest_delivery_error(), None);
    assert!(status.latest_digest_delivery_time().is_some());
}

#[tokio::test]
async fn stopping_ends_a_chain_and_starting_begins_another() {
    let env = TrailEnv::start(3).await;
    env.account_trail().await;
    env.sandbox.tick(SignedDuration::from_mins(150));
    let trail = env.trail(1);
    trail.stop_logging().name("own-trail").send().await.unwrap();
    env.sandbox.tick(HOUR * 5);
    let digests = format!("AWSLogs/{}/CloudTrail-Digest/us-east-1/", env.account(1));
    // Two whole hours and the half one that stopping left.
    assert_eq!(env.keys(1, BUCKET, &digests).await.len(), 3);
    trail.start_logging().name("own-trail").send().await.unwrap();
    env.sandbox.tick(HOUR * 2);
    assert_eq!(env.keys(1, BUCKET, &digests).await.len(), 5);
    assert_eq!(check_chain(&env, 1, 1, &digests).await.0, 2);
}

#[tokio::test]
async fn the_organization_trail_records_every_member_below_the_organization() {
    let env = TrailEnv::start(4).await;
    let arn = env.organization_trail().await;
    env.sandbox.tick(HOUR * 24);
    let organization = env.sandbox.organization_id().unwrap();
    for index in 0..4 {
        let account = env.account(index);
        for region in ["us-east-1", "eu-central-1"] {
            let folder = format!("AWSLogs/{organization}/{account}/CloudTrail-Digest/{region}/");
            assert_eq!(env.keys(1, BUCKET, &folder).await.len(), 24, "{folder}");
            check_chain(&env, 1, index, &folder).await;
        }
    }
    // A member sees it under the same ARN, and by that only.
    let member = env.trail(2);
    let seen = member.describe_trails().send().await.unwrap();
    assert_eq!(seen.trail_list()[0].trail_arn(), Some(arn.as_str()));
    assert_eq!(seen.trail_list()[0].home_region(), Some(HOME));
    let own = member.describe_trails().include_shadow_trails(false).send().await.unwrap();
    assert!(own.trail_list().is_empty());
    assert_eq!(
        code(member.get_trail_status().name("orgtrail").send().await),
        "TrailNotFoundException"
    );
    let status = member.get_trail_status().name(&arn).send().await.unwrap();
    assert!(status.latest_delivery_time().is_some());
    assert_eq!(
        code(member.stop_logging().name(&arn).send().await),
        "NotOrganizationMasterAccountException"
    );
    assert_eq!(
        code(member.get_event_selectors().trail_name(&arn).send().await),
        "TrailNotFoundException"
    );
    let elsewhere = aws_sdk_cloudtrail::Client::new(&env.config(0, "eu-west-1"));
    assert_eq!(
        code(elsewhere.stop_logging().name(&arn).send().await),
        "InvalidHomeRegionException"
    );
    assert_eq!(
        elsewhere.describe_trails().send().await.unwrap().trail_list()[0].trail_arn(),
        Some(arn.as_str())
    );
}

#[tokio::test]
async fn an_organization_trail_wants_its_prerequisites_in_turn() {
    let env = TrailEnv::start(3).await;
    let arn = env.trail_arn(0, "orgtrail");
    env.bucket(1, BUCKET, &arn, &[]).await;
    let create = |index: usize| {
        env.trail(index)
            .create_trail()
            .name("orgtrail")
            .s3_bucket_name(BUCKET)
            .is_organization_trail(true)
            .send()
    };
    assert_eq!(code(create(2).await), "NotOrganizationMasterAccountException");
    assert_eq!(code(create(0).await), "CloudTrailAccessNotEnabledException");
    let config = env.config(0, HOME);
    aws_sdk_organizations::Client::new(&config)
        .enable_aws_service_access()
        .service_principal("cloudtrail.amazonaws.com")
        .send()
        .await
        .unwrap();
    assert_eq!(code(create(0).await), "InsufficientDependencyServiceAccessPermissionException");
    aws_sdk_iam::Client::new(&config)
        .create_service_linked_role()
        .aws_service_name("cloudtrail.amazonaws.com")
        .send()
        .await
        .unwrap();
    // A delegated administrator makes the management account's trail.
    env.trail(0)
        .register_organization_delegated_admin()
        .member_account_id(env.account(2).as_str())
        .send()
        .await
        .unwrap();
    let made = create(2).await.unwrap();
    assert_eq!(made.trail_arn(), Some(arn.as_str()));
    assert_eq!(code(create(0).await), "TrailAlreadyExistsException");
    assert_eq!(
        code(env.trail(2).start_logging().name("orgtrail").send().await),
        "TrailNotFoundException"
    );
    env.trail(2).start_logging().name(&arn).send().await.unwrap();
}

#[tokio::test]
async fn bucket_policies_that_break_digests_are_refused() {
    let env = TrailEnv::start(3).await;
    let arn = env.trail_arn(1, "own-trail");
    let create = || {
        env.trail(1)
            .create_trail()
            .name("own-trail")
            .s3_bucket_name(BUCKET)
            .is_multi_region_trail(true)
            .enable_log_file_validation(true)
            .send()
    };
    assert_eq!(code(create().await), "S3BucketDoesNotExistException");
    env.s3(1).create_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(code(create().await), "InsufficientS3BucketPolicyException");
    env.policy(1, BUCKET, "arn:aws:cloudtrail:us-east-1:999999999999:trail/x", &[]).await;
    assert_eq!(code(create().await), "InsufficientS3BucketPolicyException");
    let deny = |allowed: Value| {
        json!({
            "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
            "Resource": format!("arn:aws:s3:::{BUCKET}/*"),
            "Condition": { "StringNotEquals": { "s3:x-amz-server-side-encryption": allowed } },
        })
    };
    env.policy(1, BUCKET, &arn, &[deny(json!("aws:kms"))]).await;
    assert_eq!(code(create().await), "InsufficientS3BucketPolicyException");
    env.policy(1, BUCKET, &arn, &[deny(json!(["aws:kms", "AES256"]))]).await;
    create().await.unwrap();
}

#[tokio::test]
async fn keys_are_tried_before_a_trail_is_taken_and_then_really_used() {
    let env = TrailEnv::start(3).await;
    let arn = env.trail_arn(1, "own-trail");
    env.bucket(1, BUCKET, &arn, &[]).await;
    let kms = aws_sdk_kms::Client::new(&env.config(1, HOME));
    let key = kms.create_key().send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    let create = |key: &str| {
        env.trail(1)
            .create_trail()
            .name("own-trail")
            .s3_bucket_name(BUCKET)
            .kms_key_id(key)
            .enable_log_file_validation(true)
            .send()
    };
    assert_eq!(code(create("alias/nothing").await), "KmsKeyNotFoundException");
    assert_eq!(code(create(&key).await), "InsufficientEncryptionPolicyException");
    let account = env.account(1);
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
          "Action": "kms:*", "Resource": "*" },
        { "Effect": "Allow", "Principal": { "Service": "cloudtrail.amazonaws.com" },
          "Action": "kms:GenerateDataKey*", "Resource": "*",
          "Condition": {
              "StringEquals": { "aws:SourceArn": arn },
              "StringLike": { "kms:EncryptionContext:aws:cloudtrail:arn": format!("arn:aws:cloudtrail:*:{account}:trail/*") },
          } },
        { "Effect": "Allow", "Principal": { "Service": "cloudtrail.amazonaws.com" },
          "Action": "kms:DescribeKey", "Resource": "*" },
    ]});
    kms.put_key_policy().key_id(&key).policy(policy.to_string()).send().await.unwrap();
    kms.disable_key().key_id(&key).send().await.unwrap();
    assert_eq!(code(create(&key).await), "KmsKeyDisabledException");
    kms.enable_key().key_id(&key).send().await.unwrap();
    create(&key).await.unwrap();
    env.trail(1).start_logging().name("own-trail").send().await.unwrap();
    env.sandbox.tick(HOUR * 12);
    let log = &env.keys(1, BUCKET, "/CloudTrail/").await[0];
    let head = env.s3(1).head_object().bucket(BUCKET).key(log).send().await.unwrap();
    assert_eq!(head.ssekms_key_id(), Some(key.as_str()));
    let digest = &env.keys(1, BUCKET, "/CloudTrail-Digest/").await[0];
    let head = env.s3(1).head_object().bucket(BUCKET).key(digest).send().await.unwrap();
    assert_eq!(head.ssekms_key_id(), Some(key.as_str()));
    // Those of older trails come under SSE-S3.
    env.sandbox.encrypt_digests(DigestEncryption::SseS3);
    env.sandbox.tick(HOUR * 2);
    let digest = env.keys(1, BUCKET, "/CloudTrail-Digest/").await.pop().unwrap();
    let head = env.s3(1).head_object().bucket(BUCKET).key(digest).send().await.unwrap();
    assert_eq!(head.ssekms_key_id(), None);

    // Without its key the trail stands still, and says so; then it catches up.
    kms.disable_key().key_id(&key).send().await.unwrap();
    let before = env.keys(1, BUCKET, "/CloudTrail/").await.len();
    env.sandbox.tick(HOUR * 6);
    assert_eq!(env.keys(1, BUCKET, "/CloudTrail/").await.len(), before);
    let status = env.trail(1).get_trail_status().name("own-trail").send().await.unwrap();
    assert_eq!(status.latest_delivery_error(), Some("KMS.DisabledException"));
    kms.enable_key().key_id(&key).send().await.unwrap();
    env.sandbox.tick(HOUR * 2);
    assert!(env.keys(1, BUCKET, "/CloudTrail/").await.len() > before);
    let status = env.trail(1).get_trail_status().name("own-trail").send().await.unwrap();
    assert_eq!(status.latest_delivery_error(), None);
    let digests = format!("AWSLogs/{account}/CloudTrail-Digest/us-east-1/");
    check_chain(&env, 1, 1, &digests).await;
}

#[tokio::test]
async fn what_could_not_be_delivered_for_days_comes_as_a_backfill() {
    let env = TrailEnv::start(3).await;
    env.account_trail().await;
    env.sandbox.tick(HOUR * 3);
    let arn = env.trail_arn(1, "own-trail");
    let deny = json!({
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": format!("arn:aws:s3:::{BUCKET}/*"),
    });
    env.policy(1, BUCKET, &arn, &[deny]).await;
    env.sandbox.tick(HOUR * 36);
    let status = env.trail(1).get_trail_status().name("own-trail").send().await.unwrap();
    assert_eq!(status.latest_delivery_error(), Some("AccessDenied"));
    assert_eq!(status.latest_digest_delivery_error(), Some("AccessDenied"));
    env.policy(1, BUCKET, &arn, &[]).await;
    env.sandbox.tick(HOUR);
    let backfill = env.keys(1, BUCKET, "_backfill.json.gz").await;
    assert!(backfill.len() >= 36, "{}", backfill.len());
    let (_, metadata) = env.get(1, &backfill[0]).await;
    assert!(metadata.contains_key("backfill-generation-timestamp"));
    env.sandbox.tick(HOUR * 2);
    let digests = format!("AWSLogs/{}/CloudTrail-Digest/us-east-1/", env.account(1));
    assert_eq!(check_chain(&env, 1, 1, &digests).await.0, 3);
    // What was called meanwhile comes too.
    let mut asked = 0;
    for key in env.keys(1, BUCKET, "/CloudTrail/us-east-1/").await {
        let (body, _) = env.get(1, &key).await;
        asked += String::from_utf8(body).unwrap().matches("\"GetTrailStatus\"").count();
    }
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_backfill_that_breaks_off_goes_on_in_its_own_chain() {
    let env = TrailEnv::start(3).await;
    env.sandbox.set_volume(6.0, Some(vec![HOME.parse().unwrap()]));
    env.account_trail().await;
    env.sandbox.tick(HOUR * 3);
    let arn = env.trail_arn(1, "own-trail");
    let deny = |keys: &str| {
        json!({
            "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
            "Resource": format!("arn:aws:s3:::{BUCKET}/{keys}"),
        })
    };
    env.policy(1, BUCKET, &arn, &[deny("*")]).await;
    env.sandbox.tick(HOUR * 36);
    // All but its last hours can be delivered.
    env.policy(1, BUCKET, &arn, &[deny("*_20260102T10*_backfill.json.gz")]).await;
    env.sandbox.tick(HOUR);
    let begun = env.keys(1, BUCKET, "_backfill.json.gz").await.len();
    assert!((24..36).contains(&begun), "{begun}");
    env.policy(1, BUCKET, &arn, &[]).await;
    env.sandbox.tick(HOUR);
    env.sandbox.tick(HOUR * 2);
    let digests = format!("AWSLogs/{}/CloudTrail-Digest/us-east-1/", env.account(1));
    assert_eq!(env.keys(1, BUCKET, "_backfill.json.gz").await.len(), 38);
    assert_eq!(check_chain(&env, 1, 1, &digests).await.0, 3);
}

#[tokio::test]
async fn a_tick_of_centuries_ends_and_delivers_the_last_days() {
    let env = TrailEnv::start(3).await;
    env.sandbox.set_volume(0.5, Some(vec![HOME.parse().unwrap()]));
    env.account_trail().await;
    env.sandbox.tick(HOUR * 24 * 365 * 500);
    let digests = env.sandbox.keys_raw(BUCKET, "AWSLogs/");
    let digests = digests.iter().filter(|key| key.contains("/CloudTrail-Digest/")).count();
    assert!((24 * 30 - 1..=24 * 30).contains(&digests), "{digests}");
}

#[tokio::test]
async fn a_sixth_trail_and_a_wrong_name_are_refused() {
    let env = TrailEnv::start(3).await;
    env.s3(1).create_bucket().bucket(BUCKET).send().await.unwrap();
    let create = async |name: &str| {
        let arn = env.trail_arn(1, name);
        env.policy(1, BUCKET, &arn, &[]).await;
        env.trail(1).create_trail().name(name).s3_bucket_name(BUCKET).send().await
    };
    for number in 1..=5 {
        create(&format!("trail-{number}")).await.unwrap();
    }
    assert_eq!(code(create("trail-6").await), "MaximumNumberOfTrailsExceededException");
    for name in ["a", "-trail", "192.168.5.4", "two__marks"] {
        assert_eq!(code(create(name).await), "InvalidTrailNameException", "{name}");
    }
    let trail = env.trail(1);
    trail.delete_trail().name("trail-1").send().await.unwrap();
    assert_eq!(code(trail.get_trail().name("trail-1").send().await), "TrailNotFoundException");
    create("trail-6").await.unwrap();
}

#[tokio::test]
async fn selectors_and_insights_decide_what_is_delivered() {
    let env = TrailEnv::start(3).await;
    env.account_trail().await;
    let trail = env.trail(1);
    assert_eq!(
        code(trail.get_insight_selectors().trail_name("own-trail").send().await),
        "InsightNotEnabledException"
    );
    let too_many = trail.put_event_selectors().trail_name("own-trail");
    let too_many =
        (0..6).fold(too_many, |call, _| call.event_selectors(EventSelector::builder().build()));
    assert_eq!(code(too_many.send().await), "InvalidEventSelectorsException");
    trail
        .put_event_selectors()
        .trail_name("own-trail")
        .event_selectors(
            EventSelector::builder()
                .read_write_type("WriteOnly".into())
                .data_resources(
                    DataResource::builder().r#type("AWS::S3::Object").values("arn:aws:s3").build(),
                )
                .build(),
        )
        .send()
        .await
        .unwrap();
    trail
        .put_insight_selectors()
        .trail_name("own-trail")
        .insight_selectors(
            InsightSelector::builder().insight_type(InsightType::ApiCallRateInsight).build(),
        )
        .send()
        .await
        .unwrap();
    env.sandbox.set_volume(60.0, None);
    env.sandbox.tick(HOUR * 24);
    let mut data = 0;
    for key in env.keys(1, BUCKET, "/CloudTrail/us-east-1/").await {
        let (body, _) = env.get(1, &key).await;
        let file: Value = serde_json::from_slice(&body).unwrap();
        for record in file["Records"].as_array().unwrap() {
            assert_eq!(record["readOnly"], false, "{record}");
            data += usize::from(record["eventCategory"] == "Data");
        }
    }
    assert!(data > 0);
    assert_eq!(env.keys(1, BUCKET, "/CloudTrail-Insight/us-east-1/").await.len(), 2);
}

#[tokio::test]
async fn the_history_tells_what_was_really_called() {
    let env = TrailEnv::start(3).await;
    env.account_trail().await;
    let found = env
        .trail(1)
        .lookup_events()
        .lookup_attributes(
            LookupAttribute::builder()
                .attribute_key("EventName".into())
                .attribute_value("CreateTrail")
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(found.events().len(), 1);
    // In the middle of a slot nothing is due yet, and nothing is lost.
    env.sandbox.tick(SignedDuration::from_mins(1));
    env.sandbox.tick(HOUR);
    let mut called = 0;
    for key in env.keys(1, BUCKET, "/CloudTrail/us-east-1/").await {
        let (body, _) = env.get(1, &key).await;
        called += usize::from(String::from_utf8(body).unwrap().contains("\"StartLogging\""));
    }
    // It was called once logging had begun.
    assert_eq!(called, 1);
}

#[tokio::test]
async fn a_legacy_trail_leaves_its_past_in_its_bucket() {
    let env = TrailEnv::start(3).await;
    let arn = env.trail_arn(1, "old-trail");
    env.bucket(1, BUCKET, &arn, &[]).await;
    let legacy = Legacy {
        account: env.account(1),
        bucket: BUCKET.parse().unwrap(),
        prefix: None,
        trail: "old-trail".parse().unwrap(),
        regions: vec![HOME.parse().unwrap(), "eu-west-1".parse().unwrap()],
        from: "2025-12-01T00:00:00Z".parse().unwrap(),
        until: "2025-12-02T00:00:00Z".parse().unwrap(),
    };
    env.sandbox.fill_legacy(&legacy).unwrap();
    for region in [HOME, "eu-west-1"] {
        let folder = format!("AWSLogs/{}/CloudTrail-Digest/{region}/", env.account(1));
        assert_eq!(env.keys(1, BUCKET, &folder).await.len(), 24);
    }
    let trail = env.trail(1).get_trail_status().name("old-trail").send().await.unwrap();
    assert_eq!(trail.is_logging(), Some(false));
}
