use super::super::copy::{CopyError, Origin};
use super::super::join::Listed;
use super::super::record::{ObjectRow, Outcome};
use super::{EntryOutcome, PrefixCopyTask};
use crate::words::in_one_line;

/// An object of the source, and its key in the archive.
pub(super) struct SourceObject<'t> {
    pub(super) task: &'t PrefixCopyTask,
    pub(super) listed: Listed,
    pub(super) origin_key: String,
    pub(super) key: String,
}

impl SourceObject<'_> {
    /// The row of its outcome; counts it as done.
    pub(super) fn row(
        &self,
        outcome: Outcome,
        sha256: Option<[u8; 32]>,
        reason: Option<String>,
    ) -> ObjectRow {
        self.task.progress.done(outcome, self.listed.size_bytes);
        ObjectRow {
            key: self.key.clone(),
            origin_bucket: self.task.bucket.to_string(),
            origin_key: self.origin_key.clone(),
            size_bytes: self.listed.size_bytes,
            sha256: sha256.map(hex::encode),
            outcome,
            reason,
            copy_method: None,
            archived: None,
            quarantined_as: None,
        }
    }

    pub(super) fn failed(&self, error: &CopyError) -> EntryOutcome {
        EntryOutcome::Recorded(self.row(Outcome::Failed, None, Some(in_one_line(error))))
    }

    pub(super) fn origin(&self) -> Origin<'_> {
        Origin {
            clients: &self.task.source,
            bucket: &self.task.bucket,
            key: &self.origin_key,
            size_bytes: self.listed.size_bytes,
            etag: self.listed.etag.as_deref(),
        }
    }
}
