//! The state of one chain.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{ChainName, ChainSummary, ObjectKey, ParsedDigest, Placement, Root, TrailOwner};

/// The state of one chain.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) summary: ChainSummary,
    /// The owner of the trail according to its newest digest; `None` until a digest of the chain
    /// could be read.
    pub(super) owner: Option<TrailOwner>,
    /// The original root of its digests.
    pub(super) original_root: Option<Root>,
    pub(super) tip: Tip,
    /// The last proven digest if the tip is broken: an unexpected object must not hide what the
    /// next digest links to.
    pub(super) last_proven: Option<Tip>,
    /// By the index of a root, the end of the newest proven digest below it.
    pub(super) ends: BTreeMap<usize, Timestamp>,
}

/// The last digest of a chain so far.
#[derive(Debug)]
pub(super) struct Tip {
    /// Its key.
    pub(super) key: String,
    pub(super) end: Timestamp,
    pub(super) state: TipState,
}

#[derive(Debug)]
pub(super) enum TipState {
    /// It is proven: the next digest must record these values.
    Proven(ProvenTip),
    /// Its signature is lost; the next digest may record it.
    Pending(Box<PendingTip>),
    /// It is not proven. `proven_until` is the end of the last proven digest before it, and
    /// `digests` the number of consecutive broken digests.
    Broken { proven_until: Option<Timestamp>, digests: i64 },
}

/// A digest without its signature.
#[derive(Debug)]
pub(super) struct PendingTip {
    pub(super) parsed: ParsedDigest,
    /// Its keys: several if it was copied to other roots.
    pub(super) places: Vec<(ObjectKey, Placement)>,
}

#[derive(Debug)]
pub(super) struct ProvenTip {
    pub(super) bucket: String,
    pub(super) original: String,
    pub(super) sha256: String,
    /// `None` if it was proven through its successor.
    pub(super) signature: Option<String>,
}

/// The digest of a chain that the next digest refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkedTo {
    /// The chain's last digest.
    Tip,
    /// The last proven digest, before broken ones.
    LastProven,
}

impl Chain {
    pub(super) fn new(
        chain_name: ChainName,
        owner: Option<TrailOwner>,
        original_root: Option<Root>,
        tip: Tip,
    ) -> Self {
        let mut summary = ChainSummary::new(chain_name);
        summary.owners.extend(owner.clone());
        Self { summary, owner, original_root, tip, last_proven: None, ends: BTreeMap::new() }
    }

    /// Whether a digest of an owner's trail may belong to the chain.
    pub(super) fn may_be_of(&self, owner: Option<&TrailOwner>) -> bool {
        self.owner.as_ref().zip(owner).is_none_or(|(own, owner)| own == owner)
    }

    /// Sets the owner of the trail that wrote its newest digest.
    pub(super) fn belongs_to(&mut self, owner: Option<TrailOwner>) {
        self.summary.owners.extend(owner.clone());
        self.owner = owner.or(self.owner.take());
    }

    /// The link to a digest of the chain at one of the keys, if the owner matches.
    pub(super) fn lies_at(
        &self,
        keys: &BTreeSet<String>,
        owner: Option<&TrailOwner>,
    ) -> Option<LinkedTo> {
        self.linked(|tip| keys.contains(&tip.key)).filter(|_| self.may_be_of(owner))
    }

    /// The link to a broken tip at a key.
    pub(super) fn is_broken_at(&self, key: &str) -> Option<LinkedTo> {
        let is_broken = matches!(self.tip.state, TipState::Broken { .. });
        (is_broken && self.tip.key == key).then_some(LinkedTo::Tip)
    }

    /// The link to the digest of the chain with an original address.
    pub(super) fn was_written_to(&self, bucket: &str, key: &str) -> Option<LinkedTo> {
        self.linked(|tip| tip.original() == Some((bucket, key)))
    }

    fn linked(&self, is: impl Fn(&Tip) -> bool) -> Option<LinkedTo> {
        if is(&self.tip) {
            return Some(LinkedTo::Tip);
        }
        self.last_proven.as_ref().is_some_and(is).then_some(LinkedTo::LastProven)
    }

    /// The memory of a pending tip. Units: bytes.
    pub(super) fn pending(&self) -> usize {
        match &self.tip.state {
            TipState::Pending(pending) => pending.parsed.memory,
            TipState::Proven(_) | TipState::Broken { .. } => 0,
        }
    }

    /// Drops broken digests after the last proven one.
    pub(super) fn rewind_to(&mut self, linked: LinkedTo) {
        if linked == LinkedTo::LastProven
            && let Some(proven) = self.last_proven.take()
        {
            self.tip = proven;
        }
    }

    pub(super) fn advance(&mut self, tip: Tip) {
        self.tip = tip;
        self.last_proven = None;
    }
}

impl Tip {
    /// Its original address, as it states it.
    fn original(&self) -> Option<(&str, &str)> {
        match &self.state {
            TipState::Proven(proven) => Some((&proven.bucket, &proven.original)),
            TipState::Pending(pending) => {
                let document = &pending.parsed.document;
                Some((&document.digest_s3_bucket, &document.digest_s3_object))
            }
            TipState::Broken { .. } => None,
        }
    }

    /// Whether a digest equals this one, byte for byte.
    pub(super) fn is_same(&self, parsed: &ParsedDigest) -> bool {
        let document = &parsed.document;
        let sha256 = match &self.state {
            TipState::Proven(proven) => &proven.sha256,
            TipState::Pending(pending) => &pending.parsed.sha256,
            TipState::Broken { .. } => return false,
        };
        *sha256 == parsed.sha256
            && self.original()
                == Some((document.digest_s3_bucket.as_str(), document.digest_s3_object.as_str()))
    }
}

impl ProvenTip {
    pub(super) fn of(parsed: &ParsedDigest, signature: Option<String>) -> Self {
        Self {
            bucket: parsed.document.digest_s3_bucket.clone(),
            original: parsed.document.digest_s3_object.clone(),
            sha256: parsed.sha256.clone(),
            signature,
        }
    }
}
