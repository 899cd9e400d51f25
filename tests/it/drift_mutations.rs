//! Every managed setting is changed behind orgtrail's back in turn: drift names
//! exactly what it broke, and what the plan mends is mended.

use std::collections::BTreeSet;

use aws_sdk_cloudtrail::types::{EventSelector, ReadWriteType};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
use aws_sdk_cloudwatchlogs::types::MetricTransformation;
use aws_sdk_organizations::types::PolicyType;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};
use orgtrail::checks::{CATALOGUE, Facts, Run, Silent, Verdict};
use orgtrail::plan::Confirmation;

use crate::configured::ConfiguredEnv;

const BUCKET: &str = "acme-log-archive";

/// Everything is declared that the sandbox can break.
///
/// Without a lock versioning can be suspended, and without the guard in the
/// policy an administrator can break the bucket at all.
const CONFIG: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
regions = ["us-east-1"]
[trail]
insights = { call_rate = true }
tags = { team = "audit" }
[archive]
bucket = "acme-log-archive"
mfa_delete = "off"
object_lock = { mode = "off" }
[topic]
name = "trail-told"
[alarms]
subscribers = ["security@example.com"]
[guardrail]
enabled = true
[drift]
chain_hours = 0
"#;

/// What is changed, and which checks it breaks.
const MUTATIONS: &[(&str, &[&str])] = &[
    ("trusted access", &["org-trusted-access"]),
    ("delegated administrator", &["org-delegated-admins"]),
    ("versioning", &["bucket-versioning"]),
    ("ownership", &["bucket-ownership"]),
    ("public access block", &["bucket-public-access"]),
    ("lifecycle", &["bucket-lifecycle"]),
    ("encryption", &["bucket-encryption"]),
    ("bucket tags", &["plan-empty"]),
    ("access logging", &["bucket-access-logging"]),
    (
        "bucket policy",
        &["bucket-policy-digest-safe", "bucket-policy-source-arn", "bucket-tls-only"],
    ),
    ("key", &["key-enabled"]),
    ("key policy", &["key-policy-scope"]),
    ("rotation", &["key-rotation"]),
    ("log group", &["log-group-retention", "trail-cloudwatch-logs"]),
    ("topic policy", &["trail-notifies"]),
    ("metric filter", &["alarm-4.3"]),
    ("pattern", &["alarm-4.5"]),
    ("alarm", &["alarm-4.14"]),
    ("alarm actions", &["alarm-selector-changes"]),
    ("threshold", &["alarm-4.7"]),
    ("OK actions", &["plan-empty"]),
    ("alarm topic", ALARMS),
    ("alarm topic policy", ALARMS),
    ("validation", &["trail-log-validation"]),
    ("one Region", &["trail-multi-region"]),
    ("selectors", &["trail-multi-region"]),
    ("insights", &["trail-insights"]),
    ("trail tags", &["trail-tags"]),
    ("logging", &["org-coverage", "trail-is-logging"]),
    ("guardrail", &["guardrail-scp"]),
];

/// All that tell the alarms' topic.
const ALARMS: &[&str] = &[
    "alarm-4.1",
    "alarm-4.10",
    "alarm-4.11",
    "alarm-4.12",
    "alarm-4.13",
    "alarm-4.14",
    "alarm-4.15",
    "alarm-4.2",
    "alarm-4.3",
    "alarm-4.4",
    "alarm-4.5",
    "alarm-4.6",
    "alarm-4.7",
    "alarm-4.8",
    "alarm-4.9",
    "alarm-root-sessions",
    "alarm-selector-changes",
];

#[tokio::test(flavor = "multi_thread")]
async fn drift_names_what_was_broken_and_the_plan_mends_it() {
    let env = ConfiguredEnv::new(CONFIG).await;
    env.converge().await;
    assert_eq!(env.sandbox.confirm_subscriptions(), 1);
    env.sandbox.tick(jiff::SignedDuration::from_hours(2));
    each_is_named_and_mended(&env, MUTATIONS, mutate).await;
}

