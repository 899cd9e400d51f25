use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::segment::{MAX_END_BYTES, MAX_ROW_BYTES, MAX_ROWS};
use super::*;

fn chain(length: u64) -> Vec<Vec<u8>> {
    let mut stored: Vec<Vec<u8>> = Vec::new();
    for number in 0..length {
        let segment = Segment {
            head: Head {
                version: FORMAT_VERSION,
                number,
                previous_sha256: stored.last().map(|before| sha256_hex(before)),
                run_id: "run".to_owned(),
                written_at: Timestamp::UNIX_EPOCH,
                written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
                written_with: "orgtrail test".to_owned(),
            },
            rows: vec![Row::Begin { options: serde_json::json!({ "number": number }) }],
        };
        stored.push(segment.encode().unwrap());
    }
    stored
}

fn findings(stored: &[Option<Vec<u8>>]) -> Vec<Result<Segment, RecordError>> {
    let mut checker = ChainChecker::default();
    stored.iter().map(|segment| checker.check(segment.as_deref())).collect()
}

#[test]
fn an_untouched_chain_passes() {
    let stored: Vec<_> = chain(4).into_iter().map(Some).collect();
    assert!(findings(&stored).iter().all(Result::is_ok));
}

#[test]
fn a_segment_that_the_limit_would_cut_after_a_row_is_refused() {
    let segment = Segment::decode(0, &chain(1)[0]).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut gzip, &segment.head).unwrap();
    let head = serde_json::to_vec(&segment.head).unwrap().len() as u64;
    let row = br#"{"row":"object","key":"","source_bucket":"","source_key":"","size_bytes":0,"sha256":null,"outcome":"copied","reason":null,"copy_method":null,"archived":null,"quarantine_key":null}"#;
    gzip.write_all(b"\n").unwrap();
    gzip.write_all(row).unwrap();
    gzip.write_all(b"\n").unwrap();
    gzip.write_all(row).unwrap();
    let stored = gzip.finish().unwrap();
    let whole = head + 2 * (1 + row.len() as u64);
    assert!(Segment::within(0, &stored, whole).is_ok());
    // Up to the end of the first row, and with the line feed after it.
    let cut = head + 1 + row.len() as u64;
    assert!(Segment::within(0, &stored, cut + 1).is_err());
    let error = Segment::within(0, &stored, cut).unwrap_err().to_string();
    assert!(error.contains("inflates to more"), "{error}");
}

fn object(outcome: Outcome, size_bytes: u64) -> Row {
    Row::Object(ObjectRow {
        key: "k".to_owned(),
        origin_bucket: "b".to_owned(),
        origin_key: "k".to_owned(),
        size_bytes,
        sha256: None,
        outcome,
        reason: None,
        copy_method: None,
        archived: None,
        quarantined_as: None,
    })
}

#[test]
fn a_segment_with_more_than_a_run_writes_is_refused() {
    let segment = Segment::decode(0, &chain(1)[0]).unwrap();
    let refused = |rows: Vec<Row>| {
        let stored = Segment { head: segment.head.clone(), rows }.encode().unwrap();
        Segment::decode(0, &stored).map(|_| ()).map_err(|error| error.to_string())
    };
    let begin = |bytes| Row::Begin { options: "a".repeat(bytes).into() };
    assert_eq!(refused(vec![begin(1)]), Ok(()));
    assert!(refused(vec![begin(1), begin(1)]).unwrap_err().contains("more than 1 begin row"));
    assert!(refused(vec![begin(MAX_ROW_BYTES)]).unwrap_err().contains("a row has"));
    let end = |log_prefixes: usize| Row::End {
        totals: Counts::default(),
        complete: true,
        proven_through: (0..log_prefixes)
            .map(|log_prefix| (format!("{log_prefix:01000}"), Date::MIN))
            .collect(),
        full_listing_at: Timestamp::UNIX_EPOCH,
    };
    // An end may be longer than other rows.
    assert_eq!(refused(vec![end(2 * MAX_ROW_BYTES / 1000)]), Ok(()));
    assert!(refused(vec![end(MAX_END_BYTES / 1000)]).unwrap_err().contains("a row has"));
    let many = vec![object(Outcome::Copied, 1); MAX_ROWS + 1];
    assert!(refused(many).unwrap_err().contains("100000 rows"));
}

#[test]
fn an_end_that_its_rows_do_not_add_up_to_is_a_contradiction() {
    let mut sums = RowSums::default();
    let rows = [
        Row::Begin { options: "".into() },
        object(Outcome::Copied, 10),
        object(Outcome::Copied, 20),
        object(Outcome::Failed, 5),
        object(Outcome::Quarantined, 5),
    ];
    for row in &rows {
        sums.take(row);
    }
    assert!(sums.has_begin());
    let totals = Counts { copied: 2, copied_bytes: 30, failed: 1, ..Counts::default() };
    assert_eq!(sums.contradiction(&totals, &BTreeMap::new()), None);
    // What was in the archive has no rows.
    let more = Counts { present: 7, source: 12, ..totals };
    assert_eq!(sums.contradiction(&more, &BTreeMap::new()), None);
    for wrong in [
        Counts { copied: 3, ..totals },
        Counts { copied_bytes: 31, ..totals },
        Counts { failed: 0, ..totals },
        Counts { conflicts: 1, ..totals },
    ] {
        assert!(sums.contradiction(&wrong, &BTreeMap::new()).is_some(), "{wrong:?}");
    }
    // Nor is a day complete that the rows left incomplete.
    let log_prefix = crate::archive::batches::LogPrefix {
        bucket: "old".to_owned(),
        root: "AWSLogs/".to_owned(),
        account: "111111111111".parse().unwrap(),
        folder: "CloudTrail".to_owned(),
        region: "us-east-1".parse().unwrap(),
    };
    let day = jiff::civil::date(2026, 1, 10);
    let id = log_prefix.id();
    let counts = Counts { failed: 1, ..Counts::default() };
    sums.take(&Row::Batch(BatchRow { batch: DayBatch { log_prefix, day }, counts }));
    let through = |day: Date| [(id.clone(), day)].into();
    assert_eq!(sums.contradiction(&totals, &through(day.yesterday().unwrap())), None);
    assert!(sums.contradiction(&totals, &through(day)).unwrap().contains("2026-01-10"));
}

