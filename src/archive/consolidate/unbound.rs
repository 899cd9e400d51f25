//! Objects of accounts and Regions that their source is not bound to: they are counted up to
//! a limit, some go into quarantine, none is copied among the logs.

use std::sync::Arc;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use super::binding::Unbound;
use super::concurrency::ConcurrencyLimit;
use super::copy::{CopyError, Origin, Target, WriteTarget, fetch, sha256};
use super::inspect::Refusal;
use super::join::Listed;
use super::progress::Progress;
use super::quarantine::{self, Budget};
use super::record::{ObjectRow, Outcome, Row};
use crate::archive::accept::Acceptances;
use crate::archive::inventory;
use crate::archive::key::{ObjectKey, Root};
use crate::aws::{AwsError, Clients};
use crate::names::{AccountId, BucketName};

/// The maximum number of objects to list per source.
const MAX_LISTED: u64 = 10_000;
/// The maximum number of accounts to list per source.
const MAX_FOLDERS: usize = 1_000;
/// The largest object that is quarantined; nearly all of CloudTrail's are smaller. Units:
/// bytes.
const MAX_KEPT_BYTES: u64 = 8 << 20;

/// A folder of an account or Region that a source is not bound to.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// The part before the account.
    pub(super) root: String,
    pub(super) account: AccountId,
    /// The part after the account's folder: `CloudTrail`, or a kind and a Region.
    pub(super) below: String,
    pub(super) why: Unbound,
}

/// The folders that a source is not bound to, and what is needed to read them.
pub(super) struct UnboundFolders {
    pub(super) source: String,
    pub(super) clients: Clients,
    pub(super) bucket: BucketName,
    pub(super) source_limit: Arc<ConcurrencyLimit>,
    pub(super) budget: Arc<Budget>,
    pub(super) folders: Vec<Folder>,
    /// Whether their objects are only counted.
    pub(super) leave: bool,
}

/// The destination of quarantined objects.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) target: Target,
    /// The same with write access; `None` in a dry run.
    pub(super) writer: Option<WriteTarget>,
    pub(super) archive_root: Root,
    pub(super) archive_prefix: Option<String>,
    pub(super) acceptances: Arc<Acceptances>,
    pub(super) limit: Arc<ConcurrencyLimit>,
}

/// Objects of one account that their source is not bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnboundObjects {
    /// The source.
    pub source: String,
    /// The account that their keys name.
    pub account: AccountId,
    /// The folder.
    pub folder: String,
    /// Why they were not copied.
    pub why: Unbound,
    /// How many were listed.
    pub objects: u64,
    /// Whether there are more objects.
    pub more: bool,
    /// The number of quarantined objects.
    pub kept: u64,
    /// The number of accepted objects.
    pub accepted: u64,
    /// Whether the configuration leaves them at the source.
    pub left: bool,
}

impl UnboundObjects {
    /// The number of objects that are not accepted.
    #[must_use]
    pub fn open(&self) -> u64 {
        if self.left { 0 } else { self.objects - self.accepted + u64::from(self.more) }
    }
}

/// The result of a source's unbound folders.
#[derive(Debug, Default)]
pub(super) struct UnboundResult {
    pub(super) unbound: Vec<UnboundObjects>,
    /// Folders that could not be listed, and why.
    pub(super) failed: Vec<(String, AwsError)>,
    /// The number of folders that were not listed.
    pub(super) not_listed: u64,
}

impl UnboundFolders {
    /// Processes the folders sequentially.
    pub(super) async fn run(
        self,
        destination: &Destination,
        rows: &Sender<Row>,
        progress: &Progress,
    ) -> UnboundResult {
        let mut found = UnboundResult::default();
        let mut left = MAX_LISTED;
        for (nth, folder) in self.folders.iter().enumerate() {
            if progress.stopped() {
                break;
            }
            if nth >= MAX_FOLDERS || left == 0 {
                found.not_listed = (self.folders.len() - nth) as u64;
                break;
            }
            match self.folder(folder, &mut left, destination, rows, progress).await {
                Ok(unbound) if unbound.objects == 0 => {}
                Ok(unbound) => found.unbound.push(unbound),
                Err(error) => {
                    let name = format!("s3://{}/{}{}/", self.bucket, folder.root, folder.account);
                    found.failed.push((name, error));
                }
            }
        }
        found
    }

