//! Handles objects that are not simply copied: quarantine, conflicts and restores.

use jiff::civil::Date;

use super::super::copy::{self, CopyError, WriteTarget};
use super::super::digest_index::{CopyPermission, DigestIndex};
use super::super::inspect::{Expected, Refusal, by_size};
use super::super::quarantine;
use super::super::record::{ObjectRow, Outcome};
use super::super::restore::{self, Archived, Restoring};
use super::super::server_side::CopyRequest;
use super::object::SourceObject;
use super::{EntryOutcome, PrefixCopyTask};
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::aws::ErrorKind;

impl PrefixCopyTask {
    /// Whether an object may be copied, and what it must be.
    pub(super) async fn permission(
        &self,
        key: &ObjectKey,
        day: Option<Date>,
        digest_index: &DigestIndex,
    ) -> Result<CopyPermission, CopyError> {
        if self.log_prefix.folder != DIGEST_FOLDER {
            return digest_index.permission(key, day).await;
        }
        let claim = self.attester.claim(key.clone()).await;
        Ok(CopyPermission::Allowed(Expected::Digest(Box::new(claim))))
    }

    /// Starts restoring an archived object if requested; returns its state and a description.
    pub(super) async fn restore(&self, archived: Archived, key: &str) -> (Archived, String) {
        let class = archived.class.as_str();
        let under_way = || format!("the object is being restored from {class}: run again later");
        if archived.restoring {
            return (archived, under_way());
        }
        let Some(Restoring { how: restore, clients }) = &self.restore else {
            let reason = format!(
                "the object must be restored from {class} first: `--restore` starts the restore"
            );
            return (archived, reason);
        };
        let permit = self.source_limit.permit().await;
        if self.progress.stopped() {
            return (archived, "the run was stopped before its restore was started".to_owned());
        }
        let started = restore::start(clients, &self.bucket, key, *restore).await;
        drop(permit);
        match started {
            Ok(()) => (Archived { restoring: true, ..archived }, under_way()),
            Err(error) => {
                if error.kind() == ErrorKind::Throttled {
                    self.source_limit.on_throttled();
                }
                (archived, format!("its restore could not be started: {}", error.in_full()))
            }
        }
    }
}

