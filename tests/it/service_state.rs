//! The state of the service in a bucket: conditional writes, under the faults that S3 has.

use bytes::Bytes;
use orgtrail::sandbox::{Effect, Fault};
use orgtrail::serve::claims::{Claimed, Claims};
use orgtrail::serve::slots::Slot;
use orgtrail::store::{Created, DirectoryStore, Replaced, S3Store, Store};

use crate::env::{TestEnv, home};

const BUCKET: &str = "acme-orgtrail-state";

/// A sandbox with a state in a bucket of the management account.
async fn state() -> (TestEnv, Store) {
    let env = TestEnv::start().await;
    let account = env.account(0);
    let clients = env.root_in(account.as_str(), &home()).await;
    clients.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
    let store = S3Store::new(clients, BUCKET.parse().unwrap(), Some("prod"));
    (env, Store::S3(store))
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn create(store: &Store, key: &str, text: &str) -> Created {
    store.create(key, bytes(text)).await.unwrap()
}

/// What both kinds of stores do.
async fn behaves(store: &Store) {
    assert!(store.refuses_to_overwrite().await.unwrap());
    assert_eq!(store.read("claims/a/1").await.unwrap(), None);
    let Created::New(first) = create(store, "claims/a/1", "one").await else { panic!("free") };
    assert_eq!(create(store, "claims/a/1", "two").await, Created::Taken);
    // The same content again is a try whose response was lost.
    assert!(matches!(create(store, "claims/a/1", "one").await, Created::New(_)));
    let found = store.read("claims/a/1").await.unwrap().unwrap();
    assert_eq!((&*found.bytes, &found.version), (&b"one"[..], &first));

    let replaced = store.replace("claims/a/1", bytes("three"), &first).await.unwrap();
    let Replaced::New(second) = replaced else { panic!("{replaced:?}") };
    assert_ne!(first, second);
    let late = store.replace("claims/a/1", bytes("four"), &first).await.unwrap();
    assert_eq!(late, Replaced::Changed);
    let gone = store.replace("claims/a/9", bytes("four"), &second).await.unwrap();
    assert_eq!(gone, Replaced::Changed);

    for number in [3, 1, 2] {
        create(store, &format!("rounds/{number}.json"), "x").await;
    }
    let listed = store.list("rounds/", 2).await.unwrap();
    assert_eq!(listed, ["rounds/1.json", "rounds/2.json"]);
    assert_eq!(store.list("nothing/", 2).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_and_a_directory_behave_the_same() {
    let folder = tempfile::tempdir().unwrap();
    behaves(&Store::Directory(DirectoryStore::open(folder.path()).unwrap())).await;
    let (env, store) = state().await;
    behaves(&store).await;
    let keys = env.sandbox.keys_raw(BUCKET, "");
    assert!(!keys.is_empty() && keys.iter().all(|key| key.starts_with("prod/")), "{keys:?}");
}

#[tokio::test]
async fn a_create_whose_response_is_lost_is_recognized() {
    let (env, store) = state().await;
    env.sandbox.faults().inject(Fault::every("s3:PutObject", Effect::ResetInBody).times(1));
    assert!(matches!(create(&store, "claims/a/1", "mine").await, Created::New(_)));
    env.sandbox.faults().inject(Fault::every("s3:PutObject", Effect::Reset).times(1));
    assert!(matches!(create(&store, "claims/a/2", "mine").await, Created::New(_)));
    assert_eq!(create(&store, "claims/a/1", "another's").await, Created::Taken);
}

#[tokio::test]
async fn a_heartbeat_whose_response_is_lost_is_recognized() {
    let (env, store) = state().await;
    let Created::New(version) = create(&store, "heartbeats/a/1", "1").await else { panic!() };
    env.sandbox.faults().inject(Fault::every("s3:PutObject", Effect::ResetInBody).times(1));
    let replaced = store.replace("heartbeats/a/1", bytes("2"), &version).await.unwrap();
    let Replaced::New(version) = replaced else { panic!("{replaced:?}") };
    let replaced = store.replace("heartbeats/a/1", bytes("3"), &version).await.unwrap();
    assert!(matches!(replaced, Replaced::New(_)), "{replaced:?}");
}

#[tokio::test]
async fn concurrent_conditional_writes_are_tried_again_and_given_up_in_the_end() {
    let (env, store) = state().await;
    let conflict = Fault::every("s3:PutObject", Effect::WriteConflict);
    env.sandbox.faults().inject(conflict.clone().times(3));
    assert!(matches!(create(&store, "claims/a/1", "mine").await, Created::New(_)));
    env.sandbox.faults().inject(conflict);
    let error = store.create("claims/a/2", bytes("mine")).await.unwrap_err();
    assert!(error.to_string().contains("conflicted"), "{error}");
}

#[tokio::test]
async fn an_unreachable_or_forbidden_state_is_an_error_and_never_an_empty_one() {
    let (env, store) = state().await;
    create(&store, "rounds/1.json", "x").await;
    for call in ["s3:GetObject", "s3:ListObjectsV2", "s3:PutObject"] {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
    }
    let texts = [
        store.read("rounds/1.json").await.map(|_| ()).unwrap_err(),
        store.list("rounds/", 10).await.map(|_| ()).unwrap_err(),
        store.create("rounds/2.json", bytes("x")).await.map(|_| ()).unwrap_err(),
    ];
    let actions = ["s3:GetObject", "s3:ListBucket", "s3:PutObject"];
    for (error, action) in texts.iter().zip(actions) {
        let text = std::error::Error::source(error).unwrap().to_string();
        assert!(text.contains(action), "{action}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_replicas_one_gets_a_slot_under_every_fault() {
    let (env, store) = state().await;
    let faults = [
        Effect::ResetInBody,
        Effect::Reset,
        Effect::WriteConflict,
        Effect::Fail { status: 503 },
        Effect::Throttle,
    ];
    for (number, effect) in faults.into_iter().enumerate() {
        env.sandbox
            .faults()
            .inject(Fault::every("s3:PutObject", effect.clone()).rate(0.4).times(12));
        let scheduled_at =
            jiff::Timestamp::from_second(1_767_225_600 + 60 * i64::try_from(number).unwrap())
                .unwrap();
        let slot = Slot { scheduled_at, due_at: scheduled_at };
        let name = "nightly".parse().unwrap();
        let replicas: Vec<Claims> = (0..6)
            .map(|replica| Claims::new(store.clone(), format!("replica-{replica}")))
            .collect();
        let claims = replicas.iter().map(|it| it.claim(&name, slot, scheduled_at, None));
        let claimed = futures::future::join_all(claims).await;
        env.sandbox.faults().clear();
        let owners = claimed.iter().filter(|it| matches!(it, Ok(Claimed::Own(_)))).count();
        let failed = claimed.iter().filter(|it| it.is_err()).count();
        assert!(owners == 1 || (owners == 0 && failed > 0), "{effect:?}: {claimed:?}");
    }
}
