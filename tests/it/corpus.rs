//! Whatever bytes come: the key grammar, the readers of digests, gzip, run records
//! and configs neither panic nor accept what they should not.
//!
//! Each file under `tests/corpus` is tried as it is, and then changed many
//! times: cut, lengthened, flipped, spliced with another. The changes are drawn
//! from a fixed seed, so that a run can be repeated; `ORGTRAIL_CORPUS_ROUNDS`
//! sets how many there are a file. What once failed is kept as a file.

use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;
use orgtrail::archive::accept::{Acceptances, record_key};
use orgtrail::archive::authenticity::RecordTrust;
use orgtrail::archive::bundle::is_canonical;
use orgtrail::archive::consolidate::record::{Counts, FORMAT_VERSION, Head, Row, RowSums, Segment};
use orgtrail::archive::key::ObjectKey;
use orgtrail::archive::verify::digest::DigestDocument;
use orgtrail::archive::verify::gzip::{GzipError, inflate};
use orgtrail::archive::verify::parsed_digest::ParsedDigest;
use orgtrail::archive::verify::source::{FolderSource, Source};
use orgtrail::config::{Environment, Loaded};

use crate::env::MINIMAL;
use crate::forge::{gzip, inflated};

const ROUNDS: usize = 400;
const LIMIT: u64 = 1 << 16;

#[test]
fn keys_parse_to_what_they_print_or_not_at_all() {
    let parsed = each("key", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        match text.trim_end_matches('\n').parse::<ObjectKey>() {
            Ok(key) => {
                assert_eq!(key.to_string(), text.trim_end_matches('\n'));
                true
            }
            Err(error) => {
                assert!(error.key.is_char_boundary(error.at));
                assert!(error.key[error.at..].starts_with(&error.found));
                false
            }
        }
    });
    assert!(parsed > 0);
}

#[test]
fn a_path_of_a_bundle_has_one_spelling() {
    let accepted = each("bundle-path", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        if !is_canonical(text) {
            return false;
        }
        // As every file system and tar takes it: below the folder, and as it is written.
        let parts: Vec<_> = Path::new(text).components().collect();
        assert!(parts.iter().all(|part| matches!(part, std::path::Component::Normal(_))));
        let again: std::path::PathBuf = parts.iter().collect();
        assert_eq!(again.to_str(), Some(text));
        let mut header = tar::Header::new_gnu();
        if header.set_path(text).is_ok() {
            assert_eq!(&*header.path_bytes(), bytes);
        }
        true
    });
    assert!(accepted > 0);
}

#[test]
fn digests_are_read_or_refused() {
    let read = each("digest", |bytes| {
        let Ok(document) = DigestDocument::parse(bytes) else { return false };
        let written = document.to_bytes().unwrap();
        assert_eq!(DigestDocument::parse(&written).unwrap(), document);
        assert!(document.string_to_sign(bytes).lines().count() >= 3);
        true
    });
    assert!(read > 0);
}

#[test]
fn gzip_is_inflated_whole_within_the_limit_or_refused() {
    let mut buffer = Vec::new();
    let whole = each("gzip", |bytes| {
        let mut length = 0;
        let result = inflate(bytes, LIMIT, &mut buffer, |piece| length += piece.len() as u64);
        assert!(length <= LIMIT);
        // The same bytes once more are a second member.
        if result.is_ok() {
            let twice = [bytes, bytes].concat();
            let refused = inflate(&twice, LIMIT, &mut Vec::new(), |_| {});
            assert_eq!(refused, Err(GzipError::AppendedMember { bytes: bytes.len() }));
        }
        let _ = ParsedDigest::parse(bytes, |_| None, false, &mut Vec::new());
        result.is_ok()
    });
    assert!(whole > 0);
}

