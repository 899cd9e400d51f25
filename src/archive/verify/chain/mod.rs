//! The chain verifier: its input is the digests of one account and Region, in the order of
//! their hours; its output is verified digests and findings.
//!
//! All roots of a bucket are followed together: the chain of a trail that becomes an
//! organization trail, or stops being one, continues below another root.
//!
//! Pure: it fetches nothing and keeps one digest per chain.

mod authenticity;
mod copies;
mod coverage;
mod end;
mod handoff;
mod link;
mod origin;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::authenticity::{KeyProvenance, Verdict};
pub use self::coverage::{Coverage, DeclaredTrail};
pub(crate) use self::coverage::{ProvenTrail, TrailId};
pub(crate) use self::end::MissingTrail;
pub use self::end::{
    ChainSummary, LatestDelivery, ProvenDigest, ScopeSummary, TrailReports, UnreportedTrail,
};
pub use self::handoff::BucketHandoff;
pub(crate) use self::origin::LaggingChain;
pub use self::origin::OriginTrail;
use self::state::{Chain, LinkedTo, PendingTip, ProvenTip, Tip, TipState};
use super::digest::ListedLog;
use super::finding::{Finding, FindingKind, Severity};
use super::log_file::LogClaim;
use super::parsed_digest::{DigestFault, FetchedDigest, ParsedDigest};
use super::period::{Period, Periods};
use super::place::{ChainId, ChainName, ChainScope, OrgOwner, Placement, TrailOwner};
use super::public_keys::PublicKeySet;
use crate::archive::key::{ObjectKey, Root};

/// The memory for digests of a scope that wait for a successor to prove them, in addition to
/// the newest: about 100,000 listed log files. Units: bytes.
const PENDING_LIMIT: usize = 64 << 20;

/// What is reported as found for a lost signature, and why no successor can prove it any
/// more.
const NO_SIGNATURE: &str = "none";
const TOO_MANY_PENDING: &str =
    "none, and too many digests without a signature to wait for a successor";

/// The period to verify.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Digests whose hours end earlier are ignored.
    pub since: Option<Timestamp>,
    /// The time up to which logs must be proven; `None` leaves the chains' ends unchecked.
    pub until: Option<Timestamp>,
    /// Digests whose hours end later are ignored.
    pub last: Option<Timestamp>,
}

impl Window {
    /// With that of another shard of the same verification: up to when both were verified.
    /// Digests may be due later for a shard that started later.
    #[must_use]
    pub fn joined(self, shard: Self) -> Self {
        let until = match (self.until, shard.until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self { until, ..self }
    }
}

/// The configuration of a chain verifier.
#[derive(Debug, Clone)]
pub struct VerifierConfig {
    /// The period to verify.
    pub window: Window,
    /// The trusted public keys: listed by AWS, or given by the user.
    pub keys: Arc<PublicKeySet>,
    /// Untrusted saved keys, used if `keys` does not contain a key.
    pub saved_keys: Arc<PublicKeySet>,
    /// The root that consolidation relocates to, if known.
    pub declared: Option<Root>,
    /// Whether `keys` are all that AWS published; if they could not be read, a missing key
    /// proves nothing.
    pub keys_complete: bool,
    /// The owner of the organization's trails, if known.
    pub org_owner: Option<OrgOwner>,
    /// Whether the source keeps object metadata: a plain copy of files does not.
    pub metadata_travels: bool,
    /// Whether the user gave `keys`: they may lack a whole Region.
    pub keys_given: bool,
    /// SHA-256 by key of digests that were proven before, each of which must be found unchanged.
    pub anchors: BTreeMap<String, String>,
}

/// A digest that CloudTrail signed, at its proper address.
///
/// Only the verifier creates these.
#[derive(Debug, Clone)]
pub struct VerifiedDigest {
    scope: Arc<ChainScope>,
    key: ObjectKey,
    hour: Period,
    placement: Placement,
    logs: Vec<ListedLog>,
    /// Whether the same digest was already counted below another root.
    is_copy: bool,
}

/// The result of verifying a digest.
#[derive(Debug)]
pub enum Outcome {
    /// It is proven.
    Proven(VerifiedDigest),
    /// A finding.
    Found(Box<Finding>),
}

/// The state of all chains of one account and Region.
#[derive(Debug)]
pub struct ChainVerifier {
    /// The roots of the bucket that contain the account and Region.
    scopes: Vec<Arc<ChainScope>>,
    config: VerifierConfig,
    chains: BTreeMap<ChainName, Vec<Chain>>,
    /// All hours that verified digests cover.
    covered: Periods,
    /// The same by root, in the order of `scopes`: digests below one root do not cover log files
    /// below another.
    covered_below: Vec<Periods>,
    /// The handoffs of chains from other buckets or prefixes.
    handoffs: Vec<BucketHandoff>,
    /// The handoff that the chain must end with.
    handoff: Option<BucketHandoff>,
    /// Digests without a public key, while no digest was verified: only at the end is it known
    /// whether any key of the Region was given.
    unknown_keys: Vec<Finding>,
    /// How many of the anchors are proven, with the SHA-256 that they had before.
    anchors_found: usize,
    /// See [`PENDING_LIMIT`].
    pending_limit: usize,
}

impl VerifiedDigest {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Its account and Region.
    #[must_use]
    pub fn scope(&self) -> &ChainScope {
        &self.scope
    }

