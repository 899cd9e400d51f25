//! What is found is kept: the same said otherwise is no change, and what would be
//! recorded or printed no more is asked about.

use aws_sdk_cloudtrail::types::{
    AdvancedEventSelector, AdvancedFieldSelector, EventSelector, InsightSelector, InsightType,
    ReadWriteType, SourceEventCategory,
};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::OriginType;
use aws_sdk_s3::types::{BucketLifecycleConfiguration, TransitionDefaultMinimumObjectSize};
use orgtrail::plan::{Action, Confirmation, Plan};

use crate::configured::{ConfiguredEnv, actions, parse};
use crate::env::{MINIMAL, home};

/// An advanced selector: field, operator, values.
fn advanced(name: &str, fields: &[(&str, &str, &[&str])]) -> AdvancedEventSelector {
    let fields = fields.iter().map(|(field, operator, values)| {
        let values = Some(values.iter().map(|value| (*value).to_owned()).collect());
        let field = AdvancedFieldSelector::builder().field(*field);
        match *operator {
            "equals" => field.set_equals(values),
            "not_equals" => field.set_not_equals(values),
            "starts_with" => field.set_starts_with(values),
            other => panic!("no such operator: {other}"),
        }
        .build()
        .unwrap()
    });
    let fields = Some(fields.collect());
    AdvancedEventSelector::builder().name(name).set_field_selectors(fields).build().unwrap()
}

async fn put(env: &ConfiguredEnv, selectors: Vec<AdvancedEventSelector>) {
    let management = env.management();
    let call = management.cloudtrail().put_event_selectors().trail_name("orgtrail");
    call.set_advanced_event_selectors(Some(selectors)).send().await.unwrap();
}

fn asked(plan: &Plan, id: &str) -> Option<(Confirmation, String)> {
    let step = plan.step(id).unwrap();
    step.irreversible.as_ref().map(|asked| (asked.confirmation, asked.what.clone()))
}

const MANAGEMENT: (&str, &str, &[&str]) = ("eventCategory", "equals", &["Management"]);
const DATA: (&str, &str, &[&str]) = ("eventCategory", "equals", &["Data"]);
const OBJECTS: (&str, &str, &[&str]) = ("resources.type", "equals", &["AWS::S3::Object"]);

#[tokio::test]
async fn selectors_of_the_same_meaning_are_no_change() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let reads = ("readOnly", "equals", &["true"][..]);
    let writes = ("readOnly", "equals", &["false"][..]);
    put(&env, vec![advanced("all", &[MANAGEMENT])]).await;
    assert!(env.plan().await.is_empty());
    put(&env, vec![advanced("w", &[writes, MANAGEMENT]), advanced("r", &[MANAGEMENT, reads])])
        .await;
    assert!(env.plan().await.is_empty());
    let apart = [ReadWriteType::WriteOnly, ReadWriteType::ReadOnly].map(|kind| {
        EventSelector::builder().read_write_type(kind).include_management_events(true).build()
    });
    let management = env.management();
    let call = management.cloudtrail().put_event_selectors().trail_name("orgtrail");
    call.set_event_selectors(Some(apart.to_vec())).send().await.unwrap();
    assert!(env.plan().await.is_empty());
    // What leaves something out is another thing, and recording more asks nobody.
    let kms = ("eventSource", "not_equals", &["kms.amazonaws.com"][..]);
    put(&env, vec![advanced("no kms", &[MANAGEMENT, kms])]).await;
    let plan = env.plan().await;
    assert_eq!(actions(&plan), [("trail/event-selectors".to_owned(), Action::Update)]);
    assert_eq!(asked(&plan, "trail/event-selectors"), None);
    env.converge().await;
}

#[tokio::test]
async fn data_events_said_in_classic_or_advanced_words_are_the_same() {
    let classic = "[[trail.event_selectors]]\n[[trail.event_selectors.data_resources]]\n\
                   resource_type = \"AWS::S3::Object\"\nvalues = [\"arn:aws:s3\"]\n";
    let mut env = ConfiguredEnv::new(&format!("{MINIMAL}{classic}")).await;
    env.converge().await;
    env.declare(&format!("{MINIMAL}[[trail.data_events]]\nresource_type = \"AWS::S3::Object\"\n"));
    assert!(env.plan().await.is_empty());
}

