//! One chain up to where it has been followed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{ChainSummary, Located, ObjectKey, OpenedDigest, Root, Stem, TrailOwner};

/// One chain up to where it has been followed.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) summary: ChainSummary,
    /// Who owns the trail, as its newest digest shows; `None` while no digest of the
    /// chain could be read.
    pub(super) owner: Option<TrailOwner>,
    /// The root that its digests were written under.
    pub(super) original_root: Option<Root>,
    pub(super) tip: Tip,
    /// The last proven digest, while the tip is none: a foreign object must not
    /// hide what the next digest links to.
    pub(super) sound_before: Option<Tip>,
    /// By the place of a root, where the newest proven digest below it ends.
    pub(super) ends: BTreeMap<usize, Timestamp>,
}

/// The last digest of a chain so far.
#[derive(Debug)]
pub(super) struct Tip {
    /// The key at which it lies.
    pub(super) key: String,
    pub(super) end: Timestamp,
    pub(super) state: TipState,
}

#[derive(Debug)]
pub(super) enum TipState {
    /// It is proven: what the next digest must record.
    Sound(Sound),
    /// Its signature is lost; the next digest may record it.
    Pending(Box<PendingTip>),
    /// It is no proof. `sound_until` is where the proof before it ends, and
    /// `digests` how many such there are in a row.
    Broken { sound_until: Option<Timestamp>, digests: i64 },
}

/// A digest whose signature is lost.
#[derive(Debug)]
pub(super) struct PendingTip {
    pub(super) opened: OpenedDigest,
    /// Where it lies: below several roots, if it was brought from one to another.
    pub(super) places: Vec<(ObjectKey, Located)>,
}

#[derive(Debug)]
pub(super) struct Sound {
    pub(super) bucket: String,
    pub(super) original: String,
    pub(super) sha256: String,
    /// `None` where it was proven through its successor.
    pub(super) signature: Option<String>,
}

/// What of a chain a digest names as its predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkedTo {
    /// The chain's last digest.
    Tip,
    /// The last proven one, before what is no proof.
    SoundBefore,
}

impl Chain {
    pub(super) fn new(
        stem: Stem,
        owner: Option<TrailOwner>,
        original_root: Option<Root>,
        tip: Tip,
    ) -> Self {
        let mut summary = ChainSummary::new(stem);
        summary.owners.extend(owner.clone());
        Self { summary, owner, original_root, tip, sound_before: None, ends: BTreeMap::new() }
    }

    /// Whether a digest of an owner's trail can belong to the chain.
    pub(super) fn may_be_of(&self, owner: Option<&TrailOwner>) -> bool {
        self.owner.as_ref().zip(owner).is_none_or(|(own, owner)| own == owner)
    }

    /// Notes whose trail wrote its newest digest.
    pub(super) fn belongs_to(&mut self, owner: Option<TrailOwner>) {
        self.summary.owners.extend(owner.clone());
        self.owner = owner.or(self.owner.take());
    }

    /// What of the chain has one of the keys, if it can be an owner's.
    pub(super) fn lies_at(
        &self,
        keys: &BTreeSet<String>,
        owner: Option<&TrailOwner>,
    ) -> Option<LinkedTo> {
        self.linked(|tip| keys.contains(&tip.key)).filter(|_| self.may_be_of(owner))
    }

    /// Whether the chain ends with what lies at a key and proves nothing.
    pub(super) fn is_broken_at(&self, key: &str) -> Option<LinkedTo> {
        let is_broken = matches!(self.tip.state, TipState::Broken { .. });
        (is_broken && self.tip.key == key).then_some(LinkedTo::Tip)
    }

    /// What of the chain is the digest that CloudTrail wrote to an address.
    pub(super) fn was_written_to(&self, bucket: &str, key: &str) -> Option<LinkedTo> {
        self.linked(|tip| tip.original() == Some((bucket, key)))
    }

    fn linked(&self, is: impl Fn(&Tip) -> bool) -> Option<LinkedTo> {
        if is(&self.tip) {
            return Some(LinkedTo::Tip);
        }
        self.sound_before.as_ref().is_some_and(is).then_some(LinkedTo::SoundBefore)
    }

    /// What the tip takes while it waits for a successor. Units: bytes.
    pub(super) fn pending(&self) -> usize {
        match &self.tip.state {
            TipState::Pending(pending) => pending.opened.memory,
            TipState::Sound(_) | TipState::Broken { .. } => 0,
        }
    }

    /// Forgets foreign objects after the last proven digest.
    pub(super) fn back_to(&mut self, linked: LinkedTo) {
        if linked == LinkedTo::SoundBefore
            && let Some(sound) = self.sound_before.take()
        {
            self.tip = sound;
        }
    }

    pub(super) fn advance(&mut self, tip: Tip) {
        self.tip = tip;
        self.sound_before = None;
    }
}

impl Tip {
    /// Where CloudTrail wrote it, as it says itself.
    fn original(&self) -> Option<(&str, &str)> {
        match &self.state {
            TipState::Sound(sound) => Some((&sound.bucket, &sound.original)),
            TipState::Pending(pending) => {
                let document = &pending.opened.document;
                Some((&document.digest_s3_bucket, &document.digest_s3_object))
            }
            TipState::Broken { .. } => None,
        }
    }

    /// Whether a digest is this one, byte for byte.
    pub(super) fn is_same(&self, opened: &OpenedDigest) -> bool {
        let document = &opened.document;
        let sha256 = match &self.state {
            TipState::Sound(sound) => &sound.sha256,
            TipState::Pending(pending) => &pending.opened.sha256,
            TipState::Broken { .. } => return false,
        };
        *sha256 == opened.sha256
            && self.original()
                == Some((document.digest_s3_bucket.as_str(), document.digest_s3_object.as_str()))
    }
}

impl Sound {
    pub(super) fn of(opened: &OpenedDigest, signature: Option<String>) -> Self {
        Self {
            bucket: opened.document.digest_s3_bucket.clone(),
            original: opened.document.digest_s3_object.clone(),
            sha256: opened.sha256.clone(),
            signature,
        }
    }
}
