use std::io::{Read as _, Write as _};
use std::path::Path;

use orgtrail::archive::verify::digest::sha256_hex;
use serde_json::{Value, json};

use super::{KEYS, WINDOW, genuine_mirror, kinds, run, verify};

const BUNDLE: &str = "bundle.tar.zst";

/// A genuine bundle with the auditor's keys beside it.
fn genuine_bundle(folder: &Path) {
    genuine_mirror(folder);
    let pack = ["evidence", "mirror", "--offline", "--public-keys", KEYS, "-o", BUNDLE];
    let packed = run(folder, &[&pack[..], &WINDOW].concat());
    assert_eq!(packed.code, 0, "{}", packed.stderr);
}

/// A member of a tar archive, as whoever writes its bytes can make it.
#[derive(Clone)]
struct Member {
    name: Vec<u8>,
    kind: u8,
    bytes: Vec<u8>,
}

fn members(bundle: &Path) -> Vec<Member> {
    let tar = zstd::decode_all(&std::fs::read(bundle).unwrap()[..]).unwrap();
    let mut archive = tar::Archive::new(&tar[..]);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let (name, mut bytes) = (entry.path_bytes().into_owned(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        Member { name, kind: b'0', bytes }
    });
    entries.collect()
}

/// Lists the members in the manifest with their true hashes, as a supplier would.
fn with_manifest(mut members: Vec<Member>) -> Vec<Member> {
    let mut manifest: Value = serde_json::from_slice(&members.pop().unwrap().bytes).unwrap();
    let files: Vec<Value> = members
        .iter()
        .map(|it| {
            json!({
                "path": String::from_utf8_lossy(&it.name),
                "size_bytes": it.bytes.len(),
                "sha256": sha256_hex(&it.bytes),
            })
        })
        .collect();
    manifest["files"] = files.into();
    let bytes = serde_json::to_vec_pretty(&manifest).unwrap();
    members.push(Member { name: b"manifest.json".to_vec(), kind: b'0', bytes });
    members
}

/// Writes a tar archive byte by byte, compresses and seals it.
fn write(path: &Path, members: &[Member]) {
    let mut tar = tar::Builder::new(Vec::new());
    for Member { name, kind, bytes } in members {
        let text = std::str::from_utf8(name).ok().filter(|_| *kind == b'0');
        if let Some(path) = text.filter(|path| orgtrail::archive::bundle::is_canonical(path)) {
            // As orgtrail writes it.
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, path, &bytes[..]).unwrap();
            continue;
        }
        if name.len() >= 100 {
            let mut long = tar::Header::new_gnu();
            long.set_path("././@LongLink").unwrap();
            long.set_mode(0o644);
            long.set_entry_type(tar::EntryType::GNULongName);
            long.set_size(name.len() as u64 + 1);
            long.set_cksum();
            tar.append(&long, &[&name[..], &[0]].concat()[..]).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        let short = &name[..name.len().min(100)];
        header.as_old_mut().name[..short.len()].copy_from_slice(short);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::new(*kind));
        if matches!(kind, b'1' | b'2') {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, &bytes[..]).unwrap();
    }
    let mut bundle = zstd::encode_all(&tar.into_inner().unwrap()[..], 3).unwrap();
    bundle.write_all(b"\x50\x2a\x4d\x18\x30\x00\x00\x00orgtrail sha-256").unwrap();
    let seal = hex::decode(sha256_hex(&bundle)).unwrap();
    bundle.extend(seal);
    std::fs::write(path, bundle).unwrap();
}

/// What a supplier with all means makes of a bundle.
fn repacked(folder: &Path, change: impl FnOnce(&mut Vec<Member>)) {
    let mut members = members(&folder.join(BUNDLE));
    change(&mut members);
    write(&folder.join("other.tar.zst"), &with_manifest(members));
}

fn is_log(member: &Member) -> bool {
    let name = String::from_utf8_lossy(&member.name);
    name.contains("/CloudTrail/") && name.ends_with(".json.gz")
}

#[test]
fn a_bundle_is_proven_by_keys_from_elsewhere_and_never_by_its_own() {
    let folder = tempfile::tempdir().unwrap();
    genuine_bundle(folder.path());
    let (code, report, _) = verify(folder.path(), BUNDLE, true);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["public_keys"][0]["origin"], "given");
    let (code, report, said) = verify(folder.path(), BUNDLE, false);
    assert_eq!(code, 14, "{report:#}");
    assert_eq!(kinds(&report), ["public-key-saved"]);
    assert!(said.contains("prove nothing by themselves"), "{said}");
    // Every format says so, and with which keys.
    let key = report["public_keys"][0]["fingerprint"].as_str().unwrap();
    for (format, wanted) in [
        ("text", "PARTLY PROVEN"),
        ("json", "\"origin\": \"saved\""),
        ("junit", " type=\"public-key-saved\">"),
        ("aws-cli", "STORED IN THE TARGET"),
    ] {
        let output = run(folder.path(), &["verify", BUNDLE, "--offline", "--format", format]);
        let said = output.stdout;
        assert_eq!(output.code, 14, "{format}");
        assert!(said.contains(wanted) && said.contains(key), "{format}: {said}");
    }
    // A chain by somebody else's key, with that key saved along, is known to be neither.
    let pair =
        aws_lc_rs::signature::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let mut set = orgtrail::archive::verify::public_keys::PublicKeySet::default();
    set.add_item(&crate::forge::key_item_of(&pair)).unwrap();
    let others = serde_json::to_vec(&set.to_list()).unwrap();
    std::fs::write(folder.path().join(KEYS), others).unwrap();
    assert_eq!(verify(folder.path(), BUNDLE, true).0, 14);
}

