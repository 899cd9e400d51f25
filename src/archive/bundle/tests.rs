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
        omitted: Vec::new(),
        regions_without_public_keys: BTreeSet::new(),
        files: Vec::new(),
    }
}

fn pack(path: &Path) -> Manifest {
    let mut writer = BundleWriter::create(path).unwrap();
    // Longer than a block, longer than tar's name, and empty.
    writer.file("objects/big", &vec![7; 300_000]).unwrap();
    let metadata = HashMap::from([("signature".to_owned(), "ab".to_owned())]);
    writer
        .object(None, &format!("AWSLogs/{}x.json.gz", "long/".repeat(50)), b"gz", &metadata)
        .unwrap();
    writer.file("objects/empty", b"").unwrap();
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
    assert_eq!(std::fs::read(unpacked.path("objects/big")).unwrap(), vec![7; 300_000]);
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
    one.file("objects/which", b"one").unwrap();
    two.file("objects/which", b"two").unwrap();
    two.finish(manifest()).unwrap();
    let error = one.finish(manifest()).unwrap_err();
    let BundleFault::Io(error) = error.fault else { panic!("written over: {error:?}") };
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    let unpacked = unpack(&path, folder.path()).unwrap();
    assert_eq!(std::fs::read(unpacked.path("objects/which")).unwrap(), b"two");
    drop(unpacked);
    // Nor does one that is given up leave anything.
    drop(BundleWriter::create(&folder.path().join("other")).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A bundle with something of every kind, small enough to change each of its bytes.
fn small(path: &Path) -> Vec<u8> {
    let mut writer = BundleWriter::create(path).unwrap();
    let metadata = HashMap::from([("signature".to_owned(), "00ff".repeat(128))]);
    let noise: Vec<u8> = (0..600_u32).map(|n| (n * n * 7919).to_le_bytes()[2]).collect();
    writer.object(None, "AWSLogs/1/x.json.gz", &noise, &metadata).unwrap();
    writer.object(Some("old"), &format!("{}x", "long/".repeat(40)), b"gz", &metadata).unwrap();
    writer.finish(manifest()).unwrap();
    std::fs::read(path).unwrap()
}

/// Unpacks bytes, which may be no bundle.
fn unpacked(folder: &Path, bytes: &[u8]) -> Result<Unpacked, BundleFault> {
    let path = folder.join("changed.tar.zst");
    std::fs::write(&path, bytes).unwrap();
    let unpacked = unpack(&path, folder).map_err(|error| error.fault);
    std::fs::remove_file(&path).unwrap();
    unpacked
}

#[test]
fn every_changed_added_or_removed_byte_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let whole = small(&folder.path().join("bundle.tar.zst"));
    assert!(unpacked(folder.path(), &whole).is_ok());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(unpacked(folder.path(), &bytes).is_err(), "changed at {at}");
        // Where nothing is changed, one place is like the next.
        if at % 8 != 0 && at + 64 < whole.len() {
            continue;
        }
        let less = [&whole[..at], &whole[at + 1..]].concat();
        assert!(unpacked(folder.path(), &less).is_err(), "taken away at {at}");
        let more = [&whole[..at], &[0], &whole[at..]].concat();
        assert!(unpacked(folder.path(), &more).is_err(), "added at {at}");
        assert!(unpacked(folder.path(), &whole[..at]).is_err(), "cut at {at}");
    }
    for more in [&[0][..], &[0; 512], &whole] {
        assert!(unpacked(folder.path(), &[&whole, more].concat()).is_err());
    }
    // Nothing is left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_other_bytes_pass_for_a_bundle(
        at in proptest::prelude::any::<proptest::sample::Index>(),
        length in 0_usize..40,
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let whole = small(&folder.path().join("bundle.tar.zst"));
        let at = at.index(whole.len() + 1);
        let mut other = whole.clone();
        other.splice(at..whole.len().min(at + length), bytes);
        proptest::prop_assert_eq!(unpacked(folder.path(), &other).is_ok(), other == whole);
    }
}

/// Compresses and seals a tar archive, as anyone who knows how could.
fn sealed(tar: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut frame = zstd::Encoder::new(seal::Hashing::new(Vec::new()), 3).unwrap();
    frame.write_all(tar).unwrap();
    frame.finish().unwrap().seal().unwrap()
}

