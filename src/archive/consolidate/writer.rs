//! Writes what a run did with its objects: rows for the records, examples for the report.

use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};

use super::copy::WriteTarget;
use super::ledger::{Ledger, LedgerError, Tip};
use super::progress::Progress;
use super::record::{Head, ObjectRow, Outcome, Row};
use super::restore::ArchivedTotals;
use super::run::EXAMPLES;

/// Rows per segment: a killed run loses few rows, and memory stays bounded.
const ROWS_PER_SEGMENT: usize = 20_000;

/// The maximum time until rows are written, for the same reason.
pub(super) const SEGMENT_EVERY: Duration = Duration::from_mins(1);

/// Writes the rows of a run, segment by segment.
#[derive(Debug)]
pub(super) struct RecordWriter {
    pub(super) ledger: Ledger,
    pub(super) tip: Tip,
    pub(super) head: Head,
    /// `None` in a dry run, which records nothing.
    pub(super) target: Option<WriteTarget>,
    pub(super) segment_every: Duration,
    pub(super) pending: Vec<Row>,
    pub(super) examples: Examples,
    /// The objects that must be restored first.
    pub(super) archived: ArchivedTotals,
}

impl RecordWriter {
    /// Receives and writes all rows. [`Self::end`] writes the last ones.
    ///
    /// # Errors
    /// A segment could not be written. The run is stopped, since copies could not be recorded.
    pub(super) async fn write_all_rows(
        &mut self,
        // Owned, so senders do not wait for a failed writer.
        mut rows: Receiver<Row>,
        run: &Progress,
    ) -> Result<(), LedgerError> {
        let mut due = Instant::now() + self.segment_every;
        loop {
            // The segment is also due if no further row arrives.
            match timeout_at(due, rows.recv()).await {
                Ok(Some(row)) => self.take(row),
                Ok(None) => return Ok(()),
                Err(_) => {}
            }
            if self.pending.len() >= ROWS_PER_SEGMENT || Instant::now() >= due {
                due = Instant::now() + self.segment_every;
                self.write().await.inspect_err(|_| run.stop())?;
            }
        }
    }

    /// Writes the last segment.
    pub(super) async fn end(&mut self, end: Row) -> Result<(), LedgerError> {
        self.pending.push(end);
        self.write().await
    }

    fn take(&mut self, row: Row) {
        if let Row::Object(object) = &row {
            if let Some(archived) = object.archived {
                self.archived.add(archived, object.size_bytes);
            }
            self.examples.add(object);
        }
        if self.target.is_some() {
            self.pending.push(row);
        }
    }

    async fn write(&mut self) -> Result<(), LedgerError> {
        let Some(target) = self.target.as_ref().filter(|_| !self.pending.is_empty()) else {
            return Ok(());
        };
        let rows = std::mem::take(&mut self.pending);
        self.ledger.append(target, &mut self.tip, self.head.clone(), rows).await
    }
}

/// Examples of each kind of problem, so that many of one kind do not hide a more severe one.
#[derive(Debug, Default)]
pub(super) struct Examples([Vec<ObjectRow>; 6]);

impl Examples {
    fn add(&mut self, row: &ObjectRow) {
        let [quarantined, conflicts, failed, held_back, archived, unexpected] = &mut self.0;
        let rows = match row.outcome {
            Outcome::Quarantined => quarantined,
            Outcome::HeldBack => held_back,
            Outcome::Conflict => conflicts,
            Outcome::Failed => failed,
            Outcome::Archived => archived,
            Outcome::Unexpected => unexpected,
            Outcome::Copied | Outcome::AlreadyThere | Outcome::Accepted => return,
        };
        if rows.len() < EXAMPLES {
            rows.push(row.clone());
        }
    }

    /// The same of rows of several shards.
    pub(super) fn of(rows: Vec<ObjectRow>) -> Vec<ObjectRow> {
        let mut examples = Self::default();
        for row in &rows {
            examples.add(row);
        }
        examples.into_rows()
    }

    /// At most [`EXAMPLES`], the most severe first.
    pub(super) fn into_rows(self) -> Vec<ObjectRow> {
        self.0.into_iter().flatten().take(EXAMPLES).collect()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::StorageClass;

    use super::*;
    use crate::archive::consolidate::copy::{PART_BYTES, Target};
    use crate::archive::consolidate::record::FORMAT_VERSION;
    use crate::aws::WriteAuthority;
    use crate::names::BucketName;
    use crate::test_env::{TestEnv, home};

    #[test]
    fn many_unexpected_objects_hide_no_conflict() {
        let mut examples = Examples::default();
        let row = |outcome| ObjectRow {
            key: String::new(),
            origin_bucket: String::new(),
            origin_key: String::new(),
            size_bytes: 0,
            sha256: None,
            outcome,
            reason: None,
            copy_method: None,
            archived: None,
            quarantined_as: None,
        };
        for _ in 0..2 * EXAMPLES {
            examples.add(&row(Outcome::Unexpected));
            examples.add(&row(Outcome::Copied));
        }
        examples.add(&row(Outcome::Failed));
        examples.add(&row(Outcome::Conflict));
        let outcomes: Vec<Outcome> = examples.into_rows().iter().map(|row| row.outcome).collect();
        assert_eq!(outcomes.len(), EXAMPLES);
        assert_eq!(outcomes[..3], [Outcome::Conflict, Outcome::Failed, Outcome::Unexpected]);
    }

    #[tokio::test]
    async fn rows_are_written_after_a_time_even_if_no_further_row_arrives() {
        let env = TestEnv::start().await;
        let aws = env.sign_in().await;
        let bucket: BucketName = "acme-log-archive".parse().unwrap();
        let clients = aws.clients(&env.account(1), &home());
        let storage_class = StorageClass::Standard;
        let target = Target { clients, bucket, storage_class, part_bytes: PART_BYTES };
        let target = WriteTarget::new(target, &WriteAuthority::granted());
        let create = target.writer().s3().create_bucket().bucket(target.bucket.as_str());
        create.send().await.unwrap();
        let mut writer = RecordWriter {
            ledger: Ledger::new(Target::clone(&target), None),
            tip: Tip::default(),
            head: Head {
                version: FORMAT_VERSION,
                number: 0,
                previous_sha256: None,
                run_id: "run".to_owned(),
                written_at: jiff::Timestamp::UNIX_EPOCH,
                written_by: "arn:aws:iam::111111111111:user/admin".to_owned(),
                written_with: "orgtrail test".to_owned(),
            },
            target: Some(target),
            segment_every: Duration::from_millis(20),
            pending: Vec::new(),
            examples: Examples::default(),
            archived: ArchivedTotals::default(),
        };
        let (rows, incoming) = tokio::sync::mpsc::channel(1);
        let progress = Progress::default();
        let look = async {
            rows.send(Row::Begin { options: "all".into() }).await.unwrap();
            env.until(|it| !it.keys_raw("acme-log-archive", "orgtrail/runs/").is_empty()).await;
            drop(rows);
        };
        let (written, ()) = tokio::join!(writer.write_all_rows(incoming, &progress), look);
        written.unwrap();
        assert_eq!(writer.tip.next, 1);
    }
}
