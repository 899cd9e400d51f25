//! Consolidation from a member's bucket into the archive, on the sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::types::StorageClass;
use orgtrail::archive::consolidate::record::{ObjectRow, Outcome, Row};
use orgtrail::archive::consolidate::restore::{ArchivedTotal, Class, Restore, Tier};
use orgtrail::archive::consolidate::run::{
    Archive, ConsolidateOptions, Progress, Report, consolidate,
};
use orgtrail::archive::consolidate::server_side::{CopyMethod, ServerSide};
use orgtrail::archive::consolidate::source::Source;
use orgtrail::aws::{Clients, Pacing, Settings, WriteAuthority};
use orgtrail::names::AccountId;
use orgtrail::sandbox::{Effect, Fault};

use crate::consolidate_env::{self, log_body, relocated};
use crate::env::{TestEnv, writer};

struct Place {
    env: TestEnv,
    source: Source,
    reader: Clients,
    archive: Archive,
    member: AccountId,
}

impl Place {
    async fn new() -> Self {
        let region: orgtrail::names::Region = "us-east-1".parse().unwrap();
        let env = TestEnv::builder().accounts(5).start().await;
        let settings = Settings { pacing: Pacing::Off, ..Settings::default() };
        let aws = consolidate_env::sign_in(&env, settings).await;
        let accounts = env.sandbox.accounts();
        let (keeper, member) = (accounts[1].clone(), accounts[3].clone());
        let archive = consolidate_env::archive(aws.clients(&keeper, &region));
        let reader = aws.clients(&member, &region);
        let source = consolidate_env::source("member-legacy-trail", &member, &region);
        for (clients, name) in
            [(&archive.target.clients, consolidate_env::ARCHIVE), (&reader, source.bucket.as_str())]
        {
            writer(clients).s3().create_bucket().bucket(name).send().await.unwrap();
        }
        Self { env, source, reader, archive, member }
    }

    fn log(&self, day: u8, number: u8) -> String {
        consolidate_env::log(&self.member, day, number)
    }

    async fn put(&self, key: &str, body: &[u8]) {
        self.put_as(StorageClass::Standard, key, body).await;
    }

    async fn put_as(&self, class: StorageClass, key: &str, body: &[u8]) {
        consolidate_env::put_as(class, &self.reader, self.source.bucket.as_str(), key, body).await;
    }

    /// Five logs a day for four days, and a digest each.
    async fn fill(&self) -> usize {
        for day in 1..=4 {
            for number in 0..5 {
                let body = log_body(&format!("log {day} {number}"));
                self.put(&self.log(day, number), &body).await;
            }
            let digest = consolidate_env::digest(&self.member, day, 1);
            self.put(&digest, &consolidate_env::digest_body(&digest, "", &[])).await;
        }
        24
    }

    /// Lets the archive's account read keys of the source that match.
    async fn share(&self, keys: &str) {
        let keeper = self.archive.target.clients.account().unwrap();
        consolidate_env::share(&self.reader, self.source.bucket.as_str(), keys, keeper).await;
    }

    async fn run(&self, change: impl FnOnce(&mut ConsolidateOptions)) -> Report {
        self.run_as(Some(&WriteAuthority::granted()), change).await
    }

    /// The same, without an authority as a dry run.
    async fn run_as(
        &self,
        authority: Option<&WriteAuthority>,
        change: impl FnOnce(&mut ConsolidateOptions),
    ) -> Report {
        let mut asked = consolidate_env::asked();
        change(&mut asked);
        let progress = Arc::new(Progress::new(asked.limit));
        let sources = vec![(self.source.clone(), self.reader.clone())];
        let sources = consolidate_env::bound(&self.env.sandbox, sources);
        consolidate(&consolidate_env::run(), &asked, &self.archive, sources, progress, authority)
            .await
            .unwrap()
    }

    /// The archive's objects below `AWSLogs/`, by key.
    async fn archived(&self) -> BTreeMap<String, Vec<u8>> {
        let s3 = self.archive.target.clients.s3();
        let listed = s3
            .list_objects_v2()
            .bucket("acme-log-archive")
            .prefix("AWSLogs/")
            .send()
            .await
            .unwrap();
        let mut objects = BTreeMap::new();
        for object in listed.contents() {
            let key = object.key().unwrap();
            let got = s3.get_object().bucket("acme-log-archive").key(key).send().await.unwrap();
            objects.insert(key.to_owned(), got.body.collect().await.unwrap().to_vec());
        }
        objects
    }

    async fn record_rows(&self) -> Vec<Row> {
        consolidate_env::rows(self.archive.target.clone()).await
    }
}

fn copies(rows: Vec<Row>) -> Vec<ObjectRow> {
    let copied = |row| match row {
        Row::Object(object) if object.outcome == Outcome::Copied => Some(object),
        _ => None,
    };
    rows.into_iter().filter_map(copied).collect()
}

