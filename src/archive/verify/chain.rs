//! The chain verifier: digests of one account and Region go in, in the order of
//! their hours; verified digests and findings come out.
//!
//! Pure: it fetches nothing, and holds one digest per chain.

mod authenticity;
mod border;
mod end;
mod link;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use self::authenticity::{Verdict, Vouched};
pub use self::border::Border;
pub(crate) use self::end::Absent;
pub use self::end::{ChainSummary, DELIVERED_WITHIN, LaneSummary, LatestDelivery};
use super::digest::ListedLog;
use super::finding::{Finding, FindingKind, Severity};
use super::log_file::LogClaim;
use super::opened::{DigestFault, FetchedDigest, OpenedDigest};
use super::period::{Period, Periods};
use super::place::{Family, Lane, Located, OrgOwner};
use super::public_keys::PublicKeySet;
use crate::archive::key::{ObjectKey, Root};

/// How much memory digests of a lane may take that wait for a successor to prove
/// them, beyond the newest: some 100,000 listed log files. Units: bytes.
const PENDING_LIMIT: usize = 64 << 20;

/// What is found of a lost signature, and why no successor can tell it any more.
const NO_SIGNATURE: &str = "none";
const TOO_MANY_PENDING: &str =
    "none, nor a successor before too many others without a signature overlapped it";

/// What is asked: from when to when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Window {
    /// Digests whose hours end earlier are not looked at.
    pub since: Option<Timestamp>,
    /// What must be proven up to; `None` leaves the chains' ends unchecked.
    pub until: Option<Timestamp>,
    /// Digests whose hours end later are not looked at.
    pub last: Option<Timestamp>,
}

/// What holds for every digest of a run.
#[derive(Debug, Clone)]
pub struct Rules {
    /// From when to when.
    pub window: Window,
    /// The public keys that are vouched for.
    pub keys: Arc<PublicKeySet>,
    /// Keys that nobody vouches for, asked where none of `keys` is found.
    pub saved_keys: Arc<PublicKeySet>,
    /// The root that consolidation relocates to, where it is known.
    pub declared: Option<Root>,
    /// Whether `keys` are all that AWS published; where they could not be read,
    /// a key that is not at hand says nothing.
    pub keys_complete: bool,
    /// Whose the trails of the organization are, where it is known.
    pub org_owner: Option<OrgOwner>,
    /// Whether the source keeps object metadata: a plain copy of files does not.
    pub metadata_travels: bool,
}

/// A digest that CloudTrail signed, found where it belongs.
///
/// Only the verifier makes these.
#[derive(Debug, Clone)]
pub struct VerifiedDigest {
    lane: Arc<Lane>,
    key: ObjectKey,
    hour: Period,
    located: Located,
    logs: Vec<ListedLog>,
}

/// What a digest led to.
#[derive(Debug)]
pub enum Outcome {
    /// It is proven.
    Proven(VerifiedDigest),
    /// Something is to be said.
    Found(Box<Finding>),
}

/// The state of all chains of one account and Region.
#[derive(Debug)]
pub struct ChainVerifier {
    lane: Arc<Lane>,
    rules: Rules,
    chains: BTreeMap<Family, Vec<Chain>>,
    /// All hours that verified digests cover.
    covered: Periods,
    /// Where chains came from other buckets or prefixes.
    came_from: Vec<Border>,
    /// What the chain here must reach.
    border: Option<Border>,
    /// See [`PENDING_LIMIT`].
    pending_limit: usize,
}

/// One chain up to where it has been followed.
#[derive(Debug)]
struct Chain {
    summary: ChainSummary,
    /// The root that its digests were written under.
    original_root: Option<Root>,
    tip: Tip,
    /// The last proven digest, while the tip is none: a foreign object must not
    /// hide what the next digest links to.
    sound_before: Option<Tip>,
}

/// The last digest of a chain so far.
#[derive(Debug)]
struct Tip {
    /// The key at which it lies.
    key: String,
    end: Timestamp,
    state: TipState,
}

#[derive(Debug)]
enum TipState {
    /// It is proven: what the next digest must record.
    Sound(Sound),
    /// Its signature is lost; the next digest may record it.
    Pending(Box<OpenedDigest>, ObjectKey, Located),
    /// It is no proof. `sound_until` is where the proof before it ends, and
    /// `digests` how many such there are in a row.
    Broken { sound_until: Option<Timestamp>, digests: i64 },
}

#[derive(Debug)]
struct Sound {
    bucket: String,
    original: String,
    sha256: String,
    /// `None` where it was proven through its successor.
    signature: Option<String>,
}

impl VerifiedDigest {
    /// Where it lies.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// The account and Region it belongs to.
    #[must_use]
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// The time it covers.
    #[must_use]
    pub fn hour(&self) -> Period {
        self.hour
    }

    /// Whether it lies where CloudTrail wrote it.
    #[must_use]
    pub fn located(&self) -> Located {
        self.located
    }

