//! Objects that a member plants in its own bucket, for others and for itself.

use std::collections::BTreeMap;

use aws_lc_rs::rsa::{KeyPair, KeySize};
use futures::StreamExt as _;
use jiff::SignedDuration;
use orgtrail::archive::verify::digest::{DigestDocument, SIGNATURE_ALGORITHM};
use orgtrail::archive::verify::signature::Fingerprint;
use orgtrail::names::AccountId;
use serde_json::{Value, json};

use crate::forge;
use crate::rounds::trusting;
use crate::sources_env::{SourcesEnv, archive};

const BUCKET: &str = "member-logs";
const REGION: &str = "us-east-1";

/// A member with a trail of its own, and two hours of its logs.
async fn started() -> (SourcesEnv, AccountId, AccountId) {
    let env = SourcesEnv::new().await;
    let (member, victim) = (env.members[0].clone(), env.members[1].clone());
    env.bucket(&member, BUCKET, REGION).await;
    env.trail(&member, "own", BUCKET, None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    (env, member, victim)
}

/// Puts an object as the bucket's owner can.
async fn plant(
    env: &SourcesEnv,
    owner: &AccountId,
    key: &str,
    body: Vec<u8>,
    metadata: BTreeMap<String, String>,
) {
    let clients = env.clients(owner, REGION);
    let put = clients.s3().put_object().bucket(BUCKET).key(key).body(body.into());
    put.set_metadata(Some(metadata.into_iter().collect())).send().await.unwrap();
}

fn log_key(account: &str, region: &str, unique: &str) -> String {
    format!(
        "AWSLogs/{account}/CloudTrail/{region}/2026/01/10/\
         {account}_CloudTrail_{region}_20260110T0805Z_{unique}.json.gz"
    )
}

fn digest_key(account: &str, region: &str, trail: &str) -> String {
    format!(
        "AWSLogs/{account}/CloudTrail-Digest/{region}/2026/01/10/\
         {account}_CloudTrail-Digest_{region}_{trail}_us-east-1_20260110T090000Z.json.gz"
    )
}

/// A digest that the attacker signs with a key of its own.
fn forged(account: &str, key: &str) -> (Vec<u8>, BTreeMap<String, String>) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let fingerprint = {
        use aws_lc_rs::signature::KeyPair as _;
        Fingerprint::of(pair.public_key().as_ref()).to_string()
    };
    let document: DigestDocument = serde_json::from_value(json!({
        "awsAccountId": account,
        "digestStartTime": "2026-01-10T08:00:00Z",
        "digestEndTime": "2026-01-10T09:00:00Z",
        "digestS3Bucket": BUCKET,
        "digestS3Object": key,
        "digestPublicKeyFingerprint": fingerprint,
        "previousDigestSignature": null,
        "logFiles": [],
    }))
    .unwrap();
    let (text, signature) = forge::sign_with(&pair, &document);
    let metadata = [
        ("signature".to_owned(), signature),
        ("signature-algorithm".to_owned(), SIGNATURE_ALGORITHM.to_owned()),
    ];
    (forge::gzip(&text), metadata.into())
}

