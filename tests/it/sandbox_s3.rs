//! The sandbox's S3, as the AWS SDK sees it.

use std::fmt::Debug;

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{
        BucketLocationConstraint, BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode,
        CompletedMultipartUpload, CompletedPart, CreateBucketConfiguration, DefaultRetention,
        Delete, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
        MetadataDirective, MfaDelete, NoncurrentVersionExpiration, ObjectIdentifier,
        ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
        ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode, ObjectLockRule,
        PublicAccessBlockConfiguration, ServerSideEncryption, StorageClass,
        VersioningConfiguration,
    },
};
use jiff::SignedDuration;
use orgtrail::{
    names::AccountId,
    sandbox::{Options, Pace, Sandbox},
};

const BUCKET: &str = "acme-log-archive";
const DAY: SignedDuration = SignedDuration::from_hours(24);

struct World {
    sandbox: Sandbox,
}

impl World {
    async fn start() -> Self {
        let mut options = Options::new("us-east-1".parse().unwrap());
        options.accounts = 4;
        options.start = Some("2026-01-01T00:00:00Z".parse().unwrap());
        options.pace = Pace::Frozen;
        Self { sandbox: Sandbox::start(options).await.unwrap() }
    }

    fn account(&self, index: usize) -> AccountId {
        self.sandbox.accounts()[index].clone()
    }

    /// A client of the root user of the nth account.
    fn client(&self, index: usize) -> Client {
        self.client_in(index, "us-east-1")
    }

    fn client_in(&self, index: usize, region: &'static str) -> Client {
        let keys = self.sandbox.root(&self.account(index)).unwrap();
        let credentials = Credentials::from_keys(keys.access_key_id, keys.secret_access_key, None);
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(aws_config::Region::new(region))
            .endpoint_url(self.sandbox.endpoint())
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
                credentials,
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Client::from_conf(config)
    }

    /// A world with the bucket in account 1, and its owner's client.
    async fn with_bucket() -> (Self, Client) {
        let world = Self::start().await;
        let client = world.client(1);
        client.create_bucket().bucket(BUCKET).send().await.unwrap();
        (world, client)
    }

    async fn with_versions() -> (Self, Client) {
        let (world, client) = Self::with_bucket().await;
        version(&client, BUCKET, BucketVersioningStatus::Enabled).await.unwrap();
        (world, client)
    }

    /// The same with Object Lock from the start.
    async fn with_lock() -> (Self, Client) {
        let world = Self::start().await;
        let client = world.client(1);
        client
            .create_bucket()
            .bucket(BUCKET)
            .object_lock_enabled_for_bucket(true)
            .send()
            .await
            .unwrap();
        (world, client)
    }
}

async fn version(
    client: &Client,
    bucket: &str,
    status: BucketVersioningStatus,
) -> Result<(), String> {
    let configuration = VersioningConfiguration::builder().status(status).build();
    let request = client.put_bucket_versioning().bucket(bucket);
    code(request.versioning_configuration(configuration).send().await)
}

