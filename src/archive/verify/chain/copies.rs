//! Copies of digests below several roots of one bucket.

use std::sync::Arc;

use super::authenticity::Verdict;
use super::{
    Chain, ChainScope, ChainVerifier, ObjectKey, Outcome, ParsedDigest, Period, Placement,
    TipState, VerifiedDigest,
};

impl ChainVerifier {
    /// Adds a copy of a chain's newest digest below another root of its bucket. It counts once;
    /// the logs of both places are checked.
    pub(super) fn copy(
        &mut self,
        scope: &Arc<ChainScope>,
        chain: &mut Chain,
        key: ObjectKey,
        parsed: ParsedDigest,
        placement: Option<Placement>,
        out: &mut Vec<Outcome>,
    ) {
        let placement = match self.authenticate(&key, &parsed, placement) {
            Verdict::Refused(finding) => {
                self.refused(*finding, out);
                return;
            }
            Verdict::Unsigned(placement) => placement,
            Verdict::Authentic(placement, _) => {
                if let Some(signature) = &parsed.signature {
                    self.prove_pending(chain, Ok(signature), out);
                }
                placement
            }
        };
        match &mut chain.tip.state {
            TipState::Pending(pending) => pending.places.push((key, placement)),
            // It has the same bytes as a proven digest.
            TipState::Proven(_) => {
                let digest = self.proven_copy(scope, chain, key, parsed, placement);
                out.push(Outcome::Proven(digest));
            }
            TipState::Broken { .. } => {}
        }
    }

    fn proven_copy(
        &mut self,
        scope: &Arc<ChainScope>,
        chain: &mut Chain,
        key: ObjectKey,
        parsed: ParsedDigest,
        placement: Placement,
    ) -> VerifiedDigest {
        let hour = Period { from: parsed.start, to: parsed.end };
        chain.summary.count_copy(hour, placement);
        self.cover(chain, scope, hour);
        let (scope, logs) = (Arc::clone(scope), parsed.document.log_files);
        VerifiedDigest { scope, key, hour, placement, logs, is_copy: true }
    }

    /// Marks an hour below a root as covered.
    pub(super) fn cover(&mut self, chain: &mut Chain, scope: &ChainScope, hour: Period) {
        let Some(at) = self.place(&scope.root) else { return };
        if let Some(covered) = self.covered_below.get_mut(at) {
            covered.add(hour);
        }
        let end = chain.ends.entry(at).or_insert(hour.to);
        *end = hour.to.max(*end);
    }
}
