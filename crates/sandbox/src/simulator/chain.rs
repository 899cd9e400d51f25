//! A chain of digests: each lists its hour's files and signs its predecessor.

use jiff::{SignedDuration, Timestamp};
use orgtrail_base::cloudtrail::digest::{
    DigestDocument, HASH_ALGORITHM, ListedLog, SIGNATURE_ALGORITHM, metadata, sha256_hex,
};
use orgtrail_base::cloudtrail::key::{ObjectKey, ObjectKind};
use orgtrail_base::names::{AccountId, Region};
use serde::{Deserialize, Serialize};

use super::LOST;
use super::delivery::{self, PendingObject};
use crate::services::cloudtrail::Trail;
use crate::simulation::{Control, Simulation};

/// How long a digest covers.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// What could not be delivered for longer is delivered by a backfill.
const LATE: SignedDuration = SignedDuration::from_hours(24);

/// A chain under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Chain {
    /// Where digests became due: distinguishes one chain from the next.
    since: Timestamp,
    /// Where the next digest begins.
    pub(super) next: Timestamp,
    previous: Option<Previous>,
    /// Whether a backfill is under way: `previous` is one of its digests.
    #[serde(default)]
    backfilling: bool,
    /// Delivered and not listed yet, with the time of delivery.
    files: Vec<(Timestamp, ListedLog)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Previous {
    bucket: String,
    key: String,
    hash: String,
    signature: String,
}

/// Where a chain is.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) simulation: &'a Simulation,
    pub(super) control: &'a Control,
    pub(super) trail: &'a Trail,
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
}

impl Chain {
    /// The chain of digests that are due since `since`, of a place that is covered
    /// since `covered_since`, or all along.
    pub(super) fn new(since: Timestamp, covered_since: Option<Timestamp>) -> Self {
        let begins = covered_since.map_or(since, |covered| covered.max(since));
        // Digests state whole seconds.
        let second = Timestamp::from_second(begins.as_second()).unwrap_or(begins);
        Self { since, next: second, previous: None, backfilling: false, files: Vec::new() }
    }

    /// Whether it is the chain that a trail's settings ask for.
    pub(super) fn is_of(&self, trail: &Trail) -> bool {
        trail.digests_since == Some(self.since)
    }

    pub(super) fn list(&mut self, at: Timestamp, file: ListedLog) {
        self.files.push((at, file));
    }

    /// Whether files are not listed yet.
    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Delivers the digests of the hours that ended by `until`; with `ends`,
    /// the rest of the last hour too. Gives when the last one was delivered.
    ///
    /// # Errors
    /// S3's error code. What was not delivered stays due.
    pub(super) fn deliver(
        &mut self,
        at: At<'_>,
        until: Timestamp,
        ends: bool,
    ) -> Result<Option<Timestamp>, String> {
        let mut delivered = None;
        self.skip_lost(until);
        // Only hours that failed before are this late: whoever ticks by weeks
        // gets every hour in its time.
        while self.next + HOUR <= until {
            let end = self.next + HOUR;
            self.one(at, end, None)?;
            delivered = Some(end);
        }
        if ends && until.duration_since(self.next) >= SignedDuration::from_secs(1) {
            let end = Timestamp::from_second(until.as_second()).unwrap_or(until);
            self.one(at, end, None)?;
            delivered = Some(end);
        }
        Ok(delivered)
    }

    /// Delivers afterwards what failed for more than a day: in a chain of its
    /// own, generated at `now`; the main chain begins anew behind it.
    ///
    /// # Errors
    /// S3's error code.
    pub(super) fn backfill(&mut self, at: At<'_>, now: Timestamp) -> Result<(), String> {
        self.skip_lost(now);
        if !self.backfilling {
            if now.duration_since(self.next) <= LATE {
                return Ok(());
            }
            self.previous = None;
            self.backfilling = true;
        }
        // One that breaks off goes on in the same chain the next time.
        while self.next + HOUR <= now {
            self.one(at, self.next + HOUR, Some(now))?;
        }
        self.backfilling = false;
        self.previous = None;
        Ok(())
    }

