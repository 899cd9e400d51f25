//! Handoffs: where a chain continues from another bucket or prefix, and what that place must
//! contain.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Chain, ChainName, ChainVerifier, Finding, FindingKind, ObjectKey, Outcome, ParsedDigest, Tip,
    TipState,
};

/// The last digest in another bucket or prefix that a chain continues, and what the next
/// digest records about it.
#[derive(Debug, Clone)]
pub struct BucketHandoff {
    /// The trail. Its owner there may differ, since a trail can become an organization trail.
    pub chain_name: ChainName,
    /// The bucket that it was written to.
    pub bucket: String,
    /// The key that it was written to.
    pub key: ObjectKey,
    /// The key of the next digest.
    pub recorded_by: String,
    sha256: Option<String>,
    signature: Option<String>,
}

impl BucketHandoff {
    /// The handoff before a digest; `None` if its predecessor's key is not one that CloudTrail
    /// writes.
    pub(super) fn before(
        chain_name: &ChainName,
        key: &ObjectKey,
        parsed: &ParsedDigest,
    ) -> Option<Self> {
        let (bucket, original) = parsed.previous()?;
        let document = &parsed.document;
        Some(Self {
            chain_name: chain_name.clone(),
            bucket: bucket.to_owned(),
            key: original
                .parse()
                .ok()
                .filter(|key| ChainName::of(key).as_ref() == Some(chain_name))?,
            recorded_by: key.to_string(),
            sha256: document.previous_digest_hash_value.clone(),
            signature: document.previous_digest_signature.clone(),
        })
    }
}

impl ChainVerifier {
    /// Sets the handoff that the chain must end with: its digest must be the one that the next
    /// digest records.
    #[must_use]
    pub fn up_to_handoff(self, handoff: BucketHandoff) -> Self {
        Self { handoff: Some(handoff), ..self }
    }

    /// Checks that the digest at the handoff is the recorded one.
    pub(super) fn resolve_handoff(
        &mut self,
        chains: &mut BTreeMap<ChainName, Vec<Chain>>,
        out: &mut Vec<Outcome>,
    ) {
        let Some(handoff) = self.handoff.take() else { return };
        let key = handoff.key.to_string();
        let keys = BTreeSet::from([key.clone()]);
        let ends_there = |chain: &Chain| {
            let written = chain.was_written_to(&handoff.bucket, &key);
            written.or_else(|| chain.lies_at(&keys, None))
        };
        let mut ending = chains
            .get_mut(&handoff.chain_name)
            .into_iter()
            .flatten()
            .filter_map(|chain| Some((ends_there(chain)?, chain)));
        let Some((linked, chain)) = ending.next() else {
            let found = format!("nothing, and {} names it", handoff.recorded_by);
            let finding = self.at(FindingKind::DigestMissing, &key);
            let hour = handoff.key.time();
            let finding =
                finding.with_mismatch("the previous digest", found).with_period(hour, hour);
            out.push(Outcome::found(finding));
            return;
        };
        chain.rewind_to(linked);
        self.prove_pending(chain, handoff.signature.as_deref().ok_or(super::NO_SIGNATURE), out);
        out.extend(self.differences(&handoff, &chain.tip).into_iter().map(Outcome::found));
    }

    fn differences(&self, handoff: &BucketHandoff, tip: &Tip) -> Vec<Finding> {
        let TipState::Proven(proven) = &tip.state else { return Vec::new() };
        let differs = |kind, what: &str, recorded: &Option<String>, own: Option<&str>| {
            let (recorded, own) = recorded.as_deref().zip(own)?;
            let expected = format!("{what} {recorded}, recorded by {}", handoff.recorded_by);
            let finding =
                self.at(kind, &tip.key).with_mismatch(expected, own).with_period(tip.end, tip.end);
            (!recorded.eq_ignore_ascii_case(own)).then_some(finding)
        };
        [
            differs(FindingKind::LinkHash, "SHA-256", &handoff.sha256, Some(&proven.sha256)),
            differs(
                FindingKind::LinkSignature,
                "signature",
                &handoff.signature,
                proven.signature.as_deref(),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