/// The error's code, or nothing.
fn code<T, E: ProvideErrorMetadata + Debug, R: Debug>(
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

fn refused(code: &str) -> Result<(), String> {
    Err(code.to_owned())
}

async fn put(client: &Client, key: &str, body: &str) -> Option<String> {
    let body = ByteStream::from(body.as_bytes().to_vec());
    let put = client.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
    put.version_id().map(str::to_owned)
}

async fn get(client: &Client, key: &str) -> Result<Vec<u8>, String> {
    match client.get_object().bucket(BUCKET).key(key).send().await {
        Ok(found) => Ok(found.body.collect().await.unwrap().to_vec()),
        Err(error) => Err(error.code().unwrap().to_owned()),
    }
}

async fn keys(client: &Client) -> Vec<String> {
    let listing = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    listing.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn names_are_global_and_buckets_belong_to_accounts() {
    let (world, owner) = World::with_bucket().await;
    let other = world.client(2);
    assert_eq!(
        code(other.create_bucket().bucket(BUCKET).send().await),
        refused("BucketAlreadyExists")
    );
    assert_eq!(code(owner.create_bucket().bucket(BUCKET).send().await), Ok(()));
    assert_eq!(code(other.head_bucket().bucket(BUCKET).send().await), refused("403"));
    assert_eq!(other.list_buckets().send().await.unwrap().buckets().len(), 0);
    assert_eq!(owner.list_buckets().send().await.unwrap().buckets().len(), 1);
    let expected = owner.head_bucket().bucket(BUCKET).expected_bucket_owner("999999999999");
    assert_eq!(code(expected.send().await), refused("403"));
    put(&owner, "a", "1").await;
    assert_eq!(code(owner.delete_bucket().bucket(BUCKET).send().await), refused("BucketNotEmpty"));
    owner.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    owner.delete_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(
        code(owner.get_bucket_location().bucket(BUCKET).send().await),
        refused("NoSuchBucket")
    );
}

#[tokio::test]
async fn buckets_lie_in_regions() {
    let world = World::start().await;
    let frankfurt = world.client_in(1, "eu-central-1");
    let create = |region: Option<&str>| {
        let configuration = region.map(|region| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
        frankfurt.create_bucket().bucket(BUCKET).set_create_bucket_configuration(configuration)
    };
    let illegal = refused("IllegalLocationConstraintException");
    assert_eq!(code(create(None).send().await), illegal);
    assert_eq!(code(create(Some("eu-west-1")).send().await), illegal);
    create(Some("eu-central-1")).send().await.unwrap();
    assert_eq!(code(create(Some("eu-central-1")).send().await), refused("BucketAlreadyOwnedByYou"));
    let location = frankfurt.get_bucket_location().bucket(BUCKET).send().await.unwrap();
    assert_eq!(location.location_constraint().unwrap().as_str(), "eu-central-1");
    let elsewhere = world.client(1).list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(code(elsewhere), refused("PermanentRedirect"));
    let head = frankfurt.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(head.bucket_region(), Some("eu-central-1"));
}

#[tokio::test]
async fn objects_keep_their_bytes_and_their_headers() {
    let (_world, client) = World::with_bucket().await;
    let key = "AWSLogs/1/ü +%&.json.gz";
    client
        .put_object()
        .bucket(BUCKET)
        .key(key)
        .body(ByteStream::from_static(b"\x1f\x8bnot really gzip"))
        .content_type("application/json")
        .content_encoding("gzip")
        .cache_control("no-store")
        .metadata("signature", "0a0b")
        .metadata("signature-algorithm", "SHA256withRSA")
        .tagging("team=audit&x=1%202")
        .send()
        .await
        .unwrap();
    let found = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(found.content_type(), Some("application/json"));
    assert_eq!(found.content_encoding(), Some("gzip"));
    assert_eq!(found.cache_control(), Some("no-store"));
    assert_eq!(found.tag_count(), Some(2));
    assert_eq!(found.server_side_encryption(), Some(&ServerSideEncryption::Aes256));
    assert_eq!(found.last_modified().unwrap().to_string(), "2026-01-01T00:00:00Z");
    let metadata = found.metadata().unwrap();
    assert_eq!(metadata["signature"], "0a0b");
    assert_eq!(metadata["signature-algorithm"], "SHA256withRSA");
    let body = found.body.collect().await.unwrap().to_vec();
    assert_eq!(body, b"\x1f\x8bnot really gzip");
    let tags = client.get_object_tagging().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(tags.tag_set()[1].value(), "1 2");
    let range =
        client.get_object().bucket(BUCKET).key(key).range("bytes=2-4").send().await.unwrap();
    assert_eq!(range.content_range(), Some("bytes 2-4/17"));
    assert_eq!(range.body.collect().await.unwrap().to_vec(), b"not");
    let beyond = client.get_object().bucket(BUCKET).key(key).range("bytes=99-").send().await;
    assert_eq!(code(beyond), refused("InvalidRange"));
    assert_eq!(get(&client, "absent").await, Err("NoSuchKey".to_owned()));
}

#[tokio::test]
async fn conditions_are_held() {
    let (_world, client) = World::with_bucket().await;
    put(&client, "a", "1").await;
    let tag = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    let tag = tag.e_tag().unwrap().to_owned();
    assert_eq!(tag, "\"c4ca4238a0b923820dcc509a6f75849b\"");
    let get = || client.get_object().bucket(BUCKET).key("a");
    assert_eq!(code(get().if_match(&tag).send().await), Ok(()));
    assert_eq!(code(get().if_match("\"x\"").send().await), refused("PreconditionFailed"));
    assert_eq!(code(get().if_none_match(&tag).send().await), refused("304"));
    let put =
        |key: &str| client.put_object().bucket(BUCKET).key(key).body(ByteStream::from_static(b"2"));
    let failed = refused("PreconditionFailed");
    assert_eq!(code(put("a").if_none_match("*").send().await), failed);
    assert_eq!(code(put("b").if_none_match("*").send().await), Ok(()));
    assert_eq!(code(put("a").if_match("\"x\"").send().await), failed);
    assert_eq!(code(put("c").if_match(&tag).send().await), refused("NoSuchKey"));
    let copy = || client.copy_object().bucket(BUCKET).copy_source(format!("{BUCKET}/a"));
    assert_eq!(code(copy().key("b").if_none_match("*").send().await), failed);
    assert_eq!(code(copy().key("d").if_none_match("*").send().await), Ok(()));
    let delete = || client.delete_object().bucket(BUCKET).key("a");
    assert_eq!(code(delete().if_match("\"x\"").send().await), failed);
    assert_eq!(code(put("a").if_match(&tag).send().await), Ok(()));
    assert_eq!(code(delete().if_match(&tag).send().await), failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_racing_writers_one_wins() {
    let (_world, client) = World::with_bucket().await;
    let writers = (0..16).map(|number| {
        let put = client.put_object().bucket(BUCKET).key("race").if_none_match("*");
        let body = ByteStream::from(number.to_string().into_bytes());
        tokio::spawn(async move { code(put.body(body).send().await) })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        match writer.await.unwrap() {
            Ok(()) => won += 1,
            lost => assert_eq!(lost, refused("PreconditionFailed")),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn checksums_are_verified_stored_and_shown() {
    let (_world, client) = World::with_bucket().await;
    let put =
        || client.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"hello"));
    let wrong = put().checksum_sha256("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=");
    assert_eq!(code(wrong.send().await), refused("BadDigest"));
    assert_eq!(
        code(put().content_md5("rL0Y20zC+Fzt72VPzMSk2A==").send().await),
        refused("BadDigest")
    );
    let sent = put().checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    let sum = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    assert_eq!(sent.checksum_sha256(), Some(sum));
    let found = client
        .get_object()
        .bucket(BUCKET)
        .key("a")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(found.checksum_sha256(), Some(sum));
    let attributes = client
        .get_object_attributes()
        .bucket(BUCKET)
        .key("a")
        .object_attributes(aws_sdk_s3::types::ObjectAttributes::ObjectSize)
        .object_attributes(aws_sdk_s3::types::ObjectAttributes::Checksum)
        .send()
        .await
        .unwrap();
    assert_eq!(attributes.object_size(), Some(5));
    assert_eq!(attributes.checksum().unwrap().checksum_sha256(), Some(sum));
}

#[tokio::test]
async fn versions_are_kept_and_markers_laid() {
    let (_world, client) = World::with_versions().await;
    let first = put(&client, "a", "1").await.unwrap();
    let second = put(&client, "a", "2").await.unwrap();
    assert_ne!(first, second);
    let marker = client.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(marker.delete_marker(), Some(true));
    let marker = marker.version_id().unwrap().to_owned();
    assert_eq!(get(&client, "a").await, Err("NoSuchKey".to_owned()));
    let named = client.get_object().bucket(BUCKET).key("a").version_id(&marker).send().await;
    assert_eq!(code(named), refused("MethodNotAllowed"));
    let old = client.get_object().bucket(BUCKET).key("a").version_id(&first).send().await.unwrap();
    assert_eq!(old.body.collect().await.unwrap().to_vec(), b"1");
    let listing = client.list_object_versions().bucket(BUCKET).send().await.unwrap();
    let shown: Vec<_> = listing.versions().iter().map(|v| v.version_id().unwrap()).collect();
    assert_eq!(shown, [&second, &first]);
    assert_eq!(listing.delete_markers()[0].is_latest(), Some(true));
    let undelete = client.delete_object().bucket(BUCKET).key("a").version_id(&marker);
    assert_eq!(undelete.send().await.unwrap().delete_marker(), Some(true));
    assert_eq!(get(&client, "a").await, Ok(b"2".to_vec()));
    version(&client, BUCKET, BucketVersioningStatus::Suspended).await.unwrap();
    assert_eq!(put(&client, "a", "3").await.as_deref(), Some("null"));
    assert_eq!(put(&client, "a", "4").await.as_deref(), Some("null"));
    let listing = client.list_object_versions().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listing.versions().len(), 3);
}

#[tokio::test]
async fn listings_come_in_pages_and_roll_up() {
    let (_world, client) = World::with_versions().await;
    for key in ["a", "b/1", "b/2", "b0", "c/1", "ü", "z"] {
        put(&client, key, "x").await;
        put(&client, key, "y").await;
    }
    assert_eq!(keys(&client).await, ["a", "b/1", "b/2", "b0", "c/1", "z", "ü"]);
    let mut pages =
        client.list_objects_v2().bucket(BUCKET).delimiter("/").max_keys(2).into_paginator().send();
    let mut shown = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.key_count().unwrap() <= 2);
        let keys = page.contents().iter().map(|object| object.key().unwrap());
        let prefixes = page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap());
        shown.extend(keys.chain(prefixes).map(str::to_owned));
    }
    shown.sort();
    assert_eq!(shown, ["a", "b/", "b0", "c/", "z", "ü"]);
    let mut versions = Vec::new();
    let (mut key, mut id) = (None, None);
    loop {
        let page = client
            .list_object_versions()
            .bucket(BUCKET)
            .max_keys(3)
            .set_key_marker(key.clone())
            .set_version_id_marker(id.clone())
            .send()
            .await
            .unwrap();
        versions.extend(page.versions().iter().map(|v| v.version_id().unwrap().to_owned()));
        if page.is_truncated() != Some(true) {
            break;
        }
        key = page.next_key_marker().map(str::to_owned);
        id = page.next_version_id_marker().map(str::to_owned);
    }
    assert_eq!(versions.len(), 14);
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 14);
}

#[tokio::test]
async fn copies_follow_the_directives() {
    let (_world, client) = World::with_bucket().await;
    client
        .put_object()
        .bucket(BUCKET)
        .key("a")
        .body(ByteStream::from_static(b"1"))
        .content_encoding("gzip")
        .metadata("signature", "0a")
        .tagging("t=1")
        .send()
        .await
        .unwrap();
    let copy =
        |key: &str| client.copy_object().bucket(BUCKET).copy_source(format!("{BUCKET}/a")).key(key);
    assert_eq!(code(copy("a").send().await), refused("InvalidRequest"));
    copy("b").send().await.unwrap();
    let b = client.get_object().bucket(BUCKET).key("b").send().await.unwrap();
    assert_eq!(b.content_encoding(), Some("gzip"));
    assert_eq!(b.metadata().unwrap()["signature"], "0a");
    assert_eq!(b.tag_count(), Some(1));
    copy("c")
        .metadata_directive(MetadataDirective::Replace)
        .metadata("other", "1")
        .send()
        .await
        .unwrap();
    let c = client.head_object().bucket(BUCKET).key("c").send().await.unwrap();
    assert_eq!((c.content_encoding(), c.metadata().unwrap().len()), (None, 1));
    assert_eq!(
        code(
            client
                .copy_object()
                .bucket(BUCKET)
                .copy_source(format!("{BUCKET}/no"))
                .key("d")
                .send()
                .await
        ),
        refused("NoSuchKey")
    );
}

#[tokio::test]
async fn parts_join_where_they_are_whole() {
    let (_world, client) = World::with_bucket().await;
    let create = client.create_multipart_upload().bucket(BUCKET).key("big").metadata("k", "v");
    let upload = create.send().await.unwrap().upload_id().unwrap().to_owned();
    let mut parts = Vec::new();
    for (number, size) in [(1, 5 << 20), (2, 7)] {
        let body = ByteStream::from(vec![u8::try_from(number).unwrap(); size]);
        let part = client.upload_part().bucket(BUCKET).key("big").upload_id(&upload);
        let part = part.part_number(number).body(body).send().await.unwrap();
        parts.push(
            CompletedPart::builder().part_number(number).e_tag(part.e_tag().unwrap()).build(),
        );
    }
    let complete = |parts: Vec<CompletedPart>| {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key("big")
            .upload_id(&upload)
            .multipart_upload(parts)
    };
    let mut swapped = parts.clone();
    swapped.reverse();
    assert_eq!(code(complete(swapped).send().await), refused("InvalidPartOrder"));
    let wrong = vec![CompletedPart::builder().part_number(1).e_tag("\"x\"").build()];
    assert_eq!(code(complete(wrong).send().await), refused("InvalidPart"));
    assert_eq!(
        client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().len(),
        1
    );
    let listed = client.list_parts().bucket(BUCKET).key("big").upload_id(&upload);
    assert_eq!(listed.send().await.unwrap().parts().len(), 2);
    let done = complete(parts).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    let found = client.head_object().bucket(BUCKET).key("big").send().await.unwrap();
    assert_eq!(found.content_length(), Some((5 << 20) + 7));
    assert_eq!(found.metadata().unwrap()["k"], "v");
    let gone = client.abort_multipart_upload().bucket(BUCKET).key("big").upload_id(&upload);
    assert_eq!(code(gone.send().await), refused("NoSuchUpload"));
}

#[tokio::test]
async fn locks_hold_until_they_run_out() {
    let (world, client) = World::with_lock().await;
    assert_eq!(
        version(&client, BUCKET, BucketVersioningStatus::Suspended).await,
        refused("InvalidBucketState")
    );
    let default = |mode, days| {
        let retention = DefaultRetention::builder().mode(mode).days(days).build();
        let rule = ObjectLockRule::builder().default_retention(retention).build();
        let configuration = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(rule)
            .build();
        client
            .put_object_lock_configuration()
            .bucket(BUCKET)
            .object_lock_configuration(configuration)
    };
    default(ObjectLockRetentionMode::Governance, 10).send().await.unwrap();
    let governed = put(&client, "a", "1").await.unwrap();
    let delete = |id: &str| client.delete_object().bucket(BUCKET).key("a").version_id(id);
    assert_eq!(code(delete(&governed).send().await), refused("AccessDenied"));
    let batch = Delete::builder()
        .objects(ObjectIdentifier::builder().key("a").version_id(&governed).build().unwrap())
        .build()
        .unwrap();
    let batch = client.delete_objects().bucket(BUCKET).delete(batch).send().await.unwrap();
    assert_eq!(batch.errors()[0].code(), Some("AccessDenied"));
    delete(&governed).bypass_governance_retention(true).send().await.unwrap();
    default(ObjectLockRetentionMode::Compliance, 10).send().await.unwrap();
    let firm = put(&client, "a", "2").await.unwrap();
    let retain = |days: i64| {
        let until = (world.sandbox.now() + DAY * i32::try_from(days).unwrap()).as_second();
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Compliance)
            .retain_until_date(aws_sdk_s3::primitives::DateTime::from_secs(until))
            .build();
        client.put_object_retention().bucket(BUCKET).key("a").retention(retention)
    };
    assert_eq!(
        code(retain(5).bypass_governance_retention(true).send().await),
        refused("AccessDenied")
    );
    assert_eq!(code(retain(20).send().await), Ok(()));
    let held = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(held.object_lock_mode(), Some(&ObjectLockMode::Compliance));
    world.sandbox.tick(DAY * 19);
    assert_eq!(
        code(delete(&firm).bypass_governance_retention(true).send().await),
        refused("AccessDenied")
    );
    world.sandbox.tick(DAY * 2);
    let set_hold = |status| {
        let body = ObjectLockLegalHold::builder().status(status).build();
        client.put_object_legal_hold().bucket(BUCKET).key("a").legal_hold(body)
    };
    set_hold(ObjectLockLegalHoldStatus::On).send().await.unwrap();
    assert_eq!(code(delete(&firm).send().await), refused("AccessDenied"));
    set_hold(ObjectLockLegalHoldStatus::Off).send().await.unwrap();
    assert_eq!(code(delete(&firm).send().await), Ok(()));
}

#[tokio::test]
async fn object_lock_needs_versions() {
    let (_world, client) = World::with_bucket().await;
    let configuration =
        ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).build();
    let enable = || {
        client
            .put_object_lock_configuration()
            .bucket(BUCKET)
            .object_lock_configuration(configuration.clone())
    };
    assert_eq!(code(enable().send().await), refused("InvalidBucketState"));
    version(&client, BUCKET, BucketVersioningStatus::Enabled).await.unwrap();
    assert_eq!(code(enable().send().await), Ok(()));
}

