//! Links: whether a digest continues the previous one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    BucketHandoff, Chain, ChainName, ChainScope, ChainVerifier, Finding, FindingKind, LinkedTo,
    NO_SIGNATURE, ObjectKey, Outcome, ParsedDigest, Period, Placement, Tip, TipState, TrailOwner,
    original_root,
};
use crate::archive::verify::finding::Origin;

impl ChainVerifier {
    /// The chain whose end a digest refers to, and which end.
    ///
    /// Trails of several owners can have the same name, and consolidation puts their digests
    /// into one folder: original addresses are compared first, current keys only if none
    /// matches.
    pub(super) fn linked(
        &self,
        chains: &[Chain],
        owner: Option<&TrailOwner>,
        parsed: &ParsedDigest,
    ) -> Option<(usize, LinkedTo)> {
        let (bucket, original) = parsed.previous()?;
        let find = |is: &dyn Fn(&Chain) -> Option<LinkedTo>| {
            chains.iter().enumerate().find_map(|(at, chain)| Some((at, is(chain)?)))
        };
        let written = find(&|chain| chain.was_written_to(bucket, original));
        // A broken digest has no known original address.
        written.or_else(|| find(&|chain| chain.is_broken_at(original))).or_else(|| {
            // A digest from another place may have been relocated.
            let mut keys = BTreeSet::from([original.to_owned()]);
            if let Ok(key) = original.parse::<ObjectKey>() {
                keys.extend(self.scopes.iter().map(|scope| key.under(&scope.root).to_string()));
            }
            find(&|chain| chain.lies_at(&keys, owner))
        })
    }

    /// Finds the chain that a digest continues or starts, reports the gap between, and returns
    /// the chain's index in `chains`.
    ///
    /// `linked` is the chain whose end the digest refers to.
    #[expect(clippy::too_many_arguments, reason = "all that is known about one digest")]
    pub(super) fn link(
        &mut self,
        scope: &Arc<ChainScope>,
        chain_name: &ChainName,
        owner: Option<TrailOwner>,
        chains: &mut Vec<Chain>,
        key: &ObjectKey,
        parsed: &ParsedDigest,
        placement: Placement,
        linked: Option<(usize, LinkedTo)>,
        out: &mut Vec<Outcome>,
    ) -> usize {
        let root = original_root(&parsed.document.digest_s3_object);
        if let Some((at, _)) = linked {
            self.compare(&chains[at].tip, key, parsed, out);
            chains[at].original_root = root;
            chains[at].belongs_to(owner);
            return at;
        }
        // A chain of another owner's trail does not precede this digest, unless the digest
        // records a predecessor of that owner.
        let before_it = parsed.previous().and_then(|(_, original)| original_root(original));
        let of = before_it.as_ref().map(TrailOwner::of).or_else(|| owner.clone());
        let wanted = before_it.or_else(|| root.clone());
        let of_owner = chains.iter().filter(|chain| chain.may_be_of(of.as_ref())).count();
        let before = chains.iter().position(|chain| {
            chain.may_be_of(of.as_ref())
                && chain.tip.end <= parsed.start
                && (of_owner == 1 || chain.original_root.is_none() || chain.original_root == wanted)
        });
        if let Some(at) = before {
            self.prove_pending(&mut chains[at], Err(NO_SIGNATURE), out);
        }
        match (parsed.previous(), before) {
            (None, Some(at)) => {
                let chain = &mut chains[at];
                chain.summary.gap(Period { from: chain.tip.end, to: parsed.start }, key);
            }
            (None, None) => {}
            (Some((bucket, original)), before) => {
                let tip = before.map(|at| &chains[at].tip);
                let finding = self.unlinked(scope, tip, key, parsed, placement, bucket, original);
                if finding.as_ref().is_some_and(|it| it.kind == FindingKind::ContinuesElsewhere) {
                    self.handoffs.extend(BucketHandoff::before(chain_name, key, parsed));
                }
                out.extend(finding.map(Outcome::found));
            }
        }
        if let Some(at) = before {
            chains[at].original_root = root;
            chains[at].belongs_to(owner);
            return at;
        }
        let tip = Tip {
            key: String::new(),
            end: parsed.start,
            state: TipState::Broken { proven_until: None, digests: 0 },
        };
        chains.push(Chain::new(chain_name.clone(), owner, root, tip));
        chains.len() - 1
    }