#[tokio::test]
async fn recording_fewer_events_of_any_kind_asks() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let of =
        ("resources.ARN", "starts_with", &["arn:aws:s3:::acme-a/", "arn:aws:s3:::acme-b/"][..]);
    put(&env, vec![advanced("all", &[MANAGEMENT]), advanced("objects", &[DATA, OBJECTS, of])])
        .await;
    let (confirmation, what) = asked(&env.plan().await, "trail/event-selectors").unwrap();
    assert_eq!(confirmation, Confirmation::WeakenedGuard);
    assert!(what.contains("Data events with"), "{what}");
    assert!(what.contains("AWS::S3::Object"), "{what}");
    // One of two buckets is fewer too; another one besides is not.
    let declare = |buckets: &str| {
        format!(
            "{MINIMAL}[[trail.data_events]]\nresource_type = \"AWS::S3::Object\"\n\
             resources = [{buckets}]\n"
        )
    };
    env.declare(&declare("\"arn:aws:s3:::acme-a/\""));
    let (_, what) = asked(&env.plan().await, "trail/event-selectors").unwrap();
    assert!(what.contains("acme-b") && !what.contains("acme-a/"), "{what}");
    env.declare(&declare(
        "\"arn:aws:s3:::acme-a/\", \"arn:aws:s3:::acme-b/\", \"arn:aws:s3:::acme-c/\"",
    ));
    let plan = env.plan().await;
    assert_eq!(actions(&plan), [("trail/event-selectors".to_owned(), Action::Update)]);
    assert_eq!(asked(&plan, "trail/event-selectors"), None);
}

#[tokio::test]
async fn insights_look_at_the_declared_events_and_fewer_of_them_ask() {
    let data = "[[trail.data_events]]\nresource_type = \"AWS::S3::Object\"\n";
    let config = |insights: &str| format!("{MINIMAL}{data}[trail.insights]\n{insights}\n");
    let both = "error_rate = true\nerror_rate_events = [\"Data\", \"Management\"]";
    let mut env = ConfiguredEnv::new(&config(both)).await;
    env.converge().await;
    let management = env.management();
    let read = async || {
        let call = management.cloudtrail().get_insight_selectors().trail_name("orgtrail");
        call.send().await.unwrap().insight_selectors.unwrap()
    };
    let found = read().await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].event_categories(),
        [SourceEventCategory::Data, SourceEventCategory::Management]
    );
    env.declare(&config("error_rate = true"));
    let (confirmation, _) = asked(&env.plan().await, "trail/insights").unwrap();
    assert_eq!(confirmation, Confirmation::WeakenedGuard);
    // A selector without categories is of management events.
    let bare = InsightSelector::builder().insight_type(InsightType::ApiErrorRateInsight).build();
    let call = management.cloudtrail().put_insight_selectors().trail_name("orgtrail");
    call.insight_selectors(bare).send().await.unwrap();
    assert!(env.plan().await.is_empty());
    // And further categories are no loss.
    env.declare(&config(both));
    assert_eq!(asked(&env.plan().await, "trail/insights"), None);
    env.converge().await;
}

#[tokio::test]
async fn a_topic_of_another_account_is_kept_where_declared_and_asked_about_where_not() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let audit = env.clients(&"333333333333".parse().unwrap(), &home());
    let made = audit.sns().create_topic().name("org-cloudtrail").send().await.unwrap();
    let arn = made.topic_arn.unwrap();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Service":"cloudtrail.amazonaws.com"}},"Action":"SNS:Publish","Resource":"{arn}"}}}}"#
    );
    let call = audit.sns().set_topic_attributes().topic_arn(&arn).attribute_name("Policy");
    call.attribute_value(&policy).send().await.unwrap();
    let management = env.management();
    let call = management.cloudtrail().update_trail().name("orgtrail");
    call.sns_topic_name(&arn).send().await.unwrap();
    for config in [MINIMAL.to_owned(), format!("{MINIMAL}[topic]\nname = \"org-cloudtrail\"\n")] {
        env.declare(&config);
        let plan = env.plan().await;
        let (confirmation, what) = asked(&plan, "trail").unwrap();
        assert_eq!(confirmation, Confirmation::WeakenedGuard);
        assert!(what.contains(&format!("[topic] arn = \"{arn}\"")), "{what}");
    }
    env.declare(&format!("{MINIMAL}[topic]\narn = \"{arn}\"\n"));
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}", plan.to_text());
    // Nobody's policy but its owner's.
    let read = audit.sns().get_topic_attributes().topic_arn(&arn).send().await.unwrap();
    assert_eq!(read.attributes.unwrap()["Policy"], policy);
    // Turned to it anew, the plan says what the policy must have.
    let call = management.cloudtrail().update_trail().name("orgtrail").sns_topic_name("");
    call.send().await.unwrap();
    let plan = env.plan().await;
    let notes = &plan.step("trail").unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("OrgTrailPublish")), "{notes:?}");
    env.converge().await;
}

