//! An organization with a legacy trail, for the tests of commands that consolidate and retire
//! it.

use jiff::{SignedDuration, Timestamp};
use orgtrail::names::AccountId;
use orgtrail::sandbox::Legacy;
use serde_json::json;

use crate::configured::ConfiguredEnv;
use crate::env::{MINIMAL, home, working_day};
use crate::program::Finished;

pub(crate) const MEMBER: &str = "333333333333";
pub(crate) const BUCKET: &str = "legacy-333333333333";
pub(crate) const TRAIL: &str = "arn:aws:cloudtrail:us-east-1:333333333333:trail/legacy";

pub(crate) fn config() -> String {
    // The last account lets nobody in.
    let organization = "[organization]\nexcluded_accounts = [\"444444444444\"]";
    let config = MINIMAL.replace("[organization]", organization);
    format!("{config}[retire]\noverlap_days = 1\n")
}

/// An organization whose trail has delivered for so many hours, and a member
/// with an older trail that logged for the first three of them.
pub(crate) async fn with_legacy_trail(hours: i64) -> ConfiguredEnv {
    with_legacy_trail_from(working_day() - SignedDuration::from_hours(hours), hours).await
}

/// The same, begun at a time.
pub(crate) async fn with_legacy_trail_from(start: Timestamp, hours: i64) -> ConfiguredEnv {
    let env = ConfiguredEnv::at(&config(), start).await;
    env.sandbox.set_volume(2.0, None);
    env.converge().await;
    env.sandbox.tick(SignedDuration::from_hours(hours));
    let owner = env.clients(&account(), &home());
    let create = owner.s3().create_bucket().bucket(BUCKET);
    create.send().await.unwrap();
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": "cloudtrail.amazonaws.com" },
        "Action": ["s3:GetBucketAcl", "s3:PutObject"],
        "Resource": [format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")],
    }] });
    let put = owner.s3().put_bucket_policy().bucket(BUCKET).policy(policy.to_string());
    put.send().await.unwrap();
    let until = env.sandbox.now() - SignedDuration::from_hours(hours - 3);
    let legacy = Legacy {
        account: account(),
        bucket: BUCKET.parse().unwrap(),
        prefix: None,
        trail: "legacy".parse().unwrap(),
        regions: vec!["us-east-1".parse().unwrap(), "eu-central-1".parse().unwrap()],
        from: until - SignedDuration::from_hours(3),
        until,
    };
    env.sandbox.fill_legacy(&legacy).unwrap();
    env
}

pub(crate) fn account() -> AccountId {
    MEMBER.parse().unwrap()
}

pub(crate) async fn orgtrail(env: &ConfiguredEnv, arguments: &[&str]) -> Finished {
    env.run(&config(), arguments).await
}

pub(crate) async fn consolidated(env: &ConfiguredEnv) {
    let ran = orgtrail(env, &["consolidate", "--yes"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

pub(crate) async fn trail_is_there(env: &ConfiguredEnv) -> bool {
    let owner = env.clients(&account(), &home());
    let trails = owner.cloudtrail().describe_trails().send().await.unwrap();
    trails.trail_list().iter().any(|trail| trail.trail_arn() == Some(TRAIL))
}