#[tokio::test]
async fn every_object_arrives_with_what_proves_it() {
    let place = Place::new().await;
    let objects = place.fill().await;
    let report = place.run(|_| {}).await;
    assert!(report.complete(), "{report:?}");
    assert_eq!(report.counts.copied, objects as u64);
    let archived = place.archived().await;
    assert_eq!(archived.len(), objects);
    assert_eq!(archived[&relocated(&place.log(2, 3))], log_body("log 2 3"));
    let digest = place
        .archive
        .target
        .clients
        .s3()
        .head_object()
        .bucket("acme-log-archive")
        .key(relocated(&consolidate_env::digest(&place.member, 1, 1)))
        .send()
        .await
        .unwrap();
    assert_eq!(digest.content_type(), Some("application/json"));
    assert_eq!(digest.content_encoding(), Some("gzip"));
    let metadata = digest.metadata().unwrap();
    assert_eq!(metadata["signature"].len(), 512);
    assert_eq!(metadata["signature-algorithm"], "SHA256withRSA");
}

#[tokio::test]
async fn a_second_run_copies_nothing_and_lists_no_proven_day() {
    let place = Place::new().await;
    place.fill().await;
    place.run(|_| {}).await;
    let again = place.run(|_| {}).await;
    assert!(again.complete());
    assert_eq!((again.counts.copied, again.counts.source), (0, 0));
    let full = place.run(|asked| asked.full = true).await;
    assert_eq!((full.counts.copied, full.counts.present), (0, 24));
}

#[tokio::test]
async fn a_stopped_run_is_finished_by_the_next() {
    let place = Place::new().await;
    place.fill().await;
    let first = place.run(|asked| asked.limit = Some(7)).await;
    assert!(first.stopped && !first.complete());
    assert_eq!((first.counts.copied, first.counts.failed), (7, 0), "{first:?}");
    // All that is left is counted, not only what was near.
    assert_eq!((first.counts.left, first.left_is_lower_bound), (17, false), "{first:?}");
    let second = place.run(|_| {}).await;
    assert!(second.complete(), "{second:?}");
    assert_eq!(place.archived().await.len(), 24);
    let rows = place.record_rows().await;
    let copied = |row: &&Row| matches!(row, Row::Object(o) if o.outcome == Outcome::Copied);
    assert_eq!(rows.iter().filter(copied).count(), 24);
}

#[tokio::test]
async fn a_taken_key_is_left_and_reported() {
    let place = Place::new().await;
    place.fill().await;
    let taken = relocated(&place.log(1, 0));
    let archive = writer(&place.archive.target.clients);
    let put = archive.s3().put_object().bucket("acme-log-archive").key(&taken);
    put.body(b"something else altogether".to_vec().into()).send().await.unwrap();
    let report = place.run(|_| {}).await;
    assert!(!report.complete());
    assert_eq!(report.counts.conflicts, 1);
    assert_eq!(report.examples[0].key, taken);
    assert_eq!(place.archived().await[&taken], b"something else altogether");
    // A day with a conflict is looked at again.
    assert_eq!(place.run(|_| {}).await.counts.conflicts, 1);
}

#[tokio::test]
async fn a_taken_key_of_the_same_size_is_a_conflict_too() {
    let place = Place::new().await;
    place.fill().await;
    let taken = relocated(&place.log(1, 0));
    let archive = writer(&place.archive.target.clients);
    let put = archive.s3().put_object().bucket("acme-log-archive").key(&taken);
    put.body(log_body("LOG 1 0").into()).send().await.unwrap();
    let report = place.run(|_| {}).await;
    assert_eq!((report.counts.conflicts, report.counts.copied), (1, 23));
    assert_eq!(place.archived().await[&taken], log_body("LOG 1 0"));
}

#[tokio::test]
async fn what_is_not_cloudtrails_is_named_and_left() {
    let place = Place::new().await;
    place.fill().await;
    let account = place.member.clone();
    place.put(&format!("AWSLogs/{account}/Config/us-east-1/file.json"), b"config").await;
    place
        .put(&format!("AWSLogs/{account}/CloudTrail/us-east-1/2026/01/01/readme.txt"), b"read me")
        .await;
    let report = place.run(|_| {}).await;
    assert_eq!(report.counts.unexpected, 1);
    assert_eq!(
        report.unexpected_folders,
        [format!("s3://member-legacy-trail/AWSLogs/{account}/Config/")]
    );
    assert_eq!(place.archived().await.len(), 24);
}

