//! What is planned and applied, from nothing and in all that can be in the
//! way.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{
    BucketVersioningStatus, PublicAccessBlockConfiguration, VersioningConfiguration,
};
use orgtrail::plan::apply::{ApplyRefused, StepOutcome, apply};
use orgtrail::plan::{Action, Confirmation, Plan, plan};
use orgtrail::policy::Unmanaged;

use crate::configured::{ConfiguredEnv, actions};
use crate::env::{MINIMAL, home};

/// Compares a plan's text with the golden one, without what differs from run to
/// run: ids of keys and requests.
fn golden(name: &str, plan: &Plan) {
    let filters =
        vec![(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "<id>"), (r" \(request [^)]*\)", "")];
    insta::with_settings!({ filters => filters, omit_expression => true }, {
        insta::assert_snapshot!(name, plan.to_text());
    });
}

#[tokio::test]
async fn a_fresh_organization_gets_everything_and_then_nothing() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let first = env.plan().await;
    golden("fresh_organization", &first);
    env.converge().await;
    assert!(env.plan().await.is_empty());
    let status = env.management().cloudtrail().get_trail_status().name("orgtrail").send().await;
    assert_eq!(status.unwrap().is_logging(), Some(true));
}

#[tokio::test]
async fn every_part_that_can_be_declared_is_made_and_then_as_declared() {
    let config = format!(
        r#"{MINIMAL}
readers = ["333333333333"]
prefix = "org"
[key]
administrators = ["arn:aws:iam::222222222222:role/OrganizationAccountAccessRole"]
readers = ["333333333333"]
[topic]
[alarms]
subscribers = ["security@example.com"]
[guardrail]
enabled = true
[trail]
tags = {{ team = "security" }}
insights = {{ call_rate = true, error_rate = true }}
[[trail.data_events]]
resource_type = "AWS::S3::Object"
"#
    );
    let config = config.replace(
        "home_region = \"us-east-1\"",
        "home_region = \"us-east-1\"\ndelegated_administrators = [\"333333333333\"]",
    );
    let env = ConfiguredEnv::new(&config).await;
    env.converge().await;
}

#[tokio::test]
async fn control_towers_trail_is_adopted_with_its_name_key_and_policies() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    // As if somebody else had made it: other statement names, no alias.
    let archive = env.archive();
    let policy = archive.s3().get_bucket_policy().bucket("acme-log-archive").send().await.unwrap();
    let theirs = policy.policy.unwrap().replace("OrgTrail", "AWSLog");
    archive
        .s3()
        .put_bucket_policy()
        .bucket("acme-log-archive")
        .policy(theirs)
        .send()
        .await
        .unwrap();
    archive.kms().delete_alias().alias_name("alias/orgtrail").send().await.unwrap();
    let plan = env.plan().await;
    assert_eq!(
        actions(&plan),
        [("kms-key/alias".to_owned(), Action::Create)],
        "{}",
        plan.to_text()
    );
    // And with a setting of its own, only that is changed.
    env.management()
        .cloudtrail()
        .update_trail()
        .name("orgtrail")
        .enable_log_file_validation(false)
        .send()
        .await
        .unwrap();
    env.declare(MINIMAL);
    let plan = env.plan().await;
    golden("adopted", &plan);
    env.converge().await;
}

#[tokio::test]
async fn what_a_stopped_run_left_is_completed() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let total = env.plan().await.steps.len();
    let mut done = 0;
    for cut in [1, 3, 6] {
        // Everything that needs the step after the cut fails once.
        let observed = env.observe().await;
        let mut part = plan(&env.desired, &observed);
        let mut kept = 0;
        part.steps.retain(|step| {
            kept += usize::from(step.action.writes());
            !step.action.writes() || kept <= cut
        });
        let results = apply(&env.aws, &env.desired, &observed, &part, &BTreeSet::new(), &|_| {})
            .await
            .unwrap();
        assert!(results.iter().all(|result| result.outcome == StepOutcome::Done), "{results:?}");
        done += results.len();
    }
    assert!(done == 10 && done < total, "{done} of {total}");
    let half = env.plan().await;
    golden("half_applied", &half);
    env.converge().await;
}

