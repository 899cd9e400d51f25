use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{genuine_mirror, kinds, verify};

/// Puts something into a mirror, or in the place of one of its log files.
type Plant = fn(&Path, &Path);

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_mirror_is_proven_by_keys_from_elsewhere_and_never_by_its_own() {
    let folder = tempfile::tempdir().unwrap();
    genuine_mirror(folder.path());
    assert_eq!(verify(folder.path(), "mirror", true).0, 0);
    let (code, report, said) = verify(folder.path(), "mirror", false);
    assert_eq!((code, kinds(&report)), (14, vec!["public-key-saved"]), "{report:#}");
    assert!(said.contains("--public-keys"), "{said}");
    // The way to the mirror is the auditor's own, links and all.
    symlink(folder.path().join("mirror"), folder.path().join("way")).unwrap();
    assert_eq!(verify(folder.path(), "way", true).0, 0);
}

#[test]
fn links_pipes_and_hard_names_are_reported_and_never_read() {
    let plants: [(&str, Plant); 8] = [
        ("a link", |mirror, log| {
            let elsewhere = mirror.with_file_name("elsewhere");
            std::fs::rename(log, &elsewhere).unwrap();
            symlink(elsewhere, log).unwrap();
        }),
        ("a folder behind a link", |mirror, log| {
            let (day, elsewhere) = (log.parent().unwrap(), mirror.with_file_name("elsewhere"));
            std::fs::rename(day, &elsewhere).unwrap();
            symlink(elsewhere, day).unwrap();
        }),
        ("all behind a link", |mirror, _| {
            let (logs, elsewhere) = (mirror.join("AWSLogs"), mirror.with_file_name("elsewhere"));
            std::fs::rename(&logs, &elsewhere).unwrap();
            symlink(elsewhere, logs).unwrap();
        }),
        ("a loop", |mirror, _| symlink(mirror, mirror.join("AWSLogs/loop")).unwrap()),
        ("a pipe for a file", |_, log| {
            std::fs::remove_file(log).unwrap();
            pipe(log);
        }),
        ("a pipe for metadata", |_, log| {
            pipe(&log.with_file_name("x.metadata.json"));
        }),
        ("a link to a device", |_, log| {
            symlink("/dev/zero", log.with_file_name("zero")).unwrap();
        }),
        ("a name that is not UTF-8", |_, log| {
            let name = OsStr::from_bytes(b"a\xff\n\x1b[2J.json.gz");
            std::fs::write(log.with_file_name(name), "").unwrap();
        }),
    ];
    for (which, plant) in plants {
        let folder = tempfile::tempdir().unwrap();
        let chain = genuine_mirror(folder.path());
        let mirror = folder.path().join("mirror");
        plant(&mirror, &mirror.join(&chain.logs[3][0]));
        let (code, report, said) = verify(folder.path(), "mirror", true);
        // What digests list and is not there is broken as well.
        assert!([13, 14].contains(&code), "{which}: {code} {said}");
        assert!(kinds(&report).contains(&"not-a-file"), "{which}: {report:#} {said}");
        assert!(!said.contains("\u{1b}[2J"), "{which}: {said}");
    }
}

#[test]
fn only_a_file_or_a_folder_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    genuine_mirror(folder.path());
    pipe(&folder.path().join("pipe"));
    let (code, _, said) = verify(folder.path(), "pipe", true);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("neither a file nor a directory"), "{said}");
}

#[test]
fn files_named_as_metadata_and_as_what_systems_leave_hide_no_log() {
    let log = r#"{"Records":[{"eventVersion":"1.08","eventName":"Planted"}]}"#;
    let utf16: Vec<u8> =
        format!("\u{feff}{log}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let metadata = br#"{"signature":"00"}"#;
    let planted: [(&str, &[u8]); 6] = [
        ("planted.json.gz.metadata.json", metadata),
        ("planted.metadata.json", log.as_bytes()),
        (".DS_Store", &utf16),
        ("desktop.ini", &utf16),
        ("._planted.json", b"\xef\xbb\xbf[{\"eventVersion\":\"1.08\"}]"),
        ("Thumbs.db", b"\x28\xb5\x2f\xfd\x00"),
    ];
    for (name, body) in planted {
        let folder = tempfile::tempdir().unwrap();
        let chain = genuine_mirror(folder.path());
        let beside = folder.path().join("mirror").join(&chain.logs[3][0]);
        std::fs::write(beside.with_file_name(name), body).unwrap();
        let (code, report, said) = verify(folder.path(), "mirror", true);
        assert_eq!((code, kinds(&report)), (13, vec!["unexpected-object"]), "{name}: {said}");
    }
    // What belongs to a log, and what systems really leave, is no finding.
    let folder = tempfile::tempdir().unwrap();
    let chain = genuine_mirror(folder.path());
    let log = folder.path().join("mirror").join(&chain.logs[3][0]);
    let name = log.file_name().unwrap().to_str().unwrap();
    std::fs::write(log.with_file_name(format!("{name}.metadata.json")), "{}").unwrap();
    std::fs::write(log.with_file_name(".DS_Store"), b"\x00\x00\x00\x01Bud1\x00").unwrap();
    let (code, report, said) = verify(folder.path(), "mirror", true);
    assert_eq!((code, kinds(&report)), (0, vec!["clutter"]), "{said}");
}