    /// The finding for a missing predecessor.
    #[expect(clippy::too_many_arguments, reason = "all that is known about one digest")]
    fn unlinked(
        &self,
        scope: &ChainScope,
        tip: Option<&Tip>,
        key: &ObjectKey,
        parsed: &ParsedDigest,
        placement: Placement,
        bucket: &str,
        original: &str,
    ) -> Option<Finding> {
        let since = self.config.window.since;
        if since.is_some_and(|since| parsed.start <= since) {
            return None;
        }
        let here = &parsed.document;
        let root = original_root(original);
        // Sibling roots of the same bucket are verified too: a predecessor that is missing there
        // was deleted.
        let is_looked_at = placement == Placement::InPlace
            && root.as_ref().is_some_and(|root| self.place(root).is_some());
        let moved_on = bucket != here.digest_s3_bucket
            || (root != original_root(&here.digest_s3_object) && !is_looked_at);
        let expected = scope.current_address(placement, original);
        let origin = (placement == Placement::Relocated)
            .then(|| Origin { bucket: bucket.to_owned(), key: original.to_owned() });
        let from = match tip {
            Some(tip) => match &tip.state {
                TipState::Broken { proven_until: Some(until), .. } => Some(*until),
                _ => Some(tip.end),
            },
            None => since,
        };
        if moved_on {
            let there = format!("s3://{bucket}/{original}");
            let finding = self.at(FindingKind::ContinuesElsewhere, key);
            return Some(
                finding
                    .with_mismatch(there, "not in this archive")
                    .with_period(from.unwrap_or(parsed.start), parsed.start),
            );
        }
        match (tip, from) {
            (Some(tip), Some(from)) if from >= parsed.start => Some(
                self.at(FindingKind::LinkAddress, key)
                    .with_mismatch(format!("a predecessor at {}", tip.key), expected)
                    .with_period(parsed.start, parsed.end),
            ),
            (_, Some(from)) => {
                let period = Period { from, to: parsed.start };
                Some(Finding {
                    objects: period.hours().unsigned_abs(),
                    origin,
                    ..self.missing(&expected, key, period)
                })
            }
            (_, None) => {
                let found = format!("nothing, and {key} names it");
                Some(Finding {
                    origin,
                    ..self
                        .at(FindingKind::ChainStartMissing, &expected)
                        .with_mismatch("the previous digest", found)
                        .with_period(parsed.start, parsed.start)
                })
            }
        }
    }

    fn missing(&self, expected: &str, key: &ObjectKey, period: Period) -> Finding {
        let hours = period.hours();
        let found = format!("nothing: {hours} h without a digest, and {key} names this one");
        self.at(FindingKind::DigestMissing, expected)
            .with_mismatch("the previous digest", found)
            .with_period(period.from, period.to)
    }

    /// Compares the predecessor with what a digest records about it.
    fn compare(&self, tip: &Tip, key: &ObjectKey, parsed: &ParsedDigest, out: &mut Vec<Outcome>) {
        let document = &parsed.document;
        let mut differs = |kind, expected: String, found: &str| {
            let finding = self.at(kind, &tip.key).with_mismatch(expected, found);
            out.push(Outcome::found(finding.with_period(parsed.start, parsed.end)));
        };
        let by = |what: &str, value: &str| format!("{what} {value}, recorded by {key}");
        match &tip.state {
            TipState::Proven(proven) => {
                let recorded = document.previous_digest_s3_bucket.as_deref();
                if let Some(bucket) = recorded.filter(|bucket| *bucket != proven.bucket) {
                    differs(FindingKind::LinkAddress, by("bucket", bucket), &proven.bucket);
                }
                let recorded = document.previous_digest_s3_object.as_deref();
                if let Some(original) = recorded.filter(|original| *original != proven.original) {
                    differs(FindingKind::LinkAddress, by("key", original), &proven.original);
                }
                let recorded = document.previous_digest_hash_value.as_deref();
                if let Some(hash) =
                    recorded.filter(|hash| !hash.eq_ignore_ascii_case(&proven.sha256))
                {
                    differs(FindingKind::LinkHash, by("SHA-256", hash), &proven.sha256);
                }
                let recorded = document.previous_digest_signature.as_deref();
                if let (Some(recorded), Some(own)) = (recorded, proven.signature.as_deref())
                    && !recorded.eq_ignore_ascii_case(own)
                {
                    differs(FindingKind::LinkSignature, by("signature", recorded), own);
                }
            }
            // The broken digests do not account for all hours.
            TipState::Broken { proven_until: Some(until), digests } => {
                let hole = Period { from: *until, to: parsed.start };
                let deleted = hole.hours() - digests;
                if deleted > 0 {
                    let found = format!("{digests} unproven digests for {} h", hole.hours());
                    out.push(Outcome::found(Finding {
                        objects: deleted.unsigned_abs(),
                        ..self
                            .at(FindingKind::DigestMissing, &tip.key)
                            .with_mismatch("digests without a gap", found)
                            .with_period(hole.from, hole.to)
                    }));
                }
            }
            TipState::Broken { .. } | TipState::Pending(..) => {}
        }
    }
}