    /// What it says about the log files of its hour.
    pub fn claims(&self) -> impl Iterator<Item = LogClaim> {
        self.logs.iter().map(|log| LogClaim::new(self, log))
    }
}

impl ChainVerifier {
    /// A verifier that has seen nothing yet.
    #[must_use]
    pub fn new(lane: Arc<Lane>, rules: Rules) -> Self {
        Self {
            lane,
            rules,
            chains: BTreeMap::new(),
            covered: Periods::default(),
            came_from: Vec::new(),
            border: None,
            pending_limit: PENDING_LIMIT,
        }
    }

    /// All hours that verified digests cover so far.
    #[must_use]
    pub fn covered(&self) -> &Periods {
        &self.covered
    }

    /// Takes the next digest. Digests must come in the order of their keys'
    /// times.
    pub fn accept(&mut self, fetched: FetchedDigest, out: &mut Vec<Outcome>) {
        let Some(family) = Family::of(&fetched.key) else { return };
        let mut chains = self.chains.remove(&family).unwrap_or_default();
        match fetched.content {
            Ok(opened) => self.follow(&family, &mut chains, fetched.key, opened, out),
            Err(fault) => {
                let (kind, expected) = match fault {
                    DigestFault::Unreadable(_) => (FindingKind::Unreadable, "a digest"),
                    _ => (FindingKind::DigestFormat, "a digest as CloudTrail writes it"),
                };
                let finding = self.at(kind, &fetched.key).because(expected, fault);
                out.push(Outcome::found(finding));
                let only = (chains.len() == 1).then_some(0);
                self.break_off(&family, &mut chains, only, &fetched.key, out);
            }
        }
        self.chains.insert(family, chains);
    }

    fn follow(
        &mut self,
        family: &Family,
        chains: &mut Vec<Chain>,
        key: ObjectKey,
        opened: OpenedDigest,
        out: &mut Vec<Outcome>,
    ) {
        let document = &opened.document;
        let located = self.lane.locate(
            &key,
            &document.digest_s3_bucket,
            &document.digest_s3_object,
            self.rules.declared.as_ref(),
        );
        let previous = opened.previous().map(|(_, original)| {
            let address = |located| self.lane.current_address(located, original);
            // What was written elsewhere may have been brought here since.
            let brought = address(Located::Relocated);
            let is_brought = chains.iter().any(|chain| chain.ends_at(&brought));
            if is_brought { brought } else { address(located.unwrap_or(Located::InPlace)) }
        });
        let linked = previous
            .as_ref()
            .and_then(|previous| chains.iter().position(|chain| chain.ends_at(previous)));

        // Whatever else is wrong with this digest: a signature that verifies is
        // a proof wherever it was found.
        if let (Some(at), Some(signature)) = (linked, &document.previous_digest_signature)
            && previous.as_ref() == Some(&chains[at].tip.key)
        {
            self.prove_pending(&mut chains[at], Ok(signature), out);
        }

        match self.authenticate(&key, &opened, located) {
            Verdict::Refused(finding) => {
                out.push(Outcome::found(*finding));
                let at = linked.or((chains.len() == 1).then_some(0));
                self.break_off(family, chains, at, &key, out);
            }
            Verdict::Authentic(located, vouched) => {
                if let (Some(at), Some(previous)) = (linked, &previous) {
                    chains[at].back_to(previous);
                }
                let at = self.link(family, chains, &key, &opened, located, linked, out);
                let chain = &mut chains[at];
                let state = TipState::Sound(Sound::of(&opened, opened.signature.clone()));
                chain.advance(Tip { key: key.to_string(), end: opened.end, state });
                out.push(Outcome::Proven(self.proven(chain, key, opened, located, vouched)));
            }
            Verdict::Unsigned(located) => {
                if let (Some(at), Some(previous)) = (linked, &previous) {
                    chains[at].back_to(previous);
                }
                let at = self.link(family, chains, &key, &opened, located, linked, out);
                self.make_room(chains, at, opened.memory, out);
                let (name, end) = (key.to_string(), opened.end);
                let state = TipState::Pending(Box::new(opened), key, located);
                chains[at].advance(Tip { key: name, end, state });
            }
        }
    }

    /// Counts a digest in and hands it out.
    fn proven(
        &mut self,
        chain: &mut Chain,
        key: ObjectKey,
        opened: OpenedDigest,
        located: Located,
        vouched: Vouched,
    ) -> VerifiedDigest {
        let hour = Period { from: opened.start, to: opened.end };
        self.covered.add(hour);
        chain.summary.count(hour, located);
        if vouched == Vouched::No {
            chain.summary.count_saved_key(hour);
        }
        let logs = opened.document.log_files;
        VerifiedDigest { lane: Arc::clone(&self.lane), key, hour, located, logs }
    }

