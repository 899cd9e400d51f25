//! Trails that record nothing, next to others that were stopped and whose objects were
//! deleted: they stand for no other trail.

use aws_sdk_cloudtrail::types::{DataResource, EventSelector, ReadWriteType};
use jiff::SignedDuration;
use orgtrail::archive::key::ObjectKey;
use orgtrail::aws::WriteClients;
use orgtrail::names::AccountId;
use orgtrail::sandbox::{Effect, Fault};

use crate::env::home;
use crate::program::{finish, orgtrail};
use crate::rounds::{ARCHIVE, LEGACY, LegacyEnv, member};

const OWN_TRAIL: &str = "arn:aws:cloudtrail:us-east-1:333333333333:trail/old-trail";

fn cloudtrail_of(env: &LegacyEnv, account: &AccountId) -> WriteClients {
    env.clients(account, &home())
}

async fn start_trail(
    clients: &WriteClients,
    name: &str,
    bucket: &str,
    selector: Option<EventSelector>,
) {
    let cloudtrail = clients.cloudtrail();
    let create = cloudtrail.create_trail().name(name).s3_bucket_name(bucket);
    create.enable_log_file_validation(true).send().await.unwrap();
    if let Some(selector) = selector {
        record(clients, name, selector).await;
    }
    cloudtrail.start_logging().name(name).send().await.unwrap();
}

async fn record(clients: &WriteClients, name: &str, selector: EventSelector) {
    let put = clients.cloudtrail().put_event_selectors().trail_name(name);
    put.event_selectors(selector).send().await.unwrap();
}

fn management(kind: ReadWriteType) -> EventSelector {
    EventSelector::builder().read_write_type(kind).include_management_events(true).build()
}

fn data_alone() -> EventSelector {
    let objects = DataResource::builder().r#type("AWS::S3::Object").values("arn:aws:s3:::none/");
    EventSelector::builder()
        .read_write_type(ReadWriteType::All)
        .include_management_events(false)
        .data_resources(objects.build())
        .build()
}

