//! Legacy trails, one in an account of every role.

use aws_sdk_s3::types::{
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, StorageClass, Tag, Tagging,
};
use jiff::SignedDuration;
use serde_json::json;

use super::setting::{ARCHIVE, MANAGEMENT, MEMBER, Setting, TOOLS, VAULT};
use crate::forge::gzip;

pub(super) struct Legacy {
    pub(super) arn: String,
    account: &'static str,
}

impl Legacy {
    pub(super) async fn of_every_kind(setting: &Setting) -> Vec<Self> {
        let mut all = Vec::new();
        for account in [MANAGEMENT, ARCHIVE, TOOLS, VAULT, MEMBER] {
            all.push(Self::new(setting, account).await);
        }
        all
    }

    async fn new(setting: &Setting, account: &'static str) -> Self {
        let clients = setting.root(account).await;
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
        let until = setting.sandbox.now() - SignedDuration::from_hours(27);
        let legacy = orgtrail::sandbox::Legacy {
            account: account.parse().unwrap(),
            bucket: bucket.parse().unwrap(),
            prefix: None,
            trail: "legacy".parse().unwrap(),
            regions: vec!["us-east-1".parse().unwrap()],
            from: until - SignedDuration::from_hours(3),
            until,
        };
        setting.sandbox.fill_legacy(&legacy).unwrap();
        // Logs that need the key, tags, a restore.
        let key = clients.kms().create_key().send().await.unwrap().key_metadata.unwrap().key_id;
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::AwsKms)
            .kms_master_key_id(key)
            .build()
            .unwrap();
        let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default);
        let rules = ServerSideEncryptionConfiguration::builder().rules(rule.build());
        let encrypt = s3.put_bucket_encryption().bucket(&bucket);
        let encrypt = encrypt.server_side_encryption_configuration(rules.build().unwrap());
        encrypt.send().await.unwrap();
        let log = |name: &str| {
            let name = format!("{account}_CloudTrail_us-east-1_20260101T{name}");
            format!("AWSLogs/{account}/CloudTrail/us-east-1/2026/01/01/{name}.json.gz")
        };
        let body = || gzip(br#"{"Records":[]}"#);
        let put = |name: &str| s3.put_object().bucket(&bucket).key(log(name)).body(body().into());
        put("0005Z_aaaaaaaaaaaaaaaa").send().await.unwrap();
        let tags = Tagging::builder().tag_set(Tag::builder().key("a").value("b").build().unwrap());
        let tag = s3.put_object_tagging().bucket(&bucket).key(log("0005Z_aaaaaaaaaaaaaaaa"));
        tag.tagging(tags.build().unwrap()).send().await.unwrap();
        let archived = put("0010Z_bbbbbbbbbbbbbbbb").storage_class(StorageClass::Glacier);
        archived.send().await.unwrap();
        let arn = format!("arn:aws:cloudtrail:us-east-1:{account}:trail/legacy");
        Self { arn, account }
    }

    /// Starts the trail, so that it must be stopped.
    pub(super) async fn start(&self, setting: &Setting) {
        let clients = setting.root(self.account).await;
        clients.cloudtrail().start_logging().name("legacy").send().await.unwrap();
    }
}