    async fn folder(
        &self,
        folder: &Folder,
        left: &mut u64,
        destination: &Destination,
        rows: &Sender<Row>,
        progress: &Progress,
    ) -> Result<UnboundObjects, AwsError> {
        let above = format!("{}{}/", folder.root, folder.account);
        let prefix = format!("{above}{}", folder.below);
        let mut unbound = UnboundObjects {
            source: self.source.clone(),
            account: folder.account.clone(),
            folder: prefix.clone(),
            why: folder.why,
            objects: 0,
            more: false,
            kept: 0,
            accepted: 0,
            left: self.leave,
        };
        let mut listing = inventory::list(&self.clients, &self.bucket, prefix.clone(), None);
        while let Some(listed) = listing.next().await {
            let listed = listed?;
            let origin_key = format!("{prefix}{}", listed.path);
            // Other services write to the same folders.
            if origin_key.parse::<ObjectKey>().is_err() {
                continue;
            }
            if *left == 0 || progress.stopped() {
                unbound.more = true;
                break;
            }
            *left -= 1;
            unbound.objects += 1;
            if self.leave {
                continue;
            }
            let below = origin_key.strip_prefix(&folder.root).unwrap_or(&origin_key);
            let key = format!("{}{below}", destination.archive_root);
            let refusal = Refusal::Unbound(folder.why);
            let result = self.keep(&listed, &origin_key, &key, &refusal, destination).await;
            // Objects that could not be read or quarantined are still counted.
            let Ok((outcome, hash, kept)) = result else { continue };
            unbound.accepted += u64::from(outcome == Outcome::Accepted);
            unbound.kept += u64::from(kept.is_some());
            let Some(kept) = kept else { continue };
            let row = ObjectRow {
                key,
                origin_bucket: self.bucket.to_string(),
                origin_key,
                size_bytes: listed.size_bytes,
                sha256: Some(hex::encode(hash)),
                outcome,
                reason: Some(format!("{refusal}; kept as {kept}")),
                copy_method: None,
                archived: None,
                quarantined_as: Some(kept),
            };
            // The writer ends after the last log prefix.
            let _ = rows.send(Row::Object(row)).await;
        }
        Ok(unbound)
    }

    async fn keep(
        &self,
        listed: &Listed,
        origin_key: &str,
        key: &str,
        refusal: &Refusal,
        destination: &Destination,
    ) -> Result<(Outcome, [u8; 32], Option<String>), CopyError> {
        let not_kept = Ok((Outcome::Quarantined, [0; 32], None));
        let is_too_large = listed.size_bytes == 0 || listed.size_bytes > MAX_KEPT_BYTES;
        let may_be_accepted = destination.acceptances.may_have_quarantined(key);
        if is_too_large
            || listed.archived.is_some()
            || (destination.writer.is_none() && !may_be_accepted)
        {
            return not_kept;
        }
        if !may_be_accepted && !self.budget.take(&destination.target, listed.size_bytes).await? {
            return not_kept;
        }
        let origin = Origin {
            clients: &self.clients,
            bucket: &self.bucket,
            key: origin_key,
            size_bytes: listed.size_bytes,
            etag: listed.etag.as_deref(),
        };
        let (_permit, _held) =
            (self.source_limit.permit().await, destination.limit.reserve(listed.size_bytes).await);
        let (_, body) = fetch(origin, None).await?;
        let hash = sha256(&body);
        let prefix = destination.archive_prefix.as_deref();
        if destination.acceptances.has_quarantined(key, &hash) {
            let kept = quarantine::quarantine_key(prefix, &hex::encode(hash), key);
            return Ok((Outcome::Accepted, hash, Some(kept)));
        }
        let Some(writer) = &destination.writer else { return not_kept };
        if may_be_accepted && !self.budget.take(&destination.target, listed.size_bytes).await? {
            return not_kept;
        }
        let kept = quarantine::keep(writer, origin, prefix, key, refusal, &hash).await?;
        Ok((Outcome::Quarantined, hash, Some(kept)))
    }
}