fn records() -> Vec<u8> {
    forge::gzip(br#"{"Records":[]}"#)
}

/// The keys of the archive's log folders that name an account or Region.
fn archived(env: &SourcesEnv, what: &str) -> Vec<String> {
    let keys = env.sandbox.keys_raw("acme-log-archive", "AWSLogs/");
    keys.into_iter().filter(|key| key.contains(what)).collect()
}

/// Accepts everything in quarantine.
async fn accept_all(env: &SourcesEnv) {
    for key in env.sandbox.keys_raw("acme-log-archive", "orgtrail/quarantine/") {
        let output =
            env.run("", &["accept", &key, "--reason", "planted by the member", "--yes"]).await;
        assert_eq!(output.code, 0, "{}", output.text());
    }
}

#[tokio::test]
async fn objects_for_other_accounts_and_regions_never_come_among_logs() {
    let (env, member, victim) = started().await;
    let outside = "999999999999";
    let before = archived(&env, victim.as_str());
    let none = BTreeMap::new;
    let digest = digest_key(victim.as_str(), REGION, "orgtrail");
    let (body, metadata) = forged(victim.as_str(), &digest);
    plant(&env, &member, &digest, body, metadata).await;
    for (account, region) in
        [(victim.as_str(), REGION), (outside, REGION), (member.as_str(), "xx-evil-9")]
    {
        let key = log_key(account, region, "AAAAAAAAAAAAAAAA");
        plant(&env, &member, &key, records(), none()).await;
    }
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 14, "{printed:#}");
    assert_eq!(printed["counts"]["unbound"], 4, "{printed:#}");
    let mut why: Vec<(&str, &str)> = printed["unbound"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["account"].as_str().unwrap(), one["cause"].as_str().unwrap()))
        .collect();
    why.sort_unstable();
    let mut wanted = vec![
        (victim.as_str(), "other_account"),
        (outside, "outside_organization"),
        (member.as_str(), "unknown_region"),
    ];
    wanted.sort_unstable();
    assert_eq!(why, wanted, "{printed:#}");
    assert_eq!(archived(&env, victim.as_str()), before);
    for nobody in [outside, "xx-evil-9", "AAAAAAAAAAAAAAAA"] {
        assert_eq!(archived(&env, nobody), Vec::<String>::new());
    }
    // The member's own arrive, and a person can end the matter.
    assert_eq!(env.sandbox.keys_raw("acme-log-archive", "orgtrail/quarantine/").len(), 4);
    accept_all(&env).await;
    // Nothing authenticates an acceptance until the configuration lists it.
    let output = env.run("", &["consolidate", "--yes"]).await;
    assert_eq!(output.code, 14, "{}", output.text());
    let trusted = trusting(&env.sandbox);
    let output = env.run(&trusted, &["consolidate", "--yes"]).await;
    assert_eq!(output.code, 0, "{}", output.text());
    // Or leave them all.
    let leave = format!(
        "{trusted}[[consolidate.sources]]\nbucket = \"{BUCKET}\"\naccount = \"{member}\"\n\
         other_accounts = \"leave\"\n"
    );
    plant(&env, &member, &log_key(outside, REGION, "BBBBBBBBBBBBBBBB"), records(), none()).await;
    let (code, printed) = env.json(&leave, &["consolidate", "--yes"]).await;
    assert_eq!((code, &printed["counts"]["unbound"]), (0, &json!(0)), "{printed:#}");
    assert_eq!(printed["unbound"].as_array().unwrap().len(), 3, "{printed:#}");
}

#[tokio::test]
async fn a_forged_digest_does_not_take_the_key_of_the_real_one() {
    let (env, member, _) = started().await;
    // A real digest of the member's own trail, which the forged one comes before.
    let digests = env.sandbox.keys_raw(BUCKET, &format!("AWSLogs/{member}/CloudTrail-Digest/"));
    let real = digests.iter().find(|key| key.contains("_us-east-1_own_")).unwrap().clone();
    let clients = env.clients(&member, REGION);
    let got = clients.s3().get_object().bucket(BUCKET).key(&real).send().await.unwrap();
    let metadata: BTreeMap<_, _> =
        got.metadata().cloned().unwrap_or_default().into_iter().collect();
    let body = got.body.collect().await.unwrap().to_vec();
    let text = String::from_utf8(forge::inflated(&body)).unwrap();
    // One byte more, and the signature is the real one's.
    let altered = forge::gzip(format!("{text} ").as_bytes());
    plant(&env, &member, &real, altered, metadata.clone()).await;
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 14, "{printed:#}");
    assert_eq!(printed["counts"]["quarantined_digests"], 1, "{printed:#}");
    let (_, below) = real.rsplit_once("AWSLogs/").unwrap();
    assert_eq!(archived(&env, below), Vec::<String>::new());
    let reason = printed["examples"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("CloudTrail did not sign it"), "{reason}");
    // The real one comes later, and all is proven.
    plant(&env, &member, &real, body, metadata).await;
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 0, "{printed:#}");
    assert_eq!(archived(&env, below).len(), 1);
    let output = env.run("", &["verify", "--account", member.as_str()]).await;
    assert_eq!(output.code, 0, "{}", output.text());
}

#[tokio::test]
async fn digests_without_a_signature_or_with_an_own_key_stay_apart_and_can_be_accepted() {
    let (env, member, _) = started().await;
    let key = digest_key(member.as_str(), REGION, "orgtrail");
    let (body, metadata) = forged(member.as_str(), &key);
    plant(&env, &member, &key, body.clone(), metadata).await;
    let other = digest_key(member.as_str(), REGION, "other");
    let (body, _) = forged(member.as_str(), &other);
    plant(&env, &member, &other, body, BTreeMap::new()).await;
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!((code, &printed["counts"]["quarantined_digests"]), (14, &json!(2)), "{printed:#}");
    assert_eq!(archived(&env, "20260110T090000Z"), Vec::<String>::new());
    accept_all(&env).await;
    // Nothing authenticates an acceptance until the configuration lists it.
    let output = env.run("", &["consolidate", "--yes"]).await;
    assert_eq!(output.code, 14, "{}", output.text());
    let trusted = trusting(&env.sandbox);
    let output = env.run(&trusted, &["consolidate", "--yes"]).await;
    assert_eq!(output.code, 0, "{}", output.text());
}

