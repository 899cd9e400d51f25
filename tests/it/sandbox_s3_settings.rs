//! The settings of the sandbox's buckets, and what they do to objects.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, ServerSideEncryption};

use crate::env::HOME;
use crate::s3_env::{BUCKET, S3Env, code, get, policy, put, refused, version};

#[tokio::test]
async fn settings_are_kept_and_their_absence_has_a_name() {
    let (_world, client) = S3Env::with_bucket().await;
    let absent = [
        code(client.get_bucket_policy().bucket(BUCKET).send().await),
        code(client.get_bucket_lifecycle_configuration().bucket(BUCKET).send().await),
        code(client.get_bucket_replication().bucket(BUCKET).send().await),
        code(client.get_bucket_tagging().bucket(BUCKET).send().await),
        code(client.get_object_lock_configuration().bucket(BUCKET).send().await),
    ];
    assert_eq!(
        absent.map(|answer| answer.unwrap_err()),
        [
            "NoSuchBucketPolicy",
            "NoSuchLifecycleConfiguration",
            "ReplicationConfigurationNotFoundError",
            "NoSuchTagSet",
            "ObjectLockConfigurationNotFoundError"
        ]
    );
    let encryption = client.get_bucket_encryption().bucket(BUCKET).send().await.unwrap();
    let rules = encryption.server_side_encryption_configuration().unwrap().rules();
    let default = rules[0].apply_server_side_encryption_by_default().unwrap();
    assert_eq!(default.sse_algorithm(), &ServerSideEncryption::Aes256);
    let block = client.get_public_access_block().bucket(BUCKET).send().await.unwrap();
    assert_eq!(
        block.public_access_block_configuration().unwrap().restrict_public_buckets(),
        Some(true)
    );
    client.delete_public_access_block().bucket(BUCKET).send().await.unwrap();
    assert_eq!(
        code(client.get_public_access_block().bucket(BUCKET).send().await),
        refused("NoSuchPublicAccessBlockConfiguration")
    );
    let ownership = client.get_bucket_ownership_controls().bucket(BUCKET).send().await.unwrap();
    assert_eq!(
        ownership.ownership_controls().unwrap().rules()[0].object_ownership().as_str(),
        "BucketOwnerEnforced"
    );
    client.delete_bucket_ownership_controls().bucket(BUCKET).send().await.unwrap();
    assert_eq!(
        code(client.get_bucket_ownership_controls().bucket(BUCKET).send().await),
        refused("OwnershipControlsNotFoundError")
    );
    let notification =
        client.get_bucket_notification_configuration().bucket(BUCKET).send().await.unwrap();
    assert_eq!(notification.topic_configurations().len(), 0);
    assert!(
        client
            .get_bucket_logging()
            .bucket(BUCKET)
            .send()
            .await
            .unwrap()
            .logging_enabled()
            .is_none()
    );
}

fn kms(env: &S3Env, index: usize) -> aws_sdk_kms::Client {
    let keys = env.root_user(&env.account(index));
    aws_sdk_kms::Client::new(&env.sdk_config(keys, HOME))
}

