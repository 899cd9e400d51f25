//! The sandbox's S3, as the AWS SDK sees it.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode,
    CompletedMultipartUpload, CompletedPart, CreateBucketConfiguration, MetadataDirective,
    ServerSideEncryption,
};

use crate::s3_env::{BUCKET, S3Env, code, get, keys, policy, put, refused, version};

#[tokio::test]
async fn names_are_global_and_buckets_belong_to_accounts() {
    let (env, owner) = S3Env::with_bucket().await;
    let other = env.client(2);
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
    let env = S3Env::start().await;
    let frankfurt = env.client_in(1, "eu-central-1");
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
    let elsewhere = env.client(1).list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(code(elsewhere), refused("PermanentRedirect"));
    let head = frankfurt.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(head.bucket_region(), Some("eu-central-1"));
}

#[tokio::test]
async fn objects_keep_their_bytes_and_their_headers() {
    let (_world, client) = S3Env::with_bucket().await;
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
    let (_world, client) = S3Env::with_bucket().await;
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
    let absent = client.delete_object().bucket(BUCKET).key("nothing").if_match("*");
    assert_eq!(code(absent.send().await), refused("NoSuchKey"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_racing_writers_one_wins() {
    let (_world, client) = S3Env::with_bucket().await;
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
    let (_world, client) = S3Env::with_bucket().await;
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
    let (_world, client) = S3Env::with_versions().await;
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
    let (_world, client) = S3Env::with_versions().await;
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
async fn keys_with_control_characters_are_listed() {
    let (_world, client) = S3Env::with_versions().await;
    let odd = ["a\u{1}b", "c\rd", "e\nf\tg"];
    for key in odd {
        put(&client, key, "x").await;
    }
    assert_eq!(keys(&client).await, odd);
    let listing = client.list_object_versions().bucket(BUCKET).send().await.unwrap();
    let shown: Vec<_> = listing.versions().iter().map(|v| v.key().unwrap()).collect();
    assert_eq!(shown, odd);
    client.create_multipart_upload().bucket(BUCKET).key("h\u{2} i").send().await.unwrap();
    let spelled = aws_sdk_s3::types::EncodingType::Url;
    let listing = client.list_objects_v2().bucket(BUCKET).encoding_type(spelled.clone());
    let listing = listing.send().await.unwrap();
    assert_eq!(listing.contents()[0].key(), Some("a%01b"));
    let uploads = client.list_multipart_uploads().bucket(BUCKET).encoding_type(spelled);
    assert_eq!(uploads.send().await.unwrap().uploads()[0].key(), Some("h%02+i"));
    // An object's own bytes are its own, XML or not.
    let body = "<a>\u{1}</a>";
    let put = client.put_object().bucket(BUCKET).key("xml").content_type("application/xml");
    put.body(ByteStream::from_static(body.as_bytes())).send().await.unwrap();
    assert_eq!(get(&client, "xml").await, Ok(body.as_bytes().to_vec()));
}

#[tokio::test]
async fn listings_name_the_owner_that_ownership_makes() {
    use aws_sdk_s3::types::{ObjectOwnership, OwnershipControls, OwnershipControlsRule};
    let (env, owner) = S3Env::with_bucket().await;
    let own = |ownership| {
        let rule = OwnershipControlsRule::builder().object_ownership(ownership).build().unwrap();
        let controls = OwnershipControls::builder().rules(rule).build().unwrap();
        owner.put_bucket_ownership_controls().bucket(BUCKET).ownership_controls(controls).send()
    };
    own(ObjectOwnership::ObjectWriter).await.unwrap();
    let account = format!(r#"{{"AWS":"{}"}}"#, env.account(2));
    let text = policy("Allow", &account, "s3:PutObject", "{}");
    owner.put_bucket_policy().bucket(BUCKET).policy(text).send().await.unwrap();
    put(&env.client(2), "theirs", "x").await;
    put(&owner, "ours", "x").await;
    let owners = async || {
        let listing = owner.list_objects_v2().bucket(BUCKET).fetch_owner(true).send().await;
        let listing = listing.unwrap();
        let ids = listing.contents().iter().map(|object| object.owner().unwrap().id().unwrap());
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let [ours, theirs] = &owners().await[..] else { panic!("two objects") };
    assert_ne!(ours, theirs);
    own(ObjectOwnership::BucketOwnerEnforced).await.unwrap();
    assert_eq!(owners().await, [ours.as_str(), ours.as_str()]);
}

#[tokio::test]
async fn copies_follow_the_directives() {
    let (_world, client) = S3Env::with_bucket().await;
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
    let (_world, client) = S3Env::with_bucket().await;
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