impl SourceObject<'_> {
    /// What the object is instead of a conflict: one that would be refused anyway, or one
    /// whose content in the archive was accepted.
    pub(super) async fn instead_of_conflict(
        &self,
        parsed: &ObjectKey,
        day: Option<Date>,
        digest_index: &DigestIndex,
    ) -> Option<EntryOutcome> {
        match self.refused(parsed, day, digest_index).await {
            Some((refusal, sha256)) => Some(self.quarantined(&refusal, sha256).await),
            None => self.accepted_in_place().await,
        }
    }

    /// Why an object whose key exists would be refused anyway: then it is not a conflict of two
    /// log files or digests, and can be accepted in quarantine.
    async fn refused(
        &self,
        parsed: &ObjectKey,
        day: Option<Date>,
        digest_index: &DigestIndex,
    ) -> Option<(Refusal, [u8; 32])> {
        let permission = self.task.permission(parsed, day, digest_index).await;
        let Ok(CopyPermission::Allowed(expected)) = permission else { return None };
        if !self.is_readable() {
            return None;
        }
        let _held = self.task.limit.reserve(self.listed.size_bytes).await;
        match copy::read_and_inspect(self.origin(), &expected).await {
            Err(CopyError::Refused { refusal: Refusal::Undecided(_), .. }) => None,
            Err(CopyError::Refused { refusal, sha256 }) => Some((refusal, sha256)),
            _ => None,
        }
    }

    /// Whether it needs no restore, and is not too large to be read.
    fn is_readable(&self) -> bool {
        self.listed.archived.is_none() && by_size(self.listed.size_bytes).is_ok()
    }

    /// Quarantines an object that is refused.
    pub(super) async fn quarantined(&self, refusal: &Refusal, sha256: [u8; 32]) -> EntryOutcome {
        let result = self.quarantine_or_plan(refusal, &sha256).await;
        self.quarantine_outcome(result, refusal, sha256)
    }

    /// Quarantines an object; in a dry run, returns what the outcome would be.
    async fn quarantine_or_plan(
        &self,
        refusal: &Refusal,
        sha256: &[u8; 32],
    ) -> Result<(Outcome, Option<String>), CopyError> {
        match &self.task.writer {
            Some(writer) => self.quarantine(writer, refusal, sha256).await,
            None => Ok((self.planned(sha256), None)),
        }
    }

    /// The outcome of an object that would be quarantined.
    fn planned(&self, sha256: &[u8; 32]) -> Outcome {
        let accepted = self.task.acceptances.has_quarantined(&self.key, sha256);
        if accepted { Outcome::Accepted } else { Outcome::Quarantined }
    }

    /// Handles a conflict whose content in the archive was accepted: the source object goes into
    /// quarantine and counts as accepted. Returns `None` if it stays a conflict.
    async fn accepted_in_place(&self) -> Option<EntryOutcome> {
        let PrefixCopyTask { acceptances, limit, target, writer, .. } = self.task;
        if !acceptances.may_have_in_place(&self.key) || !self.is_readable() {
            return None;
        }
        let hashes = async {
            let _held = limit.reserve(self.listed.size_bytes.min(target.part_bytes)).await;
            let here = copy::hash_in_archive(target, &self.key).await?;
            Ok::<_, CopyError>((here, copy::hash(self.origin(), target.part_bytes).await?))
        };
        let sha256 = match hashes.await {
            Ok((here, sha256)) if acceptances.has_in_place(&self.key, &here) => sha256,
            Ok(_) => return None,
            Err(error) => return Some(self.failed(&error)),
        };
        let kept = self.quarantine_or_plan(&Refusal::KeyTaken, &sha256).await;
        let kept = kept.map(|(outcome, kept)| match kept {
            // The quarantine is full: the object is not accepted.
            None if writer.is_some() => (outcome, None),
            kept => (Outcome::Accepted, kept),
        });
        Some(self.quarantine_outcome(kept, &Refusal::KeyTaken, sha256))
    }

    /// The row of a quarantined object.
    fn quarantine_outcome(
        &self,
        result: Result<(Outcome, Option<String>), CopyError>,
        refusal: &Refusal,
        sha256: [u8; 32],
    ) -> EntryOutcome {
        let (outcome, kept) = match result {
            Ok(result) => result,
            Err(error) => return self.failed(&error),
        };
        let reason = match &kept {
            Some(kept) => format!("{refusal}; kept as {kept}"),
            None if self.task.writer.is_none() => refusal.to_string(),
            None => format!("{refusal}; left at its source"),
        };
        let row = self.row(outcome, Some(sha256), Some(reason));
        EntryOutcome::Recorded(ObjectRow { quarantined_as: kept, ..row })
    }

    /// The outcome of an object in a dry run, after inspecting it.
    pub(super) async fn would_copy(&self, request: CopyRequest<'_>) -> EntryOutcome {
        let _held = self.task.limit.reserve(self.listed.size_bytes).await;
        let row = match copy::read_and_inspect(self.origin(), request.expected).await {
            Err(CopyError::Refused { refusal: Refusal::Undecided(why), .. }) => {
                self.row(Outcome::HeldBack, None, Some(Refusal::Undecided(why).to_string()))
            }
            Err(CopyError::Refused { refusal, sha256 }) => {
                self.row(self.planned(&sha256), Some(sha256), Some(refusal.to_string()))
            }
            Err(error) => return self.failed(&error),
            Ok(_) => self.row(Outcome::Copied, None, None),
        };
        EntryOutcome::Recorded(row)
    }

    /// Quarantines an object; returns the outcome and its key there.
    async fn quarantine(
        &self,
        writer: &WriteTarget,
        refusal: &Refusal,
        sha256: &[u8; 32],
    ) -> Result<(Outcome, Option<String>), CopyError> {
        if matches!(refusal, Refusal::TooLarge { .. }) {
            return Ok((Outcome::Quarantined, None));
        }
        let PrefixCopyTask { acceptances, limit, target, budget, .. } = self.task;
        let (key, prefix) = (&self.key, self.task.archive_prefix.as_deref());
        if acceptances.has_quarantined(key, sha256) {
            let kept = quarantine::quarantine_key(prefix, &hex::encode(sha256), key);
            return Ok((Outcome::Accepted, Some(kept)));
        }
        if !budget.take(target, self.listed.size_bytes).await? {
            return Ok((Outcome::Quarantined, None));
        }
        let _held = limit.reserve(self.listed.size_bytes).await;
        let kept = quarantine::keep(writer, self.origin(), prefix, key, refusal, sha256).await?;
        Ok((Outcome::Quarantined, Some(kept)))
    }
}