#[tokio::test]
async fn mfa_delete_wants_the_owners_root_and_a_fresh_code() {
    let (world, client) = World::with_versions().await;
    let version_id = put(&client, "a", "1").await.unwrap();
    let switch = |on: MfaDelete| {
        let configuration = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .mfa_delete(on)
            .build();
        client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(configuration)
    };
    let device = world.sandbox.root_mfa_device(&world.account(1)).unwrap();
    let token = || format!("{} {}", device.serial, device.current_code());
    let denied = refused("AccessDenied");
    assert_eq!(code(switch(MfaDelete::Enabled).send().await), denied);
    let wrong = format!("{} 000000", device.serial);
    let wrong = switch(MfaDelete::Enabled).mfa(wrong).send().await;
    assert_eq!(code(wrong), denied);
    switch(MfaDelete::Enabled).mfa(token()).send().await.unwrap();
    let state = client.get_bucket_versioning().bucket(BUCKET).send().await.unwrap();
    assert_eq!(state.mfa_delete().unwrap().as_str(), "Enabled");
    let delete = || client.delete_object().bucket(BUCKET).key("a").version_id(&version_id);
    assert_eq!(code(delete().send().await), denied);
    assert_eq!(
        version(&client, BUCKET, BucketVersioningStatus::Suspended).await,
        refused("AccessDenied")
    );
    assert_eq!(code(lifecycle(&client, expire_after(1)).await), refused("InvalidBucketState"));
    delete().mfa(token()).send().await.unwrap();
    switch(MfaDelete::Disabled).mfa(token()).send().await.unwrap();
    assert_eq!(code(lifecycle(&client, expire_after(1)).await), Ok(()));
    let again = switch(MfaDelete::Enabled).mfa(token()).send().await;
    assert_eq!(code(again), refused("InvalidBucketState"));
}

