//! What the sandbox's S3 refuses and lets go: locks, MFA, lifecycles, policies.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, Delete, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, MfaDelete, NoncurrentVersionExpiration, ObjectIdentifier,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode, ObjectLockRule,
    PublicAccessBlockConfiguration, StorageClass, VersioningConfiguration,
};
use jiff::SignedDuration;

use crate::s3_env::{BUCKET, DAY, S3Env, code, get, keys, policy, put, refused, version};

#[tokio::test]
async fn locks_hold_until_they_run_out() {
    let (env, client) = S3Env::with_lock().await;
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
        let until = (env.sandbox.now() + DAY * i32::try_from(days).unwrap()).as_second();
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
    env.sandbox.tick(DAY * 19);
    assert_eq!(
        code(delete(&firm).bypass_governance_retention(true).send().await),
        refused("AccessDenied")
    );
    env.sandbox.tick(DAY * 2);
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
    let (_world, client) = S3Env::with_bucket().await;
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
    let (env, client) = S3Env::with_versions().await;
    let version_id = put(&client, "a", "1").await.unwrap();
    let switch = |on: MfaDelete| {
        let configuration = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .mfa_delete(on)
            .build();
        client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(configuration)
    };
    let device = env.sandbox.root_mfa_device(&env.account(1)).unwrap();
    let token = || format!("{} {}", device.serial, device.current_code());
    let denied = refused("AccessDenied");
    let printed = async || {
        let state = client.get_bucket_versioning().bucket(BUCKET).send().await.unwrap();
        state.mfa_delete().map(|printed| printed.as_str().to_owned())
    };
    assert_eq!(printed().await, None, "it was never set");
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
    assert_eq!(printed().await.as_deref(), Some("Disabled"));
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
    let (env, client) = S3Env::with_versions().await;
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
    env.sandbox.tick(DAY * 9);
    assert_eq!(keys(&client).await, ["a"]);
    env.sandbox.tick(DAY * 2);
    assert_eq!(keys(&client).await.len(), 0);
    let count = || async {
        let listing = client.list_object_versions().bucket(BUCKET).send().await.unwrap();
        (listing.versions().len(), listing.delete_markers().len())
    };
    assert_eq!(count().await, (1, 1));
    env.sandbox.tick(DAY * 7);
    assert_eq!(count().await, (0, 1));
    env.sandbox.tick(DAY * 7);
    assert_eq!(count().await, (0, 0));
}

#[tokio::test]
async fn archived_objects_are_restored_first() {
    let (env, client) = S3Env::with_bucket().await;
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
    env.sandbox.tick(SignedDuration::from_hours(6));
    assert_eq!(get(&client, "cold").await, Ok(b"1".to_vec()));
    env.sandbox.tick(DAY * 3);
    assert_eq!(get(&client, "cold").await, Err("InvalidObjectState".to_owned()));
}