#[tokio::test]
async fn guards_weakened_by_hand_come_back() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let archive = env.archive();
    let bucket = "acme-log-archive";
    let open = PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
    archive
        .s3()
        .put_public_access_block()
        .bucket(bucket)
        .public_access_block_configuration(open)
        .send()
        .await
        .unwrap();
    archive.s3().delete_bucket_lifecycle().bucket(bucket).send().await.unwrap();
    archive.s3().delete_bucket_policy().bucket(bucket).send().await.unwrap();
    env.management().cloudtrail().stop_logging().name("orgtrail").send().await.unwrap();
    let plan = env.plan().await;
    golden("guard_weakened", &plan);
    env.converge().await;
}

#[tokio::test]
async fn versioning_that_was_suspended_is_enabled() {
    let env =
        ConfiguredEnv::new(&format!("{MINIMAL}[archive.object_lock]\nmode = \"off\"\n")).await;
    env.converge().await;
    let suspended =
        VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    env.archive()
        .s3()
        .put_bucket_versioning()
        .bucket("acme-log-archive")
        .versioning_configuration(suspended)
        .send()
        .await
        .unwrap();
    let plan = env.plan().await;
    assert_eq!(
        actions(&plan),
        [("archive-bucket/versioning".to_owned(), Action::Update)],
        "{}",
        plan.to_text()
    );
    env.converge().await;
}

#[tokio::test]
async fn a_key_that_is_pending_deletion_blocks_what_needs_it() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let kms = env.archive();
    let key = kms.kms().describe_key().key_id("alias/orgtrail").send().await.unwrap();
    let key = key.key_metadata.unwrap().key_id;
    kms.kms().schedule_key_deletion().key_id(&key).send().await.unwrap();
    env.management().cloudtrail().stop_logging().name("orgtrail").send().await.unwrap();
    let plan = env.plan().await;
    let step = plan.step("kms-key").unwrap();
    assert_eq!(step.action, Action::Blocked);
    assert!(step.why.contains("pending deletion"), "{}", step.why);
    assert!(step.hint.as_ref().unwrap().contains("cancel-key-deletion"));
    assert!(plan.steps.iter().all(|step| step.action != Action::Create), "{}", plan.to_text());
    golden("key_pending_deletion", &plan);
}

#[tokio::test]
async fn a_bucket_of_another_account_is_refused_and_nothing_is_written() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let other = env.clients(&"333333333333".parse().unwrap(), &home());
    other.s3().create_bucket().bucket("acme-log-archive").send().await.unwrap();
    let observed = env.observe().await;
    let plan = plan(&env.desired, &observed);
    let step = plan.step("archive-bucket").unwrap();
    assert_eq!(step.action, Action::Refused);
    assert!(step.why.contains("taken by another account"), "{}", step.why);
    golden("bucket_of_another_account", &plan);
    let refused = apply(&env.aws, &env.desired, &observed, &plan, &BTreeSet::new(), &|_| {}).await;
    assert!(matches!(refused, Err(ApplyRefused::Guard { .. })));
    assert!(env.observe().await.trusted_access.is_absent());
}

#[tokio::test]
async fn a_bucket_in_another_region_is_refused() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    env.declare(&MINIMAL.replace("[archive]", "[archive]\nregion = \"eu-west-1\""));
    let plan = env.plan().await;
    let step = plan.step("archive-bucket").unwrap();
    assert_eq!(step.action, Action::Refused, "{}", plan.to_text());
    assert!(step.why.contains("us-east-1") && step.why.contains("eu-west-1"), "{}", step.why);
}

#[tokio::test]
async fn trusted_access_that_was_removed_comes_back() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    env.management()
        .organizations()
        .disable_aws_service_access()
        .service_principal("cloudtrail.amazonaws.com")
        .send()
        .await
        .unwrap();
    let plan = env.plan().await;
    assert_eq!(plan.step("trusted-access").unwrap().action, Action::Create, "{}", plan.to_text());
    env.converge().await;
}