#[tokio::test]
async fn encrypted_objects_need_their_key() {
    use aws_sdk_s3::types::{
        ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    };
    let (env, owner) = S3Env::with_bucket().await;
    let kms = kms(&env, 1);
    let key = kms.create_key().send().await.unwrap();
    let key = key.key_metadata().unwrap().arn().unwrap().to_owned();
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(&key)
        .build()
        .unwrap();
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .bucket_key_enabled(true)
        .build();
    let configuration = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
    owner
        .put_bucket_encryption()
        .bucket(BUCKET)
        .server_side_encryption_configuration(configuration)
        .send()
        .await
        .unwrap();
    put(&owner, "a", "1").await;
    let head = owner.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(head.ssekms_key_id(), Some(key.as_str()));
    assert_eq!(head.bucket_key_enabled(), Some(true));
    assert_ne!(head.e_tag(), Some("\"c4ca4238a0b923820dcc509a6f75849b\""));
    assert_eq!(get(&owner, "a").await, Ok(b"1".to_vec()));
    // Who may read the bucket, but not use the key, reads nothing.
    let account = format!(r#"{{"AWS":"{}"}}"#, env.account(2));
    let policy = policy("Allow", &account, "s3:GetObject", "{}");
    owner.put_bucket_policy().bucket(BUCKET).policy(policy).send().await.unwrap();
    assert_eq!(get(&env.client(2), "a").await, Err("AccessDenied".to_owned()));
    kms.disable_key().key_id(&key).send().await.unwrap();
    assert_eq!(get(&owner, "a").await, Err("KMS.DisabledException".to_owned()));
    let put = owner.put_object().bucket(BUCKET).key("b").body(ByteStream::from_static(b"1"));
    assert_eq!(code(put.send().await), refused("KMS.DisabledException"));
    let plain = owner
        .put_object()
        .bucket(BUCKET)
        .key("b")
        .server_side_encryption(ServerSideEncryption::Aes256)
        .body(ByteStream::from_static(b"1"));
    assert_eq!(code(plain.send().await), Ok(()));
}

#[tokio::test]
async fn new_objects_are_replicated() {
    use aws_sdk_s3::types::{
        DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination,
        ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
    };
    let (env, client) = S3Env::with_versions().await;
    let replicate_to = |bucket: &str| {
        let destination =
            Destination::builder().bucket(format!("arn:aws:s3:::{bucket}")).build().unwrap();
        let markers = DeleteMarkerReplication::builder()
            .status(DeleteMarkerReplicationStatus::Disabled)
            .build();
        let rule = ReplicationRule::builder()
            .status(ReplicationRuleStatus::Enabled)
            .priority(1)
            .filter(ReplicationRuleFilter::builder().prefix("logs/").build())
            .delete_marker_replication(markers)
            .destination(destination)
            .build()
            .unwrap();
        let configuration = ReplicationConfiguration::builder()
            .role(format!("arn:aws:iam::{}:role/replicator", env.account(1)))
            .rules(rule)
            .build()
            .unwrap();
        client.put_bucket_replication().bucket(BUCKET).replication_configuration(configuration)
    };
    let replicate = || replicate_to("acme-replica");
    assert_eq!(code(replicate().send().await), refused("InvalidRequest"));
    assert_eq!(code(replicate_to(BUCKET).send().await), refused("InvalidRequest"));
    client.create_bucket().bucket("acme-replica").send().await.unwrap();
    assert_eq!(code(replicate().send().await), refused("InvalidRequest"));
    version(&client, "acme-replica", BucketVersioningStatus::Enabled).await.unwrap();
    replicate().send().await.unwrap();
    let id = put(&client, "logs/a", "1").await;
    put(&client, "other", "1").await;
    let source = client.head_object().bucket(BUCKET).key("logs/a").send().await.unwrap();
    assert_eq!(source.replication_status().unwrap().as_str(), "COMPLETED");
    let replica = client.head_object().bucket("acme-replica").key("logs/a").send().await.unwrap();
    assert_eq!(replica.replication_status().unwrap().as_str(), "REPLICA");
    assert_eq!(replica.version_id().map(str::to_owned), id);
    let other = client.head_object().bucket("acme-replica").key("other").send().await;
    assert_eq!(code(other), refused("NotFound"));
    assert_eq!(
        version(&client, BUCKET, BucketVersioningStatus::Suspended).await,
        refused("InvalidBucketState")
    );
}

#[tokio::test]
async fn access_logs_go_where_they_may() {
    use aws_sdk_s3::types::{BucketLoggingStatus, LoggingEnabled};
    let (env, client) = S3Env::with_bucket().await;
    let log_to = |target: &str| {
        let logging =
            LoggingEnabled::builder().target_bucket(target).target_prefix("s3/").build().unwrap();
        let status = BucketLoggingStatus::builder().logging_enabled(logging).build();
        client.put_bucket_logging().bucket(BUCKET).bucket_logging_status(status)
    };
    let invalid = refused("InvalidTargetBucketForLogging");
    assert_eq!(code(log_to("acme-absent").send().await), invalid);
    env.client(2).create_bucket().bucket("acme-foreign").send().await.unwrap();
    assert_eq!(code(log_to("acme-foreign").send().await), invalid);
    client.create_bucket().bucket("acme-access-logs").send().await.unwrap();
    log_to("acme-access-logs").send().await.unwrap();
    let logging = client.get_bucket_logging().bucket(BUCKET).send().await.unwrap();
    assert_eq!(logging.logging_enabled().unwrap().target_bucket(), "acme-access-logs");
}

#[tokio::test]
async fn a_crime_leaves_version_time_and_tag_as_they_were() {
    let (env, client) = S3Env::with_versions().await;
    let id = put(&client, "a", "1").await;
    let before = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    env.sandbox.tamper(BUCKET, "a", |body| body[0] ^= 1).unwrap();
    let after = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(after.e_tag(), before.e_tag());
    assert_eq!(after.last_modified(), before.last_modified());
    assert_eq!(after.version_id().map(str::to_owned), id);
    assert_eq!(get(&client, "a").await, Ok(b"0".to_vec()));
    env.sandbox.delete_raw(BUCKET, "a").unwrap();
    assert!(env.sandbox.tamper(BUCKET, "a", |_| ()).is_err());
    assert!(env.sandbox.keys_raw(BUCKET, "").is_empty());
}