    /// Decides about all tips but one whose signatures are lost, where they take
    /// too much memory with what that one is to hold: anybody can put any number of
    /// objects there that pass for such.
    fn make_room(&mut self, chains: &mut [Chain], but: usize, more: usize, out: &mut Vec<Outcome>) {
        let others = self.chains.values().flatten().chain(chains.iter());
        if others.map(Chain::pending).fold(more, usize::saturating_add) <= self.pending_limit {
            return;
        }
        let mut families = std::mem::take(&mut self.chains);
        let here = chains.iter_mut().enumerate().filter(|(at, _)| *at != but);
        for chain in families.values_mut().flatten().chain(here.map(|(_, chain)| chain)) {
            self.prove_pending(chain, Err(TOO_MANY_PENDING), out);
        }
        self.chains = families;
    }

    /// Decides about a tip whose signature is lost, with the one that its
    /// successor records, or with why there is none.
    fn prove_pending(
        &mut self,
        chain: &mut Chain,
        recorded: Result<&str, &str>,
        out: &mut Vec<Outcome>,
    ) {
        if !matches!(chain.tip.state, TipState::Pending(..)) {
            return;
        }
        let sound_until = chain.summary.proven_until();
        let broken = TipState::Broken { sound_until, digests: 1 };
        let TipState::Pending(opened, key, located) =
            std::mem::replace(&mut chain.tip.state, broken)
        else {
            return;
        };
        let checked = match recorded {
            Ok(signature) => self.check_signature(&key, &opened, signature),
            Err(why) => {
                let travels = self.rules.metadata_travels;
                let severity = if travels { Severity::Broken } else { Severity::Incomplete };
                let lost = self
                    .at(FindingKind::SignatureMissing, &key)
                    .because("metadata `signature` and `signature-algorithm`", why)
                    .over(opened.start, opened.end)
                    .weighing(severity);
                Err(Box::new(lost))
            }
        };
        let vouched = match checked {
            Ok(vouched) => vouched,
            Err(finding) => {
                out.push(Outcome::found(*finding));
                return;
            }
        };
        chain.summary.through_successor += 1;
        chain.tip.state = TipState::Sound(Sound::of(&opened, None));
        out.push(Outcome::Proven(self.proven(chain, key, *opened, located, vouched)));
    }

    /// Notes that a digest proves nothing, so that the digest after it is not
    /// said to miss it.
    fn break_off(
        &mut self,
        family: &Family,
        chains: &mut Vec<Chain>,
        at: Option<usize>,
        key: &ObjectKey,
        out: &mut Vec<Outcome>,
    ) {
        if let Some(chain) = at.and_then(|at| chains.get_mut(at)) {
            self.prove_pending(chain, Err(NO_SIGNATURE), out);
            let (sound_until, before) = match &chain.tip.state {
                TipState::Broken { sound_until, digests } => (*sound_until, *digests),
                _ => (Some(chain.tip.end), 0),
            };
            let state = TipState::Broken { sound_until, digests: before + 1 };
            let tip = Tip { key: key.to_string(), end: key.time(), state };
            let last = std::mem::replace(&mut chain.tip, tip);
            if matches!(last.state, TipState::Sound(_)) {
                chain.sound_before = Some(last);
            }
            chain.summary.invalid += 1;
        } else {
            let state = TipState::Broken { sound_until: None, digests: 1 };
            let tip = Tip { key: key.to_string(), end: key.time(), state };
            let mut summary = ChainSummary::new(family.clone());
            summary.invalid = 1;
            chains.push(Chain { summary, original_root: None, tip, sound_before: None });
        }
    }

    fn at(&self, kind: FindingKind, key: impl std::fmt::Display) -> Finding {
        Finding::new(kind).at(self.lane.bucket.as_deref(), key)
    }
}

impl Chain {
    /// Whether the chain's last digest, or its last proven one, lies at a key.
    fn ends_at(&self, key: &str) -> bool {
        self.tip.key == key || self.sound_before.as_ref().is_some_and(|sound| sound.key == key)
    }

    /// What the tip takes while it waits for a successor. Units: bytes.
    fn pending(&self) -> usize {
        match &self.tip.state {
            TipState::Pending(opened, ..) => opened.memory,
            TipState::Sound(_) | TipState::Broken { .. } => 0,
        }
    }

    /// Forgets foreign objects after the digest at a key.
    fn back_to(&mut self, key: &str) {
        if let Some(sound) = self.sound_before.take_if(|sound| sound.key == key) {
            self.tip = sound;
        }
    }

    fn advance(&mut self, tip: Tip) {
        self.tip = tip;
        self.sound_before = None;
    }
}

impl Sound {
    fn of(opened: &OpenedDigest, signature: Option<String>) -> Self {
        Self {
            bucket: opened.document.digest_s3_bucket.clone(),
            original: opened.document.digest_s3_object.clone(),
            sha256: opened.sha256.clone(),
            signature,
        }
    }
}

impl Outcome {
    fn found(finding: Finding) -> Self {
        Self::Found(Box::new(finding))
    }
}