#[tokio::test]
async fn many_planted_objects_do_not_fill_the_archive() {
    let (env, member, _) = started().await;
    let keys = (0..1_050).map(|number| log_key("999999999999", REGION, &format!("{number:016}")));
    let keys: Vec<String> = keys.collect();
    futures::stream::iter(&keys)
        .for_each_concurrent(32, |key| plant(&env, &member, key, records(), BTreeMap::new()))
        .await;
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 14, "{printed:#}");
    let unbound = &printed["unbound"][0];
    assert_eq!(
        (&unbound["objects"], &unbound["quarantined"]),
        (&json!(1_050), &json!(1_000)),
        "{printed:#}"
    );
    let kept = env.sandbox.keys_raw("acme-log-archive", "orgtrail/quarantine/").len();
    assert_eq!(kept, 1_000);
}

#[tokio::test]
async fn a_declared_source_of_several_accounts_arrives_whole_and_is_proven() {
    let env = SourcesEnv::new().await;
    let [one, two, owner] = &env.members[..3] else { panic!() };
    env.bucket(owner, "collected", REGION).await;
    for account in [one, two] {
        env.trail(account, "auditing", "collected", None).await;
    }
    env.sandbox.tick(SignedDuration::from_hours(2));
    // No trail tells of it any more.
    for account in [one, two] {
        let clients = env.clients(account, REGION);
        clients.cloudtrail().delete_trail().name("auditing").send().await.unwrap();
    }
    let declared = |more: &str| {
        format!("[[consolidate.sources]]\nbucket = \"collected\"\naccount = \"{owner}\"\n{more}")
    };
    let (code, printed) = env.json(&declared(""), &["consolidate", "--yes"]).await;
    assert_eq!(code, 14, "{printed:#}");
    assert!(printed["counts"]["unbound"].as_u64().unwrap() > 0, "{printed:#}");
    let accounts = declared(&format!("accounts = [\"{one}\", \"{two}\"]\n"));
    let (code, printed) = env.json(&accounts, &["consolidate", "--yes"]).await;
    assert_eq!((code, &printed["unbound"]), (0, &Value::Array(Vec::new())), "{printed:#}");
    env.assert_arrived("collected");
    for account in [one, two] {
        let output = env.run(&accounts, &["verify", "--account", account.as_str()]).await;
        assert_eq!(output.code, 0, "{}", output.text());
    }
}

#[tokio::test]
async fn a_bucket_of_the_log_archive_may_contain_every_account_of_the_organization() {
    let env = SourcesEnv::new().await;
    let one = &env.members[0];
    env.bucket(&archive(), "central", REGION).await;
    env.trail(one, "own", "central", None).await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    let clients = env.clients(one, REGION);
    clients.cloudtrail().delete_trail().name("own").send().await.unwrap();
    let owner = archive();
    let declared =
        format!("[[consolidate.sources]]\nbucket = \"central\"\naccount = \"{owner}\"\n");
    let (code, printed) = env.json(&declared, &["consolidate", "--yes"]).await;
    assert_eq!(code, 0, "{printed:#}");
    env.assert_arrived("central");
}

#[tokio::test]
async fn planted_objects_do_not_keep_a_trail_from_being_retired() {
    let (env, member, victim) = started().await;
    let (code, printed) = env.json("", &["consolidate", "--yes"]).await;
    assert_eq!(code, 0, "{printed:#}");
    let trail = format!("arn:aws:cloudtrail:{REGION}:{member}:trail/own");
    let consolidated = |printed: &Value| {
        let conditions = printed["conditions"].as_array().unwrap().clone();
        conditions
            .into_iter()
            .filter(|one| {
                let name = one["name"].as_str().unwrap();
                name == "everything is in the archive" || name == "the object counts match"
            })
            .collect::<Vec<_>>()
    };
    let (_, before) = env.json("", &["retire", &trail]).await;
    let none = BTreeMap::new;
    let key = log_key(victim.as_str(), REGION, "AAAAAAAAAAAAAAAA");
    plant(&env, &member, &key, records(), none()).await;
    let key = log_key(member.as_str(), "xx-evil-9", "AAAAAAAAAAAAAAAA");
    plant(&env, &member, &key, records(), none()).await;
    let digest = digest_key(member.as_str(), REGION, "own");
    let (body, metadata) = forged(member.as_str(), &digest);
    plant(&env, &member, &digest, body, metadata).await;
    let (_, after) = env.json("", &["retire", &trail]).await;
    let standings = |printed: &Value| -> Vec<Value> {
        consolidated(printed).iter().map(|one| one["status"].clone()).collect()
    };
    assert_eq!(standings(&before).len(), 2, "{before:#}");
    assert_eq!(standings(&after), standings(&before), "{after:#}");
}

