//! What is planned and applied where a declaration changed, or what is there did.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, ReplicationRuleFilter,
};
use orgtrail::plan::{Action, Confirmation};

use crate::stage::{MINIMAL, Stage, actions};

#[tokio::test]
async fn what_the_trail_is_declared_to_tell_no_more_is_taken_away() {
    let mut stage = Stage::new(&format!("{MINIMAL}[topic]\n")).await;
    stage.converge().await;
    stage.declare(&format!("{MINIMAL}[cloudwatch_logs]\nenabled = false\n"));
    stage.converge().await;
    let trails = stage.observe().await.trails;
    let settings = &trails.present().unwrap().own.as_ref().unwrap().settings;
    assert_eq!(settings.sns_topic, None);
    assert_eq!(settings.log_group, None);
    assert_eq!(settings.log_group_role, None);
}

#[tokio::test]
async fn a_target_that_is_told_of_one_event_is_told_of_another_besides() {
    let config = |events: &str| {
        let target = "arn:aws:sqs:us-east-1:222222222222:new-logs";
        format!("{MINIMAL}[[archive.notifications]]\ntarget = \"{target}\"\nevents = [{events}]\n")
    };
    let mut stage = Stage::new(&config(r#""s3:ObjectCreated:*""#)).await;
    stage.converge().await;
    stage.declare(&config(r#""s3:ObjectCreated:*", "s3:ObjectRemoved:*""#));
    stage.converge().await;
    let call = stage.archive().s3().get_bucket_notification_configuration();
    let read = call.bucket("acme-log-archive").send().await.unwrap();
    let told = read.queue_configurations().iter().flat_map(|queue| queue.events.iter());
    let told: Vec<String> = told.map(|event| event.as_str().to_owned()).collect();
    assert_eq!(told, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]);
}

#[tokio::test]
async fn a_replication_that_was_narrowed_is_of_everything_again() {
    let config = format!("{MINIMAL}[archive.replication]\nbucket = \"acme-vault\"\n");
    let stage = Stage::new(&config).await;
    stage.converge().await;
    let archive = stage.archive();
    let read = archive.s3().get_bucket_replication().bucket("acme-log-archive").send().await;
    let mut replication = read.unwrap().replication_configuration.unwrap();
    replication.rules[0].filter = Some(ReplicationRuleFilter::builder().prefix("other/").build());
    let call = archive.s3().put_bucket_replication().bucket("acme-log-archive");
    call.replication_configuration(replication).send().await.unwrap();
    let wanted = [("archive-bucket/replication".to_owned(), Action::Update)];
    assert_eq!(actions(&stage.plan().await), wanted);
    stage.converge().await;
}

#[tokio::test]
async fn a_vault_whose_key_was_disabled_blocks() {
    let config = format!("{MINIMAL}[archive.replication]\nbucket = \"acme-vault\"\n");
    let stage = Stage::new(&config).await;
    stage.converge().await;
    let vault = stage.observe().await.vault;
    let key = vault.present().unwrap().key.as_ref().unwrap().arn.to_string();
    let region = &stage.desired.config.archive.replication.as_ref().unwrap().region;
    let clients = stage.aws.clients(stage.desired.archive(), region);
    clients.kms().disable_key().key_id(&key).send().await.unwrap();
    let plan = stage.plan().await;
    let step = plan.step("vault").unwrap();
    assert_eq!(step.action, Action::Blocked);
    assert!(step.why.contains("Disabled"), "{}", step.why);
}

#[tokio::test]
async fn a_shorter_retention_asks_though_a_rule_for_some_logs_ends_them_sooner() {
    let mut stage = Stage::new(MINIMAL).await;
    stage.converge().await;
    let archive = stage.archive();
    let read = archive.s3().get_bucket_lifecycle_configuration().bucket("acme-log-archive");
    let mut rules = read.send().await.unwrap().rules.unwrap();
    let narrow = LifecycleRule::builder()
        .id("scratch")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("scratch/").build())
        .expiration(LifecycleExpiration::builder().days(1).build())
        .build();
    rules.push(narrow.unwrap());
    let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().unwrap();
    let call = archive.s3().put_bucket_lifecycle_configuration().bucket("acme-log-archive");
    call.lifecycle_configuration(rules).send().await.unwrap();
    stage.declare(&format!("{MINIMAL}retention_days = 2000\n"));
    let plan = stage.plan().await;
    let step = plan.step("archive-bucket/lifecycle").unwrap();
    assert_eq!(step.irreversible.as_ref().unwrap().confirmation, Confirmation::WeakenedGuard);
}

#[tokio::test]
async fn no_key_is_made_while_the_bucket_that_may_have_one_cannot_be_read() {
    let mut stage = Stage::new(MINIMAL).await;
    stage.converge().await;
    stage.declare(&format!("{MINIMAL}[key]\nalias = \"alias/other\"\n"));
    let archive = stage.archive();
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:GetEncryptionConfiguration","Resource":"*"}}"#;
    let call = archive.iam().put_role_policy().role_name("OrganizationAccountAccessRole");
    call.policy_name("deny").policy_document(deny).send().await.unwrap();
    let management = stage.management();
    management.cloudtrail().delete_trail().name("orgtrail").send().await.unwrap();
    let plan = stage.plan().await;
    let step = plan.step("kms-key").unwrap();
    assert_eq!(step.action, Action::Blocked, "{}", plan.to_text());
    assert!(step.unreadable);
}
