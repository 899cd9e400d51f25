//! `orgtrail verify` and `orgtrail evidence`, through the binary, offline.

use std::path::Path;

use crate::forge::{Bucket, Chain, gzip, key_set};
use crate::program::{Finished, finish, orgtrail};

/// A mirror of eight hours, with its public keys saved in it.
fn mirror(into: &Path) -> (Bucket, Chain) {
    let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
    chain.hours(&mut bucket, 8, 2, 2);
    bucket.write_to(into);
    let keys = serde_json::to_vec(&key_set().to_list()).unwrap();
    std::fs::create_dir_all(into.join("orgtrail")).unwrap();
    std::fs::write(into.join("orgtrail/public-keys.json"), &keys).unwrap();
    std::fs::write(into.with_file_name(KEYS), keys).unwrap();
    (bucket, chain)
}

/// The keys as the verifier has them from AWS: those that lie in a mirror or bundle
/// prove nothing.
const KEYS: &str = "keys.json";

/// Runs orgtrail, with the keys in the folder where there are some.
fn run(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = orgtrail(folder, arguments);
    if folder.join(KEYS).exists() && arguments.contains(&"--offline") {
        command.args(["--public-keys", KEYS]);
    }
    finish(&mut command)
}

#[test]
fn a_mirror_is_proven_offline() {
    let folder = tempfile::tempdir().unwrap();
    mirror(&folder.path().join("mirror"));
    let output = run(folder.path(), &["verify", "mirror", "--offline", "--format", "json"]);
    assert_eq!(output.code, 0);
    let report = output.json();
    assert_eq!(report["version"], 1);
    assert_eq!(report["outcome"], "proven");
    assert_eq!(report["summary"]["digests"]["valid"], 8);
    assert_eq!(report["summary"]["log_files"]["valid"], 16);
    assert_eq!(report["scopes"][0]["proven"][0]["from"], "2026-01-10T08:00:00Z");
    let text = run(folder.path(), &["verify", "mirror", "--offline"]);
    let text = text.stdout;
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
        ("junit", vec![" type=\"log-hash\">", "<testsuites", log]),
        (
            "aws-cli",
            vec!["INVALID: hash value doesn't match", "INVALID: not found", "15 log files"],
        ),
    ] {
        let output = run(folder.path(), &["verify", "mirror", "--offline", "--format", format]);
        assert_eq!(output.code, 13, "{format}");
        let said = output.stdout;
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
    let open = run(folder.path(), &args);
    assert_eq!(open.code, 14);
    let text = open.stdout;
    let answer = text.lines().last().unwrap();
    assert!(answer.starts_with("PARTLY PROVEN: 1 gap, listed above"), "{text}");
}

#[test]
fn choices_that_match_nothing_are_refused_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    mirror(&folder.path().join("mirror"));
    for (option, wrong, right) in [
        ("--account", "222222222222", "111111111111"),
        ("--region", "eu-central-1", "us-east-1"),
        ("--trail", "new_trail", "old_trail"),
    ] {
        for window in [&[][..], &["--since", "2026-01-10T12:00:00Z"]] {
            let verify = |value: &str| {
                let args = ["verify", "mirror", "--offline", option, value];
                run(folder.path(), &[&args[..], window].concat())
            };
            assert_eq!(verify(right).code, 0, "{option}");
            let refused = verify(wrong);
            let said = refused.stderr;
            assert_eq!(refused.code, 2, "{said}");
            assert!(said.contains(&format!("{option} {wrong}")) && said.contains(right), "{said}");
        }
    }
}

#[test]
fn the_most_severe_findings_come_first_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let (_, chain) = mirror(&folder.path().join("mirror"));
    // A notice on the first day, and a break later.
    let mirror = folder.path().join("mirror");
    let (day, _) = chain.logs[0][0].rsplit_once('/').unwrap();
    std::fs::write(mirror.join(day).join(".DS_Store"), "").unwrap();
    std::fs::write(mirror.join(&chain.logs[6][1]), gzip(b"{}")).unwrap();
    let until = ["--until", "2026-01-11T00:00:00Z"];
    for format in ["text", "json", "junit", "aws-cli"] {
        let args = ["verify", "mirror", "--offline", "--format", format];
        let output = run(folder.path(), &[&args[..], &until].concat());
        assert_eq!(output.code, 13, "{format}");
        let said = output.stdout;
        let place = |words: &[&str]| words.iter().find_map(|word| said.find(word));
        let broken = place(&["log-hash", "hash value"]).unwrap();
        let open = place(&["ends-early", "ends early"]).unwrap();
        assert!(broken < open, "{format}: {said}");
        assert!(place(&["clutter"]).is_none_or(|notice| open < notice), "{format}: {said}");
    }
}

