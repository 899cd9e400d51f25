//! What the sandbox's CloudTrail records: made-up events in history and archive alike, and
//! clients' calls in the form that CloudTrail writes.

use std::collections::BTreeSet;

use aws_credential_types::Credentials;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, PublicAccessBlockConfiguration, VersioningConfiguration,
};
use jiff::{SignedDuration, Timestamp};
use orgtrail::sandbox::SignIn;
use serde_json::{Value, json};

use crate::env::{HOME, session_keys};
use crate::trail_env::{BUCKET, HOUR, TrailEnv, code};

const REGIONS: [&str; 2] = [HOME, "eu-central-1"];

/// The event history of an account and Region from `from` to `until`, newest first.
async fn history(
    env: &TrailEnv,
    account: usize,
    region: &str,
    (from, until): (Timestamp, Timestamp),
) -> Vec<Value> {
    let client = aws_sdk_cloudtrail::Client::new(&env.config(account, region));
    let (mut records, mut token) = (Vec::new(), None);
    loop {
        let page = client
            .lookup_events()
            .start_time(DateTime::from_secs(from.as_second()))
            .end_time(DateTime::from_secs(until.as_second()))
            .set_next_token(token)
            .send()
            .await
            .unwrap();
        assert!(page.events().len() <= 50);
        let texts = page.events().iter().map(|event| event.cloud_trail_event().unwrap());
        records.extend(texts.map(|text| serde_json::from_str::<Value>(text).unwrap()));
        token = page.next_token;
        if token.is_none() {
            return records;
        }
    }
}

/// The newest record of an event in an account's history.
async fn newest(env: &TrailEnv, account: usize, name: &str) -> Value {
    let now = env.sandbox.now();
    let records = history(env, account, HOME, (now - HOUR, now)).await;
    records.into_iter().find(|record| record["eventName"] == name).unwrap_or_default()
}