    /// Gives up the hours that were not delivered for too long.
    fn skip_lost(&mut self, until: Timestamp) {
        let late = until.duration_since(self.next) - LOST;
        if late.is_positive() {
            // Those that began; one that is late by nothing is none.
            let hours = (late - SignedDuration::from_nanos(1)).as_hours() + 1;
            self.next += SignedDuration::from_hours(hours);
            self.previous = None;
        }
    }

    fn one(
        &mut self,
        at: At<'_>,
        end: Timestamp,
        generated: Option<Timestamp>,
    ) -> Result<(), String> {
        let failed = || "InternalError".to_owned();
        let kind = ObjectKind::Digest {
            trail: at.trail.name.clone(),
            home_region: at.trail.home_region.clone(),
            backfill: generated.is_some(),
        };
        let root = delivery::root(at.control, at.trail);
        let key = ObjectKey::new(root, at.account.clone(), at.region.clone(), end, kind)
            .ok_or_else(failed)?
            .to_string();
        let signer =
            at.control.simulator.keys.at(at.region, generated.unwrap_or(end)).ok_or_else(failed)?;
        let listed: Vec<ListedLog> = self
            .files
            .iter()
            .filter(|(delivered, _)| *delivered <= end)
            .map(|(_, file)| file.clone())
            .collect();
        let times = |pick: fn(&ListedLog) -> &Option<String>| {
            listed.iter().filter_map(move |file| pick(file).clone())
        };
        let previous = self.previous.as_ref();
        let document = DigestDocument {
            aws_account_id: Some(at.account.to_string()),
            digest_start_time: iso(self.next),
            digest_end_time: iso(end),
            digest_s3_bucket: at.trail.bucket.clone(),
            digest_s3_object: key.clone(),
            digest_public_key_fingerprint: signer.fingerprint.clone(),
            digest_signature_algorithm: Some(SIGNATURE_ALGORITHM.to_owned()),
            newest_event_time: times(|file| &file.newest_event_time).max(),
            oldest_event_time: times(|file| &file.oldest_event_time).min(),
            previous_digest_s3_bucket: previous.map(|p| p.bucket.clone()),
            previous_digest_s3_object: previous.map(|p| p.key.clone()),
            previous_digest_hash_value: previous.map(|p| p.hash.clone()),
            previous_digest_hash_algorithm: previous.map(|_| HASH_ALGORITHM.to_owned()),
            previous_digest_signature: previous.map(|p| p.signature.clone()),
            log_files: listed,
        };
        let body = document.to_bytes().map_err(|_| failed())?;
        let signature = signer.sign(&document.string_to_sign(&body)).ok_or_else(failed)?;
        let mut metadata_pairs = vec![
            (metadata::SIGNATURE, signature.clone()),
            (metadata::SIGNATURE_ALGORITHM, SIGNATURE_ALGORITHM.to_owned()),
        ];
        if let Some(generated) = generated {
            metadata_pairs.push((metadata::BACKFILL_GENERATION_TIMESTAMP, iso(generated)));
        }
        let object_to_deliver =
            PendingObject { key: &key, body: &body, metadata: &metadata_pairs, digest: true };
        delivery::put(at.simulation, at.control, at.trail, &object_to_deliver)?;
        self.previous = Some(Previous {
            bucket: at.trail.bucket.clone(),
            key,
            hash: sha256_hex(&body),
            signature,
        });
        self.files.retain(|(delivered, _)| *delivered > end);
        self.next = end;
        Ok(())
    }
}

/// A time as CloudTrail writes it.
pub(super) fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_for_longer_than_thirty_days_is_lost() {
        for (late, lost) in [(0, 0), (1, 1), (3_600, 1), (3_601, 2)] {
            let mut chain = Chain::new(Timestamp::UNIX_EPOCH, None);
            chain.skip_lost(Timestamp::UNIX_EPOCH + LOST + SignedDuration::from_secs(late));
            assert_eq!(chain.next.as_second(), lost * HOUR.as_secs(), "{late}");
        }
    }
}
