//! Where a chain came from another bucket or prefix, and what must lie there.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Chain, ChainVerifier, Finding, FindingKind, ObjectKey, OpenedDigest, Outcome, Stem, Tip,
    TipState,
};

/// The digest in another bucket, or under another prefix, that a chain here
/// continues, and what the digest after it records of it.
#[derive(Debug, Clone)]
pub struct Border {
    /// The trail. Its owner is that of the digest there, which may be another's: a
    /// trail can become the organization's.
    pub stem: Stem,
    /// The bucket that it was written into.
    pub bucket: String,
    /// The key that it was written under.
    pub key: ObjectKey,
    /// The key of the digest after it.
    pub recorded_by: String,
    sha256: Option<String>,
    signature: Option<String>,
}

impl Border {
    /// The border before a digest; `None` where its predecessor has no key that
    /// CloudTrail would write.
    pub(super) fn before(stem: &Stem, key: &ObjectKey, opened: &OpenedDigest) -> Option<Self> {
        let (bucket, original) = opened.previous()?;
        let document = &opened.document;
        Some(Self {
            stem: stem.clone(),
            bucket: bucket.to_owned(),
            key: original.parse().ok().filter(|key| Stem::of(key).as_ref() == Some(stem))?,
            recorded_by: key.to_string(),
            sha256: document.previous_digest_hash_value.clone(),
            signature: document.previous_digest_signature.clone(),
        })
    }
}

impl ChainVerifier {
    /// The same with a border that its chain must reach: the digest there must
    /// be the one that the digest beyond records.
    #[must_use]
    pub fn up_to(self, border: Border) -> Self {
        Self { border: Some(border), ..self }
    }

    /// Decides whether the digest at the border is the one that was recorded.
    pub(super) fn reach_border(
        &mut self,
        chains: &mut BTreeMap<Stem, Vec<Chain>>,
        out: &mut Vec<Outcome>,
    ) {
        let Some(border) = self.border.take() else { return };
        let key = border.key.to_string();
        let keys = BTreeSet::from([key.clone()]);
        let ends_there = |chain: &Chain| {
            let written = chain.was_written_to(&border.bucket, &key);
            written.or_else(|| chain.lies_at(&keys, None))
        };
        let mut ending = chains
            .get_mut(&border.stem)
            .into_iter()
            .flatten()
            .filter_map(|chain| Some((ends_there(chain)?, chain)));
        let Some((linked, chain)) = ending.next() else {
            let found = format!("nothing, and {} names it", border.recorded_by);
            let finding = self.at(FindingKind::DigestMissing, &key);
            let hour = border.key.time();
            let finding = finding.because("the previous digest", found).over(hour, hour);
            out.push(Outcome::found(finding));
            return;
        };
        chain.back_to(linked);
        self.prove_pending(chain, border.signature.as_deref().ok_or(super::NO_SIGNATURE), out);
        out.extend(self.differences(&border, &chain.tip).into_iter().map(Outcome::found));
    }

    fn differences(&self, border: &Border, tip: &Tip) -> Vec<Finding> {
        let TipState::Sound(sound) = &tip.state else { return Vec::new() };
        let differs = |kind, what: &str, recorded: &Option<String>, own: Option<&str>| {
            let (recorded, own) = recorded.as_deref().zip(own)?;
            let expected = format!("{what} {recorded}, recorded by {}", border.recorded_by);
            let finding = self.at(kind, &tip.key).because(expected, own).over(tip.end, tip.end);
            (!recorded.eq_ignore_ascii_case(own)).then_some(finding)
        };
        [
            differs(FindingKind::LinkHash, "SHA-256", &border.sha256, Some(&sound.sha256)),
            differs(
                FindingKind::LinkSignature,
                "signature",
                &border.signature,
                sound.signature.as_deref(),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