#[tokio::test]
async fn another_alias_of_the_same_key_is_no_change() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let key = env.observe().await.kms_key.present().unwrap().arn.clone();
    let archive = env.archive();
    let call = archive.kms().create_alias().alias_name("alias/audit");
    call.target_key_id(key.to_string()).send().await.unwrap();
    let alias = format!("arn:aws:kms:us-east-1:{}:alias/audit", env.desired.archive());
    let management = env.management();
    let call = management.cloudtrail().update_trail().name("orgtrail");
    call.kms_key_id(&alias).send().await.unwrap();
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}", plan.to_text());
}

#[tokio::test]
async fn a_key_of_another_account_must_let_the_archive_decrypt() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let management = env.management();
    let policy = |more: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Own","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111111111111:root"}},"Action":"kms:*","Resource":"*"}},{{"Sid":"CloudTrail","Effect":"Allow","Principal":{{"Service":"cloudtrail.amazonaws.com"}},"Action":["kms:GenerateDataKey*","kms:DescribeKey","kms:Decrypt"],"Resource":"*"}}{more}]}}"#
        )
    };
    let made = management.kms().create_key().policy(policy("")).send().await.unwrap();
    let arn = made.key_metadata.unwrap().arn.unwrap();
    env.declare(&format!("{MINIMAL}[key]\narn = \"{arn}\"\nrotation = false\n"));
    let plan = env.plan().await;
    let step = plan.step("kms-key/policy").unwrap();
    assert_eq!(step.action, Action::Refused, "{}", plan.to_text());
    let hint = step.hint.as_deref().unwrap();
    let (_, statement) = hint.split_once("add to the key's policy: ").unwrap();
    let statement: serde_json::Value = serde_json::from_str(statement).unwrap();
    assert_eq!(statement.as_array().unwrap().len(), 1, "{statement}");
    assert_eq!(statement[0]["Principal"]["AWS"], "arn:aws:iam::222222222222:root");
    // With exactly that, everything else follows, and the owner's policy stays.
    let mended = policy(&format!(",{}", statement[0]));
    let call = management.kms().put_key_policy().key_id(&arn).policy(&mended);
    call.send().await.unwrap();
    let plan = env.plan().await;
    assert_eq!(plan.step("kms-key/policy").unwrap().action, Action::Nothing, "{}", plan.to_text());
    let given = [Confirmation::ReplacedKey, Confirmation::WeakenedGuard];
    env.apply_confirmed(&given).await;
    assert!(env.plan().await.is_empty(), "{}", env.plan().await.to_text());
    let read = management.kms().get_key_policy().key_id(&arn).send().await.unwrap();
    assert_eq!(read.policy.unwrap(), mended);
    // Its rotation is its owner's too.
    env.declare(&format!("{MINIMAL}[key]\narn = \"{arn}\"\n"));
    let plan = env.plan().await;
    assert_eq!(actions(&plan), [("kms-key/rotation".to_owned(), Action::Blocked)]);
    // A key that is not there is never made.
    let gone = arn.replace('/', "/0");
    env.declare(&format!("{MINIMAL}[key]\narn = \"{gone}\"\n"));
    assert_eq!(env.plan().await.step("kms-key").unwrap().action, Action::Refused);
}

#[tokio::test]
async fn a_key_with_imported_material_is_not_rotated_and_that_can_be_declared() {
    let mut env = ConfiguredEnv::new(&format!("{MINIMAL}[key]\nrotation = false\n")).await;
    let archive = env.archive();
    let kms = archive.kms();
    let made = kms.create_key().origin(OriginType::External).send().await.unwrap();
    let key = made.key_metadata.unwrap();
    assert_eq!(key.key_state.unwrap().as_str(), "PendingImport");
    let id = key.key_id;
    let given = kms.get_parameters_for_import().key_id(&id);
    let given = given
        .wrapping_algorithm("RSAES_OAEP_SHA_256".into())
        .wrapping_key_spec("RSA_2048".into())
        .send()
        .await
        .unwrap();
    let public =
        aws_lc_rs::rsa::PublicEncryptingKey::from_der(given.public_key().unwrap().as_ref());
    let public = aws_lc_rs::rsa::OaepPublicEncryptingKey::new(public.unwrap()).unwrap();
    let mut wrapped = vec![0; public.ciphertext_size()];
    let algorithm = &aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
    public.encrypt(algorithm, &[7; 32], &mut wrapped, None).unwrap();
    let import = kms.import_key_material().key_id(&id);
    import
        .import_token(given.import_token.unwrap())
        .encrypted_key_material(Blob::new(wrapped))
        .expiration_model("KEY_MATERIAL_DOES_NOT_EXPIRE".into())
        .send()
        .await
        .unwrap();
    let refused = kms.get_key_rotation_status().key_id(&id).send().await.unwrap_err();
    assert!(
        refused.into_service_error().to_string().contains("UnsupportedOperationException"),
        "a key with imported material"
    );
    kms.create_alias().alias_name("alias/orgtrail").target_key_id(&id).send().await.unwrap();
    env.converge().await;
    env.declare(MINIMAL);
    let plan = env.plan().await;
    let step = plan.step("kms-key/rotation").unwrap();
    assert_eq!(step.action, Action::Refused, "{}", plan.to_text());
    assert!(step.why.contains("imported"), "{}", step.why);
    assert!(step.hint.as_deref().unwrap().contains("key.rotation = false"));
}

