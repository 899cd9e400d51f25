//! What is planned and applied where a declaration changed, or what is there did.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, DeleteMarkerReplication, DeleteMarkerReplicationStatus,
    Destination, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
};
use orgtrail::plan::{Action, Confirmation, Plan};
use orgtrail::policy::Unmanaged;
use orgtrail::sandbox::{Effect, Fault};

use crate::configured::{ConfiguredEnv, actions};
use crate::env::MINIMAL;

#[tokio::test]
async fn what_the_trail_is_declared_to_tell_no_more_is_taken_away() {
    let mut env = ConfiguredEnv::new(&format!("{MINIMAL}[topic]\n")).await;
    env.converge().await;
    env.declare(&format!("{MINIMAL}[cloudwatch_logs]\nenabled = false\n"));
    // Nobody stops hearing of events without being asked.
    let plan = env.plan().await;
    let asked = plan.step("trail").unwrap().irreversible.as_ref().unwrap();
    assert_eq!(asked.confirmation, Confirmation::WeakenedGuard);
    for word in ["[topic] name = ", "cloudwatch_logs.group"] {
        assert!(asked.what.contains(word), "{}", asked.what);
    }
    env.apply_confirmed(&[Confirmation::WeakenedGuard]).await;
    assert!(env.plan().await.is_empty());
    let trails = env.observe().await.trails;
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
    let mut env = ConfiguredEnv::new(&config(r#""s3:ObjectCreated:*""#)).await;
    env.converge().await;
    env.declare(&config(r#""s3:ObjectCreated:*", "s3:ObjectRemoved:*""#));
    env.converge().await;
    let call = env.archive().s3().get_bucket_notification_configuration();
    let read = call.bucket("acme-log-archive").send().await.unwrap();
    let printed = read.queue_configurations().iter().flat_map(|queue| queue.events.iter());
    let printed: Vec<String> = printed.map(|event| event.as_str().to_owned()).collect();
    assert_eq!(printed, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]);
}

#[tokio::test]
async fn a_replication_that_was_narrowed_is_of_everything_again() {
    let config = format!("{MINIMAL}[archive.replication]\nbucket = \"acme-vault\"\n");
    let env = ConfiguredEnv::new(&config).await;
    env.converge().await;
    let archive = env.archive();
    let read = archive.s3().get_bucket_replication().bucket("acme-log-archive").send().await;
    let mut replication = read.unwrap().replication_configuration.unwrap();
    replication.rules[0].filter = Some(ReplicationRuleFilter::builder().prefix("other/").build());
    let call = archive.s3().put_bucket_replication().bucket("acme-log-archive");
    call.replication_configuration(replication).send().await.unwrap();
    let wanted = [("archive-bucket/replication".to_owned(), Action::Update)];
    assert_eq!(actions(&env.plan().await), wanted);
    env.converge().await;
}

#[tokio::test]
async fn a_vault_whose_key_was_disabled_blocks() {
    let config = format!("{MINIMAL}[archive.replication]\nbucket = \"acme-vault\"\n");
    let env = ConfiguredEnv::new(&config).await;
    env.converge().await;
    let vault = env.observe().await.vault;
    let key = vault.present().unwrap().key.as_ref().unwrap().arn.to_string();
    let region = &env.desired.config.archive.replication.as_ref().unwrap().region;
    let clients = env.clients(env.desired.archive(), region);
    clients.kms().disable_key().key_id(&key).send().await.unwrap();
    let plan = env.plan().await;
    let step = plan.step("vault").unwrap();
    assert_eq!(step.action, Action::Blocked);
    assert!(step.why.contains("Disabled"), "{}", step.why);
}

#[tokio::test]
async fn a_disabled_key_is_enabled_with_its_rotation_as_it_was() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let key = env.observe().await.kms_key.present().unwrap().arn.to_string();
    let kms = env.archive().kms().clone();
    let is_rotated = async || {
        let status = kms.get_key_rotation_status().key_id(&key).send().await.unwrap();
        status.key_rotation_enabled
    };
    kms.disable_key().key_id(&key).send().await.unwrap();
    assert!(is_rotated().await, "disabling does not change the rotation");
    assert_eq!(actions(&env.plan().await), [("kms-key".to_owned(), Action::Update)]);
    env.converge().await;

    // The neighbour: its deletion ends the rotation, and its cancellation restores it.
    kms.schedule_key_deletion().key_id(&key).send().await.unwrap();
    assert!(!is_rotated().await);
    kms.cancel_key_deletion().key_id(&key).send().await.unwrap();
    assert!(is_rotated().await);
    env.converge().await;
}

#[tokio::test]
async fn a_shorter_retention_asks_though_a_rule_for_some_logs_ends_them_sooner() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let archive = env.archive();
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
    env.declare(&format!("{MINIMAL}retention_days = 2000\n"));
    let plan = env.plan().await;
    let step = plan.step("archive-bucket/lifecycle").unwrap();
    assert_eq!(step.irreversible.as_ref().unwrap().confirmation, Confirmation::WeakenedGuard);
}

#[tokio::test]
async fn no_key_is_made_while_the_bucket_that_may_have_one_cannot_be_read() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    env.declare(&format!("{MINIMAL}[key]\nalias = \"alias/other\"\n"));
    let archive = env.archive();
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:GetEncryptionConfiguration","Resource":"*"}}"#;
    let call = archive.iam().put_role_policy().role_name("OrganizationAccountAccessRole");
    call.policy_name("deny").policy_document(deny).send().await.unwrap();
    let management = env.management();
    management.cloudtrail().delete_trail().name("orgtrail").send().await.unwrap();
    let plan = env.plan().await;
    let step = plan.step("kms-key").unwrap();
    assert_eq!(step.action, Action::Blocked, "{}", plan.to_text());
    assert!(step.unreadable);
}