#[tokio::test]
async fn exactly_the_declared_accounts_are_delegated_administrators() {
    let declared = |accounts: &str| {
        MINIMAL.replace(
            "home_region",
            &format!("delegated_administrators = [{accounts}]\nhome_region"),
        )
    };
    let mut env = ConfiguredEnv::new(&declared("\"333333333333\"")).await;
    env.converge().await;
    env.declare(&declared("\"222222222222\""));
    let plan = env.plan().await;
    let step = plan.step("delegated-administrators").unwrap();
    assert_eq!(step.action, Action::Update);
    assert_eq!(step.changes.len(), 2, "{:?}", step.changes);
    env.converge().await;
}

#[tokio::test]
async fn what_may_not_be_read_is_blocked_and_never_made() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let archive = env.archive();
    let role = "OrganizationAccountAccessRole";
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["s3:ListAllMyBuckets","kms:DescribeKey","kms:ListKeys"],"Resource":"*"}}"#;
    archive
        .iam()
        .put_role_policy()
        .role_name(role)
        .policy_name("deny")
        .policy_document(deny)
        .send()
        .await
        .unwrap();
    let before = env.plan().await;
    let unreadable = [
        "archive-bucket",
        "archive-bucket/versioning",
        "archive-bucket/policy",
        "access-log-bucket",
        "kms-key",
        "kms-key/policy",
    ];
    for id in unreadable {
        let step = before.step(id).unwrap();
        assert_eq!(step.action, Action::Blocked, "{id}: {}", before.to_text());
        assert!(step.unreadable && step.hint.is_some(), "{id}: {step:?}");
    }
    assert_eq!(before.step("trail").unwrap().action, Action::Blocked);
    golden("unreadable", &before);
    // The rest is done all the same, and a second run does what was missing.
    env.apply().await;
    assert!(env.observe().await.trusted_access.present().is_some());
    archive.iam().delete_role_policy().role_name(role).policy_name("deny").send().await.unwrap();
    env.converge().await;
}