#[tokio::test]
async fn a_run_that_finds_nothing_leaves_its_record_too() {
    let place = Place::new().await;
    let report = place.run(|_| {}).await;
    assert!(report.complete() && report.last_record == Some(0), "{report:?}");
    let rows = place.record_rows().await;
    assert!(matches!(rows[..], [Row::Begin { .. }, Row::End { complete: true, .. }]), "{rows:?}");
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let place = Place::new().await;
    place.fill().await;
    let report = place.run_as(None, |_| {}).await;
    assert_eq!(report.counts.copied, 24);
    assert_eq!(place.archived().await.len(), 0);
    assert_eq!(place.record_rows().await, []);
}

#[tokio::test]
async fn days_outside_the_window_are_left_for_later() {
    let place = Place::new().await;
    place.fill().await;
    let report = place
        .run(|asked| {
            asked.since = Some("2026-01-02".parse().unwrap());
            asked.until = Some("2026-01-03".parse().unwrap());
        })
        .await;
    assert_eq!(report.counts.copied, 12);
    let rest = place.run(|_| {}).await;
    assert_eq!(rest.counts.copied, 12);
}

#[tokio::test]
async fn large_objects_come_whole_and_keep_their_metadata() {
    let place = Place::new().await;
    let body = log_body(&"large".repeat(2_300_000));
    place.put(&place.log(1, 0), &body).await;
    let report = place.run(|_| {}).await;
    assert!(report.complete(), "{report:?}");
    let s3 = place.archive.target.clients.s3();
    let key = relocated(&place.log(1, 0));
    let got = s3.get_object().bucket("acme-log-archive").key(key).send().await.unwrap();
    assert_eq!(got.metadata().unwrap()["signature"], "00ff");
    assert_eq!(got.content_encoding(), Some("gzip"));
    assert!(got.body.collect().await.unwrap().to_vec() == body);
}

#[tokio::test]
async fn parts_of_an_object_that_changes_meanwhile_are_not_mixed() {
    let place = Place::new().await;
    let key = place.log(1, 0);
    place.put(&key, &log_body(&"1".repeat(12 << 20))).await;
    // Long enough for the change, however busy the machine is.
    let slow = Fault::every("s3:UploadPart", Effect::Latency { milliseconds: 5000 }).times(1);
    place.env.sandbox.faults().inject(slow);
    let change = async {
        place.env.until_struck().await;
        place.put(&key, &log_body(&"2".repeat(12 << 20))).await;
    };
    let (report, ()) = tokio::join!(place.run(|_| {}), change);
    assert_eq!((report.counts.copied, report.counts.failed), (0, 1), "{report:?}");
    let reason = report.examples[0].reason.as_deref().unwrap();
    assert!(reason.contains("changed since it was listed"), "{reason}");
    assert_eq!(place.archived().await.len(), 0);
    place.env.sandbox.faults().clear();
    assert!(place.run(|_| {}).await.complete());
    assert!(place.archived().await[&relocated(&key)] == log_body(&"2".repeat(12 << 20)));
}

#[tokio::test]
async fn what_lies_archived_on_either_side_is_not_taken_for_compared() {
    let place = Place::new().await;
    let archive = writer(&place.archive.target.clients);
    let put = async |key: &str, class: StorageClass, body: &[u8]| {
        let put = archive
            .s3()
            .put_object()
            .bucket(consolidate_env::ARCHIVE)
            .key(relocated(key))
            .storage_class(class);
        put.body(body.to_vec().into()).send().await.unwrap();
    };
    place.put_as(StorageClass::Glacier, &place.log(1, 0), &log_body("cold")).await;
    put(&place.log(1, 0), StorageClass::Standard, &log_body("COLD")).await;
    place.put(&place.log(2, 0), &log_body("warm")).await;
    put(&place.log(2, 0), StorageClass::Glacier, &log_body("WARM")).await;
    place.put(&place.log(3, 0), &log_body("new")).await;
    // It keeps no day open, and `--full` looks at it again.
    for (full, present, uncompared, copied) in [(false, 2, 2, 1), (false, 0, 0, 0), (true, 3, 2, 0)]
    {
        let counts = place.run(|asked| asked.full = full).await.counts;
        assert_eq!((counts.present, counts.uncompared), (present, uncompared), "{counts:?}");
        assert_eq!((counts.copied, counts.archived, counts.failed), (copied, 0, 0), "{counts:?}");
    }
}