    /// The time it covers.
    #[must_use]
    pub fn hour(&self) -> Period {
        self.hour
    }

    /// Whether it is at its original address.
    #[must_use]
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Whether the same digest was already counted below another root.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// The claims about the log files that it lists.
    pub fn claims(&self) -> impl Iterator<Item = LogClaim> {
        self.logs.iter().map(|log| LogClaim::new(self, log))
    }
}

impl ChainVerifier {
    /// A new verifier for one account and Region of a bucket, with one scope for each root.
    #[must_use]
    pub fn new(scopes: Vec<Arc<ChainScope>>, config: VerifierConfig) -> Self {
        Self {
            covered_below: vec![Periods::default(); scopes.len()],
            scopes,
            config,
            chains: BTreeMap::new(),
            covered: Periods::default(),
            handoffs: Vec::new(),
            handoff: None,
            unknown_keys: Vec::new(),
            anchors_found: 0,
            pending_limit: PENDING_LIMIT,
        }
    }

    /// The hours that verified digests below a root cover so far.
    #[must_use]
    pub fn covered(&self, root: &Root) -> Option<&Periods> {
        self.place(root).and_then(|at| self.covered_below.get(at))
    }

    /// Adds the next digest. Digests must be added in the order of their keys' times.
    pub fn accept(&mut self, fetched: FetchedDigest, out: &mut Vec<Outcome>) {
        let Some(chain_name) = ChainName::of(&fetched.key) else { return };
        let Some(at) = self.place(fetched.key.root()) else { return };
        let Some(scope) = self.scopes.get(at).map(Arc::clone) else { return };
        let mut chains = self.chains.remove(&chain_name).unwrap_or_default();
        match fetched.content {
            Ok(parsed) => self.follow(&scope, &chain_name, &mut chains, fetched.key, parsed, out),
            Err(fault) => {
                let (kind, expected) = match fault {
                    DigestFault::Unreadable(_) => (FindingKind::Unreadable, "a digest"),
                    _ => (FindingKind::DigestFormat, "a digest as CloudTrail writes it"),
                };
                let finding = self.at(kind, &fetched.key).with_mismatch(expected, fault);
                out.push(Outcome::found(finding));
                let only = (chains.len() == 1).then_some(0);
                self.mark_broken(&chain_name, None, &mut chains, only, &fetched.key, out);
            }
        }
        self.chains.insert(chain_name, chains);
    }