#[tokio::test]
async fn what_an_account_level_policy_keeps_is_reported_and_no_change() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let management = env.desired.management().clone();
    env.sandbox.set_log_retention(&management, Some(("thirty-days", 30)));
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}", plan.to_text());
    let notes = &plan.step("log-group").unwrap().notes;
    assert!(notes[0].contains("`thirty-days`") && notes[0].contains("30 days"), "{notes:?}");
    env.declare(&format!("{MINIMAL}[cloudwatch_logs]\nretention_days = 30\n"));
    let plan = env.plan().await;
    assert!(plan.is_empty() && plan.step("log-group").unwrap().notes.is_empty());
}

#[tokio::test]
async fn a_log_group_that_keeps_events_for_ever_can_be_declared() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    env.declare(&format!("{MINIMAL}[cloudwatch_logs]\nkeep_forever = true\n"));
    assert_eq!(asked(&env.plan().await, "log-group"), None);
    env.converge().await;
    assert_eq!(env.observe().await.log_group.present().unwrap().retention_days, None);
}

#[tokio::test]
async fn the_smallest_size_of_a_transition_stays_and_can_be_declared() {
    let mut env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    let archive = env.archive();
    let bucket = "acme-log-archive";
    let read = async || {
        let call = archive.s3().get_bucket_lifecycle_configuration().bucket(bucket);
        call.send().await.unwrap()
    };
    let varies = TransitionDefaultMinimumObjectSize::VariesByStorageClass;
    let rules = read().await.rules;
    let rules = BucketLifecycleConfiguration::builder().set_rules(rules).build().unwrap();
    let call = archive.s3().put_bucket_lifecycle_configuration().bucket(bucket);
    let call = call.lifecycle_configuration(rules);
    call.transition_default_minimum_object_size(varies.clone()).send().await.unwrap();
    assert!(env.plan().await.is_empty());
    // Another rule does not set it back.
    env.declare(&format!("{MINIMAL}[archive.lifecycle]\nnoncurrent_days = 400\n"));
    env.converge().await;
    assert_eq!(read().await.transition_default_minimum_object_size, Some(varies));
    let declared = "minimum_transition_size = \"all_storage_classes_128K\"";
    env.declare(&format!("{MINIMAL}[archive.lifecycle]\nnoncurrent_days = 400\n{declared}\n"));
    env.converge().await;
    assert_eq!(
        read().await.transition_default_minimum_object_size,
        Some(TransitionDefaultMinimumObjectSize::AllStorageClasses128K)
    );
}

#[tokio::test]
async fn a_first_config_declares_all_that_the_trail_has() {
    let mut env =
        ConfiguredEnv::new(&format!("{MINIMAL}prefix = \"org\"\n[topic]\nname = \"found\"\n"))
            .await;
    env.converge().await;
    let objects = ("resources.ARN", "starts_with", &["arn:aws:s3:::acme-a/"][..]);
    let kms = ("eventSource", "not_equals", &["kms.amazonaws.com"][..]);
    put(
        &env,
        vec![
            advanced("a \"name\"", &[MANAGEMENT, kms]),
            advanced("objects", &[DATA, OBJECTS, objects]),
        ],
    )
    .await;
    let management = env.management();
    let insight = InsightSelector::builder()
        .insight_type(InsightType::ApiCallRateInsight)
        .event_categories(SourceEventCategory::Data)
        .build();
    let call = management.cloudtrail().put_insight_selectors().trail_name("orgtrail");
    call.insight_selectors(insight).send().await.unwrap();
    let call = management.logs().put_retention_policy().retention_in_days(731);
    let name = env.desired.config.cloudwatch_logs.group.to_string();
    call.log_group_name(name).send().await.unwrap();
    let ran = env.run(MINIMAL, &["init", "--out", "-"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let config = parse(&ran.stdout);
    assert_eq!(config.archive.prefix.as_ref().unwrap().as_str(), "org");
    assert_eq!(config.cloudwatch_logs.retention_days, 731);
    env.declare(&ran.stdout);
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}\n{}", plan.to_text(), ran.stdout);
}