#[tokio::test]
async fn a_compliance_lock_and_a_weaker_guard_ask_for_their_own_confirmation() {
    let compliance = format!("{MINIMAL}[archive.object_lock]\nmode = \"COMPLIANCE\"\ndays = 30\n");
    let mut env = ConfiguredEnv::new(&compliance).await;
    let observed = env.observe().await;
    let first = plan(&env.desired, &observed);
    let refused = apply(&env.aws, &env.desired, &observed, &first, &BTreeSet::new(), &|_| {}).await;
    let Err(ApplyRefused::Unconfirmed { id, flags, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(
        (id.as_str(), flags.as_slice()),
        ("archive-bucket/object-lock", ["--confirm-compliance-lock"].as_slice())
    );
    assert!(env.observe().await.archive_bucket.is_absent(), "nothing is written before");
    env.apply_confirmed(&[Confirmation::ComplianceLock]).await;
    assert!(env.plan().await.is_empty());
    env.declare(&format!(
        "{MINIMAL}mfa_delete = \"off\"\n[archive.object_lock]\nmode = \"COMPLIANCE\"\ndays = 30\n"
    ));
    let weaker = env.plan().await;
    let step = weaker.step("archive-bucket/policy").unwrap();
    assert_eq!(step.irreversible.as_ref().unwrap().confirmation, Confirmation::WeakenedGuard);
}

#[tokio::test]
async fn statements_of_others_are_kept_and_shown_and_go_when_asked() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let archive = env.archive();
    let policy = archive.s3().get_bucket_policy().bucket("acme-log-archive").send().await.unwrap();
    let more = policy.policy.unwrap().replacen(
        "\"Statement\":[",
        r#""Statement":[{"Sid":"Auditors","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::333333333333:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::acme-log-archive/*"},"#,
        1,
    );
    archive.s3().put_bucket_policy().bucket("acme-log-archive").policy(more).send().await.unwrap();
    let kept = env.plan().await;
    assert!(kept.is_empty(), "{}", kept.to_text());
    assert!(kept.step("archive-bucket/policy").unwrap().notes[0].contains("Auditors"));
    env.desired.unmanaged = Unmanaged::Remove;
    let removed = env.plan().await;
    assert_eq!(
        actions(&removed),
        [("archive-bucket/policy".to_owned(), Action::Update)],
        "{}",
        removed.to_text()
    );
    env.converge().await;
}

#[tokio::test]
async fn mfa_delete_by_root_waits_for_root_and_is_verified() {
    let config = format!("{MINIMAL}mfa_delete = \"root\"\n[archive.lifecycle]\nenabled = false\n");
    let env = ConfiguredEnv::new(&config).await;
    let results = env.apply().await;
    assert!(results.iter().all(|result| result.outcome == StepOutcome::Done), "{results:?}");
    let waiting = env.plan().await;
    let step = waiting.step("archive-bucket/mfa-delete").unwrap();
    assert_eq!(step.action, Action::Blocked);
    assert!(step.hint.as_ref().unwrap().contains("orgtrail mfa-delete enable"));
    let account = "222222222222".parse().unwrap();
    let device = env.sandbox.root_mfa_device(&account).unwrap();
    let root = env.root("222222222222").await;
    let bucket = "acme-log-archive".parse().unwrap();
    // A role's credentials cannot do it.
    orgtrail::plan::mfa_delete::enable(
        &env.archive(),
        &bucket,
        &device.serial,
        &device.current_code(),
    )
    .await
    .unwrap_err();
    orgtrail::plan::mfa_delete::enable(&root, &bucket, &device.serial, &device.current_code())
        .await
        .unwrap();
    assert!(env.plan().await.is_empty());
}

#[tokio::test]
async fn destroy_takes_the_trail_and_leaves_the_data() {
    use orgtrail::plan::destroy::{destroy, plan_destroy, remains};
    let env = ConfiguredEnv::new(&format!("{MINIMAL}[guardrail]\nenabled = true\n")).await;
    env.converge().await;
    let observed = env.observe().await;
    let leaving = plan_destroy(&env.desired, &observed);
    let ids: Vec<&str> = leaving.steps.iter().map(|step| step.id.as_ref()).collect();
    assert_eq!(ids, ["guardrail", "trail"]);
    let results = destroy(&env.aws, &env.desired, &observed, &leaving, &|_| {}).await;
    assert!(results.iter().all(|result| result.outcome == StepOutcome::Done), "{results:?}");
    let after = env.observe().await;
    assert!(plan_destroy(&env.desired, &after).steps.is_empty());
    assert!(after.archive_bucket.present().is_some());
    let stays = remains(&env.desired, &after);
    assert!(stays.iter().any(|one| one.id == "archive-bucket" && !one.why.is_empty()));
    assert!(stays.iter().any(|one| one.id == "kms-key" && one.usd_a_month == Some(1.0)));
    // What is gone already was not a failure to take away.
    let again = destroy(&env.aws, &env.desired, &observed, &leaving, &|_| {}).await;
    assert!(again.iter().all(|result| result.outcome == StepOutcome::Done), "{again:?}");
}

#[tokio::test]
async fn alarms_are_made_once_heal_and_go_with_the_trail() {
    use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
    use orgtrail::plan::destroy::{destroy, plan_destroy};
    let config = format!("{MINIMAL}[alarms]\nsubscribers = [\"security@example.com\"]\n");
    let env = ConfiguredEnv::new(&config).await;
    env.converge().await;
    // What nobody confirmed is there, and is not asked for again.
    let settled = env.plan().await;
    let notes = &settled.step("alarm-topic/subscriptions").unwrap().notes;
    assert_eq!(notes, &["security@example.com has not confirmed its subscription yet"]);

    let clients = env.management();
    let name = "orgtrail-root-usage";
    clients.cloudwatch().disable_alarm_actions().alarm_names(name).send().await.unwrap();
    let group = env.desired.config.cloudwatch_logs.group.as_str();
    let logs = clients.logs();
    logs.delete_metric_filter().log_group_name(group).filter_name(name).send().await.unwrap();
    let plan = env.plan().await;
    let updates =
        [("alarms".to_owned(), Action::Update), ("metric-filters".to_owned(), Action::Update)];
    let mut found = actions(&plan);
    found.retain(|(_, action)| *action != Action::Nothing);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, updates, "{}", plan.to_text());
    for id in ["alarms", "metric-filters"] {
        let changes = &plan.step(id).unwrap().changes;
        assert_eq!(changes.len(), 1, "{id}: {changes:?}");
        assert!(changes[0].path.starts_with(name), "{}", changes[0].path);
    }
    env.converge().await;

    // An alarm of a declared name on somebody else's metric is no new one.
    let elsewhere = clients.cloudwatch().put_metric_alarm().alarm_name(name);
    let elsewhere = elsewhere.namespace("Elsewhere").metric_name("m").period(60);
    let elsewhere = elsewhere.evaluation_periods(1).statistic(Statistic::Sum).threshold(1.0);
    let least = ComparisonOperator::GreaterThanOrEqualToThreshold;
    elsewhere.comparison_operator(least).send().await.unwrap();
    let changes = env.plan().await.step("alarms").unwrap().changes.clone();
    let place = changes.iter().find(|one| one.path == format!("{name}.metric.namespace")).unwrap();
    assert_eq!(place.before, Some(serde_json::json!("Elsewhere")));
    env.converge().await;

    let observed = env.observe().await;
    let leaving = plan_destroy(&env.desired, &observed);
    let ids: Vec<&str> = leaving.steps.iter().map(|step| step.id.as_ref()).collect();
    assert_eq!(ids, ["trail", "alarms", "metric-filters"]);
    let results = destroy(&env.aws, &env.desired, &observed, &leaving, &|_| {}).await;
    assert!(results.iter().all(|result| result.outcome == StepOutcome::Done), "{results:?}");
    let after = env.observe().await;
    assert!(plan_destroy(&env.desired, &after).steps.is_empty());
    assert!(after.metric_alarms.present().unwrap().alarms.is_empty());
    assert!(after.metric_filters.present().unwrap().filters.is_empty());
    assert!(after.alarm_topic.present().is_some());
}

