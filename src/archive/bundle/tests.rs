use std::collections::HashMap;
use std::path::Path;

use super::*;

fn manifest() -> Manifest {
    Manifest {
        version: 1,
        packed_at: Timestamp::UNIX_EPOCH,
        source: "s3://archive".to_owned(),
        from: Timestamp::UNIX_EPOCH,
        to: Timestamp::UNIX_EPOCH,
        declared: None,
        org_owner: None,
        bucket: None,
        followed: BTreeSet::new(),
        left_out: Vec::new(),
        keys_unread: BTreeSet::new(),
        files: Vec::new(),
    }
}

fn pack(path: &Path) -> Manifest {
    let mut writer = BundleWriter::create(path).unwrap();
    // Longer than a block, longer than tar's name, and empty.
    writer.file("big", &vec![7; 300_000]).unwrap();
    let metadata = HashMap::from([("signature".to_owned(), "ab".to_owned())]);
    writer
        .object(None, &format!("AWSLogs/{}/x.json.gz", "long/".repeat(50)), b"gz", &metadata)
        .unwrap();
    writer.file("empty", b"").unwrap();
    writer.finish(manifest()).unwrap()
}

#[test]
fn what_is_packed_is_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.zst");
    let packed = pack(&path);
    assert_eq!(packed.files.len(), 4);
    let unpacked = unpack(&path, folder.path()).unwrap();
    assert_eq!(unpacked.manifest, packed);
    assert_eq!(std::fs::read(unpacked.path("big")).unwrap(), vec![7; 300_000]);
    let kept = unpacked.path("");
    drop(unpacked);
    assert!(!kept.exists());
}

#[test]
fn a_bundle_is_not_written_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.zst");
    pack(&path);
    assert!(BundleWriter::create(&path).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn of_two_that_write_the_same_bundle_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.zst");
    let (mut one, mut two) =
        (BundleWriter::create(&path).unwrap(), BundleWriter::create(&path).unwrap());
    one.file("which", b"one").unwrap();
    two.file("which", b"two").unwrap();
    two.finish(manifest()).unwrap();
    let Err(BundleError::Io(error)) = one.finish(manifest()) else { panic!("written over") };
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    let unpacked = unpack(&path, folder.path()).unwrap();
    assert_eq!(std::fs::read(unpacked.path("which")).unwrap(), b"two");
    drop(unpacked);
    // Nor does one that is given up leave anything.
    drop(BundleWriter::create(&folder.path().join("other")).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn any_changed_byte_of_content_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.zst");
    pack(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(unpack(&path, folder.path()), Err(BundleError::File { .. })));
    // Nothing is left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    std::fs::write(&path, &bytes[..5000]).unwrap();
    assert!(unpack(&path, folder.path()).is_err());
}

#[test]
fn a_bomb_breaks_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.tar.zst");
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(80 << 20);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    // A raw block of the header; then blocks of one zero, 2^17 times each.
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3, 0, 16, 0];
    bytes.extend(header.as_bytes());
    for _ in 0..80 * 8 {
        bytes.extend([2, 0, 16, 0]);
    }
    bytes.extend([1, 0, 0]);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(unpack(&path, folder.path()), Err(BundleError::File { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_look_into_what_is_unpacked() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.zst");
    pack(&path);
    let unpacked = unpack(&path, folder.path()).unwrap();
    let mode = std::fs::metadata(unpacked.path("")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn the_zstd_tool_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.zst");
    pack(&path);
    let Ok(output) = std::process::Command::new("zstd").args(["-dc"]).arg(&path).output() else {
        eprintln!("SKIPPED: there is no zstd tool to read the bundle with");
        return;
    };
    assert!(output.status.success());
    let mut archive = tar::Archive::new(&output.stdout[..]);
    assert_eq!(archive.entries().unwrap().count(), 5);
}