/// Plays each mutation: exactly these checks are broken, and none once the plan
/// is applied.
pub(crate) async fn each_is_named_and_mended(
    env: &ConfiguredEnv,
    mutations: &[(&str, &[&str])],
    mutate: impl AsyncFn(&ConfiguredEnv, &str),
) {
    assert_eq!(broken(env).await, BTreeSet::new());
    let mut wrong = Vec::new();
    for (what, wanted) in mutations {
        mutate(env, what).await;
        let found = broken(env).await;
        let wanted: BTreeSet<String> = wanted.iter().map(|id| (*id).to_owned()).collect();
        if found != wanted {
            wrong.push(format!("{what}: {found:?} are broken, expected {wanted:?}"));
        }
        let given = [Confirmation::WeakenedGuard, Confirmation::ReplacedKey];
        env.apply_confirmed(&given).await;
        // Who was taken from the topic is asked anew.
        env.sandbox.confirm_subscriptions();
        let left = broken(env).await;
        if !left.is_empty() {
            wrong.push(format!("{what}: {left:?} are not mended"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The ids of the checks that are broken; nothing may be unknown.
pub(crate) async fn broken(env: &ConfiguredEnv) -> BTreeSet<String> {
    let now = env.sandbox.now();
    let facts = Box::pin(Facts::gather(&env.aws, env.desired.clone(), now, &Silent)).await;
    let run = Run::of(&facts, CATALOGUE);
    let mut broken = BTreeSet::new();
    for finding in run.findings {
        match finding.verdict {
            Verdict::Pass | Verdict::NotConfigured { .. } => {}
            Verdict::Fail { .. } => {
                broken.insert(finding.check);
            }
            Verdict::Unknown { reason, .. } => panic!("{}: {reason}", finding.check),
        }
    }
    broken
}

#[expect(clippy::too_many_lines, reason = "one arm for each setting")]
async fn mutate(env: &ConfiguredEnv, what: &str) {
    let (management, archive) = (env.management(), env.archive());
    let (s3, kms) = (archive.s3(), archive.kms());
    let (logs, group) = (management.logs(), env.desired.config.cloudwatch_logs.group.to_string());
    let (cloudtrail, organizations) = (management.cloudtrail(), management.organizations());
    let trail = env.desired.trail_arn().to_string();
    let alias = env.desired.config.key.alias.to_string();
    let key = || async {
        let key = kms.describe_key().key_id(&alias).send().await.unwrap();
        key.key_metadata.unwrap().key_id
    };
    match what {
        "trusted access" => {
            let call = organizations.disable_aws_service_access();
            call.service_principal("cloudtrail.amazonaws.com").send().await.unwrap();
        }
        "delegated administrator" => {
            let call = cloudtrail.register_organization_delegated_admin();
            call.member_account_id("333333333333").send().await.unwrap();
        }
        "versioning" => {
            let suspended = VersioningConfiguration::builder()
                .status(BucketVersioningStatus::Suspended)
                .build();
            let call = s3.put_bucket_versioning().bucket(BUCKET);
            call.versioning_configuration(suspended).send().await.unwrap();
        }
        "ownership" => {
            s3.delete_bucket_ownership_controls().bucket(BUCKET).send().await.unwrap();
        }
        "public access block" => {
            s3.delete_public_access_block().bucket(BUCKET).send().await.unwrap();
        }
        "lifecycle" => {
            s3.delete_bucket_lifecycle().bucket(BUCKET).send().await.unwrap();
        }
        "encryption" => {
            let by_default = ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::Aes256)
                .build()
                .unwrap();
            let rule = ServerSideEncryptionRule::builder()
                .apply_server_side_encryption_by_default(by_default)
                .build();
            let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
            let call = s3.put_bucket_encryption().bucket(BUCKET);
            call.server_side_encryption_configuration(rules).send().await.unwrap();
        }
        "bucket tags" => {
            s3.delete_bucket_tagging().bucket(BUCKET).send().await.unwrap();
        }
        "access logging" => {
            let off = aws_sdk_s3::types::BucketLoggingStatus::builder().build();
            let call = s3.put_bucket_logging().bucket(BUCKET);
            call.bucket_logging_status(off).send().await.unwrap();
        }
        "bucket policy" => {
            s3.delete_bucket_policy().bucket(BUCKET).send().await.unwrap();
        }
        "key" => {
            kms.disable_key().key_id(key().await).send().await.unwrap();
        }
        "key policy" => {
            let id = key().await;
            let found = kms.get_key_policy().key_id(&id).policy_name("default");
            let policy = found.send().await.unwrap().policy.unwrap();
            let without = policy.replace("OrgTrailDecrypt", "Decrypt");
            let opened =
                without.replace(&trail, "arn:aws:cloudtrail:us-east-1:999999999999:trail/x");
            let call = kms.put_key_policy().key_id(&id).policy_name("default");
            call.policy(opened).send().await.unwrap();
        }
        "rotation" => {
            kms.disable_key_rotation().key_id(key().await).send().await.unwrap();
        }
        "metric filter" => {
            let call = logs.delete_metric_filter().log_group_name(&group);
            call.filter_name("orgtrail-root-usage").send().await.unwrap();
        }
        "pattern" => {
            let name = "orgtrail-cloudtrail-changes";
            let counted = MetricTransformation::builder()
                .metric_namespace("OrgTrail")
                .metric_name(name)
                .metric_value("1");
            let call = logs.put_metric_filter().log_group_name(&group).filter_name(name);
            let call = call.filter_pattern("{ $.eventName = StopLogging }");
            call.metric_transformations(counted.build().unwrap()).send().await.unwrap();
        }
        "alarm" => {
            let call = management.cloudwatch().delete_alarms();
            call.alarm_names("orgtrail-vpc-changes").send().await.unwrap();
        }
        "alarm actions" => {
            let call = management.cloudwatch().disable_alarm_actions();
            call.alarm_names("orgtrail-selector-changes").send().await.unwrap();
        }
        "threshold" | "OK actions" => {
            let topic = env.desired.alarm_topic_arn().unwrap().to_string();
            let (name, threshold) = match what {
                "threshold" => ("orgtrail-kms-key-deletion", 100.0),
                _ => ("orgtrail-config-changes", 1.0),
            };
            let call = management.cloudwatch().put_metric_alarm().alarm_name(name);
            let call = call.namespace("OrgTrail").metric_name(name).statistic(Statistic::Sum);
            let call = call
                .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
                .threshold(threshold)
                .period(300)
                .evaluation_periods(1)
                .treat_missing_data("notBreaching");
            call.actions_enabled(true).alarm_actions(topic).send().await.unwrap();
        }
        "alarm topic" => {
            let topic = env.desired.alarm_topic_arn().unwrap().to_string();
            management.sns().delete_topic().topic_arn(topic).send().await.unwrap();
        }
        "log group" => {
            let call = logs.put_retention_policy().log_group_name(&group);
            call.retention_in_days(7).send().await.unwrap();
        }
        "topic policy" | "alarm topic policy" => {
            let topic = match what {
                "topic policy" => env.desired.topic_arn(),
                _ => env.desired.alarm_topic_arn(),
            };
            let topic = topic.unwrap().to_string();
            let policy = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Owner","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::111111111111:root"}},"Action":"sns:Publish","Resource":"{topic}"}}]}}"#
            );
            let call = management.sns().set_topic_attributes().topic_arn(topic);
            call.attribute_name("Policy").attribute_value(policy).send().await.unwrap();
        }
        "validation" => {
            let call = cloudtrail.update_trail().name(trail);
            call.enable_log_file_validation(false).send().await.unwrap();
        }
        "one Region" => {
            let call = cloudtrail.update_trail().name(trail);
            call.is_multi_region_trail(false).send().await.unwrap();
        }
        "selectors" => {
            let writes = EventSelector::builder()
                .read_write_type(ReadWriteType::WriteOnly)
                .include_management_events(true)
                .build();
            let call = cloudtrail.put_event_selectors().trail_name(trail);
            call.event_selectors(writes).send().await.unwrap();
        }
        "insights" => {
            let call = cloudtrail.put_insight_selectors().trail_name(trail);
            call.set_insight_selectors(Some(Vec::new())).send().await.unwrap();
        }
        "trail tags" => {
            let tag = aws_sdk_cloudtrail::types::Tag::builder().key("team").build().unwrap();
            let call = cloudtrail.remove_tags().resource_id(trail);
            call.tags_list(tag).send().await.unwrap();
        }
        "logging" => {
            cloudtrail.stop_logging().name(trail).send().await.unwrap();
        }
        "guardrail" => {
            let listed = organizations.list_policies().filter(PolicyType::ServiceControlPolicy);
            let listed = listed.send().await.unwrap();
            let name = env.desired.config.guardrail.name.as_str();
            let policy = listed.policies().iter().find(|one| one.name() == Some(name)).unwrap();
            let call = organizations.detach_policy().policy_id(policy.id().unwrap());
            let root = env.desired.organization.root.to_string();
            call.target_id(root).send().await.unwrap();
        }
        other => panic!("no such mutation: {other}"),
    }
}