#[tokio::test]
async fn bucket_policies_open_and_close() {
    let (env, owner) = S3Env::with_bucket().await;
    let reader = env.client(2);
    put(&owner, "a", "1").await;
    let set = |text: String| owner.put_bucket_policy().bucket(BUCKET).policy(text);
    assert_eq!(get(&reader, "a").await, Err("AccessDenied".to_owned()));
    let account = format!(r#"{{"AWS":"{}"}}"#, env.account(2));
    set(policy("Allow", &account, "s3:GetObject", "{}")).send().await.unwrap();
    assert_eq!(get(&reader, "a").await, Ok(b"1".to_vec()));
    // Whether a key exists is printed to those only who may list.
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
    assert_eq!(get(&env.client(3), "a").await, Ok(b"1".to_vec()));
    let closed = PublicAccessBlockConfiguration::builder().restrict_public_buckets(true).build();
    owner
        .put_public_access_block()
        .bucket(BUCKET)
        .public_access_block_configuration(closed)
        .send()
        .await
        .unwrap();
    assert_eq!(get(&env.client(3), "a").await, Err("AccessDenied".to_owned()));
    let deny = policy("Deny", r#""*""#, "s3:DeleteObject", "{}");
    set(deny).send().await.unwrap();
    assert_eq!(
        code(owner.delete_object().bucket(BUCKET).key("a").send().await),
        refused("AccessDenied")
    );
}

#[tokio::test]
async fn a_buckets_policy_is_its_owners_alone() {
    let (env, owner) = S3Env::with_bucket().await;
    let other = env.client(2);
    let account = format!(r#"{{"AWS":"{}"}}"#, env.account(2));
    let all = policy("Allow", &account, "s3:*", "{}");
    let denied = refused("AccessDenied");
    assert_eq!(code(other.get_bucket_policy().bucket(BUCKET).send().await), denied);
    owner.put_bucket_policy().bucket(BUCKET).policy(&all).send().await.unwrap();
    // What a policy allows to others is not to be had by these calls.
    let not_theirs = refused("MethodNotAllowed");
    assert_eq!(code(other.get_bucket_policy().bucket(BUCKET).send().await), not_theirs);
    assert_eq!(code(other.delete_bucket_policy().bucket(BUCKET).send().await), not_theirs);
    let put = other.put_bucket_policy().bucket(BUCKET).policy(&all).send().await;
    assert_eq!(code(put), not_theirs);
    // The owner's root user gets out of what shuts everybody out.
    let none = policy("Deny", r#""*""#, "s3:*", "{}");
    owner.put_bucket_policy().bucket(BUCKET).policy(&none).send().await.unwrap();
    assert_eq!(code(owner.get_bucket_versioning().bucket(BUCKET).send().await), denied);
    assert_eq!(code(owner.get_bucket_policy().bucket(BUCKET).send().await), Ok(()));
    owner.put_bucket_policy().bucket(BUCKET).policy(&none).send().await.unwrap();
    owner.delete_bucket_policy().bucket(BUCKET).send().await.unwrap();
    assert_eq!(code(owner.get_bucket_versioning().bucket(BUCKET).send().await), Ok(()));
}

#[tokio::test]
async fn a_tls_floor_refuses_what_lies_below() {
    let (_world, owner) = S3Env::with_bucket().await;
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
    let (_world, owner) = S3Env::with_bucket().await;
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

/// Gets an object by a presigned URL that says it works for so many seconds; the
/// answer's first line and all of the rest.
async fn presigned(env: &S3Env, seconds: u64) -> (String, String) {
    use aws_sigv4::http_request::{
        SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
    };
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let keys = env.sandbox.root(&env.account(1)).unwrap();
    let identity = aws_credential_types::Credentials::from_keys(
        keys.access_key_id,
        keys.secret_access_key,
        None,
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(std::time::Duration::from_secs(seconds));
    #[expect(clippy::disallowed_methods, reason = "signatures go by the real clock")]
    let time = std::time::SystemTime::now();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let url = format!("{}/{BUCKET}/a", env.sandbox.endpoint());
    let host = env.sandbox.endpoint().replace("http://", "");
    let headers = [("host", host.as_str())].into_iter();
    let request =
        SignableRequest::new("GET", &url, headers, SignableBody::UnsignedPayload).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut request = http::Request::get(&url).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let mut connection = tokio::net::TcpStream::connect(&host).await.unwrap();
    let target = request.uri().path_and_query().unwrap();
    let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (first, rest) = answer.split_once("\r\n").unwrap();
    (first.to_owned(), rest.to_owned())
}

#[tokio::test]
async fn a_presigned_url_works_for_a_week_at_most() {
    let (env, client) = S3Env::with_bucket().await;
    put(&client, "a", "it").await;
    let (status, answer) = presigned(&env, 604_800).await;
    assert!(status.contains(" 200 ") && answer.ends_with("it"), "{status} {answer}");
    let (status, answer) = presigned(&env, 604_801).await;
    assert!(status.contains(" 400 "), "{status} {answer}");
    assert!(answer.contains("AuthorizationQueryParametersError"), "{answer}");
}
