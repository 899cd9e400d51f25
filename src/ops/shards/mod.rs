//! Sharded work: each shard keeps what it found in a place that all can write to, until
//! [`gather`] makes one result of all.
//!
//! The files are read by the version of the program that wrote them, so they have the fields of
//! the results, and no contract of their own.

mod engines;
mod error;
mod gather;
mod kept;
mod manifest;
mod place;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

pub use self::engines::{ENGINES, Engine};
pub use self::gather::{Gathered, gather};
use self::kept::{Kept, ShardResult, Work};
pub use self::manifest::{ManifestLine, UnitsOf, UnitsRequest, units};
use self::place::{open, read_file};
use super::consolidate::Consolidated;
use super::round::ShardRound;
use super::verify::Examination;
use super::{Env, OpError, Outcome};
use crate::archive::shard::{Shard, ShardNumber};
use crate::events::export::Exported;
use crate::names::AccountId;
use crate::store::{Created, Replaced, Store};

/// How often a result is written again that a retry of the same shard replaced meanwhile.
const TRIES: usize = 5;

/// Which shard to do, and where its result goes.
#[derive(Debug, Clone)]
pub struct ShardRequest {
    /// Which of how many.
    pub number: ShardNumber,
    /// Where results are kept: `s3://bucket/prefix` or a directory.
    pub results: String,
    /// The account that must own the bucket of the results.
    pub results_owner: Option<AccountId>,
    /// The manifest that distributes the units: `s3://bucket/key` or a file; by their names if
    /// absent.
    pub units: Option<String>,
}

/// A shard whose work can begin: its result can be kept.
#[derive(Debug)]
pub struct ShardWork {
    shard: Shard,
    work: Work,
    store: Store,
    place: String,
    started_at: Timestamp,
}

impl ShardWork {
    /// Opens the place of the results, and reads the manifest. Writes nothing.
    ///
    /// `asked` is what a command was asked to do, by option: all shards must be asked the same.
    ///
    /// # Errors
    /// The place or the manifest cannot be read, the manifest is of another number of shards, or
    /// the place has a result of other work: usage.
    pub async fn open(
        env: &Env,
        request: &ShardRequest,
        command: &'static str,
        asked: BTreeMap<&'static str, String>,
    ) -> Result<Self, OpError> {
        let ShardRequest { number, results, results_owner, units } = request;
        let (shard, units_sha256) = match units {
            None => (Shard::new(*number), None),
            Some(name) => {
                let text = read_file(env, name, results_owner.as_ref()).await?;
                let assignment = manifest::read(name, &text, number.count())?;
                let sha256 = orgtrail_base::cloudtrail::digest::sha256_hex(&text);
                (Shard::assigned(*number, Arc::new(assignment)), Some(sha256))
            }
        };
        let work = Work::new(env, command, asked, units_sha256)?;
        let store = open(env, results, results_owner.as_ref(), true).await?;
        let opened = Self { shard, work, store, place: results.clone(), started_at: env.now() };
        // Hours of work must not end in a result that cannot be kept.
        opened.found().await?;
        Ok(opened)
    }

    /// The shard.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Keeps what a verification found.
    ///
    /// # Errors
    /// As of [`Self::keep_consolidation`].
    pub async fn keep_verification(self, env: &Env, found: Examination) -> Result<Done, OpError> {
        self.keep(env, ShardResult::Verification(Box::new(found))).await
    }

    /// Keeps what a consolidation did.
    ///
    /// # Errors
    /// The result cannot be written, or the place has a result of other work by now.
    pub async fn keep_consolidation(self, env: &Env, done: Consolidated) -> Result<Done, OpError> {
        self.keep(env, ShardResult::Consolidation(Box::new(done))).await
    }

    /// Keeps what an export wrote.
    ///
    /// # Errors
    /// As of [`Self::keep_consolidation`].
    pub async fn keep_export(self, env: &Env, done: Exported) -> Result<Done, OpError> {
        self.keep(env, ShardResult::Export(Box::new(done))).await
    }

    /// Keeps what was done of a round.
    ///
    /// # Errors
    /// As of [`Self::keep_consolidation`].
    pub async fn keep_round(self, env: &Env, done: ShardRound) -> Result<Done, OpError> {
        self.keep(env, ShardResult::Round(Box::new(done))).await
    }

    /// A shard that was stopped has no result: it must be run again, not gathered.
    async fn keep(self, env: &Env, result: ShardResult) -> Result<Done, OpError> {
        let number = self.shard.number();
        if result.was_stopped() {
            let message = format!("shard {number} was stopped before its end");
            return Err(OpError::new(message, Outcome::Incomplete)
                .with_hint("run it again: what it has copied or written is kept"));
        }
        let kept = Kept {
            shard: number,
            // Only once signed in, the organization is known.
            work: self.work.clone().signed_in(env),
            started_at: self.started_at,
            ended_at: env.now(),
            result,
        };
        let bytes = Bytes::from(serde_json::to_vec(&kept).map_err(OpError::unexpected)?);
        for _ in 0..TRIES {
            let key = kept::key(number);
            let written = match self.found().await? {
                None => matches!(
                    self.store
                        .create(&key, bytes.clone())
                        .await
                        .map_err(|error| self.lost(error))?,
                    Created::New(_)
                ),
                // A retry of this shard.
                Some(version) => {
                    let replaced = self.store.replace(&key, bytes.clone(), &version).await;
                    let replaced = replaced.map_err(|error| self.lost(error))?;
                    matches!(replaced, Replaced::New(_))
                }
            };
            if written {
                return Ok(Done { number, place: self.place });
            }
        }
        let message = format!("others keep writing the result of shard {number} in {}", self.place);
        Err(OpError::new(message, Outcome::Incomplete).with_hint("run each shard once at a time"))
    }

    /// The version of the result of an earlier try.
    async fn found(&self) -> Result<Option<crate::store::Version>, OpError> {
        let number = self.shard.number();
        let key = kept::key(number);
        let Some(file) = self.store.read(&key).await.map_err(|error| self.lost(error))? else {
            return Ok(None);
        };
        let before = Kept::parse(&key, &file.bytes)?;
        before.work.check(&self.work, &format!("{key} in {}", self.place))?;
        Ok(Some(file.version))
    }

    fn lost(&self, source: crate::store::StoreError) -> OpError {
        error::NotKept { place: self.place.clone(), source }.into()
    }
}

/// A shard that is done.
#[derive(Debug)]
pub struct Done {
    /// Which.
    pub number: ShardNumber,
    /// Where its result is.
    pub place: String,
}
