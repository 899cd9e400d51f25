//! `orgtrail verify` and `orgtrail evidence`, through the binary, offline.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::forge::{Bucket, Chain, gzip, key_set};

/// A mirror of eight hours, with its public keys saved in it.
fn mirror(into: &Path) -> (Bucket, Chain) {
    let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
    chain.hours(&mut bucket, 8, 2, 2);
    bucket.write_to(into);
    let keys = serde_json::to_vec(&key_set().to_list()).unwrap();
    std::fs::create_dir_all(into.join("orgtrail")).unwrap();
    std::fs::write(into.join("orgtrail/public-keys.json"), keys).unwrap();
    (bucket, chain)
}

fn orgtrail(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_orgtrail")).current_dir(folder).args(args).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

#[test]
fn a_mirror_is_proven_offline() {
    let folder = tempfile::tempdir().unwrap();
    mirror(&folder.path().join("mirror"));
    let output = orgtrail(folder.path(), &["verify", "mirror", "--offline", "--format", "json"]);
    assert_eq!(code(&output), 0);
    let report = json(&output);
    assert_eq!(report["version"], 1);
    assert_eq!(report["verdict"], "proven");
    assert_eq!(report["summary"]["digests_valid"], 8);
    assert_eq!(report["summary"]["logs"]["valid"], 16);
    assert_eq!(report["lanes"][0]["proven"][0]["from"], "2026-01-10T08:00:00Z");
    let text = orgtrail(folder.path(), &["verify", "mirror", "--offline"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("PROVEN: mirror: 8 digests and 16 log files"), "{text}");
}

#[test]
fn what_is_broken_is_named_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let (_, chain) = mirror(&folder.path().join("mirror"));
    let log = &chain.logs[3][1];
    std::fs::write(folder.path().join("mirror").join(log), gzip(b"{}")).unwrap();
    std::fs::remove_file(folder.path().join("mirror").join(&chain.digests[5])).unwrap();
    for (format, wanted) in [
        ("text", vec!["NOT PROVEN", "BROKEN log-hash", "BROKEN digest-missing", log]),
        ("json", vec!["\"log-hash\"", "\"digest-missing\"", log]),
        ("junit", vec!["<failure type=\"log-hash\"", "<testsuites", log]),
        (
            "aws-cli",
            vec!["INVALID: hash value doesn't match", "INVALID: not found", "15 log files"],
        ),
    ] {
        let output =
            orgtrail(folder.path(), &["verify", "mirror", "--offline", "--format", format]);
        assert_eq!(code(&output), 13, "{format}");
        let said = String::from_utf8(output.stdout).unwrap();
        for part in wanted {
            let part = if part == "15 log files" { "log files valid, 1/" } else { part };
            assert!(said.contains(part), "{format}: {part}: {said}");
        }
    }
}

#[test]
fn an_open_end_is_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    mirror(&folder.path().join("mirror"));
    let args = ["verify", "mirror", "--offline", "--until", "2026-01-11T00:00:00Z"];
    assert_eq!(code(&orgtrail(folder.path(), &args)), 14);
}

#[test]
fn wrong_usage_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    mirror(&folder.path().join("mirror"));
    std::fs::remove_file(folder.path().join("mirror/orgtrail/public-keys.json")).unwrap();
    for args in [
        &["verify", "mirror", "--offline"][..],
        &["verify", "nowhere", "--offline"],
        &["verify", "s3://bucket", "--offline"],
        &["verify", "mirror", "--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"],
        &["config", "check", "--format", "junit"],
    ] {
        assert_eq!(code(&orgtrail(folder.path(), args)), 2, "{args:?}");
    }
}

#[test]
fn a_bundle_is_proven_on_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    let (_, chain) = mirror(&folder.path().join("mirror"));
    let window = ["--from", "2026-01-10T10:00:00Z", "--until", "2026-01-10T13:00:00Z"];
    let pack = |output: &str| {
        let args = ["evidence", "mirror", "--offline", "-o", output];
        let args: Vec<_> = args.iter().chain(&window).copied().collect();
        orgtrail(folder.path(), &args)
    };
    let packed = pack("bundle.tar.zst");
    assert_eq!(code(&packed), 0, "{}", String::from_utf8_lossy(&packed.stderr));
    assert_eq!(code(&pack("bundle.tar.zst")), 12);

    let away = tempfile::tempdir().unwrap();
    std::fs::rename(folder.path().join("bundle.tar.zst"), away.path().join("b.tar.zst")).unwrap();
    let verify = ["verify", "b.tar.zst", "--offline", "--format", "json"];
    let output = orgtrail(away.path(), &verify);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stdout));
    let report = json(&output);
    // Digests that end at 10:00 to 14:00.
    assert_eq!(report["summary"]["digests_valid"], 5);
    assert_eq!(report["since"], "2026-01-10T10:00:00Z");

    // What is broken is packed too, and found again.
    std::fs::remove_file(folder.path().join("mirror").join(&chain.logs[3][0])).unwrap();
    assert_eq!(code(&pack("broken.tar.zst")), 13);
    let output = orgtrail(folder.path(), &["verify", "broken.tar.zst", "--offline"]);
    assert_eq!(code(&output), 13);

    // A changed bundle is none.
    let path = away.path().join("b.tar.zst");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_ne!(code(&orgtrail(away.path(), &verify)), 0);
}