#[test]
fn wrong_usage_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    mirror(&folder.path().join("mirror"));
    std::fs::remove_file(folder.path().join("mirror/orgtrail/public-keys.json")).unwrap();
    std::fs::remove_file(folder.path().join(KEYS)).unwrap();
    for args in [
        &["verify", "mirror", "--offline"][..],
        &["verify", "nowhere", "--offline"],
        &["verify", "s3://bucket", "--offline"],
        &["verify", "mirror", "--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"],
        &["config", "check", "--format", "junit"],
    ] {
        assert_eq!(run(folder.path(), args).code, 2, "{args:?}");
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
        run(folder.path(), &args)
    };
    let packed = pack("bundle.tar.zst");
    assert_eq!(packed.code, 0, "{}", packed.stderr);
    assert_eq!(pack("bundle.tar.zst").code, 12);

    let away = tempfile::tempdir().unwrap();
    std::fs::rename(folder.path().join("bundle.tar.zst"), away.path().join("b.tar.zst")).unwrap();
    let verify = ["verify", "b.tar.zst", "--offline", "--format", "json"];
    // Without keys from elsewhere it is whole, and proves nothing.
    let output = run(away.path(), &verify);
    assert_eq!(output.code, 14);
    assert_eq!(output.json()["public_keys"][0]["origin"], "saved");
    std::fs::copy(folder.path().join(KEYS), away.path().join(KEYS)).unwrap();
    let output = run(away.path(), &verify);
    assert_eq!(output.code, 0, "{}", output.stdout);
    let report = output.json();
    // Digests that end at 10:00 to 14:00.
    assert_eq!(report["summary"]["digests"]["valid"], 5);
    assert_eq!(report["window"]["from"], "2026-01-10T10:00:00Z");

    // What is broken is packed too, and found again.
    std::fs::remove_file(folder.path().join("mirror").join(&chain.logs[3][0])).unwrap();
    assert_eq!(pack("broken.tar.zst").code, 13);
    let output = run(folder.path(), &["verify", "broken.tar.zst", "--offline"]);
    assert_eq!(output.code, 13);

    // A changed bundle is none.
    let path = away.path().join("b.tar.zst");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_ne!(run(away.path(), &verify).code, 0);
}

#[test]
fn a_bundle_of_several_roots_is_proven_without_what_it_was_packed_from() {
    let folder = tempfile::tempdir().unwrap();
    let mirror_of = folder.path().join("mirror");
    mirror(&mirror_of);
    // The trail becomes the organization's for two hours, and the account's own again.
    let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
    chain.hours(&mut bucket, 8, 2, 2);
    for org in [Some("o-exampleorgid"), None] {
        chain.root.org = org.map(|org| org.parse().unwrap());
        chain.hours(&mut bucket, 2, 2, 2);
    }
    bucket.write_to(&mirror_of);
    let window = ["--from", "2026-01-10T08:00:00Z", "--until", "2026-01-10T20:00:00Z"];
    let pack = ["evidence", "mirror", "--offline", "-o", "b.tar.zst"];
    let packed = run(folder.path(), &[&pack[..], &window].concat());
    assert_eq!(packed.code, 0, "{}", packed.stdout);
    std::fs::remove_dir_all(&mirror_of).unwrap();
    let verify = ["verify", "b.tar.zst", "--offline", "--format", "json"];
    let report = run(folder.path(), &verify);
    assert_eq!(report.code, 0, "{}", report.stdout);
    let report = report.json();
    assert_eq!(report["summary"]["digests"]["valid"], 12);
    assert_eq!(report["scopes"][0]["prefixes"].as_array().unwrap().len(), 2);
}