#[tokio::test]
async fn what_the_archives_credentials_may_read_is_copied_inside_s3() {
    let place = Place::new().await;
    let objects = place.fill().await as u64;
    place.share("*").await;
    let tagging = aws_sdk_s3::types::Tagging::builder()
        .tag_set(aws_sdk_s3::types::Tag::builder().key("team").value("a & b").build().unwrap());
    let tagged = place.log(4, 4);
    let put = writer(&place.reader).s3().put_object_tagging().bucket(place.source.bucket.as_str());
    put.key(&tagged).tagging(tagging.build().unwrap()).send().await.unwrap();
    let report = place.run(|asked| asked.concurrency = 1).await;
    assert!(report.complete(), "{report:?}");
    // The first object shows the way; what proves a digest is seen on its way.
    let digests = 4;
    assert_eq!(report.counts.copied, objects);
    assert_eq!(report.counts.copied_inside_s3, objects - digests, "{report:?}");

    let archived = place.archived().await;
    let rows = copies(place.record_rows().await);
    assert_eq!(rows.len() as u64, objects);
    let s3 = place.archive.target.clients.s3();
    for row in rows {
        let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &archived[&row.key]);
        assert_eq!(row.sha256.as_deref(), Some(hex::encode(sha256).as_str()), "{row:?}");
        let head = s3.head_object().bucket("acme-log-archive").key(&row.key).send().await.unwrap();
        let metadata = head.metadata().unwrap();
        assert_eq!(
            metadata,
            &consolidate_env::metadata_of(&archived[&row.key]).into_iter().collect()
        );
        assert_eq!(metadata["signature-algorithm"], "SHA256withRSA");
        assert_eq!(head.content_type(), Some("application/json"));
        assert_eq!(head.content_encoding(), Some("gzip"));
    }
    let tags = s3.get_object_tagging().bucket("acme-log-archive").key(relocated(&tagged));
    assert_eq!(tags.send().await.unwrap().tag_set()[0].value(), "a & b");
}

#[tokio::test]
async fn what_only_the_member_may_read_passes_through_this_machine() {
    let place = Place::new().await;
    let objects = place.fill().await as u64;
    let report = place.run(|_| {}).await;
    assert_eq!((report.counts.copied, report.counts.copied_inside_s3), (objects, 0));
    assert!(
        copies(place.record_rows().await)
            .iter()
            .all(|row| row.copy_method == Some(CopyMethod::Client))
    );
}

#[tokio::test]
async fn a_source_that_closes_half_way_is_read_by_the_member() {
    let place = Place::new().await;
    let objects = place.fill().await as u64;
    place.share("*/CloudTrail/*/2026/01/01/*").await;
    let report = place.run(|asked| asked.concurrency = 1).await;
    assert!(report.complete(), "{report:?}");
    assert_eq!(report.counts.copied, objects);
    assert_eq!(place.archived().await.len() as u64, objects);
    assert!(report.counts.copied_inside_s3 < 5, "{report:?}");
}

#[tokio::test]
async fn nothing_is_copied_inside_s3_where_that_is_not_wanted() {
    let place = Place::new().await;
    place.fill().await;
    place.share("*").await;
    let report = place.run(|asked| asked.server_side = ServerSide::Never).await;
    assert_eq!((report.counts.copied, report.counts.copied_inside_s3), (24, 0));
}

#[tokio::test]
async fn what_lies_archived_is_restored_by_one_run_and_copied_by_a_later() {
    let place = Place::new().await;
    let objects = place.fill().await as u64;
    place.put_as(StorageClass::Glacier, &place.log(1, 7), &log_body("cold")).await;
    place.put_as(StorageClass::DeepArchive, &place.log(1, 8), &log_body("colder")).await;
    let sum = |objects, bytes, restoring, restoring_bytes| ArchivedTotal {
        objects,
        bytes,
        restoring,
        restoring_bytes,
    };

    let (cold, colder) = (log_body("cold").len() as u64, log_body("colder").len() as u64);
    let first = place.run(|_| {}).await;
    assert!(!first.complete());
    assert_eq!((first.counts.copied, first.counts.archived), (objects, 2));
    assert_eq!(first.archived.0[&Class::Glacier], sum(1, cold, 0, 0));
    assert_eq!(first.archived.0[&Class::DeepArchive], sum(1, colder, 0, 0));

    let restore = Restore { tier: Tier::Bulk, days: 7 };
    let dry = place.run_as(None, |asked| asked.restore = Some(restore)).await;
    assert_eq!(dry.archived, first.archived);
    let asked = place.run(|asked| asked.restore = Some(restore)).await;
    assert_eq!(asked.archived.0[&Class::Glacier], sum(1, cold, 1, cold));
    // Asked again, S3 says that it is under way.
    let again = place.run(|asked| asked.restore = Some(restore)).await;
    assert_eq!((again.counts.archived, again.counts.failed), (2, 0));
    assert_eq!(again.archived, asked.archived);

    place.env.sandbox.tick(jiff::SignedDuration::from_hours(13));
    let half = place.run(|_| {}).await;
    assert_eq!((half.counts.copied, half.counts.archived), (1, 1));
    place.env.sandbox.tick(jiff::SignedDuration::from_hours(36));
    let whole = place.run(|_| {}).await;
    assert!(whole.complete(), "{whole:?}");
    assert_eq!(place.archived().await[&relocated(&place.log(1, 8))], log_body("colder"));
}
