//! What the generated roles refuse: the same calls on another bucket, key, trail, topic, log
//! group or role, and for another service. Next to each, the call that they allow.

use aws_sdk_organizations::types::PolicyType;
use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, ReplicationConfiguration,
    ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
};
use orgtrail::aws::{At as _, AwsError, ErrorKind, WriteClients};

use super::roles_env::{ARCHIVE, MANAGEMENT, MEMBER, RolesEnv};

fn denied<T: std::fmt::Debug>(answer: Result<T, AwsError>, what: &str) {
    let error = answer.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::AccessDenied, "{what}: {error:?}");
}

async fn put(clients: &WriteClients, bucket: &str, key: &str) -> Result<(), AwsError> {
    let put = clients.s3().put_object().bucket(bucket).key(key).body(b"x".to_vec().into());
    put.send().await.at(clients, "s3:PutObject").map(drop)
}

async fn provisioned() -> RolesEnv {
    let env = RolesEnv::through_a_hub().await;
    env.runs(&["apply", "--yes"], 0).await;
    env
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archives_role_writes_to_no_other_bucket_and_folder() {
    let env = provisioned().await;
    let owner = env.root(ARCHIVE).await;
    owner.s3().create_bucket().bucket("payroll").send().await.unwrap();
    let archive = env.session(ARCHIVE).await;
    put(&archive, "acme-log-archive", "orgtrail/note").await.unwrap();
    put(&archive, "acme-log-archive", "AWSLogs/note").await.unwrap();
    denied(put(&archive, "acme-log-archive", "other/note").await, "another folder");
    denied(put(&archive, "payroll", "orgtrail/note").await, "another bucket");
    denied(put(&archive, "acme-log-archive-access-logs", "x").await, "the access logs");
    let read = archive.s3().get_bucket_policy().bucket("acme-log-archive").send().await.unwrap();
    let policy = read.policy.unwrap();
    for (bucket, is_own) in [("acme-log-archive", true), ("payroll", false)] {
        let put = archive.s3().put_bucket_policy().bucket(bucket);
        let put = put.policy(policy.replace("acme-log-archive", bucket)).send().await;
        let put = put.at(&archive, "s3:PutBucketPolicy");
        if is_own { drop(put.unwrap()) } else { denied(put, "another bucket's policy") }
    }
    let replicate = async |role: &str| {
        let rule = ReplicationRule::builder()
            .priority(1)
            .status(ReplicationRuleStatus::Enabled)
            .filter(ReplicationRuleFilter::builder().prefix("").build())
            .delete_marker_replication(
                DeleteMarkerReplication::builder()
                    .status(DeleteMarkerReplicationStatus::Disabled)
                    .build(),
            )
            .destination(
                Destination::builder().bucket("arn:aws:s3:::acme-log-vault").build().unwrap(),
            )
            .build()
            .unwrap();
        let rules = ReplicationConfiguration::builder()
            .role(format!("arn:aws:iam::{ARCHIVE}:role/{role}"))
            .rules(rule)
            .build()
            .unwrap();
        let put = archive.s3().put_bucket_replication().bucket("acme-log-archive");
        put.replication_configuration(rules).send().await.at(&archive, "iam:PassRole")
    };
    denied(replicate("OrganizationAccountAccessRole").await, "another role");
    replicate("orgtrail-replication").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archives_role_changes_no_other_key_and_encrypts_through_s3_alone() {
    let env = provisioned().await;
    let owner = env.root(ARCHIVE).await;
    let other = owner.kms().create_key().send().await.unwrap().key_metadata.unwrap().key_id;
    let alias = owner.kms().create_alias().alias_name("alias/payroll").target_key_id(&other);
    alias.send().await.unwrap();
    let archive = env.session(ARCHIVE).await;
    let own = archive.kms().describe_key().key_id("alias/orgtrail").send().await.unwrap();
    let own = own.key_metadata.unwrap().key_id;
    let enable = async |key: &str| {
        archive.kms().enable_key().key_id(key).send().await.at(&archive, "kms:EnableKey")
    };
    enable(&own).await.unwrap();
    denied(enable(&other).await, "another key");
    let policy = archive.kms().get_key_policy().key_id(&own).send().await.unwrap().policy.unwrap();
    let put = async |key: &str| {
        let put = archive.kms().put_key_policy().key_id(key).policy(&policy).send().await;
        put.at(&archive, "kms:PutKeyPolicy")
    };
    put(&own).await.unwrap();
    denied(put(&other).await, "another key's policy");
    let name = archive.kms().create_alias().alias_name("alias/mine").target_key_id(&own);
    denied(name.send().await.at(&archive, "kms:CreateAlias"), "another alias");
    let generate = archive.kms().generate_data_key().key_id(&own).number_of_bytes(32);
    denied(generate.send().await.at(&archive, "kms:GenerateDataKey"), "not through S3");
    self::put(&archive, "acme-log-archive", "orgtrail/encrypted").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_management_accounts_role_manages_what_is_declared_for_cloudtrail_alone() {
    let env = provisioned().await;
    let management = env.session(MANAGEMENT).await;
    let organizations = management.organizations();
    let trust = async |service: &str| {
        let enable = organizations.enable_aws_service_access().service_principal(service);
        enable.send().await.at(&management, "organizations:EnableAWSServiceAccess")
    };
    trust("cloudtrail.amazonaws.com").await.unwrap();
    denied(trust("ssm.amazonaws.com").await, "another service");
    let write = async |kind: PolicyType, name: &str, action: &str| {
        let create = organizations.create_policy().r#type(kind).name(name).description("");
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny",{action}"Resource":"*"}}]}}"#
        );
        create.content(policy).send().await.at(&management, "organizations:CreatePolicy")
    };
    write(PolicyType::ServiceControlPolicy, "one", r#""Action":"ec2:*","#).await.unwrap();
    let of_resources = r#""Principal":"*","Action":"s3:*","#;
    denied(
        write(PolicyType::ResourceControlPolicy, "two", of_resources).await,
        "another type of policies",
    );
    let trail = management.cloudtrail().create_trail().name("another");
    let trail = trail.s3_bucket_name("acme-log-archive").send().await;
    denied(trail.at(&management, "cloudtrail:CreateTrail"), "another trail");
    let role = management.iam().create_role().role_name("another");
    let trusting = env.role(orgtrail::resources::roles::RoleKind::Member);
    let trusting = trusting.trust(trusting.trusted.as_ref().unwrap(), None).to_json();
    let role = role.assume_role_policy_document(trusting).send().await;
    denied(role.at(&management, "iam:CreateRole"), "another role");
    let group = management.logs().create_log_group().log_group_name("/another").send().await;
    denied(group.at(&management, "logs:CreateLogGroup"), "another log group");
    let topic = management.sns().create_topic().name("another").send().await;
    denied(topic.at(&management, "sns:CreateTopic"), "another topic");
    let alarms = management.cloudwatch().delete_alarms().alarm_names("another").send().await;
    denied(alarms.at(&management, "cloudwatch:DeleteAlarms"), "another alarm");
    let subscribe = async |protocol: &str, endpoint: &str| {
        let topic = format!("arn:aws:sns:us-east-1:{MANAGEMENT}:orgtrail-alarms");
        let subscribe = management.sns().subscribe().topic_arn(topic).protocol(protocol);
        subscribe.endpoint(endpoint).send().await.at(&management, "sns:Subscribe")
    };
    subscribe("email", "security@example.com").await.unwrap();
    denied(subscribe("email", "someone@example.net").await, "another address");
    denied(subscribe("https", "https://example.net/").await, "another protocol");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_role_writes_nothing() {
    let env = provisioned().await;
    let owner = env.root(MEMBER).await;
    owner.s3().create_bucket().bucket("member-data").send().await.unwrap();
    put(&owner, "member-data", "a").await.unwrap();
    let member = env.session(MEMBER).await;
    member.s3().get_object().bucket("member-data").key("a").send().await.unwrap();
    denied(put(&member, "member-data", "a").await, "a member's bucket");
    denied(put(&member, "acme-log-archive", "orgtrail/a").await, "the archive");
    let role = member.iam().list_roles().send().await;
    denied(role.at(&member, "iam:ListRoles"), "roles");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_assumes_no_role_that_the_configuration_does_not_name() {
    let env = RolesEnv::through_a_hub().await;
    env.runs(&["accounts"], 0).await;
    // It trusts the hub, as Organizations made it.
    let other = env
        .declaring(|text| text.replace("\"OrgTrailMember\"", "\"OrganizationAccountAccessRole\""));
    let said = other.runs(&["accounts"], 14).await;
    assert!(said.contains("sts:AssumeRole"), "{said}");
    assert!(said.contains("role/OrganizationAccountAccessRole"), "{said}");
}