#[test]
fn run_records_are_read_or_refused() {
    let segment = |number: u64, rows: Vec<Row>| {
        let head = Head {
            version: FORMAT_VERSION,
            number,
            previous_sha256: (number > 0).then(|| "0".repeat(64)),
            run_id: "run".to_owned(),
            written_at: jiff::Timestamp::UNIX_EPOCH,
            written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
            written_with: "orgtrail test".to_owned(),
        };
        inflated(&Segment { head, rows }.encode().unwrap())
    };
    let begin = |options| Row::Begin { options };
    let files = [
        segment(1, vec![]),
        segment(1, vec![begin(serde_json::json!({ "limit": 7 }))]),
        segment(1, vec![begin(serde_json::json!({})), begin(serde_json::json!(["a", null, 1.5]))]),
        segment(2, vec![]),
        segment(
            1,
            vec![Row::End {
                totals: Counts { source: u64::MAX, ..Counts::default() },
                complete: true,
                proven_through: [("s3://old/AWSLogs/".to_owned(), jiff::civil::Date::MAX)].into(),
                full_listing_at: jiff::Timestamp::MAX,
            }],
        ),
    ];
    let read = each_of(&files, |text| {
        let Ok(read) = Segment::decode(1, &gzip(text)) else { return false };
        assert_eq!(read.head.number, 1);
        let again = Segment::decode(1, &read.encode().unwrap()).unwrap();
        assert_eq!(again.encode().unwrap(), read.encode().unwrap());
        true
    });
    assert!(read >= 3);
    let read = each("record", |text| {
        let Ok(read) = Segment::decode(1, &gzip(text)) else { return false };
        let mut sums = RowSums::default();
        for row in &read.rows {
            sums.take(row);
        }
        for row in &read.rows {
            if let Row::End { totals, proven_through, .. } = row {
                let _ = sums.contradiction(totals, proven_through);
            }
        }
        let again = Segment::decode(1, &read.encode().unwrap()).unwrap();
        assert_eq!(again.encode().unwrap(), read.encode().unwrap());
        true
    });
    assert!(read >= 3);
}

#[tokio::test]
async fn acceptances_are_read_or_refused_and_none_counts_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let key = record_key(None, 0);
    std::fs::create_dir_all(folder.path().join(&key).parent().unwrap()).unwrap();
    let handle = tokio::runtime::Handle::current();
    let read = tokio::task::spawn_blocking(move || {
        each("acceptance", |bytes| {
            std::fs::write(folder.path().join(&key), bytes).unwrap();
            let source = Source::Folder(FolderSource::new(folder.path().to_owned()));
            let trust = RecordTrust::default();
            let all = handle.block_on(Acceptances::read(Arc::new(source), None, &trust));
            assert_eq!(all.records.len() + all.faults.len(), 1, "{all:?}");
            assert!(all.unreadable.is_empty(), "{all:?}");
            assert!(all.records.iter().all(|record| !record.counts()), "{all:?}");
            !all.records.is_empty()
        })
    });
    assert!(read.await.unwrap() >= 1);
}

#[test]
fn configs_are_read_or_refused_with_their_place() {
    let files = [
        MINIMAL.to_owned(),
        format!("{MINIMAL}prefix = \"logs\"\n[alarms]\nsubscribers = [\"a@example.com\"]\n"),
        format!("{MINIMAL}readers = [\"333333333333\"]\n[consolidate]\nconcurrency = 3\n"),
    ]
    .map(String::into_bytes);
    let read = each_of(&files, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        match Loaded::from_text(text, &Environment::default()) {
            Ok(_) => true,
            Err(refused) => {
                assert!(!refused.is_empty());
                false
            }
        }
    });
    assert!(read >= 3);
}

/// Tries every file of a folder and its changes; tells how many were accepted.
fn each(folder: &str, accepts: impl FnMut(&[u8]) -> bool) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    each_of(&files, accepts)
}

fn each_of(files: &[Vec<u8>], mut accepts: impl FnMut(&[u8]) -> bool) -> usize {
    assert!(files.len() >= 3);
    let mut random = Rng::with_seed(5);
    let mut accepted = 0;
    for file in files {
        accepted += usize::from(accepts(file));
        for _ in 0..rounds() {
            let other = &files[random.usize(..files.len())];
            accepted += usize::from(accepts(&changed(file, other, &mut random)));
        }
    }
    accepted
}

fn changed(file: &[u8], other: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len());
        match random.u8(..6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.u8(..)),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 => {
                let from = random.usize(..=other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            _ if at < bytes.len() => {
                bytes[at] = *b"/_-.\"{}[]0:\\".get(random.usize(..12)).unwrap();
            }
            _ => {}
        }
    }
    bytes
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn rounds() -> usize {
    std::env::var("ORGTRAIL_CORPUS_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap())
}
