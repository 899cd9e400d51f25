//! Digests that lie below several roots of one bucket.

use std::sync::Arc;

use super::authenticity::Verdict;
use super::{
    Chain, ChainVerifier, Lane, Located, ObjectKey, OpenedDigest, Outcome, Period, TipState,
    VerifiedDigest,
};

impl ChainVerifier {
    /// Takes a digest that is a chain's newest, below another root: one that was
    /// brought elsewhere in its own bucket and is still where it was. It counts
    /// once, and what lies at either place must be whole.
    pub(super) fn copy(
        &mut self,
        lane: &Arc<Lane>,
        chain: &mut Chain,
        key: ObjectKey,
        opened: OpenedDigest,
        located: Option<Located>,
        out: &mut Vec<Outcome>,
    ) {
        let located = match self.authenticate(&key, &opened, located) {
            Verdict::Refused(finding) => {
                self.refused(*finding, out);
                return;
            }
            Verdict::Unsigned(located) => located,
            Verdict::Authentic(located, _) => {
                if let Some(signature) = &opened.signature {
                    self.prove_pending(chain, Ok(signature), out);
                }
                located
            }
        };
        match &mut chain.tip.state {
            TipState::Pending(pending) => pending.places.push((key, located)),
            // The same bytes as one that is proven.
            TipState::Sound(_) => {
                let digest = self.proven_copy(lane, chain, key, opened, located);
                out.push(Outcome::Proven(digest));
            }
            TipState::Broken { .. } => {}
        }
    }

    fn proven_copy(
        &mut self,
        lane: &Arc<Lane>,
        chain: &mut Chain,
        key: ObjectKey,
        opened: OpenedDigest,
        located: Located,
    ) -> VerifiedDigest {
        let hour = Period { from: opened.start, to: opened.end };
        chain.summary.count_copy(hour, located);
        self.cover(chain, lane, hour);
        let (lane, logs) = (Arc::clone(lane), opened.document.log_files);
        VerifiedDigest { lane, key, hour, located, logs, is_copy: true }
    }

    /// Notes that the log files of an hour below a root are all known.
    pub(super) fn cover(&mut self, chain: &mut Chain, lane: &Lane, hour: Period) {
        let Some(at) = self.place(&lane.root) else { return };
        if let Some(covered) = self.covered_below.get_mut(at) {
            covered.add(hour);
        }
        let end = chain.ends.entry(at).or_insert(hour.to);
        *end = hour.to.max(*end);
    }
}
