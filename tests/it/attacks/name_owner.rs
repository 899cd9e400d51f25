//! Someone outside of the organization who owns a bucket of the expected name.

use aws_sdk_s3::types::StorageClass;
use jiff::SignedDuration;
use orgtrail::archive::consolidate::copy::{Origin, PART_BYTES, Target, WriteTarget, copy};
use orgtrail::archive::consolidate::keys;
use orgtrail::archive::verify::public_keys::PublicKeySet;
use orgtrail::aws::{Clients, ErrorKind, Objects, WriteAuthority, WriteClients};
use orgtrail::names::AccountId;
use serde_json::json;

use crate::configured::ConfiguredEnv;
use crate::env::{MINIMAL, home, working_day};
use crate::program::Finished;
use crate::retire_env::{BUCKET, TRAIL, account, config, with_legacy_trail};

const ARCHIVE: &str = "acme-log-archive";
const TAKEN: &str = "is taken by another account";

fn leaver(env: &ConfiguredEnv) -> AccountId {
    env.sandbox.accounts().pop().unwrap()
}

/// Lets the last account leave the organization, and signs in as its root.
async fn outsider(env: &ConfiguredEnv) -> WriteClients {
    let leaver: AccountId = leaver(env);
    let remove = env.management().organizations().remove_account_from_organization();
    remove.account_id(leaver.as_str()).send().await.unwrap();
    env.root(leaver.as_str()).await
}

/// The outsider's bucket of a name, in which everybody may do everything.
async fn take(outsider: &WriteClients, name: &str) {
    outsider.s3().create_bucket().bucket(name).send().await.unwrap();
    outsider.s3().delete_public_access_block().bucket(name).send().await.unwrap();
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")],
    }] });
    let put = outsider.s3().put_bucket_policy().bucket(name).policy(policy.to_string());
    put.send().await.unwrap();
}

/// Deletes a bucket with all that lies in it, as whoever closes an account does.
async fn delete(env: &ConfiguredEnv, owner: &WriteClients, name: &str) {
    for key in env.sandbox.keys_raw(name, "") {
        env.sandbox.delete_raw(name, &key).unwrap();
    }
    owner.s3().delete_bucket_policy().bucket(name).send().await.unwrap();
    owner.s3().delete_bucket().bucket(name).send().await.unwrap();
}

/// Everything that a command could do with the archive.
fn commands(folder: &str) -> Vec<Vec<String>> {
    let (from, until) = ("2026-03-04T09:00:00Z", "2026-03-04T11:00:00Z");
    let bundle = format!("{folder}/bundle.tar.zst");
    let commands: [&[&str]; 14] = [
        &["plan"],
        &["apply", "--yes"],
        &["drift"],
        &["consolidate", "--yes"],
        &["consolidate", "--dry-run"],
        &["run", "drift,consolidate,verify", "--yes"],
        &["verify"],
        &["evidence", "--from", from, "--until", until, "-o", &bundle],
        &["records"],
        &["accept", "--list"],
        &["accept", "AWSLogs/a", "--reason", "known", "--yes"],
        &["retire", TRAIL, "--yes"],
        &["sources"],
        &["cost"],
    ];
    commands.map(|command| command.iter().map(|&word| word.to_owned()).collect()).into()
}

/// That every command is refused, says why and what to do, and writes nothing.
async fn all_refused(env: &ConfiguredEnv, config: &str) {
    let folder = tempfile::tempdir().unwrap();
    for command in commands(folder.path().to_str().unwrap()) {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = env.run(config, &arguments).await;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, 12, "{arguments:?}: {said}");
        assert!(said.contains(TAKEN), "{arguments:?}: {said}");
        assert!(said.contains("choose another name for archive.bucket"), "{arguments:?}: {said}");
    }
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, ""), [""; 0]);
}

