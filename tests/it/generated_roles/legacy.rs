//! Legacy trails, one in an account of every role.

use std::io::Write as _;

use aws_sdk_s3::types::{
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, StorageClass, Tag, Tagging,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::SignedDuration;
use serde_json::json;

use super::roles_env::{ARCHIVE, MANAGEMENT, MEMBER, OTHER, RolesEnv, TOOLS, VAULT};
use crate::env::home;

pub(super) struct Legacy {
    pub(super) arn: String,
    pub(super) bucket: String,
    account: &'static str,
}

impl Legacy {
    pub(super) async fn of_every_kind(env: &RolesEnv) -> Vec<Self> {
        let mut all = Vec::new();
        env.sandbox.set_volume(20.0, Some(vec![home()]));
        // The last one writes to a bucket of another member, whose owner is looked for.
        for (account, owner) in [
            (MEMBER, MEMBER),
            (MANAGEMENT, MANAGEMENT),
            (ARCHIVE, ARCHIVE),
            (TOOLS, TOOLS),
            (VAULT, VAULT),
            (OTHER, VAULT),
        ] {
            all.push(Self::new(env, account, owner).await);
        }
        env.sandbox.set_volume(2.0, Some(vec![home()]));
        all
    }

    pub(super) async fn of_a_member(env: &RolesEnv) -> Self {
        env.sandbox.set_volume(20.0, Some(vec![home()]));
        let legacy = Self::new(env, MEMBER, MEMBER).await;
        env.sandbox.set_volume(2.0, Some(vec![home()]));
        legacy
    }

    async fn new(env: &RolesEnv, account: &'static str, owner: &str) -> Self {
        let clients = env.root(owner).await;
        let bucket = format!("legacy-{account}");
        let s3 = clients.s3();
        s3.create_bucket().bucket(&bucket).send().await.unwrap();
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "cloudtrail.amazonaws.com" },
            "Action": ["s3:GetBucketAcl", "s3:PutObject"],
            "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
        }] });
        let put = s3.put_bucket_policy().bucket(&bucket).policy(policy.to_string());
        put.send().await.unwrap();
        let until = env.sandbox.now() - SignedDuration::from_hours(27);
        let legacy = orgtrail::sandbox::Legacy {
            account: account.parse().unwrap(),
            bucket: bucket.parse().unwrap(),
            prefix: None,
            trail: "legacy".parse().unwrap(),
            regions: vec!["us-east-1".parse().unwrap()],
            from: until - SignedDuration::from_hours(3),
            until,
        };
        env.sandbox.fill_legacy(&legacy).unwrap();
        // Logs that need the key, tags, a restore.
        let key = clients.kms().create_key().send().await.unwrap().key_metadata.unwrap().key_id;
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::AwsKms)
            .kms_master_key_id(key)
            .build()
            .unwrap();
        let rule =
            ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
        let rules = ServerSideEncryptionConfiguration::builder().rules(rule.build());
        let encrypt = s3.put_bucket_encryption().bucket(&bucket);
        let encrypt = encrypt.server_side_encryption_configuration(rules.build().unwrap());
        encrypt.send().await.unwrap();
        let logs = env.sandbox.keys_raw(&bucket, &format!("AWSLogs/{account}/CloudTrail/"));
        let [first, second, ..] = logs.as_slice() else { panic!("{logs:?}") };
        let again = |key: &str| {
            let copy = s3.copy_object().bucket(&bucket).key(key);
            let copy = copy.copy_source(format!("{bucket}/{key}"));
            let copy = copy.expected_source_bucket_owner(owner);
            copy.server_side_encryption(ServerSideEncryption::AwsKms)
        };
        again(first).send().await.unwrap();
        let tags = Tagging::builder().tag_set(Tag::builder().key("a").value("b").build().unwrap());
        let tag = s3.put_object_tagging().bucket(&bucket).key(first);
        tag.tagging(tags.build().unwrap()).send().await.unwrap();
        again(second).storage_class(StorageClass::Glacier).send().await.unwrap();
        let arn = format!("arn:aws:cloudtrail:us-east-1:{account}:trail/legacy");
        Self { arn, bucket, account }
    }

    /// A log that is too large to be copied at once; its key.
    pub(super) fn put_large_log(&self, env: &RolesEnv) -> String {
        let account = self.account;
        let key = format!(
            "AWSLogs/{account}/CloudTrail/us-east-1/2026/01/01/\
             {account}_CloudTrail_us-east-1_20260101T0005Z_aaaaaaaaaaaaaaaa.json.gz"
        );
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(br#"{"Records":[]}"#).unwrap();
        encoder.write_all(&vec![b' '; 65 << 20]).unwrap();
        env.sandbox.put_raw(&self.bucket, &key, encoder.finish().unwrap()).unwrap();
        key
    }

    /// Starts the trail, so that it must be stopped.
    pub(super) async fn start(&self, env: &RolesEnv) {
        let clients = env.root(self.account).await;
        clients.cloudtrail().start_logging().name("legacy").send().await.unwrap();
    }
}
