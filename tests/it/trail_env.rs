//! A sandbox with trails in it, and a check of their chains with nothing of the
//! crate's own.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read as _;
use std::ops::Deref;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use aws_sdk_cloudtrail::error::{ProvideErrorMetadata, SdkError};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::env::{HOME, TestEnv};

pub(crate) const BUCKET: &str = "acme-log-archive";
pub(crate) const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A sandbox, with clients of its accounts and trails in it.
pub(crate) struct TrailEnv(TestEnv);

impl Deref for TrailEnv {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.0
    }
}

impl TrailEnv {
    pub(crate) async fn start(accounts: usize) -> Self {
        let start = "2026-01-01T00:02:13Z".parse().unwrap();
        Self(TestEnv::builder().accounts(accounts).at(start).start().await)
    }

    /// The administrator of the management account (0), or the root user of another.
    fn keys_of(&self, index: usize) -> Credentials {
        if index == 0 { self.administrator() } else { self.root_user(&self.account(index)) }
    }

    pub(crate) fn config(&self, index: usize, region: &str) -> SdkConfig {
        self.sdk_config(self.keys_of(index), region)
    }

    pub(crate) fn trail(&self, index: usize) -> aws_sdk_cloudtrail::Client {
        aws_sdk_cloudtrail::Client::new(&self.config(index, HOME))
    }

    pub(crate) fn s3(&self, index: usize) -> aws_sdk_s3::Client {
        self.s3_client(self.keys_of(index), HOME)
    }

    pub(crate) fn trail_arn(&self, owner: usize, name: &str) -> String {
        format!("arn:aws:cloudtrail:{HOME}:{}:trail/{name}", self.account(owner))
    }

    /// A bucket of account `index` that lets a trail's files in.
    pub(crate) async fn bucket(&self, index: usize, name: &str, trail: &str, statements: &[Value]) {
        let s3 = self.s3(index);
        s3.create_bucket().bucket(name).send().await.unwrap();
        self.policy(index, name, trail, statements).await;
    }

    pub(crate) async fn policy(&self, index: usize, name: &str, trail: &str, statements: &[Value]) {
        let principal = json!({ "Service": "cloudtrail.amazonaws.com" });
        let source = json!({ "aws:SourceArn": trail });
        let mut all = vec![
            json!({
                "Effect": "Allow", "Principal": principal, "Action": "s3:GetBucketAcl",
                "Resource": format!("arn:aws:s3:::{name}"),
                "Condition": { "StringEquals": source },
            }),
            json!({
                "Effect": "Allow", "Principal": principal, "Action": "s3:PutObject",
                "Resource": format!("arn:aws:s3:::{name}/AWSLogs/*"),
                "Condition": { "StringEquals": {
                    "aws:SourceArn": trail, "s3:x-amz-acl": "bucket-owner-full-control",
                }},
            }),
        ];
        all.extend_from_slice(statements);
        let policy = json!({ "Version": "2012-10-17", "Statement": all });
        let s3 = self.s3(index);
        s3.put_bucket_policy().bucket(name).policy(policy.to_string()).send().await.unwrap();
    }

    pub(crate) async fn enable_organization_trails(&self) {
        let config = self.config(0, HOME);
        aws_sdk_organizations::Client::new(&config)
            .enable_aws_service_access()
            .service_principal("cloudtrail.amazonaws.com")
            .send()
            .await
            .unwrap();
        aws_sdk_iam::Client::new(&config)
            .create_service_linked_role()
            .aws_service_name("cloudtrail.amazonaws.com")
            .send()
            .await
            .unwrap();
    }

    /// A trail of account 1 into its own bucket.
    pub(crate) async fn account_trail(&self) {
        let arn = self.trail_arn(1, "own-trail");
        self.bucket(1, BUCKET, &arn, &[]).await;
        let trail = self.trail(1);
        trail
            .create_trail()
            .name("own-trail")
            .s3_bucket_name(BUCKET)
            .is_multi_region_trail(true)
            .enable_log_file_validation(true)
            .send()
            .await
            .unwrap();
        trail.start_logging().name("own-trail").send().await.unwrap();
    }