#[tokio::test]
async fn replaced_versions_that_would_end_sooner_ask() {
    let config = |days: u32| format!("{MINIMAL}[archive.lifecycle]\nnoncurrent_days = {days}\n");
    let mut env = ConfiguredEnv::new(&config(60)).await;
    env.converge().await;
    env.declare(&config(61));
    assert_eq!(env.plan().await.step("archive-bucket/lifecycle").unwrap().irreversible, None);
    env.declare(&config(59));
    let plan = env.plan().await;
    let asked = plan.step("archive-bucket/lifecycle").unwrap().irreversible.as_ref().unwrap();
    assert_eq!(asked.confirmation, Confirmation::WeakenedGuard);
    assert_eq!(asked.what, "replaced and deleted versions expire after 59 days, earlier than now");
}

#[tokio::test]
async fn a_compliance_lock_is_asked_for_by_its_name_though_it_is_shorter() {
    let lock = |mode: &str, days: u32| {
        format!("{MINIMAL}[archive.object_lock]\nmode = \"{mode}\"\ndays = {days}\n")
    };
    let mut env = ConfiguredEnv::new(&lock("GOVERNANCE", 400)).await;
    env.converge().await;
    env.declare(&lock("COMPLIANCE", 365));
    let plan = env.plan().await;
    let asked = plan.step("archive-bucket/object-lock").unwrap().irreversible.as_ref().unwrap();
    assert_eq!(asked.confirmation, Confirmation::ComplianceLock);
}

#[tokio::test]
async fn a_weaker_deny_of_the_same_name_asks_and_a_stricter_one_does_not() {
    let config = |floor: &str| format!("{MINIMAL}tls_floor = \"{floor}\"\n");
    let mut env = ConfiguredEnv::new(&config("1.2")).await;
    env.converge().await;
    env.declare(&config("1.3"));
    let plan = env.plan().await;
    assert_eq!(plan.step("archive-bucket/policy").unwrap().action, Action::Update);
    assert_eq!(plan.step("archive-bucket/policy").unwrap().irreversible, None);
    env.converge().await;
    env.declare(&config("1.2"));
    let plan = env.plan().await;
    let asked = plan.step("archive-bucket/policy").unwrap().irreversible.as_ref().unwrap();
    assert_eq!(asked.confirmation, Confirmation::WeakenedGuard);
}