fn time(record: &Value) -> Timestamp {
    record["eventTime"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_history_has_what_the_organization_trail_delivers() {
    let env = TrailEnv::start(3).await;
    env.organization_trail().await;
    let from = env.sandbox.now();
    env.sandbox.tick(HOUR * 26);
    let slot = SignedDuration::from_mins(5).as_secs();
    let now = env.sandbox.now().as_second();
    // The slot of now is open; its last second is not.
    let until = Timestamp::from_second(now - now % slot - 1).unwrap();
    for account in 0..3 {
        for region in REGIONS {
            let mut delivered = BTreeSet::new();
            let folder = format!("/{}/CloudTrail/{region}/", env.account(account));
            for key in env.keys(1, BUCKET, &folder).await {
                let file: Value = serde_json::from_slice(&env.get(1, &key).await.0).unwrap();
                for record in file["Records"].as_array().unwrap() {
                    assert!(delivered.insert(record["eventID"].as_str().unwrap().to_owned()));
                }
            }
            let known = history(&env, account, region, (from, until)).await;
            assert!(known.windows(2).all(|pair| time(&pair[0]) >= time(&pair[1])));
            let ids: BTreeSet<String> =
                known.iter().map(|record| record["eventID"].as_str().unwrap().to_owned()).collect();
            assert_eq!(ids.len(), known.len());
            assert!(ids.len() > 50, "{}", ids.len());
            assert_eq!(ids, delivered, "{account} {region}");
        }
    }
    // The truth is known of the sessions of that day.
    let sessions = env.sandbox.true_sessions(from, until);
    assert!(sessions.iter().any(|session| session.hops.len() >= 2));
}

#[tokio::test]
async fn a_role_assumed_across_accounts_is_recorded_in_both() {
    let env = TrailEnv::start(3).await;
    let role = format!("arn:aws:iam::{}:role/OrganizationAccountAccessRole", env.account(1));
    let sts = aws_sdk_sts::Client::new(&env.config(0, HOME));
    let assume = sts.assume_role().role_arn(&role).role_session_name("deploy");
    let session = assume.clone().send().await.unwrap();
    let (began, assumed) = (env.sandbox.now(), session.assumed_role_user.unwrap());
    let keys = session_keys(session.credentials.unwrap());
    let (caller, owner) =
        (newest(&env, 0, "AssumeRole").await, newest(&env, 1, "AssumeRole").await);
    assert_eq!(caller["readOnly"], true);
    assert_eq!(caller["userIdentity"]["type"], "IAMUser");
    let id = caller["userIdentity"]["principalId"].as_str().unwrap();
    assert!(id.starts_with("AIDA"), "{id}");
    assert_eq!(
        caller["requestParameters"],
        json!({ "roleArn": role, "roleSessionName": "deploy" })
    );
    let answer = &caller["responseElements"];
    assert_eq!(answer["credentials"]["accessKeyId"], keys.access_key_id());
    assert!(answer["credentials"]["expiration"].is_string());
    assert_eq!(answer["assumedRoleUser"]["assumedRoleId"], assumed.assumed_role_id());
    assert_eq!(answer["assumedRoleUser"]["arn"], assumed.arn());
    assert_eq!(
        owner["userIdentity"],
        json!({
            "type": "AWSAccount", "accountId": env.account(0), "principalId": id,
        })
    );
    assert_eq!(owner["recipientAccountId"], env.account(1).as_str());
    assert_eq!(owner["sharedEventID"], caller["sharedEventID"]);
    assert!(owner["sharedEventID"].is_string());
    assert_ne!(owner["eventID"], caller["eventID"]);
    for secret in env.sandbox.secrets() {
        assert!(!caller.to_string().contains(&secret) && !owner.to_string().contains(&secret));
    }
    // What the session does states when it began.
    env.sandbox.tick(SignedDuration::from_mins(7));
    let config = env.sdk_config(keys.clone(), HOME);
    aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    let call = newest(&env, 1, "GetCallerIdentity").await;
    let identity = &call["userIdentity"];
    assert_eq!(identity["principalId"], assumed.assumed_role_id());
    assert_eq!(identity["accessKeyId"], keys.access_key_id());
    assert_eq!(identity["sessionContext"]["sessionIssuer"]["arn"], role.as_str());
    let created = identity["sessionContext"]["attributes"]["creationDate"].as_str().unwrap();
    assert_eq!(created.parse::<Timestamp>().unwrap(), began);
    // The role's trust does not let a caller state who it is: only the caller's account sees
    // what was refused.
    assert_eq!(code(assume.source_identity("alice").send().await), "AccessDenied");
    let refused = newest(&env, 0, "AssumeRole").await;
    assert_eq!(refused["errorCode"], "AccessDenied");
    assert_eq!(refused["requestParameters"], Value::Null);
    assert_eq!(refused["responseElements"], Value::Null);
    let now = env.sandbox.now();
    let known = history(&env, 1, HOME, (now - HOUR, now)).await;
    let assumed = known.iter().filter(|record| record["eventName"] == "AssumeRole");
    assert!(assumed.into_iter().all(|record| record.get("errorCode").is_none()));
}

#[tokio::test]
async fn a_source_identity_stays_with_the_sessions_that_follow() {
    let env = TrailEnv::start(3).await;
    let iam = aws_sdk_iam::Client::new(&env.config(0, HOME));
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{}:root", env.account(0)) },
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
    }]});
    let everything = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:*", "Resource": "*",
    }]});
    for name in ["first", "second"] {
        let role = iam.create_role().role_name(name).assume_role_policy_document(trust.to_string());
        role.send().await.unwrap();
        let policy = iam.put_role_policy().role_name(name).policy_name("all");
        policy.policy_document(everything.to_string()).send().await.unwrap();
    }
    let assume = async |keys: Option<Credentials>, role: &str, source: Option<&str>| {
        let config = keys.map_or_else(|| env.config(0, HOME), |keys| env.sdk_config(keys, HOME));
        let arn = format!("arn:aws:iam::{}:role/{role}", env.account(0));
        let call = aws_sdk_sts::Client::new(&config).assume_role().role_arn(arn);
        let call = call.role_session_name("work").set_source_identity(source.map(str::to_owned));
        call.send().await
    };
    let first = assume(None, "first", Some("alice")).await.unwrap();
    assert_eq!(first.source_identity(), Some("alice"));
    let keys = session_keys(first.credentials.unwrap());
    assert_eq!(code(assume(Some(keys.clone()), "second", Some("bob")).await), "AccessDenied");
    let second = assume(Some(keys), "second", None).await.unwrap();
    assert_eq!(second.source_identity(), Some("alice"));
    let record = newest(&env, 0, "AssumeRole").await;
    let context = &record["userIdentity"]["sessionContext"];
    assert_eq!(context["sourceIdentity"], "alice");
    assert_eq!(record["responseElements"]["sourceIdentity"], "alice");
}