    fn follow(
        &mut self,
        scope: &Arc<ChainScope>,
        chain_name: &ChainName,
        chains: &mut Vec<Chain>,
        key: ObjectKey,
        parsed: ParsedDigest,
        out: &mut Vec<Outcome>,
    ) {
        let document = &parsed.document;
        let placement = scope.locate(
            &key,
            &document.digest_s3_bucket,
            &document.digest_s3_object,
            self.config.declared.as_ref(),
        );
        let original = document.digest_s3_object.parse().ok();
        let owner = original.and_then(|key| ChainId::of(&key)).map(|id| id.owner);
        if let Some(at) = chains.iter().position(|chain| chain.tip.is_same(&parsed)) {
            self.copy(scope, &mut chains[at], key, parsed, placement, out);
            return;
        }
        let linked = self.linked(chains, owner.as_ref(), &parsed);

        // Even if this digest is refused: a signature that verifies is proof, wherever it was
        // found.
        if let (Some((at, LinkedTo::Tip)), Some(signature)) =
            (linked, &document.previous_digest_signature)
        {
            self.prove_pending(&mut chains[at], Ok(signature), out);
        }

        let verdict = self.authenticate(&key, &parsed, placement);
        if matches!(verdict, Verdict::Authentic(..) | Verdict::Unsigned(_))
            && let Some((at, to)) = linked
        {
            chains[at].rewind_to(to);
        }
        match verdict {
            Verdict::Refused(finding) => {
                self.refused(*finding, out);
                let of_owner = |chain: &&Chain| chain.may_be_of(owner.as_ref());
                let only = chains.iter().filter(of_owner).count() == 1;
                let only = only.then(|| chains.iter().position(|it| of_owner(&it))).flatten();
                let at = linked.map(|(at, _)| at).or(only);
                self.mark_broken(chain_name, owner, chains, at, &key, out);
            }
            Verdict::Authentic(placement, provenance) => {
                let at = self
                    .link(scope, chain_name, owner, chains, &key, &parsed, placement, linked, out);
                let chain = &mut chains[at];
                let state = TipState::Proven(ProvenTip::of(&parsed, parsed.signature.clone()));
                chain.advance(Tip { key: key.to_string(), end: parsed.end, state });
                let digest = self.proven(chain, key, parsed, placement, provenance, out);
                out.push(Outcome::Proven(digest));
            }
            Verdict::Unsigned(placement) => {
                let at = self
                    .link(scope, chain_name, owner, chains, &key, &parsed, placement, linked, out);
                self.evict_pending(chains, at, parsed.memory, out);
                let (name, end) = (key.to_string(), parsed.end);
                let places = vec![(key, placement)];
                let state = TipState::Pending(Box::new(PendingTip { parsed, places }));
                chains[at].advance(Tip { key: name, end, state });
            }
        }
    }

    /// Counts a proven digest and returns it.
    fn proven(
        &mut self,
        chain: &mut Chain,
        key: ObjectKey,
        parsed: ParsedDigest,
        placement: Placement,
        provenance: KeyProvenance,
        out: &mut Vec<Outcome>,
    ) -> VerifiedDigest {
        let hour = Period { from: parsed.start, to: parsed.end };
        self.covered.add(hour);
        chain.summary.count(hour, placement);
        let name = key.to_string();
        self.anchors_found += usize::from(self.config.anchors.get(&name) == Some(&parsed.sha256));
        chain.summary.note(ProvenDigest {
            key: name,
            sha256: parsed.sha256,
            start: parsed.start,
            end: parsed.end,
        });
        chain.summary.stored_inflated += u64::from(parsed.stored_inflated);
        if provenance == KeyProvenance::Saved {
            chain.summary.count_saved_key(hour);
        }
        // Other keys of the Region are available, so a missing key is a finding.
        out.extend(self.unknown_keys.drain(..).map(key_not_found).map(Outcome::found));
        let scope = self.scope(&key);
        self.cover(chain, &scope, hour);
        let logs = parsed.document.log_files;
        VerifiedDigest { scope, key, hour, placement, logs, is_copy: false }
    }

    /// Reports why a digest is not proven. Missing keys are reported at the end, if no key of
    /// the Region is available.
    fn refused(&mut self, finding: Finding, out: &mut Vec<Outcome>) {
        if finding.kind != FindingKind::PublicKeyMissing {
            out.push(Outcome::found(finding));
        } else if self.covered.as_slice().is_empty() {
            self.unknown_keys.push(finding);
        } else {
            out.push(Outcome::found(key_not_found(finding)));
        }
    }

    /// Gives up all pending tips but one if they take too much memory together with `more`:
    /// anyone with write access can add any number of such objects.
    fn evict_pending(
        &mut self,
        chains: &mut [Chain],
        but: usize,
        more: usize,
        out: &mut Vec<Outcome>,
    ) {
        let others = self.chains.values().flatten().chain(chains.iter());
        if others.map(Chain::pending).fold(more, usize::saturating_add) <= self.pending_limit {
            return;
        }
        let mut chains_by_name = std::mem::take(&mut self.chains);
        let here = chains.iter_mut().enumerate().filter(|(at, _)| *at != but);
        for chain in chains_by_name.values_mut().flatten().chain(here.map(|(_, chain)| chain)) {
            self.prove_pending(chain, Err(TOO_MANY_PENDING), out);
        }
        self.chains = chains_by_name;
    }