#[tokio::test]
async fn rules_of_others_go_on_replicating() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let archive = env.archive();
    let s3 = archive.s3();
    let call = s3.create_bucket().bucket("acme-other").object_lock_enabled_for_bucket(true);
    call.send().await.unwrap();
    let rule = ReplicationRule::builder()
        .id("theirs")
        .priority(7)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix("AWSLogs/").build())
        .delete_marker_replication(
            DeleteMarkerReplication::builder()
                .status(DeleteMarkerReplicationStatus::Disabled)
                .build(),
        )
        .destination(Destination::builder().bucket("arn:aws:s3:::acme-other").build().unwrap())
        .build()
        .unwrap();
    let own_role = "arn:aws:iam::222222222222:role/orgtrail-replication";
    let put = async |role: &str| {
        let all = ReplicationConfiguration::builder().role(role).rules(rule.clone()).build();
        let call = s3.put_bucket_replication().bucket("acme-log-archive");
        call.replication_configuration(all.unwrap()).send().await.unwrap();
    };
    put("arn:aws:iam::222222222222:role/theirs").await;
    env.declare(&format!("{MINIMAL}[archive.replication]\nbucket = \"acme-vault\"\n"));
    let plan = env.plan().await;
    let step = plan.step("archive-bucket/replication").unwrap();
    assert_eq!(step.action, Action::Refused, "{}", plan.to_text());
    assert!(step.why.contains("one role for all rules"), "{}", step.why);
    put(own_role).await;
    env.converge().await;
    let read = s3.get_bucket_replication().bucket("acme-log-archive").send().await.unwrap();
    let rules = read.replication_configuration.unwrap().rules;
    let ids: Vec<_> = rules.iter().map(|rule| (rule.id(), rule.priority)).collect();
    assert_eq!(ids, [(Some("theirs"), Some(7)), (Some("orgtrail-vault"), Some(8))]);
    env.desired.unmanaged = Unmanaged::Remove;
    env.converge().await;
    let read = s3.get_bucket_replication().bucket("acme-log-archive").send().await.unwrap();
    assert_eq!(read.replication_configuration.unwrap().rules.len(), 1);
}

#[tokio::test]
async fn another_rule_into_the_vault_is_adopted_or_gives_way() {
    let mut env =
        ConfiguredEnv::new(&format!("{MINIMAL}[archive.replication]\nbucket = \"acme-vault\"\n"))
            .await;
    env.converge().await;
    let archive = env.archive();
    let s3 = archive.s3();
    let read = async || {
        let read = s3.get_bucket_replication().bucket("acme-log-archive").send().await.unwrap();
        read.replication_configuration.unwrap()
    };
    let put = async |configuration| {
        let call = s3.put_bucket_replication().bucket("acme-log-archive");
        call.replication_configuration(configuration).send().await.unwrap();
    };
    let mut theirs = read().await;
    theirs.rules[0].id = Some("theirs".to_owned());
    put(theirs.clone()).await;
    let plan = env.plan().await;
    let step = plan.step("archive-bucket/replication").unwrap();
    assert_eq!(step.action, Action::Nothing, "{}", plan.to_text());
    // With another role it can only go.
    theirs.role = "arn:aws:iam::222222222222:role/theirs".to_owned();
    put(theirs).await;
    let step = |plan: &Plan| plan.step("archive-bucket/replication").unwrap().action;
    assert_eq!(step(&env.plan().await), Action::Refused);
    env.desired.unmanaged = Unmanaged::Remove;
    assert_eq!(step(&env.plan().await), Action::Update);
    env.apply_confirmed(&[Confirmation::WeakenedGuard]).await;
    assert!(env.plan().await.is_empty());
    assert_eq!(read().await.rules[0].id(), Some("orgtrail-vault"));
}

#[tokio::test]
async fn a_key_of_another_account_is_adopted_and_given_no_alias() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let (archive, management) = (env.archive(), env.management());
    let read = archive.kms().get_key_policy().key_id(key(&env).await).send().await.unwrap();
    let policy = read.policy.unwrap().replace("222222222222", "111111111111");
    let made = management.kms().create_key().policy(policy).send().await.unwrap();
    let arn = made.key_metadata.unwrap().arn.unwrap();
    let call = management.cloudtrail().update_trail().name("orgtrail");
    call.kms_key_id(&arn).send().await.unwrap();
    archive.kms().delete_alias().alias_name("alias/orgtrail").send().await.unwrap();
    let plan = env.plan().await;
    let step = plan.step("kms-key/alias").unwrap();
    assert_eq!(step.action, Action::Nothing, "{}", plan.to_text());
    assert!(step.notes[0].starts_with(&arn), "{:?}", step.notes);
}

