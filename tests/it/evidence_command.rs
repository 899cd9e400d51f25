//! `orgtrail evidence` of chains that changed their bucket, and `orgtrail verify`
//! of what it packs, through the binary.

use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use jiff::SignedDuration;
use orgtrail::archive::verify::digest::DigestDocument;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::Value;

use crate::configured::ConfiguredEnv;
use crate::env::MINIMAL;
use crate::forge::{gzip, inflated, key_set, sign};
use crate::program::{finish, orgtrail};
use crate::verify_buckets::{NEW, OLD, moved, put};

const WINDOW: [&str; 4] = ["--from", "2026-01-10T08:00:00Z", "--until", "2026-01-10T14:00:00Z"];

/// Packs the newer bucket's chain, and tells the exit code and the report.
async fn pack(env: &ConfiguredEnv, folder: &Path, output: &str) -> (i32, Value) {
    let keys = serde_json::to_vec(&key_set().to_list()).unwrap();
    std::fs::write(folder.join("keys.json"), keys).unwrap();
    pack_with(env, folder, output, &["--public-keys", "keys.json"]).await
}

async fn pack_with(
    env: &ConfiguredEnv,
    folder: &Path,
    output: &str,
    more: &[&str],
) -> (i32, Value) {
    let target = format!("s3://{NEW}");
    let arguments = ["evidence", &target, "-o", output];
    let arguments = [&arguments[..], &WINDOW, &["--format", "json"], more].concat();
    let packed = env.run_in(folder, MINIMAL, &arguments).await;
    (packed.code, packed.json())
}

/// Verifies a bundle without a network or an account.
fn prove(folder: &Path, bundle: &str) -> (i32, Value) {
    let mut command = orgtrail(folder, &["verify", bundle, "--offline", "--format", "json"]);
    if folder.join("keys.json").exists() {
        command.args(["--public-keys", "keys.json"]);
    }
    let verified = finish(&mut command);
    (verified.code, verified.json())
}

#[tokio::test]
async fn a_bundle_holds_what_its_chains_came_from() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let clients = env.management();
    let (mut old, mut new, chain) = moved();
    // The last hour's log file was still written into the old bucket.
    let stray = &chain.logs[5][0];
    old.objects.insert(stray.clone(), new.objects.remove(stray).unwrap());
    let last = new.get(&chain.digests[5]);
    let mut document = DigestDocument::parse(&inflated(&last.bytes)).unwrap();
    OLD.clone_into(&mut document.log_files[0].s3_bucket);
    let (bytes, signature) = sign(&document);
    last.bytes = gzip(&bytes);
    last.metadata.insert("signature".to_owned(), signature);
    put(&clients, OLD, &old).await;
    put(&clients, NEW, &new).await;
    // The window is over.
    env.sandbox.tick(SignedDuration::from_hours(24 * 11));

    let folder = tempfile::tempdir().unwrap();
    let (code, packed) = pack(&env, folder.path(), "whole.tar.zst").await;
    assert_eq!((code, packed["proven"].as_bool()), (0, Some(true)), "{packed}");
    let (code, report) = prove(folder.path(), "whole.tar.zst");
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["summary"]["digests"]["valid"], 6);
    assert_eq!(report["summary"]["log_files"]["valid"], 6);
    let buckets: Vec<_> =
        report["scopes"].as_array().unwrap().iter().map(|scope| scope["bucket"].clone()).collect();
    assert_eq!(buckets, [NEW, OLD]);

    // What is wrong there is packed, and found again.
    let key = &chain.logs[1][0];
    let altered = ByteStream::from(gzip(b"{}"));
    clients.s3().put_object().bucket(OLD).key(key).body(altered).send().await.unwrap();
    assert_eq!(pack(&env, folder.path(), "altered.tar.zst").await.0, 13);
    let (code, report) = prove(folder.path(), "altered.tar.zst");
    assert_eq!(code, 13);
    let broken: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] == "broken")
        .map(|finding| (finding["kind"].clone(), finding["bucket"].clone()))
        .collect();
    assert_eq!(broken, [("log-hash".into(), OLD.into())]);

    // What cannot be opened is left out, and said to be.
    env.sandbox.faults().inject(Fault::every("s3:GetBucketLocation", Effect::Deny).after(1));
    let (code, packed) = pack(&env, folder.path(), "part.tar.zst").await;
    assert_eq!(code, 14, "{packed}");
    let left_out = packed["omitted"][0].as_str().unwrap();
    assert!(left_out.starts_with(&format!("s3://{OLD}/")), "{left_out}");
    let (code, report) = prove(folder.path(), "part.tar.zst");
    assert_eq!(code, 14, "{report}");
}

#[tokio::test]
async fn keys_that_cannot_be_asked_for_leave_the_bundle_incomplete() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let (old, new, _) = moved();
    put(&env.management(), OLD, &old).await;
    put(&env.management(), NEW, &new).await;
    env.sandbox.faults().inject(Fault::every("cloudtrail:ListPublicKeys", Effect::Deny));
    let folder = tempfile::tempdir().unwrap();
    let (code, packed) = pack_with(&env, folder.path(), "keyless.tar.zst", &[]).await;
    assert_eq!((code, packed["proven"].as_bool()), (14, Some(false)), "{packed}");
    let left_out = packed["omitted"].as_array().unwrap().iter().filter_map(Value::as_str);
    assert!(
        left_out.clone().any(|it| it.starts_with("the public keys of us-east-1: ")),
        "{packed}"
    );
    // No key is missing that AWS did not publish: nothing is broken.
    let (code, report) = prove(folder.path(), "keyless.tar.zst");
    assert_eq!(code, 14, "{report}");
}

#[tokio::test]
async fn a_foreign_key_further_down_is_packed() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let clients = env.management();
    let (old, new, chain) = moved();
    put(&clients, OLD, &old).await;
    put(&clients, NEW, &new).await;
    // A whole key, of a time outside of the window, in the folder of one within.
    let (day, _) = chain.logs[4][0].rsplit_once('/').unwrap();
    let key = format!(
        "{day}/AWSLogs/222222222222/CloudTrail/us-east-1/2020/01/01/\
         222222222222_CloudTrail_us-east-1_20200101T0000Z_aaaaaaaaaaaaaaaa.json.gz"
    );
    let body = ByteStream::from_static(b"planted");
    clients.s3().put_object().bucket(NEW).key(&key).body(body).send().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(pack(&env, folder.path(), "foreign.tar.zst").await.0, 13);
    let (code, report) = prove(folder.path(), "foreign.tar.zst");
    assert_eq!(code, 13, "{report}");
    let findings = report["findings"].as_array().unwrap();
    let foreign = findings.iter().find(|finding| finding["kind"] == "unexpected-object").unwrap();
    assert_eq!(foreign["key"].as_str(), Some(&*key));

    // Nor is it written over.
    let before = std::fs::read(folder.path().join("foreign.tar.zst")).unwrap();
    let arguments = [&["evidence", "s3://any", "-o", "foreign.tar.zst"][..], &WINDOW].concat();
    assert_eq!(env.run_in(folder.path(), MINIMAL, &arguments).await.code, 12);
    assert_eq!(std::fs::read(folder.path().join("foreign.tar.zst")).unwrap(), before);
}