fn rule() -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
    LifecycleRule::builder()
        .id("all")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
}

fn expire_after(days: i32) -> LifecycleRule {
    rule().expiration(LifecycleExpiration::builder().days(days).build()).build().unwrap()
}

async fn lifecycle(
    client: &Client,
    rule: LifecycleRule,
) -> Result<
    aws_sdk_s3::operation::put_bucket_lifecycle_configuration::PutBucketLifecycleConfigurationOutput,
    SdkError<
        aws_sdk_s3::operation::put_bucket_lifecycle_configuration::PutBucketLifecycleConfigurationError,
    >,
>{
    let configuration =
        aws_sdk_s3::types::BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    client
        .put_bucket_lifecycle_configuration()
        .bucket(BUCKET)
        .lifecycle_configuration(configuration)
        .send()
        .await
}

#[tokio::test]
async fn lifecycle_rules_take_effect_as_time_passes() {
    let (world, client) = World::with_versions().await;
    let none = rule().build().unwrap();
    assert_eq!(code(lifecycle(&client, none).await), refused("InvalidRequest"));
    assert_eq!(code(lifecycle(&client, expire_after(0)).await), refused("InvalidArgument"));
    let both = LifecycleExpiration::builder().days(1).expired_object_delete_marker(true).build();
    let both = rule().expiration(both).build().unwrap();
    assert_eq!(code(lifecycle(&client, both).await), refused("MalformedXML"));
    let noncurrent = NoncurrentVersionExpiration::builder().noncurrent_days(5).build();
    let good = rule()
        .expiration(LifecycleExpiration::builder().days(10).build())
        .noncurrent_version_expiration(noncurrent)
        .build()
        .unwrap();
    lifecycle(&client, good).await.unwrap();
    put(&client, "a", "1").await;
    let head = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert!(head.expiration().unwrap().contains("Sun, 11 Jan 2026 00:00:00 GMT"));
    world.sandbox.tick(DAY * 9);
    assert_eq!(keys(&client).await, ["a"]);
    world.sandbox.tick(DAY * 2);
    assert_eq!(keys(&client).await.len(), 0);
    let count = || async {
        let listing = client.list_object_versions().bucket(BUCKET).send().await.unwrap();
        (listing.versions().len(), listing.delete_markers().len())
    };
    assert_eq!(count().await, (1, 1));
    world.sandbox.tick(DAY * 7);
    assert_eq!(count().await, (0, 1));
    world.sandbox.tick(DAY * 7);
    assert_eq!(count().await, (0, 0));
}

