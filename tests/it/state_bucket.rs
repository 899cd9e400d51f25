//! The bucket of the service's state, as a managed resource.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, VersioningConfiguration,
};
use orgtrail::aws::WriteClients;
use orgtrail::plan::Action;

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;

const BUCKET: &str = "acme-orgtrail-state";

fn config() -> String {
    format!("{MINIMAL}[service]\nstate = \"s3://{BUCKET}/prod\"\nmanage_state = true\n")
}

/// After how many days the objects below each prefix expire.
async fn expiration(archive: &WriteClients) -> BTreeMap<String, i32> {
    let read = archive.s3().get_bucket_lifecycle_configuration().bucket(BUCKET);
    let rules = read.send().await.unwrap().rules.unwrap();
    let days = |rule: LifecycleRule| rule.expiration.unwrap().days.unwrap();
    rules
        .into_iter()
        .map(|rule| (rule.filter.clone().unwrap().prefix.unwrap(), days(rule)))
        .collect()
}

fn expected() -> BTreeMap<String, i32> {
    let folders = [
        ("claims", 30),
        ("heartbeats", 30),
        ("notifications", 400),
        ("probes", 1),
        ("reports", 400),
        ("rounds", 400),
    ];
    folders.map(|(folder, days)| (format!("prod/{folder}/"), days)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_declared_state_bucket_is_created_and_then_used() {
    let env = ConfiguredEnv::new(&config()).await;
    env.converge().await;
    let archive = env.archive();
    assert_eq!(expiration(&archive).await, expected());
    let versioning = archive.s3().get_bucket_versioning().bucket(BUCKET).send().await.unwrap();
    assert_eq!(versioning.status, None);
    let block = archive.s3().get_public_access_block().bucket(BUCKET).send().await.unwrap();
    let block = block.public_access_block_configuration.unwrap();
    assert_eq!(block.block_public_policy, Some(true));
    // It is the log-archive account's, without anybody stating so.
    let status = env.run(&config(), &["status"]).await;
    assert!(status.text().contains("No round has finished"), "{}", status.text());
    assert_eq!(env.sandbox.keys_raw(BUCKET, ""), [""; 0], "reading writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_others_stay_and_changed_ones_are_corrected() {
    let env = ConfiguredEnv::new(&config()).await;
    env.converge().await;
    let archive = env.archive();
    let rule = |id: &str, prefix: &str, days: i32| {
        LifecycleRule::builder()
            .id(id)
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .expiration(LifecycleExpiration::builder().days(days).build())
            .build()
            .unwrap()
    };
    let rules = BucketLifecycleConfiguration::builder()
        .rules(rule("orgtrail-state-rounds", "prod/rounds/", 7))
        .rules(rule("somebody-elses", "other/", 7));
    let put = archive.s3().put_bucket_lifecycle_configuration().bucket(BUCKET);
    put.lifecycle_configuration(rules.build().unwrap()).send().await.unwrap();
    let drift = env.run(&config(), &["drift"]).await;
    assert_eq!(drift.code, 11, "{}", drift.text());
    assert!(drift.stdout.contains("state-bucket"), "{}", drift.stdout);
    env.converge().await;
    let mut rules = expected();
    rules.insert("other/".to_owned(), 7);
    assert_eq!(expiration(&archive).await, rules);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_would_keep_every_heartbeat_is_refused() {
    let env = ConfiguredEnv::new(&config()).await;
    let archive = env.archive();
    archive.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    let step = env.plan().await;
    assert_eq!(step.step("state-bucket").unwrap().action, Action::Update);
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let put = archive.s3().put_bucket_versioning().bucket(BUCKET);
    put.versioning_configuration(enabled.build()).send().await.unwrap();
    let plan = env.run(&config(), &["plan"]).await;
    assert_eq!(plan.code, 12, "{}", plan.text());
    assert!(plan.stdout.contains("is versioned"), "{}", plan.stdout);
    assert!(plan.stdout.contains("service.state"), "{}", plan.stdout);
}