    /// The organization's trail into a bucket of account 1.
    pub(crate) async fn organization_trail(&self) -> String {
        self.enable_organization_trails().await;
        let arn = self.trail_arn(0, "orgtrail");
        self.bucket(1, BUCKET, &arn, &[]).await;
        let trail = self.trail(0);
        trail
            .create_trail()
            .name("orgtrail")
            .s3_bucket_name(BUCKET)
            .is_multi_region_trail(true)
            .is_organization_trail(true)
            .enable_log_file_validation(true)
            .send()
            .await
            .unwrap();
        trail.start_logging().name("orgtrail").send().await.unwrap();
        arn
    }

    pub(crate) async fn keys(&self, index: usize, bucket: &str, part: &str) -> Vec<String> {
        let s3 = self.s3(index);
        let mut pages = s3.list_objects_v2().bucket(bucket).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            let found = page.contents().iter().filter_map(|object| object.key());
            keys.extend(found.filter(|key| key.contains(part)).map(str::to_owned));
        }
        keys
    }

    pub(crate) async fn get(&self, index: usize, key: &str) -> (Vec<u8>, BTreeMap<String, String>) {
        let object = self.s3(index).get_object().bucket(BUCKET).key(key).send().await.unwrap();
        assert_eq!(object.content_encoding(), Some("gzip"));
        assert_eq!(object.content_type(), Some("application/json"));
        let metadata = object.metadata().cloned().unwrap_or_default().into_iter().collect();
        let zipped = object.body.collect().await.unwrap().into_bytes();
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(&zipped[..]).read_to_end(&mut body).unwrap();
        (body, metadata)
    }
}

pub(crate) fn code<T: Debug, E: ProvideErrorMetadata + Debug>(
    result: Result<T, SdkError<E>>,
) -> String {
    result.unwrap_err().code().unwrap_or("no code").to_owned()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// Checks digests in the order of their keys, with nothing of the crate's own:
/// signatures, links, listed files. Gives how many chains there are and how many
/// files are listed.
pub(crate) async fn check_chain(
    env: &TrailEnv,
    reader: usize,
    account: usize,
    prefix: &str,
) -> (usize, usize) {
    let keys = env.keys(reader, BUCKET, prefix).await;
    let region = keys[0].split('/').rev().nth(4).unwrap().to_owned();
    let public = aws_sdk_cloudtrail::Client::new(&env.config(account, &region))
        .list_public_keys()
        .start_time(aws_sdk_cloudtrail::primitives::DateTime::from_secs(1_767_225_600))
        .end_time(aws_sdk_cloudtrail::primitives::DateTime::from_secs(1_777_225_600))
        .send()
        .await
        .unwrap();
    let (mut chains, mut files) = (0, 0);
    let mut previous: Option<(String, String, String)> = None;
    for key in keys {
        let (body, metadata) = env.get(reader, &key).await;
        let digest: Value = serde_json::from_slice(&body).unwrap();
        assert!(!body.windows(2).any(|pair| pair == b": "), "digests are compact");
        assert_eq!(digest["digestS3Object"], key);
        if digest["previousDigestSignature"].is_null() {
            chains += 1;
        } else {
            let (key, hash, signature) = previous.unwrap();
            assert_eq!(digest["previousDigestS3Object"], key);
            assert_eq!(digest["previousDigestHashValue"], hash);
            assert_eq!(digest["previousDigestSignature"], signature);
        }
        let text = format!(
            "{}\n{BUCKET}/{key}\n{}\n{}",
            digest["digestEndTime"].as_str().unwrap(),
            sha256(&body),
            digest["previousDigestSignature"].as_str().unwrap_or("null")
        );
        let signer = public
            .public_key_list()
            .iter()
            .find(|key| key.fingerprint() == digest["digestPublicKeyFingerprint"].as_str())
            .unwrap();
        assert_eq!(metadata["signature-algorithm"], "SHA256withRSA");
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, signer.value().unwrap().as_ref())
            .verify(text.as_bytes(), &hex::decode(&metadata["signature"]).unwrap())
            .unwrap();
        for file in digest["logFiles"].as_array().unwrap() {
            let (body, _) = env.get(reader, file["s3Object"].as_str().unwrap()).await;
            assert_eq!(file["hashValue"], sha256(&body));
            files += 1;
        }
        previous = Some((key, sha256(&body), metadata["signature"].clone()));
    }
    (chains, files)
}
