//! S3 of a sandbox, and the calls that its tests make again and again.

use std::fmt::Debug;
use std::ops::Deref;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use jiff::SignedDuration;

use crate::env::{HOME, TestEnv};

pub(crate) const BUCKET: &str = "acme-log-archive";
pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A sandbox, with S3 clients of its accounts.
pub(crate) struct S3Env(TestEnv);

impl Deref for S3Env {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.0
    }
}

impl S3Env {
    pub(crate) async fn start() -> Self {
        Self(TestEnv::start().await)
    }

    /// A client of an account's root user.
    pub(crate) fn client(&self, index: usize) -> Client {
        self.client_in(index, HOME)
    }

    pub(crate) fn client_in(&self, index: usize, region: &str) -> Client {
        self.s3_client(self.root_user(&self.account(index)), region)
    }

    /// A sandbox with the bucket in account 1, and its owner's client.
    pub(crate) async fn with_bucket() -> (Self, Client) {
        let env = Self::start().await;
        let client = env.client(1);
        client.create_bucket().bucket(BUCKET).send().await.unwrap();
        (env, client)
    }

    pub(crate) async fn with_versions() -> (Self, Client) {
        let (env, client) = Self::with_bucket().await;
        version(&client, BUCKET, BucketVersioningStatus::Enabled).await.unwrap();
        (env, client)
    }

    /// The same with Object Lock from the start.
    pub(crate) async fn with_lock() -> (Self, Client) {
        let env = Self::start().await;
        let client = env.client(1);
        client
            .create_bucket()
            .bucket(BUCKET)
            .object_lock_enabled_for_bucket(true)
            .send()
            .await
            .unwrap();
        (env, client)
    }
}

pub(crate) async fn version(
    client: &Client,
    bucket: &str,
    status: BucketVersioningStatus,
) -> Result<(), String> {
    let configuration = VersioningConfiguration::builder().status(status).build();
    let request = client.put_bucket_versioning().bucket(bucket);
    code(request.versioning_configuration(configuration).send().await)
}

/// The error's code, or nothing.
pub(crate) fn code<T, E: ProvideErrorMetadata + Debug, R: Debug>(
    result: Result<T, SdkError<E, R>>,
) -> Result<(), String> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => match error.code() {
            Some(code) => Err(code.to_owned()),
            None => match error.raw_response_debug() {
                Some(status) => Err(status),
                None => panic!("no answer: {error:?}"),
            },
        },
    }
}

trait RawStatus {
    fn raw_response_debug(&self) -> Option<String>;
}

impl<E: Debug, R: Debug> RawStatus for SdkError<E, R> {
    fn raw_response_debug(&self) -> Option<String> {
        let text = format!("{self:?}");
        let at = text.find("StatusCode(")? + "StatusCode(".len();
        Some(text[at..at + 3].to_owned())
    }
}

pub(crate) fn refused(code: &str) -> Result<(), String> {
    Err(code.to_owned())
}

pub(crate) async fn put(client: &Client, key: &str, body: &str) -> Option<String> {
    let body = ByteStream::from(body.as_bytes().to_vec());
    let put = client.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
    put.version_id().map(str::to_owned)
}

pub(crate) async fn get(client: &Client, key: &str) -> Result<Vec<u8>, String> {
    match client.get_object().bucket(BUCKET).key(key).send().await {
        Ok(found) => Ok(found.body.collect().await.unwrap().to_vec()),
        Err(error) => Err(error.code().unwrap().to_owned()),
    }
}

pub(crate) async fn keys(client: &Client) -> Vec<String> {
    let listing = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    listing.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
}

pub(crate) fn policy(effect: &str, principal: &str, action: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":{principal},"Action":"{action}","Resource":["arn:aws:s3:::{BUCKET}","arn:aws:s3:::{BUCKET}/*"],"Condition":{condition}}}]}}"#
    )
}