#[test]
fn whoever_packs_and_verifies_sees_the_same_digest_of_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    genuine_mirror(folder.path());
    let pack = ["evidence", "mirror", "--offline", "-o", BUNDLE, "--format", "json"];
    let packed = run(folder.path(), &[&pack[..], &WINDOW].concat());
    let packed = packed.json();
    let (_, report, _) = verify(folder.path(), BUNDLE, true);
    assert_eq!(report["bundle"]["manifest_sha256"], packed["manifest_sha256"]);
    // What no digest lists is named, and is all that can differ unseen by it.
    let unproven: Vec<_> = report["bundle"]["unproven_files"].as_array().unwrap().clone();
    for name in
        ["public-keys.json", "report.json", "report.txt", "records/orgtrail/public-keys.json"]
    {
        assert!(unproven.contains(&name.into()), "{name}: {unproven:?}");
    }
    repacked(folder.path(), |members| {
        let record = |it: &&mut Member| it.name.starts_with(b"records/");
        members.iter_mut().find(record).unwrap().bytes.push(b' ');
    });
    let (_, other, _) = verify(folder.path(), "other.tar.zst", true);
    assert_ne!(other["bundle"]["manifest_sha256"], packed["manifest_sha256"]);
}

#[test]
fn no_alias_of_a_path_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    genuine_bundle(folder.path());
    repacked(folder.path(), |_| ());
    let (code, report, said) = verify(folder.path(), "other.tar.zst", true);
    assert_eq!(code, 0, "repacking alone changes nothing: {said} {report:#}");
    let aliases: [fn(&str) -> Vec<u8>; 12] = [
        |path| path.replacen('/', "//", 1).into(),
        |path| path.replacen('/', "/./", 1).into(),
        |path| path.replacen('/', "/x/../", 1).into(),
        |path| format!("./{path}").into(),
        |path| format!("/{path}").into(),
        |path| format!("../{path}").into(),
        |path| format!("{path}/").into(),
        |path| path.replace('/', "\\").into(),
        |path| path.replacen("objects", "OBJECTS", 1).into(),
        |path| format!("{path}\u{1b}[2J").into(),
        |path| [path.as_bytes(), b"\xff"].concat(),
        |path| path.into(),
    ];
    for (which, alias) in aliases.iter().enumerate() {
        repacked(folder.path(), |members| {
            let at = members.iter().position(is_log).unwrap();
            let mut whole = members[at].clone();
            members[at].bytes = b"tampered".to_vec();
            whole.name = alias(std::str::from_utf8(&whole.name).unwrap());
            members.insert(at + 1, whole);
        });
        let (code, _, said) = verify(folder.path(), "other.tar.zst", true);
        assert_eq!(code, 13, "{which}: {said}");
        assert!(said.contains("expected one regular file within the bundle"), "{which}: {said}");
        assert!(!said.contains("\u{1b}[2J"), "{said}");
    }
}

#[test]
fn nothing_but_regular_files_of_a_known_place_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    genuine_bundle(folder.path());
    // Hard and symbolic links, devices, folders, pipes, sparse files, PAX headers.
    for kind in *b"123456SxgV" {
        repacked(folder.path(), |members| {
            members.insert(0, Member { name: b"objects/x".to_vec(), kind, bytes: Vec::new() });
        });
        let (code, _, said) = verify(folder.path(), "other.tar.zst", true);
        assert_eq!(code, 13, "{}: {said}", char::from(kind));
    }
    // A name and a size by PAX headers, as another reader of tar would take them.
    for record in ["21 path=objects/other\n", "14 size=100000\n"] {
        repacked(folder.path(), |members| {
            let bytes = record.as_bytes().to_vec();
            members.insert(0, Member { name: b"pax".to_vec(), kind: b'x', bytes });
        });
        assert_eq!(verify(folder.path(), "other.tar.zst", true).0, 13, "{record}");
    }
    for name in ["README.txt", "keys/public-keys.json", "report.html"] {
        repacked(folder.path(), |members| {
            members.insert(0, Member { name: name.into(), kind: b'0', bytes: b"PROVEN".to_vec() });
        });
        let (code, _, said) = verify(folder.path(), "other.tar.zst", true);
        assert_eq!(code, 13, "{said}");
        assert!(
            said.contains(name) && said.contains("a file that does not belong in a bundle"),
            "{said}"
        );
    }
}