fn without_kms() -> EventSelector {
    EventSelector::builder()
        .read_write_type(ReadWriteType::All)
        .include_management_events(true)
        .exclude_management_event_sources("kms.amazonaws.com")
        .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_records_less_stands_for_no_other() {
    let env = LegacyEnv::provisioned(10).await;
    let all = || management(ReadWriteType::All);
    let cases = [
        ("reads", Some(management(ReadWriteType::ReadOnly)), 14, "does not record"),
        ("data", Some(data_alone()), 14, "does not record"),
        ("no-kms", Some(without_kms()), 14, "kms.amazonaws.com"),
        ("widened", Some(management(ReadWriteType::WriteOnly)), 14, "was changed since"),
        // The same, as every trail is created.
        ("equal", None, 0, "chain-ended"),
    ];
    let mut members = Vec::new();
    for account in env.sandbox.accounts() {
        let is_member = !["111111111111", "222222222222"].contains(&account.as_str());
        if is_member && env.aws.assume_role_in(&account).await.is_ok() {
            members.push(account);
        }
    }
    assert!(members.len() >= cases.len(), "{members:?}");
    for (account, (name, selector, ..)) in members.iter().zip(&cases) {
        let bucket = format!("decoy-{name}");
        env.bucket(account, &bucket).await.unwrap();
        let clients = cloudtrail_of(&env, account);
        start_trail(&clients, "main", &bucket, None).await;
        start_trail(&clients, "decoy", &bucket, selector.clone()).await;
    }
    env.sandbox.tick(SignedDuration::from_mins(5 * 60 + 7));
    for account in &members[..cases.len()] {
        let clients = cloudtrail_of(&env, account);
        clients.cloudtrail().stop_logging().name("main").send().await.unwrap();
    }
    env.sandbox.tick(SignedDuration::from_hours(6));
    record(&cloudtrail_of(&env, &members[3]), "decoy", all()).await;
    env.sandbox.tick(SignedDuration::from_hours(3));
    for (name, _, wanted, words) in &cases {
        let verified = env.run(&["verify", &format!("s3://decoy-{name}")]).await;
        assert_eq!(verified.code, *wanted, "{name}: {}", verified.text());
        assert!(verified.text().contains(words), "{name}: {}", verified.text());
    }
    // What a trail records that can no longer be asked is not known.
    let clients = cloudtrail_of(&env, &members[4]);
    clients.cloudtrail().delete_trail().name("decoy").send().await.unwrap();
    let verified = env.run(&["verify", "s3://decoy-equal"]).await;
    assert_eq!(verified.code, 14, "{}", verified.text());
    assert!(verified.text().contains("no longer exists"), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_at_the_end_before_it_was_consolidated_is_found() {
    let env = LegacyEnv::new().await;
    // A stopped trail is proven where nothing was deleted; here its last hours were.
    let newest = env.legacy.iter().map(|key| key.parse::<ObjectKey>().unwrap().time()).max();
    let from = newest.unwrap() - SignedDuration::from_hours(6);
    for key in &env.legacy {
        if key.parse::<ObjectKey>().unwrap().time() > from {
            env.sandbox.delete_raw(LEGACY, key).unwrap();
        }
    }
    let done = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(done.code, 0, "{}", done.text());
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 13, "{}", verified.text());
    assert!(verified.text().contains("BROKEN newest-deleted"), "{}", verified.text());
    assert!(verified.text().contains(LEGACY), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_cannot_be_read_is_incomplete_and_a_stopped_trail_is_proven() {
    let env = LegacyEnv::new().await;
    let done = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(done.code, 0, "{}", done.text());
    let verified = env.run(&["verify"]).await;
    assert_eq!(verified.code, 0, "{}", verified.text());
    assert!(verified.text().contains("chain-ended"), "{}", verified.text());
    for call in ["cloudtrail:GetTrailStatus", "cloudtrail:DescribeTrails"] {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
        let verified = env.run(&["verify"]).await;
        env.sandbox.faults().clear();
        assert_eq!(verified.code, 14, "{call}: {}", verified.text());
        assert!(verified.text().contains("OPEN unreadable"), "{call}: {}", verified.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_that_was_deleted_is_incomplete_until_its_retirement_is_recorded() {
    let mut env = LegacyEnv::new().await;
    let done = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(done.code, 0, "{}", done.text());
    let clients = cloudtrail_of(&env, &member());
    clients.cloudtrail().delete_trail().name(OWN_TRAIL).send().await.unwrap();
    let verify = async |env: &LegacyEnv| {
        let verified = env.run(&["verify"]).await;
        (verified.code, verified.text())
    };
    let (exit, printed) = verify(&env).await;
    assert_eq!(exit, 14, "{printed}");
    assert!(printed.contains("OPEN source-vanished") && printed.contains(OWN_TRAIL), "{printed}");
    // Nobody said yes.
    let retired = env.run(&["retire", OWN_TRAIL]).await;
    assert_eq!(retired.code, 0, "{}", retired.text());
    assert_eq!(verify(&env).await.0, 14);
    let retired = env.run(&["retire", OWN_TRAIL, "--yes"]).await;
    assert_eq!(retired.code, 0, "{}", retired.text());
    // Anybody who can write below `orgtrail/` could have written that.
    let (exit, printed) = verify(&env).await;
    assert_eq!(exit, 14, "{printed}");
    assert!(printed.contains("a record claims that") && printed.contains("[records]"), "{printed}");
    env.trust_acceptances();
    let (exit, printed) = verify(&env).await;
    assert_eq!(exit, 0, "{printed}");
    assert!(
        printed.contains("NOTE source-vanished") && printed.contains("retired by arn:"),
        "{printed}"
    );
    // A record of another trail is none.
    let records = env.sandbox.keys_raw(ARCHIVE, "orgtrail/retired/");
    let [record] = records.as_slice() else { panic!("{records:?}") };
    let text = env.sandbox.body_raw(ARCHIVE, record).unwrap().to_vec();
    let text = String::from_utf8(text).unwrap().replace("old-trail", "new-trail");
    env.sandbox.put_raw(ARCHIVE, record, text.into_bytes()).unwrap();
    assert_eq!(verify(&env).await.0, 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_vanishes_is_reported_until_it_is_declared_or_retired() {
    let mut env = LegacyEnv::new().await;
    env.sandbox.tick(SignedDuration::from_hours(24 * 9));
    let done = env.run(&["consolidate", "--yes"]).await;
    assert_eq!(done.code, 0, "{}", done.text());
    for command in [&["sources"][..], &["consolidate", "--yes"]] {
        let ran = env.run(command).await;
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.text());
    }
    let clients = cloudtrail_of(&env, &member());
    clients.cloudtrail().delete_trail().name(OWN_TRAIL).send().await.unwrap();
    // A run that did not see the source forgets it no more than the one before.
    for command in [&["sources"][..], &["consolidate", "--yes"], &["sources"]] {
        let ran = env.run(command).await;
        assert_eq!(ran.code, 14, "{command:?}: {}", ran.text());
        let words =
            "earlier runs consolidated it, but no trail or declaration refers to it any more";
        assert!(ran.text().contains(words) && ran.text().contains(LEGACY), "{}", ran.text());
    }
    let retired = env.run(&["retire", OWN_TRAIL, "--yes"]).await;
    assert_eq!(retired.code, 0, "{}", retired.text());
    assert_eq!(env.run(&["sources"]).await.code, 14);
    env.trust_acceptances();
    for command in [&["sources"][..], &["consolidate", "--yes"]] {
        let ran = env.run(command).await;
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_without_the_events_of_global_services_stands_for_none_with_them() {
    let env = LegacyEnv::new().await;
    let (account, bucket) = (member(), "decoy-global");
    env.bucket(&account, bucket).await.unwrap();
    let clients = cloudtrail_of(&env, &account);
    start_trail(&clients, "main", bucket, None).await;
    let create = clients.cloudtrail().create_trail().name("decoy").s3_bucket_name(bucket);
    let create = create.include_global_service_events(false).enable_log_file_validation(true);
    create.send().await.unwrap();
    clients.cloudtrail().start_logging().name("decoy").send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_mins(5 * 60 + 7));
    clients.cloudtrail().stop_logging().name("main").send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(9));
    let verified = env.run(&["verify", "s3://decoy-global"]).await;
    assert_eq!(verified.code, 14, "{}", verified.text());
    assert!(verified.text().contains("global services"), "{}", verified.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_does_not_choose_the_trail_that_stands_for_others() {
    let env = LegacyEnv::new().await;
    let clients = cloudtrail_of(&env, &member());
    clients.cloudtrail().stop_logging().name("old-trail").send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_hours(6));
    assert_eq!(env.run(&["consolidate", "--yes"]).await.code, 0);
    let folder = tempfile::tempdir().unwrap();
    let to = env.sandbox.now();
    let from = (to - SignedDuration::from_hours(36)).to_string();
    let pack = ["evidence", "--from", &from, "--until", &to.to_string(), "-o", "bundle.tar.zst"];
    let packed = env.run_in(folder.path(), &pack).await;
    assert_eq!(packed.code, 0, "{}", packed.text());

    let elsewhere = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.tar.zst");
    let keys = env.sandbox.body_raw(ARCHIVE, "orgtrail/public-keys.json").unwrap();
    std::fs::write(elsewhere.path().join("keys.json"), keys).unwrap();
    let verify = |more: &[&str]| {
        let mut command = orgtrail(elsewhere.path(), &["verify"]);
        command.arg(&bundle).args(["--offline", "--public-keys", "keys.json"]);
        finish(command.args(more))
    };
    let alone = verify(&[]);
    assert_eq!(alone.code, 14, "{}", alone.text());
    assert!(alone.text().contains("--declared-trail"), "{}", alone.text());
    let arn = "arn:aws:cloudtrail:us-east-1:111111111111:trail/";
    let other = verify(&["--declared-trail", &format!("{arn}other")]);
    assert_eq!(other.code, 14, "{}", other.text());
    assert_eq!(verify(&["--declared-trail", "other"]).code, 2);
    let named = verify(&["--declared-trail", &format!("{arn}orgtrail")]);
    assert_eq!(named.code, 0, "{}", named.text());
}