    /// Verifies a pending tip with the signature that its successor records, or reports why
    /// there is none.
    fn prove_pending(
        &mut self,
        chain: &mut Chain,
        recorded: Result<&str, &str>,
        out: &mut Vec<Outcome>,
    ) {
        if !matches!(chain.tip.state, TipState::Pending(..)) {
            return;
        }
        let proven_until = chain.summary.proven_until();
        let broken = TipState::Broken { proven_until, digests: 1 };
        let TipState::Pending(pending) = std::mem::replace(&mut chain.tip.state, broken) else {
            return;
        };
        let PendingTip { parsed, mut places } = *pending;
        let Some((key, placement)) = places.pop() else { return };
        let checked = match recorded {
            Ok(signature) => self.check_signature(&key, &parsed, signature),
            Err(why) => {
                let travels = self.config.metadata_travels;
                let severity = if travels { Severity::Broken } else { Severity::Incomplete };
                let lost = self
                    .at(FindingKind::SignatureMissing, &key)
                    .with_mismatch("metadata `signature` and `signature-algorithm`", why)
                    .with_period(parsed.start, parsed.end)
                    .with_severity(severity);
                Err(Box::new(lost))
            }
        };
        let provenance = match checked {
            Ok(provenance) => provenance,
            Err(finding) => {
                self.refused(*finding, out);
                return;
            }
        };
        chain.summary.through_successor += 1;
        chain.tip.state = TipState::Proven(ProvenTip::of(&parsed, None));
        let hour = Period { from: parsed.start, to: parsed.end };
        let logs = places.iter().map(|_| parsed.document.log_files.clone()).collect::<Vec<_>>();
        let digest = self.proven(chain, key, parsed, placement, provenance, out);
        out.push(Outcome::Proven(digest));
        for ((key, placement), logs) in places.into_iter().zip(logs) {
            let scope = self.scope(&key);
            chain.summary.count_copy(hour, placement);
            self.cover(chain, &scope, hour);
            let copy = VerifiedDigest { scope, key, hour, placement, logs, is_copy: true };
            out.push(Outcome::Proven(copy));
        }
    }

    /// Marks the chain's tip as broken, so that the next digest does not report it as missing.
    fn mark_broken(
        &mut self,
        chain_name: &ChainName,
        owner: Option<TrailOwner>,
        chains: &mut Vec<Chain>,
        at: Option<usize>,
        key: &ObjectKey,
        out: &mut Vec<Outcome>,
    ) {
        if let Some(chain) = at.and_then(|at| chains.get_mut(at)) {
            self.prove_pending(chain, Err(NO_SIGNATURE), out);
            let (proven_until, before) = match &chain.tip.state {
                TipState::Broken { proven_until, digests } => (*proven_until, *digests),
                _ => (Some(chain.tip.end), 0),
            };
            let state = TipState::Broken { proven_until, digests: before + 1 };
            let tip = Tip { key: key.to_string(), end: key.time(), state };
            let last = std::mem::replace(&mut chain.tip, tip);
            if matches!(last.state, TipState::Proven(_)) {
                chain.last_proven = Some(last);
            }
            chain.summary.invalid += 1;
        } else {
            let state = TipState::Broken { proven_until: None, digests: 1 };
            let tip = Tip { key: key.to_string(), end: key.time(), state };
            let mut chain = Chain::new(chain_name.clone(), owner, None, tip);
            chain.summary.invalid = 1;
            chains.push(chain);
        }
    }

    fn at(&self, kind: FindingKind, key: impl std::fmt::Display) -> Finding {
        Finding::new(kind).at(self.first().bucket.as_deref(), key)
    }

    /// The index of a root among the scopes.
    fn place(&self, root: &Root) -> Option<usize> {
        self.scopes.iter().position(|scope| scope.root == *root)
    }

    /// The scope of a key; keys without a scope are not accepted.
    fn scope(&self, key: &ObjectKey) -> Arc<ChainScope> {
        let at = self.place(key.root()).unwrap_or_default();
        Arc::clone(&self.scopes[at])
    }

    /// The scope that represents all: that of the declared root, if known.
    fn first(&self) -> &ChainScope {
        let declared = self.config.declared.as_ref().and_then(|root| self.place(root));
        &self.scopes[declared.unwrap_or_default()]
    }
}

impl Outcome {
    fn found(finding: Finding) -> Self {
        Self::Found(Box::new(finding))
    }
}

/// The finding for a missing key if other keys of its Region are available.
pub(crate) fn key_not_found(missing: Finding) -> Finding {
    let kind = FindingKind::PublicKeyNotFound;
    Finding { kind, severity: kind.severity(), ..missing }
}

/// The root of an original address.
fn original_root(key: &str) -> Option<Root> {
    key.parse().ok().map(|key: ObjectKey| key.root().clone())
}
