//! Handles objects that are not simply copied: quarantine, conflicts and restores.

use std::sync::Arc;

use jiff::civil::Date;

use super::super::copy::{self, CopyError, Origin, WriteTarget};
use super::super::digest_index::{CopyPermission, DigestIndex};
use super::super::inspect::{Expected, Refusal, by_size};
use super::super::join::Listed;
use super::super::proof::DigestClaim;
use super::super::quarantine;
use super::super::record::{ObjectRow, Outcome};
use super::super::restore::{self, Archived, Restoring};
use super::super::server_side::CopyRequest;
use super::{EntryOutcome, PrefixCopyTask};
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::aws::ErrorKind;
use crate::words::in_one_line;

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
        let claim = DigestClaim { key: key.clone(), attester: Arc::clone(&self.attester) };
        Ok(CopyPermission::Allowed(Expected::Digest(Box::new(claim))))
    }

    /// Why an object whose key exists would be refused anyway: then it is not a conflict of two
    /// log files or digests, and can be accepted in quarantine.
    pub(super) async fn refused(
        &self,
        key: &ObjectKey,
        listed: &Listed,
        origin_key: &str,
        day: Option<Date>,
        digest_index: &DigestIndex,
    ) -> Option<(Refusal, [u8; 32])> {
        let Ok(CopyPermission::Allowed(expected)) = self.permission(key, day, digest_index).await
        else {
            return None;
        };
        if listed.archived.is_some() || by_size(listed.size_bytes).is_err() {
            return None;
        }
        let _held = self.limit.reserve(listed.size_bytes).await;
        match copy::read_and_inspect(self.origin(listed, origin_key), &expected).await {
            Err(CopyError::Refused { refusal: Refusal::Undecided(_), .. }) => None,
            Err(CopyError::Refused { refusal, sha256 }) => Some((refusal, sha256)),
            _ => None,
        }
    }

    /// Quarantines an object; in a dry run, returns what the outcome would be.
    pub(super) async fn quarantine_or_plan(
        &self,
        listed: &Listed,
        origin_key: &str,
        key: &str,
        refusal: &Refusal,
        sha256: &[u8; 32],
    ) -> Result<(Outcome, Option<String>), CopyError> {
        let Some(writer) = &self.writer else {
            let accepted = self.acceptances.has_quarantined(key, sha256);
            let outcome = if accepted { Outcome::Accepted } else { Outcome::Quarantined };
            return Ok((outcome, None));
        };
        self.quarantine(writer, listed, origin_key, key, refusal, sha256).await
    }

    /// Handles a conflict whose content in the archive was accepted: the source object goes into
    /// quarantine and counts as accepted. Returns `None` if it stays a conflict.
    pub(super) async fn accepted_in_place(
        &self,
        listed: &Listed,
        origin_key: &str,
        key: &str,
        row: impl Fn(Outcome, Option<[u8; 32]>, Option<String>) -> EntryOutcome,
    ) -> Option<EntryOutcome> {
        if !self.acceptances.may_have_in_place(key)
            || listed.archived.is_some()
            || by_size(listed.size_bytes).is_err()
        {
            return None;
        }
        let hashes = async {
            let _held = self.limit.reserve(listed.size_bytes.min(self.target.part_bytes)).await;
            let here = copy::hash_in_archive(&self.target, key).await?;
            let origin = self.origin(listed, origin_key);
            Ok::<_, CopyError>((here, copy::hash(origin, self.target.part_bytes).await?))
        };
        let sha256 = match hashes.await {
            Ok((here, sha256)) if self.acceptances.has_in_place(key, &here) => sha256,
            Ok(_) => return None,
            Err(error) => return Some(row(Outcome::Failed, None, Some(in_one_line(&error)))),
        };
        let kept =
            self.quarantine_or_plan(listed, origin_key, key, &Refusal::KeyTaken, &sha256).await;
        let kept = kept.map(|(outcome, kept)| match kept {
            // The quarantine is full: the object is not accepted.
            None if self.writer.is_some() => (outcome, None),
            kept => (Outcome::Accepted, kept),
        });
        Some(self.quarantine_outcome(kept, &Refusal::KeyTaken, sha256, row))
    }

    /// The row of a quarantined object.
    pub(super) fn quarantine_outcome(
        &self,
        result: Result<(Outcome, Option<String>), CopyError>,
        refusal: &Refusal,
        sha256: [u8; 32],
        row: impl Fn(Outcome, Option<[u8; 32]>, Option<String>) -> EntryOutcome,
    ) -> EntryOutcome {
        let (outcome, kept) = match result {
            Ok(result) => result,
            Err(error) => return row(Outcome::Failed, None, Some(in_one_line(&error))),
        };
        let reason = match &kept {
            Some(kept) => format!("{refusal}; kept as {kept}"),
            None if self.writer.is_none() => refusal.to_string(),
            None => format!("{refusal}; left at its source"),
        };
        match row(outcome, Some(sha256), Some(reason)) {
            EntryOutcome::Recorded(row) => {
                EntryOutcome::Recorded(ObjectRow { quarantined_as: kept, ..row })
            }
            other => other,
        }
    }

    /// The outcome of an object in a dry run, after inspecting it.
    pub(super) async fn would_copy(
        &self,
        listed: &Listed,
        origin_key: &str,
        key: &str,
        request: CopyRequest<'_>,
        row: impl Fn(Outcome, Option<[u8; 32]>, Option<String>) -> EntryOutcome,
    ) -> EntryOutcome {
        let _held = self.limit.reserve(listed.size_bytes).await;
        match copy::read_and_inspect(self.origin(listed, origin_key), request.expected).await {
            Err(CopyError::Refused { refusal: Refusal::Undecided(why), .. }) => {
                row(Outcome::HeldBack, None, Some(Refusal::Undecided(why).to_string()))
            }
            Err(CopyError::Refused { refusal, sha256 }) => {
                let accepted = self.acceptances.has_quarantined(key, &sha256);
                let outcome = if accepted { Outcome::Accepted } else { Outcome::Quarantined };
                row(outcome, Some(sha256), Some(refusal.to_string()))
            }
            Err(error) => row(Outcome::Failed, None, Some(in_one_line(&error))),
            Ok(_) => row(Outcome::Copied, None, None),
        }
    }

    /// Quarantines an object; returns the outcome and its key there.
    pub(super) async fn quarantine(
        &self,
        writer: &WriteTarget,
        listed: &Listed,
        origin_key: &str,
        key: &str,
        refusal: &Refusal,
        sha256: &[u8; 32],
    ) -> Result<(Outcome, Option<String>), CopyError> {
        if matches!(refusal, Refusal::TooLarge { .. }) {
            return Ok((Outcome::Quarantined, None));
        }
        let prefix = self.archive_prefix.as_deref();
        if self.acceptances.has_quarantined(key, sha256) {
            let kept = quarantine::quarantine_key(prefix, &hex::encode(sha256), key);
            return Ok((Outcome::Accepted, Some(kept)));
        }
        if !self.budget.take(&self.target, listed.size_bytes).await? {
            return Ok((Outcome::Quarantined, None));
        }
        let _held = self.limit.reserve(listed.size_bytes).await;
        let origin = self.origin(listed, origin_key);
        let kept = quarantine::keep(writer, origin, prefix, key, refusal, sha256).await?;
        Ok((Outcome::Quarantined, Some(kept)))
    }

    pub(super) fn origin<'a>(&'a self, listed: &'a Listed, key: &'a str) -> Origin<'a> {
        Origin {
            clients: &self.source,
            bucket: &self.bucket,
            key,
            size_bytes: listed.size_bytes,
            etag: listed.etag.as_deref(),
        }
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