#[tokio::test]
async fn archived_objects_are_restored_first() {
    let (world, client) = World::with_bucket().await;
    client
        .put_object()
        .bucket(BUCKET)
        .key("cold")
        .storage_class(StorageClass::Glacier)
        .body(ByteStream::from_static(b"1"))
        .send()
        .await
        .unwrap();
    assert_eq!(get(&client, "cold").await, Err("InvalidObjectState".to_owned()));
    let restore = || {
        let request = aws_sdk_s3::types::RestoreRequest::builder().days(1).build();
        client.restore_object().bucket(BUCKET).key("cold").restore_request(request)
    };
    restore().send().await.unwrap();
    assert_eq!(code(restore().send().await), refused("RestoreAlreadyInProgress"));
    world.sandbox.tick(SignedDuration::from_hours(6));
    assert_eq!(get(&client, "cold").await, Ok(b"1".to_vec()));
    world.sandbox.tick(DAY * 3);
    assert_eq!(get(&client, "cold").await, Err("InvalidObjectState".to_owned()));
}

fn policy(effect: &str, principal: &str, action: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":{principal},"Action":"{action}","Resource":["arn:aws:s3:::{BUCKET}","arn:aws:s3:::{BUCKET}/*"],"Condition":{condition}}}]}}"#
    )
}

#[tokio::test]
async fn bucket_policies_open_and_close() {
    let (world, owner) = World::with_bucket().await;
    let reader = world.client(2);
    put(&owner, "a", "1").await;
    let set = |text: String| owner.put_bucket_policy().bucket(BUCKET).policy(text);
    assert_eq!(get(&reader, "a").await, Err("AccessDenied".to_owned()));
    let account = format!(r#"{{"AWS":"{}"}}"#, world.account(2));
    set(policy("Allow", &account, "s3:GetObject", "{}")).send().await.unwrap();
    assert_eq!(get(&reader, "a").await, Ok(b"1".to_vec()));
    // Whether a key exists is told to those only who may list.
    assert_eq!(get(&reader, "b").await, Err("AccessDenied".to_owned()));
    let malformed = refused("MalformedPolicy");
    assert_eq!(code(set("{".to_owned()).send().await), malformed);
    let nobody = policy("Allow", r#"{"AWS":"999999999999"}"#, "s3:GetObject", "{}");
    assert_eq!(code(set(nobody).send().await), malformed);
    let public = policy("Allow", r#""*""#, "s3:GetObject", "{}");
    assert_eq!(code(set(public.clone()).send().await), refused("AccessDenied"));
    let open = PublicAccessBlockConfiguration::builder().build();
    owner
        .put_public_access_block()
        .bucket(BUCKET)
        .public_access_block_configuration(open)
        .send()
        .await
        .unwrap();
    set(public).send().await.unwrap();
    let status = owner.get_bucket_policy_status().bucket(BUCKET).send().await.unwrap();
    assert_eq!(status.policy_status().unwrap().is_public(), Some(true));
    assert_eq!(get(&world.client(3), "a").await, Ok(b"1".to_vec()));
    let closed = PublicAccessBlockConfiguration::builder().restrict_public_buckets(true).build();
    owner
        .put_public_access_block()
        .bucket(BUCKET)
        .public_access_block_configuration(closed)
        .send()
        .await
        .unwrap();
    assert_eq!(get(&world.client(3), "a").await, Err("AccessDenied".to_owned()));
    let deny = policy("Deny", r#""*""#, "s3:DeleteObject", "{}");
    set(deny).send().await.unwrap();
    assert_eq!(
        code(owner.delete_object().bucket(BUCKET).key("a").send().await),
        refused("AccessDenied")
    );
}

#[tokio::test]
async fn a_tls_floor_refuses_what_lies_below() {
    let (_world, owner) = World::with_bucket().await;
    put(&owner, "a", "1").await;
    let deny = policy("Deny", r#""*""#, "s3:*", r#"{"NumericLessThan":{"s3:TlsVersion":"1.2"}}"#);
    owner.put_bucket_policy().bucket(BUCKET).policy(deny).send().await.unwrap();
    assert_eq!(get(&owner, "a").await, Ok(b"1".to_vec()));
    let old = owner.get_object().bucket(BUCKET).key("a").customize().mutate_request(|request| {
        request.headers_mut().insert("x-orgtrail-tls", "1.1");
    });
    assert_eq!(code(old.send().await), refused("AccessDenied"));
}

#[tokio::test]
async fn lists_are_off_unless_ownership_says_otherwise() {
    let (_world, owner) = World::with_bucket().await;
    let put = |acl: &str| {
        owner
            .put_object()
            .bucket(BUCKET)
            .key("a")
            .acl(aws_sdk_s3::types::ObjectCannedAcl::from(acl))
            .body(ByteStream::from_static(b"1"))
    };
    let unsupported = refused("AccessControlListNotSupported");
    assert_eq!(code(put("public-read").send().await), unsupported);
    assert_eq!(code(put("bucket-owner-full-control").send().await), Ok(()));
    let acl = owner.get_bucket_acl().bucket(BUCKET).send().await.unwrap();
    assert_eq!(acl.grants().len(), 1);
    let set = owner.put_bucket_acl().bucket(BUCKET);
    let set = set.acl(aws_sdk_s3::types::BucketCannedAcl::PublicRead);
    assert_eq!(code(set.send().await), unsupported);
}

#[tokio::test]
async fn settings_are_kept_and_their_absence_has_a_name() {
    let (_world, client) = World::with_bucket().await;
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

fn kms(world: &World, index: usize) -> aws_sdk_kms::Client {
    let keys = world.sandbox.root(&world.account(index)).unwrap();
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(world.sandbox.endpoint())
        .credentials_provider(Credentials::from_keys(
            keys.access_key_id,
            keys.secret_access_key,
            None,
        ))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_kms::Client::from_conf(config)
}

#[tokio::test]
async fn encrypted_objects_need_their_key() {
    use aws_sdk_s3::types::{
        ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    };
    let (world, owner) = World::with_bucket().await;
    let kms = kms(&world, 1);
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
    let account = format!(r#"{{"AWS":"{}"}}"#, world.account(2));
    let policy = policy("Allow", &account, "s3:GetObject", "{}");
    owner.put_bucket_policy().bucket(BUCKET).policy(policy).send().await.unwrap();
    assert_eq!(get(&world.client(2), "a").await, Err("AccessDenied".to_owned()));
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
    let (world, client) = World::with_versions().await;
    let replicate = || {
        let destination =
            Destination::builder().bucket("arn:aws:s3:::acme-replica").build().unwrap();
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
            .role(format!("arn:aws:iam::{}:role/replicator", world.account(1)))
            .rules(rule)
            .build()
            .unwrap();
        client.put_bucket_replication().bucket(BUCKET).replication_configuration(configuration)
    };
    assert_eq!(code(replicate().send().await), refused("InvalidRequest"));
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
    let (world, client) = World::with_bucket().await;
    let log_to = |target: &str| {
        let logging =
            LoggingEnabled::builder().target_bucket(target).target_prefix("s3/").build().unwrap();
        let status = BucketLoggingStatus::builder().logging_enabled(logging).build();
        client.put_bucket_logging().bucket(BUCKET).bucket_logging_status(status)
    };
    let invalid = refused("InvalidTargetBucketForLogging");
    assert_eq!(code(log_to("acme-absent").send().await), invalid);
    world.client(2).create_bucket().bucket("acme-foreign").send().await.unwrap();
    assert_eq!(code(log_to("acme-foreign").send().await), invalid);
    client.create_bucket().bucket("acme-access-logs").send().await.unwrap();
    log_to("acme-access-logs").send().await.unwrap();
    let logging = client.get_bucket_logging().bucket(BUCKET).send().await.unwrap();
    assert_eq!(logging.logging_enabled().unwrap().target_bucket(), "acme-access-logs");
}

#[tokio::test]
async fn a_crime_leaves_version_time_and_tag_as_they_were() {
    let (world, client) = World::with_versions().await;
    let id = put(&client, "a", "1").await;
    let before = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    world.sandbox.tamper(BUCKET, "a", |body| body[0] ^= 1).unwrap();
    let after = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(after.e_tag(), before.e_tag());
    assert_eq!(after.last_modified(), before.last_modified());
    assert_eq!(after.version_id().map(str::to_owned), id);
    assert_eq!(get(&client, "a").await, Ok(b"0".to_vec()));
    world.sandbox.vanish(BUCKET, "a").unwrap();
    assert!(world.sandbox.tamper(BUCKET, "a", |_| ()).is_err());
    assert!(world.sandbox.keys_raw(BUCKET, "").is_empty());
}