#[tokio::test]
async fn calls_for_buckets_have_the_names_that_cloudtrail_gives_them() {
    let env = TrailEnv::start(3).await;
    let s3 = env.s3(1);
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    let reader = format!("arn:aws:iam::{}:root", env.account(2));
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": reader }, "Action": "s3:GetBucketVersioning",
        "Resource": format!("arn:aws:s3:::{BUCKET}"),
    }]});
    s3.put_bucket_policy().bucket(BUCKET).policy(policy.to_string()).send().await.unwrap();
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let put = s3.put_bucket_versioning().bucket(BUCKET);
    put.versioning_configuration(enabled.build()).send().await.unwrap();
    let block = PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
    let put = s3.put_public_access_block().bucket(BUCKET);
    put.public_access_block_configuration(block).send().await.unwrap();
    let rule = LifecycleRule::builder()
        .id("expire")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("AWSLogs/").build())
        .expiration(LifecycleExpiration::builder().days(1).build());
    let rules = BucketLifecycleConfiguration::builder().rules(rule.build().unwrap());
    let put = s3.put_bucket_lifecycle_configuration().bucket(BUCKET);
    put.lifecycle_configuration(rules.build().unwrap()).send().await.unwrap();
    s3.put_object().bucket(BUCKET).key("k").send().await.unwrap();
    s3.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let find = async |name: &str| newest(&env, 1, name).await;
    assert_eq!(find("PutBucketPolicy").await["requestParameters"]["bucketPolicy"], policy);
    let versioning = find("PutBucketVersioning").await;
    assert_eq!(
        versioning["requestParameters"]["VersioningConfiguration"],
        json!({ "Status": "Enabled" })
    );
    assert_eq!(versioning["readOnly"], false);
    assert_eq!(
        versioning["resources"],
        json!([{
            "accountId": env.account(1),
            "type": "AWS::S3::Bucket",
            "ARN": format!("arn:aws:s3:::{BUCKET}"),
        }])
    );
    let block = find("PutBucketPublicAccessBlock").await;
    let block = &block["requestParameters"]["PublicAccessBlockConfiguration"];
    assert_eq!(block["BlockPublicAcls"], true);
    let lifecycle = find("PutBucketLifecycle").await;
    assert_eq!(lifecycle["requestParameters"]["bucketName"], BUCKET);
    let rule = &lifecycle["requestParameters"]["LifecycleConfiguration"]["Rule"][0];
    assert_eq!(rule["ID"], "expire");
    assert_eq!(rule["Expiration"]["Days"], 1);
    // Calls for objects are data events.
    for name in ["PutObject", "ListObjects", "ListObjectsV2"] {
        assert_eq!(find(name).await, Value::default());
    }
    // Another account's call is in both, unless it is refused.
    let other = env.s3(2);
    other.get_bucket_versioning().bucket(BUCKET).send().await.unwrap();
    let (owner, caller) =
        (find("GetBucketVersioning").await, newest(&env, 2, "GetBucketVersioning").await);
    assert_eq!(owner["sharedEventID"], caller["sharedEventID"]);
    assert_eq!(owner["userIdentity"]["type"], "AWSAccount");
    assert_eq!(caller["userIdentity"]["type"], "Root");
    assert_eq!(code(other.delete_bucket_policy().bucket(BUCKET).send().await), "AccessDenied");
    assert_eq!(newest(&env, 2, "DeleteBucketPolicy").await["errorCode"], "AccessDenied");
    assert_eq!(find("DeleteBucketPolicy").await, Value::default());
    let gone = s3.delete_bucket().bucket("another-bucket").send().await;
    assert_eq!(code(gone), "NoSuchBucket");
    assert_eq!(find("DeleteBucket").await["errorCode"], "NoSuchBucket");
}