#[tokio::test]
async fn the_vault_its_role_and_key_are_made_and_wait_only_for_roots_second_factor() {
    let config = format!(
        "{MINIMAL}mfa_delete = \"vault\"\n[archive.replication]\nbucket = \"acme-vault\"\n"
    );
    let env = ConfiguredEnv::new(&config).await;
    let results = env.apply().await;
    assert!(results.iter().all(|result| result.outcome == StepOutcome::Done), "{results:?}");
    let left = env.plan().await;
    assert_eq!(
        actions(&left),
        [("vault/mfa-delete".to_owned(), Action::Blocked)],
        "{}",
        left.to_text()
    );
}

#[tokio::test]
async fn a_page_of_events_ends_where_the_stream_does_however_far_it_is_asked_for() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let clients = env.management();
    let (group, stream) = ("g", "s");
    let logs = clients.logs();
    logs.create_log_group().log_group_name(group).send().await.unwrap();
    logs.create_log_stream().log_group_name(group).log_stream_name(stream).send().await.unwrap();
    let page = || logs.get_log_events().log_group_name(group).log_stream_name(stream);
    for token in ["f/18446744073709551615", "b/18446744073709551615", "f/2"] {
        let page = page().next_token(token).limit(10_000).send().await.unwrap();
        assert!(page.events().is_empty(), "{token}");
    }
    for limit in [0, -1, 10_001] {
        let refused = page().limit(limit).send().await.unwrap_err().into_service_error();
        assert!(refused.is_invalid_parameter_exception(), "{limit}: {refused:?}");
    }
}