#[test]
fn sizes_that_no_object_has_do_not_overflow() {
    let mut sums = RowSums::default();
    let row = object(Outcome::Copied, u64::MAX);
    (0..2).for_each(|_| sums.take(&row));
    let totals = Counts { copied: 2, copied_bytes: u64::MAX, ..Counts::default() };
    assert_eq!(sums.contradiction(&totals, &BTreeMap::new()), None);
}

#[test]
fn a_field_that_is_missing_and_another_version_are_refused() {
    let whole = Segment {
        head: Segment::decode(0, &chain(1)[0]).unwrap().head,
        rows: vec![
            object(Outcome::Copied, 1),
            Row::End {
                totals: Counts::default(),
                complete: true,
                proven_through: BTreeMap::new(),
                full_listing_at: Timestamp::UNIX_EPOCH,
            },
        ],
    };
    let stored = |lines: &[serde_json::Value]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        for line in lines {
            writeln!(gzip, "{line}").unwrap();
        }
        gzip.finish().unwrap()
    };
    let mut lines = vec![serde_json::to_value(&whole.head).unwrap()];
    lines.extend(whole.rows.iter().map(|row| serde_json::to_value(row).unwrap()));
    assert_eq!(Segment::decode(0, &stored(&lines)).unwrap(), whole);
    for (at, line) in lines.iter().enumerate() {
        for field in line.as_object().unwrap().keys() {
            let mut lines = lines.clone();
            lines[at].as_object_mut().unwrap().remove(field);
            assert!(Segment::decode(0, &stored(&lines)).is_err(), "{field} of {line}");
        }
    }
    for count in lines[2]["counts"].as_object().unwrap().keys() {
        let mut lines = lines.clone();
        lines[2]["counts"].as_object_mut().unwrap().remove(count);
        assert!(Segment::decode(0, &stored(&lines)).is_err(), "{count}");
    }
    for version in [0, FORMAT_VERSION + 1] {
        let mut lines = lines.clone();
        lines[0]["version"] = version.into();
        let error = Segment::decode(0, &stored(&lines)).unwrap_err().to_string();
        assert!(error.contains(&format!("it has version {version}, expected 1")), "{error}");
    }
    // Fields may be added within a version.
    lines[1]["added_later"] = 1.into();
    assert_eq!(Segment::decode(0, &stored(&lines)).unwrap(), whole);
}

proptest! {
    #[test]
    fn a_segment_that_is_cut_or_goes_on_is_refused(at in any::<prop::sample::Index>(), more in any::<u8>()) {
        let stored = chain(1).remove(0);
        let cut = at.index(stored.len());
        prop_assert!(Segment::decode(0, &stored[..cut]).is_err());
        let longer = [stored.as_slice(), &[more]].concat();
        prop_assert!(Segment::decode(0, &longer).is_err());
    }

    #[test]
    fn any_flipped_bit_shows(number in 0_usize..3, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        // The last segment has no segment after it that contains its hash, so a change shows
        // only if it makes it unreadable: the test changes earlier segments only.
        let mut stored = chain(4);
        let at = at.index(stored[number].len());
        stored[number][at] ^= 1 << bit;
        let stored: Vec<_> = stored.into_iter().map(Some).collect();
        prop_assert!(findings(&stored).iter().any(Result::is_err));
    }

    #[test]
    fn a_missing_segment_shows(number in 0_usize..3) {
        let mut stored: Vec<_> = chain(4).into_iter().map(Some).collect();
        stored[number] = None;
        let missing = findings(&stored)
            .into_iter()
            .filter(|finding| matches!(finding, Err(RecordError::Missing { .. })))
            .count();
        prop_assert_eq!(missing, 1);
    }

    #[test]
    fn swapped_segments_show(first in 0_usize..4, second in 0_usize..4) {
        prop_assume!(first != second);
        let mut stored = chain(4);
        stored.swap(first, second);
        let stored: Vec<_> = stored.into_iter().map(Some).collect();
        prop_assert!(findings(&stored).iter().any(Result::is_err));
    }

    #[test]
    fn hostile_bytes_are_an_error_and_no_panic(
        from in any::<prop::sample::Index>(),
        length in 0_usize..20,
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        prop_assert!(Segment::decode(0, &bytes).is_err());
        // Zipped as a segment is, so that the reader of rows meets them too.
        let mut text = Vec::new();
        GzDecoder::new(&chain(1)[0][..]).read_to_end(&mut text).unwrap();
        let from = from.index(text.len());
        let until = text.len().min(from + length);
        text.splice(from..until, bytes);
        let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
        zipped.write_all(&text).unwrap();
        if let Ok(segment) = Segment::decode(0, &zipped.finish().unwrap()) {
            let again = Segment::decode(0, &segment.encode().unwrap()).unwrap();
            prop_assert_eq!(again.encode().unwrap(), segment.encode().unwrap());
        }
    }
}