fn ended(ran: &Finished, code: i32) {
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_name_that_was_never_ours_is_refused_by_every_command() {
    let mut env = ConfiguredEnv::at(MINIMAL, working_day()).await;
    let outsider = outsider(&env).await;
    take(&outsider, ARCHIVE).await;
    // A member's trail, whose logs must not leave.
    let member = env.clients(&account(), &home());
    member.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": "cloudtrail.amazonaws.com" },
        "Action": ["s3:GetBucketAcl", "s3:PutObject"],
        "Resource": [format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")],
    }] });
    let put = member.s3().put_bucket_policy().bucket(BUCKET).policy(policy.to_string());
    put.send().await.unwrap();
    let trail = member.cloudtrail().create_trail().name("legacy").s3_bucket_name(BUCKET);
    trail.enable_log_file_validation(true).send().await.unwrap();
    member.cloudtrail().start_logging().name("legacy").send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(3));
    assert!(!env.sandbox.keys_raw(BUCKET, "").is_empty());
    all_refused(&env, &config()).await;

    // With a name of its own, the same organization is set up.
    let own = config().replace(ARCHIVE, "acme-own-archive");
    env.declare(&own);
    env.converge().await;
    ended(&env.run(&own, &["consolidate", "--yes"]).await, 0);
    assert!(!env.sandbox.keys_raw("acme-own-archive", "AWSLogs/").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_deleted_and_taken_is_refused_by_every_command() {
    let env = with_legacy_trail(5).await;
    ended(&env.run(&config(), &["consolidate", "--yes"]).await, 0);
    let outsider = outsider(&env).await;
    delete(&env, &env.archive(), ARCHIVE).await;
    take(&outsider, ARCHIVE).await;
    all_refused(&env, &config()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_taken_after_the_check_takes_no_write_and_gives_no_read() {
    let env = with_legacy_trail(5).await;
    let clients = env.archive();
    let objects = Objects::new(Clients::clone(&clients));
    // The first shows the way, and the second goes there directly.
    let keys_of_archive = env.sandbox.keys_raw(ARCHIVE, "AWSLogs/");
    env.sandbox.record_s3();
    for key in &keys_of_archive[..2] {
        objects.get(ARCHIVE, key).await.unwrap().bytes().await.unwrap();
    }
    let asked = env.sandbox.take_s3_requests();
    assert_eq!(asked.len(), 2, "{asked:?}");
    let expected = Some("222222222222".to_owned());
    assert!(asked.iter().all(|asked| asked.expected_owner == expected), "{asked:?}");

    let outsider = outsider(&env).await;
    delete(&env, &clients, ARCHIVE).await;
    take(&outsider, ARCHIVE).await;
    let planted = outsider.s3().put_object().bucket(ARCHIVE).key(&keys_of_archive[0]);
    planted.body(b"planted".to_vec().into()).send().await.unwrap();
    let denied = objects.get(ARCHIVE, &keys_of_archive[0]).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::AccessDenied, "{denied}");

    let target = Target {
        clients: Clients::clone(&clients),
        bucket: ARCHIVE.parse().unwrap(),
        storage_class: StorageClass::Standard,
        part_bytes: PART_BYTES,
    };
    let member = env.clients(&account(), &home());
    let key = env.sandbox.keys_raw(BUCKET, "").pop().unwrap();
    let size_bytes = env.sandbox.body_raw(BUCKET, &key).unwrap().len() as u64;
    let bucket = BUCKET.parse().unwrap();
    let origin = Origin { clients: &member, bucket: &bucket, key: &key, size_bytes, etag: None };
    let authority = WriteAuthority::granted();
    // Whole, and in parts.
    for part_bytes in [PART_BYTES, size_bytes / 2] {
        let target = Target { part_bytes, ..target.clone() };
        let target = WriteTarget::new(target, &authority);
        let failed = copy(&target, origin, "AWSLogs/copied", None).await.unwrap_err();
        assert!(failed.to_string().contains("access denied"), "{failed}");
    }
    let target = WriteTarget::new(target, &authority);
    let failed = keys::save(&target, None, &PublicKeySet::default()).await.unwrap_err();
    assert!(failed.to_string().contains("access denied"), "{failed}");
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, ""), [keys_of_archive[0].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_taken_after_it_was_found_is_not_copied_inside_s3() {
    let env = with_legacy_trail(5).await;
    let member = env.clients(&account(), &home());
    let key = env.sandbox.keys_raw(BUCKET, "").pop().unwrap();
    let outsider = outsider(&env).await;
    delete(&env, &member, BUCKET).await;
    take(&outsider, BUCKET).await;
    let planted = outsider.s3().put_object().bucket(BUCKET).key(&key);
    planted.body(b"planted".to_vec().into()).send().await.unwrap();
    let archive = env.archive();
    let copied = |owner: Option<&str>| {
        archive
            .s3()
            .copy_object()
            .bucket(ARCHIVE)
            .key("AWSLogs/planted")
            .copy_source(format!("{BUCKET}/{key}"))
            .set_expected_source_bucket_owner(owner.map(str::to_owned))
            .send()
    };
    let failed = copied(Some(account().as_str())).await.unwrap_err();
    assert_eq!(failed.raw_response().unwrap().status().as_u16(), 403);
    // A copy that states no owner of its source does not leave.
    assert!(copied(None).await.unwrap_err().raw_response().is_none());
    assert_eq!(env.sandbox.keys_raw(ARCHIVE, "AWSLogs/planted"), [""; 0]);
    // Who states it may copy from there.
    copied(Some(leaver(&env).as_str())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_beside_the_archive_that_are_taken_are_refused_too() {
    let config = format!(
        "{MINIMAL}access_logging = {{ enabled = true, bucket = \"acme-access-logs\" }}\n\
         [archive.replication]\nbucket = \"acme-vault\"\n\
         [service]\nstate = \"s3://acme-state/prod\"\nmanage_state = true\n"
    );
    for (name, setting) in [
        ("acme-access-logs", "archive.access_logging.bucket"),
        ("acme-vault", "archive.replication.bucket"),
        ("acme-state", "service.state"),
    ] {
        let env = ConfiguredEnv::at(&config, working_day()).await;
        env.converge().await;
        let outsider = outsider(&env).await;
        delete(&env, &env.archive(), name).await;
        take(&outsider, name).await;
        for arguments in [&["plan"][..], &["apply", "--yes"]] {
            let ran = env.run(&config, arguments).await;
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(ran.code, 12, "{arguments:?}: {said}");
            assert!(said.contains(TAKEN) && said.contains(setting), "{arguments:?}: {said}");
        }
        let ran = env.run(&config, &["drift"]).await;
        assert_eq!(ran.code, 11, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains(name), "{}", ran.stdout);
        assert_eq!(env.sandbox.keys_raw(name, ""), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_to_verify_is_read_only_from_its_stated_owner() {
    let env = with_legacy_trail(5).await;
    let outsider = outsider(&env).await;
    take(&outsider, "someones-logs").await;
    let ran = env.run(&config(), &["verify", "s3://someones-logs"]).await;
    ended(&ran, 14);
    assert!(ran.stderr.contains("--bucket-owner"), "{}", ran.stderr);
    // Whose it is can be stated: it is read, and nothing is proven there.
    let owner = leaver(&env);
    let stated = ["verify", "s3://someones-logs", "--bucket-owner", owner.as_str()];
    let ran = env.run(&config(), &stated).await;
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("access denied"), "{}", ran.stderr);
    let wrong = ["verify", "s3://someones-logs", "--bucket-owner", "333333333333"];
    ended(&env.run(&config(), &wrong).await, 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_names_a_bucket_states_who_must_own_it() {
    let env = with_legacy_trail(30).await;
    crate::consolidate_env::share(
        &env.clients(&account(), &home()),
        BUCKET,
        "*",
        env.desired.archive(),
    )
    .await;
    env.sandbox.record_s3();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.tar.zst");
    let now = env.sandbox.now();
    let (from, until) =
        (now - SignedDuration::from_hours(20), now - SignedDuration::from_hours(10));
    let (from, until) = (from.to_string(), until.to_string());
    let unlisted = env.sandbox.keys_raw(ARCHIVE, "AWSLogs/").pop().unwrap();
    let commands: [&[&str]; 16] = [
        &["plan"],
        &["apply", "--yes"],
        &["sources"],
        &["cost"],
        &["consolidate", "--dry-run"],
        &["consolidate", "--yes", "--copy", "server"],
        &["run", "drift,consolidate,verify", "--yes"],
        &["verify"],
        &["verify", "s3://legacy-333333333333"],
        &["drift"],
        &["evidence", "--from", &from, "--until", &until, "-o", bundle.to_str().unwrap()],
        &["records"],
        &["accept", &unlisted, "--reason", "known", "--yes"],
        &["accept", "--list"],
        &["retire", TRAIL, "--yes"],
        &["destroy", "--confirm-trail", "orgtrail", "--yes"],
    ];
    let (mut operations, mut copies) = (std::collections::BTreeSet::new(), 0);
    for arguments in commands {
        env.run(&config(), arguments).await;
        let asked = env.sandbox.take_s3_requests();
        assert!(!asked.is_empty(), "{arguments:?}");
        for one in asked.iter().filter(|asked| asked.path.len() > 1) {
            let names_none = one.operation == "CreateBucket" && one.expected_owner.is_none();
            assert!(names_none || one.expected_owner.is_some(), "{arguments:?}: {one:?}");
            if one.copy_source.is_some() {
                copies += 1;
                assert_eq!(one.source_owner.as_deref(), Some("333333333333"), "{one:?}");
            }
            operations.insert(one.operation.clone());
        }
    }
    assert!(copies > 2, "{copies}");
    for operation in
        ["CopyObject", "GetObject", "HeadBucket", "ListObjectsV2", "PutObject", "GetBucketPolicy"]
    {
        assert!(operations.contains(operation), "{operation}: {operations:?}");
    }
}
