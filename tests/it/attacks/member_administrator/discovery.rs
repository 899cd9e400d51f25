//! Trails and buckets by which a member would decide what is found, and by whom.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::sources_env::SourcesEnv;

const REGION: &str = "us-east-1";

#[tokio::test]
async fn a_bucket_that_is_named_like_an_exclusion_of_another_account_is_found() {
    let env = SourcesEnv::new().await;
    let [member, other, _] = &env.members[..3] else { panic!() };
    env.bucket(member, "scratch-mine", REGION).await;
    env.trail(member, "own", "scratch-mine", None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    // A pattern that is about nobody is refused.
    let unscoped = "[consolidate]\nexclude = [\"s3://scratch-*\"]\n";
    let output = env.run(unscoped, &["consolidate", "--yes"]).await;
    assert_eq!(output.code, 2, "{}", output.text());
    assert!(output.text().contains("a pattern without an account"), "{}", output.text());
    let exclude =
        |account: &str| format!("[consolidate]\nexclude = [\"{account}:s3://scratch-*\"]\n");
    let (code, printed) = env.json(&exclude(other.as_str()), &["consolidate", "--yes"]).await;
    assert_eq!((code, &printed["excluded_sources"]), (0, &json!([])), "{printed:#}");
    env.assert_arrived("scratch-mine");
    // Its own account's is left out, and each report says so.
    let own = exclude(member.as_str());
    for command in [&["consolidate", "--dry-run"][..], &["sources"], &["cost"]] {
        let output = env.run(&own, command).await;
        assert_eq!(output.code, 0, "{}", output.text());
        assert!(output.text().contains("s3://scratch-mine"), "{command:?} {}", output.text());
        let (_, printed) = env.json(&own, command).await;
        assert_eq!(printed["excluded_sources"].as_array().map(Vec::len), Some(1), "{printed:#}");
    }
}

#[tokio::test]
async fn an_owner_that_denies_its_own_role_hides_no_source() {
    let env = SourcesEnv::new().await;
    let [owner, victim, _] = &env.members[..3] else { panic!() };
    env.bucket(owner, "collector", REGION).await;
    env.trail(victim, "own", "collector", None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    // The owner's role may not list or read it; the management account still may.
    let clients = env.clients(owner, REGION);
    let policy = clients.s3().get_bucket_policy().bucket("collector").send().await.unwrap();
    let mut policy: Value = serde_json::from_str(policy.policy().unwrap()).unwrap();
    policy["Statement"].as_array_mut().unwrap().push(json!({
        "Effect": "Deny",
        "Principal": { "AWS": format!("arn:aws:iam::{owner}:root") },
        "Action": ["s3:ListBucket", "s3:GetObject"],
        "Resource": ["arn:aws:s3:::collector", "arn:aws:s3:::collector/*"],
    }));
    let put = clients.s3().put_bucket_policy().bucket("collector").policy(policy.to_string());
    put.send().await.unwrap();
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 0, "{printed:#}");
    env.assert_arrived("collector");
}

#[tokio::test]
async fn a_source_that_its_owner_breaks_keeps_no_other_back_and_can_be_left_out() {
    let env = SourcesEnv::new().await;
    let [member, other, _] = &env.members[..3] else { panic!() };
    env.bucket(member, "broken", REGION).await;
    env.trail(member, "own", "broken", None).await;
    env.bucket(other, "whole", REGION).await;
    env.trail(other, "own", "whole", None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    let clients = env.clients(member, REGION);
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::broken",
        }],
    });
    let put = clients.s3().put_bucket_policy().bucket("broken").policy(policy.to_string());
    put.send().await.unwrap();
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 14, "{printed:#}");
    assert_eq!(printed["failures"][0]["place"], "s3://broken", "{printed:#}");
    env.assert_arrived("whole");
    let exclude = format!("[consolidate]\nexclude = [\"{member}:s3://broken\"]\n");
    let (code, printed) = env.json(&exclude, &["consolidate", "--yes"]).await;
    assert_eq!((code, &printed["excluded_sources"]), (0, &json!(["s3://broken"])), "{printed:#}");
}