#[test]
fn hidden_data_in_the_tar_archive_is_detected_even_with_a_new_seal() {
    let folder = tempfile::tempdir().unwrap();
    let whole = small(&folder.path().join("bundle.tar.zst"));
    let tar = zstd::decode_all(&whole[..]).unwrap();
    assert!(unpacked(folder.path(), &sealed(&tar)).is_ok());
    // Of the first file: its header's owner, and the padding after it.
    let mut owner = tar.clone();
    let mut header = tar::Header::from_byte_slice(&tar[..512]).clone();
    header.set_uid(7);
    header.set_cksum();
    owner[..512].copy_from_slice(header.as_bytes());
    let mut padding = tar.clone();
    padding[512 + 600] = 7;
    let mut end = tar.clone();
    *end.last_mut().unwrap() = 7;
    let longer = [&tar[..], &[0; 512]].concat();
    let shorter = tar[..tar.len() - 512].to_vec();
    for (which, tar) in [owner, padding, end, longer, shorter].iter().enumerate() {
        let fault = unpacked(folder.path(), &sealed(tar)).unwrap_err();
        assert!(matches!(fault, BundleFault::Tar), "{which}: {fault}");
    }
    // A second frame, which a reader of one passes over, and bytes that are none.
    let more = zstd::encode_all(&b"more"[..], 3).unwrap();
    let frames = zstd::encode_all(&tar[..], 3).unwrap();
    for more in [&more[..], b"more"] {
        let mut hashing = seal::Hashing::new(Vec::new());
        std::io::Write::write_all(&mut hashing, &[&frames, more].concat()).unwrap();
        assert!(unpacked(folder.path(), &hashing.seal().unwrap()).is_err());
    }
}

/// What a changed tar archive comes to though it is sealed anew: refused, or one with
/// another manifest, which the packer of the bundle did not name.
fn is_detected(folder: &Path, tar: &[u8], genuine: &str) -> bool {
    match unpacked(folder, &sealed(tar)) {
        Ok(other) => other.manifest_sha256 != genuine,
        Err(_) => true,
    }
}

#[test]
fn every_byte_of_the_tar_archive_counts_even_with_a_new_seal() {
    let folder = tempfile::tempdir().unwrap();
    let whole = small(&folder.path().join("bundle.tar.zst"));
    let genuine = unpacked(folder.path(), &whole).unwrap().manifest_sha256.clone();
    let tar = zstd::decode_all(&whole[..]).unwrap();
    assert!(!is_detected(folder.path(), &tar, &genuine));
    // Every field of headers, and every kind of content and padding, is struck.
    for at in (0..tar.len()).step_by(31) {
        let mut bytes = tar.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(is_detected(folder.path(), &bytes, &genuine), "changed at {at}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_other_tar_archive_passes_for_the_one_whose_manifest_is_named(
        at in proptest::prelude::any::<proptest::sample::Index>(),
        length in 0_usize..1100,
        blocks in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..3),
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let whole = small(&folder.path().join("bundle.tar.zst"));
        let genuine = unpacked(folder.path(), &whole).unwrap().manifest_sha256.clone();
        let tar = zstd::decode_all(&whole[..]).unwrap();
        let at = at.index(tar.len() + 1);
        let mut other = tar.clone();
        // Whole blocks too, since tar reads nothing else.
        let more = blocks.iter().flat_map(|byte| [*byte; 512]).chain(bytes);
        other.splice(at..tar.len().min(at + length), more);
        proptest::prop_assert_eq!(is_detected(folder.path(), &other, &genuine), other != tar);
    }
}

#[test]
fn a_changed_file_is_named_with_its_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.zst");
    let mut writer = BundleWriter::create(&path).unwrap();
    let noise: Vec<u8> = (0..200_000).map(|_| fastrand::u8(..)).collect();
    writer.file("objects/noise", &noise).unwrap();
    writer.finish(manifest()).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = unpack(&path, folder.path()).unwrap_err();
    assert!(
        matches!(&error.fault, BundleFault::File { path, .. } if path == "objects/noise"),
        "{error:?}"
    );
    assert!(error.to_string().contains("bundle.tar.zst"), "{error}");
}

#[test]
fn what_compresses_is_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.tar.zst");
    let mut writer = BundleWriter::create(&path).unwrap();
    let metadata = HashMap::from([("signature-algorithm".to_owned(), "SHA256withRSA".to_owned())]);
    for n in 0..1000 {
        writer
            .object(None, &format!("AWSLogs/1/{n}.json.gz"), b"an empty hour", &metadata)
            .unwrap();
    }
    writer.finish(manifest()).unwrap();
    // Two headers and two padded blocks for each.
    assert!(std::fs::metadata(&path).unwrap().len() < 1000 * 4 * 512 / 10);
    assert!(unpack(&path, folder.path()).is_ok());
}

#[test]
fn a_decompression_bomb_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_path("objects/zeros").unwrap();
    header.set_size(80 << 20);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let zeros = [header.as_bytes(), &vec![0; 80 << 20][..]].concat();
    let bomb = sealed(&zeros);
    assert!(bomb.len() < 16 << 10);
    assert!(matches!(unpacked(folder.path(), &bomb), Err(BundleFault::File { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn no_one_else_can_read_an_unpacked_bundle() {
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