mod laws {
    //! In a smaller form, through the sandbox: whatever lies in a bucket, nothing of an
    //! account comes among the logs that nothing binds the bucket to.

    use std::collections::BTreeSet;
    use std::sync::Arc;

    use orgtrail::archive::consolidate::binding::Scope;
    use orgtrail::archive::consolidate::run::{Progress, Sources, consolidate};
    use orgtrail::archive::consolidate::source::Source;
    use orgtrail::archive::verify::run::PublicKeySource;
    use orgtrail::aws::{Settings, WriteAuthority};
    use orgtrail::names::AccountId;
    use proptest::prelude::*;

    use super::log_key;
    use crate::consolidate_env;
    use crate::env::{TestEnv, writer};

    const ACCOUNTS: [&str; 4] = ["333333333333", "444444444444", "555555555555", "999999999999"];
    const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "xx-evil-9"];

    fn account(nth: usize) -> AccountId {
        ACCOUNTS[nth].parse().unwrap()
    }

    async fn holds(
        planted: &[(usize, usize)],
        organization: &BTreeSet<usize>,
        bound: &BTreeSet<usize>,
        is_trusted: bool,
    ) {
        let region: orgtrail::names::Region = "us-east-1".parse().unwrap();
        let env = TestEnv::builder().accounts(5).start().await;
        let (sandbox, aws) =
            (&env.sandbox, consolidate_env::sign_in(&env, Settings::default()).await);
        let (keeper, owner) = (sandbox.accounts()[1].clone(), sandbox.accounts()[2].clone());
        assert_eq!(owner.as_str(), ACCOUNTS[0]);
        let archive = consolidate_env::archive(aws.clients(&keeper, &region));
        let reader = aws.clients(&owner, &region);
        for (clients, bucket) in
            [(&archive.target.clients, consolidate_env::ARCHIVE), (&reader, "planted")]
        {
            writer(clients).s3().create_bucket().bucket(bucket).send().await.unwrap();
        }
        for (of, at) in planted {
            let key = log_key(ACCOUNTS[*of], REGIONS[*at], "AAAAAAAAAAAAAAAA");
            let class = aws_sdk_s3::types::StorageClass::Standard;
            consolidate_env::put_as(
                class,
                &reader,
                "planted",
                &key,
                &consolidate_env::log_body("log"),
            )
            .await;
        }
        let source = consolidate_env::source("planted", &owner, &region);
        let source = Source { accounts: bound.iter().map(|nth| account(*nth)).collect(), ..source };
        let scope = Scope {
            accounts: organization.iter().map(|nth| account(*nth)).collect(),
            regions: REGIONS[..2].iter().map(|code| code.parse().unwrap()).collect(),
            trusted: is_trusted.then(|| owner.clone()).into_iter().collect(),
        };
        let keys = PublicKeySource::Given(Arc::default());
        let readable = vec![(source, reader)];
        let sources = Sources { readable, failed: Vec::new(), scope, keys };
        let progress = Arc::new(Progress::new(None));
        let run = (consolidate_env::run(), consolidate_env::asked());
        let authority = WriteAuthority::granted();
        consolidate(&run.0, &run.1, &archive, sources, progress, Some(&authority)).await.unwrap();
        let keys = sandbox.keys_raw(consolidate_env::ARCHIVE, "AWSLogs/");
        let arrived: BTreeSet<String> = keys.into_iter().collect();
        // The owner's own account is bound to its bucket.
        let speaks_for = |of: &usize| {
            organization.contains(of) && (is_trusted || *of == 0 || bound.contains(of))
        };
        let wanted: BTreeSet<String> = planted
            .iter()
            .filter(|(of, at)| speaks_for(of) && *at < 2)
            .map(|(of, at)| log_key(ACCOUNTS[*of], REGIONS[*at], "AAAAAAAAAAAAAAAA"))
            .map(|key| consolidate_env::relocated(&key))
            .collect();
        assert_eq!(arrived, wanted);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 50, ..ProptestConfig::default() })]
        #[test]
        fn nothing_of_an_account_comes_from_a_bucket_that_is_not_bound_to_it(
            planted in proptest::collection::vec((0..4_usize, 0..3_usize), 0..8),
            organization in proptest::collection::btree_set(0..4_usize, 0..4),
            bound in proptest::collection::btree_set(0..4_usize, 0..4),
            is_trusted in any::<bool>(),
        ) {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(holds(&planted, &organization, &bound, is_trusted));
        }
    }
}