#[tokio::test]
async fn calls_have_their_parameters_as_cloudtrail_names_them() {
    let env = TrailEnv::start(3).await;
    env.account_trail().await;
    let config = env.config(1, HOME);
    let trail = env.trail(1);
    trail.stop_logging().name("own-trail").send().await.unwrap();
    let missing = trail.stop_logging().name("another-trail").send().await;
    assert_eq!(code(missing), "TrailNotFoundException");
    let kms = aws_sdk_kms::Client::new(&config);
    let key = kms.create_key().send().await.unwrap().key_metadata.unwrap();
    kms.disable_key().key_id(&key.key_id).send().await.unwrap();
    let delete = kms.schedule_key_deletion().key_id(&key.key_id).pending_window_in_days(7);
    delete.send().await.unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    logs.create_log_group().log_group_name("trail").send().await.unwrap();
    logs.delete_log_group().log_group_name("trail").send().await.unwrap();
    let sns = aws_sdk_sns::Client::new(&config);
    let topic = sns.create_topic().name("alarms").send().await.unwrap().topic_arn.unwrap();
    sns.delete_topic().topic_arn(&topic).send().await.unwrap();
    let iam = aws_sdk_iam::Client::new(&config);
    let absent = iam.get_user().user_name("nobody").send().await;
    assert_eq!(code(absent), "NoSuchEntity");
    for (name, source, parameters) in [
        ("StartLogging", "cloudtrail", json!({ "name": "own-trail" })),
        ("StopLogging", "cloudtrail", json!({ "name": "another-trail" })),
        ("DisableKey", "kms", json!({ "keyId": key.key_id })),
        ("ScheduleKeyDeletion", "kms", json!({ "keyId": key.key_id, "pendingWindowInDays": 7 })),
        ("DeleteLogGroup", "logs", json!({ "logGroupName": "trail" })),
        ("DeleteTopic", "sns", json!({ "topicArn": topic })),
        ("GetUser", "iam", json!({ "userName": "nobody" })),
    ] {
        let record = newest(&env, 1, name).await;
        assert_eq!(record["requestParameters"], parameters, "{name}");
        assert_eq!(record["eventSource"], format!("{source}.amazonaws.com"));
        let agent = record["userAgent"].as_str().unwrap();
        assert!(agent.contains("aws-sdk-rust"), "{agent}");
    }
    assert_eq!(newest(&env, 1, "StopLogging").await["errorCode"], "TrailNotFoundException");
    assert_eq!(newest(&env, 1, "GetUser").await["errorCode"], "NoSuchEntityException");
    let created = newest(&env, 1, "CreateTrail").await;
    assert_eq!(created["requestParameters"]["s3BucketName"], BUCKET);
    assert_eq!(created["responseElements"]["trailARN"], env.trail_arn(1, "own-trail"));
    let disabled = newest(&env, 1, "DisableKey").await;
    assert_eq!(disabled["resources"][0]["ARN"], key.arn.unwrap());
    assert_eq!(disabled["responseElements"], Value::Null);
}

#[tokio::test]
async fn somebody_signs_in_to_the_console() {
    let env = TrailEnv::start(3).await;
    let sign_in = |user: Option<&str>, mfa, fails| {
        let user = user.map(str::to_owned);
        env.sandbox.sign_in(&SignIn { account: env.account(0), user, mfa, fails })
    };
    sign_in(Some("admin"), true, false).unwrap();
    let login = newest(&env, 0, "ConsoleLogin").await;
    assert_eq!(login["eventType"], "AwsConsoleSignIn");
    assert_eq!(login["eventSource"], "signin.amazonaws.com");
    assert_eq!(login["userIdentity"]["userName"], "admin");
    assert_eq!(login["userIdentity"].get("accessKeyId"), None);
    assert_eq!(login["responseElements"], json!({ "ConsoleLogin": "Success" }));
    assert_eq!(login["additionalEventData"]["MFAUsed"], "Yes");
    sign_in(None, false, true).unwrap();
    let login = newest(&env, 0, "ConsoleLogin").await;
    assert_eq!(login["userIdentity"]["type"], "Root");
    assert_eq!(login["responseElements"], json!({ "ConsoleLogin": "Failure" }));
    assert_eq!(login["errorMessage"], "Failed authentication");
    assert_eq!(login["additionalEventData"]["MFAUsed"], "No");
    let nobody = sign_in(Some("nobody"), false, false).unwrap_err();
    assert_eq!(nobody.user.as_deref(), Some("nobody"));
}
