//! Digests that are below several roots of one bucket.

use std::sync::Arc;

use super::authenticity::Verdict;
use super::{
    Chain, ChainScope, ChainVerifier, ObjectKey, Outcome, ParsedDigest, Period, Placement,
    TipState, VerifiedDigest,
};

impl ChainVerifier {
    /// Takes a digest that is a chain's newest, below another root: one that was
    /// brought elsewhere in its own bucket and is still where it was. It counts
    /// once, and what is at either place must be whole.
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
            // The same bytes as one that is proven.
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

    /// Notes that the log files of an hour below a root are all known.
    pub(super) fn cover(&mut self, chain: &mut Chain, scope: &ChainScope, hour: Period) {
        let Some(at) = self.place(&scope.root) else { return };
        if let Some(covered) = self.covered_below.get_mut(at) {
            covered.add(hour);
        }
        let end = chain.ends.entry(at).or_insert(hour.to);
        *end = hour.to.max(*end);
    }
}