#[test]
fn a_false_report_inside_a_bundle_is_named() {
    let folder = tempfile::tempdir().unwrap();
    genuine_bundle(folder.path());
    let changes: [(&str, &str, &str); 6] = [
        ("report.json", "\"valid\": 8", "\"valid\": 9"),
        ("report.json", "\"outcome\": \"proven\"", "\"outcome\": \"broken\""),
        ("report.json", "111111111111", "222222222222"),
        ("report.json", "\"findings\": []", "\"findings\": \"none\""),
        ("report.txt", "PROVEN: mirror: 8", "PROVEN: mirror: 800"),
        ("report.txt", "111111111111", "222222222222"),
    ];
    for (name, from, to) in changes {
        repacked(folder.path(), |members| {
            let report = members.iter_mut().find(|it| it.name == name.as_bytes()).unwrap();
            let text = String::from_utf8(report.bytes.clone()).unwrap();
            assert!(text.contains(from), "{from}: {text}");
            report.bytes = text.replacen(from, to, 1).into();
        });
        let (code, report, _) = verify(folder.path(), "other.tar.zst", true);
        assert_eq!((code, kinds(&report)), (14, vec!["report-contradicted"]), "{name} {to}");
        assert_eq!(report["findings"][0]["key"], name);
    }
    // One that hides what is broken is not believed either.
    repacked(folder.path(), |members| {
        members.iter_mut().find(|it| is_log(it)).unwrap().bytes = b"tampered".to_vec();
    });
    let (code, report, _) = verify(folder.path(), "other.tar.zst", true);
    assert_eq!(code, 13, "{report:#}");
    assert!(kinds(&report).contains(&"report-contradicted"), "{report:#}");
}

#[test]
fn no_member_is_changed_added_or_left_out_unseen() {
    let folder = tempfile::tempdir().unwrap();
    genuine_bundle(folder.path());
    let all = members(&folder.path().join(BUNDLE));
    for (at, member) in all.iter().enumerate().take(all.len() - 1) {
        let name = String::from_utf8_lossy(&member.name).into_owned();
        let changes: [fn(&mut Vec<Member>, usize); 2] = [
            |members, at| {
                let middle = members[at].bytes.len() / 2;
                members[at].bytes[middle] ^= 1;
            },
            |members, at| drop(members.remove(at)),
        ];
        for (which, change) in changes.into_iter().enumerate() {
            repacked(folder.path(), |members| change(members, at));
            let (code, report, said) = verify(folder.path(), "other.tar.zst", true);
            // With the auditor's keys, the bundle's own and the records decide nothing.
            let decides = !name.starts_with("records/") && name != "public-keys.json";
            let is_gone = which == 1 && name == "public-keys.json";
            assert!(code != 0 || !decides || is_gone, "{name} {which}: {said} {report:#}");
        }
    }
}

#[test]
fn a_bundle_with_another_manifest_than_was_handed_over_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    genuine_bundle(folder.path());
    let (_, report, _) = verify(folder.path(), BUNDLE, true);
    let named = report["bundle"]["manifest_sha256"].as_str().unwrap().to_owned();
    // A supplier who packs it again, with its own record and its own seal.
    repacked(folder.path(), |members| {
        let record = |it: &&mut Member| it.name.starts_with(b"records/");
        members.iter_mut().find(record).unwrap().bytes.push(b' ');
    });
    let check = |target: &str, sha256: &str| {
        let arguments = ["verify", target, "--offline", "--public-keys", "keys.json"];
        let ran = run(folder.path(), &[&arguments[..], &["--manifest-sha256", sha256]].concat());
        (ran.code, ran.text())
    };
    let (code, said) = check("other.tar.zst", &named);
    assert_eq!(code, 13, "{said}");
    assert!(
        said.contains(&format!("expected {named}: this is not the bundle with that SHA-256")),
        "{said}"
    );
    for malformed in ["", "abc", &named[1..], &format!("{named}0"), &"x".repeat(64)] {
        let (code, said) = check(BUNDLE, malformed);
        assert_eq!(code, 2, "{malformed}: {said}");
    }
    let (code, said) = check("mirror", &named);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("requires a bundle"), "{said}");
    for genuine in [named.clone(), named.to_uppercase()] {
        let (code, said) = check(BUNDLE, &genuine);
        assert_eq!(code, 0, "{said}");
    }
}

#[test]
fn what_is_to_be_handed_over_beside_a_bundle_is_printed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    genuine_mirror(folder.path());
    let pack = ["evidence", "mirror", "--offline", "-o", BUNDLE];
    let packed = run(folder.path(), &[&pack[..], &WINDOW].concat());
    let said = packed.stderr;
    let last = said.lines().last().unwrap();
    assert!(last.contains("over a different channel than the bundle"), "{said}");
    let (_, report, _) = verify(folder.path(), BUNDLE, true);
    let sha256 = report["bundle"]["manifest_sha256"].as_str().unwrap();
    assert!(
        last.ends_with(&format!("orgtrail verify {BUNDLE} --manifest-sha256 {sha256}")),
        "{said}"
    );
}