#[tokio::test]
async fn a_hidden_key_without_a_name_may_be_one_that_a_run_left() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let archive = env.archive();
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"kms:*","Resource":"*"},
        {"Effect":"Deny","Principal":"*","Action":"kms:DescribeKey","Resource":"*"}]}"#;
    let made = archive.kms().create_key().policy(policy).send().await.unwrap();
    let id = made.key_metadata.unwrap().key_id;
    let plan = env.plan().await;
    let step = plan.step("kms-key").unwrap();
    assert!(step.unreadable, "{}", plan.to_text());
    let call = archive.kms().create_alias().alias_name("alias/theirs").target_key_id(id);
    call.send().await.unwrap();
    assert_eq!(env.plan().await.step("kms-key").unwrap().action, Action::Create);
}

#[tokio::test]
async fn a_destroy_tells_of_the_vault_of_a_guardrail_switched_off_and_of_the_unread() {
    use orgtrail::plan::destroy::remains;
    let vault = "[archive.replication]\nbucket = \"acme-vault\"\n";
    let guarded = format!("{MINIMAL}{vault}[guardrail]\nenabled = true\n");
    let mut env = ConfiguredEnv::new(&guarded).await;
    env.converge().await;
    env.declare(&format!("{MINIMAL}{vault}"));
    let printed = async |env: &ConfiguredEnv| {
        let observed = env.observe().await;
        remains(&env.desired, &observed)
    };
    let stays = printed(&env).await;
    for (id, name) in [
        ("vault", "acme-vault"),
        ("vault", "alias/orgtrail-vault"),
        ("replication-role", "orgtrail-replication"),
        ("guardrail", env.desired.config.guardrail.name.as_str()),
    ] {
        assert!(stays.iter().any(|one| one.id == id && one.name == name), "{name}: {stays:#?}");
    }
    assert!(stays.iter().all(|one| !one.unreadable));
    env.sandbox.faults().inject(Fault::every("logs:DescribeLogGroups", Effect::Deny));
    let stays = printed(&env).await;
    let group = stays.iter().find(|one| one.id == "log-group").unwrap();
    assert!(group.unreadable && group.why.contains("could not be read"), "{group:?}");
}

#[tokio::test]
async fn a_destroy_tells_of_alarms_that_are_declared_no_more() {
    use orgtrail::plan::destroy::{plan_destroy, remains};
    let mut env = ConfiguredEnv::new(&format!("{MINIMAL}[alarms]\n")).await;
    env.converge().await;
    let printed = async |env: &ConfiguredEnv| {
        let observed = env.observe().await;
        let plan = plan_destroy(&env.desired, &observed);
        assert_eq!(plan.step("alarms").is_some(), env.desired.config.alarms.is_some());
        let mut stays = remains(&env.desired, &observed);
        stays.retain(|one| ["alarms", "metric-filters"].contains(&&*one.id));
        stays
    };
    assert_eq!(printed(&env).await, []);
    for config in [MINIMAL.to_owned(), format!("{MINIMAL}[cloudwatch_logs]\nenabled = false\n")] {
        env.declare(&config);
        let stays = printed(&env).await;
        let [filters, alarms] = &stays[..] else { panic!("{stays:#?}") };
        assert_eq!(alarms.name, filters.name);
        assert_eq!(alarms.name.split(", ").count(), 17);
        assert_eq!(alarms.usd_a_month.map(|usd| (usd * 100.0).round()), Some(170.0));
    }
    env.sandbox.faults().inject(Fault::every("cloudwatch:DescribeAlarms", Effect::Deny));
    assert!(printed(&env).await.iter().any(|one| one.id == "alarms" && one.unreadable));
}

async fn key(env: &ConfiguredEnv) -> String {
    env.observe().await.kms_key.present().unwrap().arn.to_string()
}
