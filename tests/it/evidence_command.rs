//! `orgtrail evidence` of chains that changed their bucket, and `orgtrail verify`
//! of what it packs, through the binary.

use std::path::Path;
use std::process::{Command, Output};

use aws_sdk_s3::primitives::ByteStream;
use orgtrail::archive::verify::digest::DigestDocument;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::Value;

use crate::apply_command::command;
use crate::forge::{gzip, inflated, key_set, sign};
use crate::stage::{MINIMAL, Stage};
use crate::verify_buckets::{NEW, OLD, moved, put};

const WINDOW: [&str; 4] = ["--from", "2026-01-10T08:00:00Z", "--until", "2026-01-10T14:00:00Z"];

/// Packs the newer bucket's chain, and tells the exit code and the report.
async fn pack(stage: &Stage, folder: &Path, output: &str) -> (i32, Value) {
    let keys = serde_json::to_vec(&key_set().to_list()).unwrap();
    std::fs::write(folder.join("keys.json"), keys).unwrap();
    let target = format!("s3://{NEW}");
    let arguments = ["evidence", &target, "--public-keys", "keys.json", "-o", output];
    let arguments = [&arguments[..], &WINDOW, &["--format", "json"]].concat();
    let mut command = command(&stage.sandbox, folder, MINIMAL, &arguments);
    told(&tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

/// Verifies a bundle without a network or an account.
fn prove(folder: &Path, bundle: &str) -> (i32, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orgtrail"));
    command.current_dir(folder).env_clear();
    command.args(["verify", bundle, "--offline", "--format", "json"]);
    told(&command.output().unwrap())
}

fn told(output: &Output) -> (i32, Value) {
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code().unwrap(), report)
}

#[tokio::test]
async fn a_bundle_holds_what_its_chains_came_from() {
    let stage = Stage::new(MINIMAL).await;
    let clients = stage.management();
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

    let folder = tempfile::tempdir().unwrap();
    let (code, packed) = pack(&stage, folder.path(), "whole.tar.zst").await;
    assert_eq!((code, packed["proven"].as_bool()), (0, Some(true)), "{packed}");
    let (code, report) = prove(folder.path(), "whole.tar.zst");
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["summary"]["digests_valid"], 6);
    assert_eq!(report["summary"]["logs"]["valid"], 6);
    let buckets: Vec<_> =
        report["lanes"].as_array().unwrap().iter().map(|lane| lane["bucket"].clone()).collect();
    assert_eq!(buckets, [NEW, OLD]);

    // What is wrong there is packed, and found again.
    let key = &chain.logs[1][0];
    let altered = ByteStream::from(gzip(b"{}"));
    clients.s3().put_object().bucket(OLD).key(key).body(altered).send().await.unwrap();
    assert_eq!(pack(&stage, folder.path(), "altered.tar.zst").await.0, 13);
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
    stage.sandbox.faults().inject(Fault::every("s3:GetBucketLocation", Effect::Deny).after(1));
    let (code, packed) = pack(&stage, folder.path(), "part.tar.zst").await;
    assert_eq!(code, 14, "{packed}");
    let left_out = packed["left_out"][0].as_str().unwrap();
    assert!(left_out.starts_with(&format!("s3://{OLD}/")), "{left_out}");
    let (code, report) = prove(folder.path(), "part.tar.zst");
    assert_eq!(code, 14, "{report}");
}
