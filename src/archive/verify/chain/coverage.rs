//! Which trails cover the events of other trails.
//!
//! A trail's digests prove that everything it delivered is here. They prove the same for
//! another trail only if the trail records at least as much.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Chain, ChainName, ChainSummary, ChainVerifier, Periods, TrailOwner};
use crate::names::{OrgId, Region, TrailName};

/// The declared organization trail: its digests cover those of all other trails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredTrail {
    /// Its name.
    pub name: TrailName,
    /// The Region in which it was created.
    pub home_region: Region,
    /// The organization.
    pub org: OrgId,
}

/// A trail, identified by its digests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrailId {
    pub(crate) trail: TrailName,
    pub(crate) home_region: Region,
    pub(crate) owner: Option<TrailOwner>,
}

/// A trail with proven digests.
#[derive(Debug, Clone)]
pub(crate) struct ProvenTrail {
    pub(crate) id: TrailId,
    /// The time from which another trail must cover it; `None` if none has to.
    pub(crate) uncovered_since: Option<Timestamp>,
}

/// What is known about the events that trails record.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    pub(crate) declared: Option<DeclaredTrail>,
    /// Whether the first trail records at least as much as the second, or why that is unknown.
    pub(crate) pairs: BTreeMap<(TrailId, TrailId), Result<(), String>>,
}

impl TrailId {
    fn of(summary: &ChainSummary, owner: Option<TrailOwner>) -> Self {
        let ChainName { trail, home_region, .. } = summary.chain_name.clone();
        Self { trail, home_region, owner }
    }
}

impl DeclaredTrail {
    /// Whether this trail wrote a chain.
    pub(crate) fn wrote(&self, summary: &ChainSummary) -> bool {
        summary.chain_name.trail == self.name
            && summary.chain_name.home_region == self.home_region
            && summary.owners.contains(&TrailOwner::Organization(self.org.clone()))
    }
}

impl Coverage {
    /// Whether digests of `one` cover those of `other`, or why that is unknown.
    fn covers_trail(&self, one: &Chain, other: &Chain) -> Result<(), String> {
        if is_same_trail(&one.summary, &other.summary) {
            return Ok(());
        }
        if self.declared.as_ref().is_some_and(|declared| declared.wrote(&one.summary)) {
            return Ok(());
        }
        let id = |chain: &Chain| TrailId::of(&chain.summary, chain.owner.clone());
        let known = self.pairs.get(&(id(one), id(other)));
        known.cloned().unwrap_or_else(|| {
            Err(format!("it is not known what the trail {} recorded then", one.summary.trail))
        })
    }

    /// The periods that other trails cover for a chain, and why further trails do not.
    pub(super) fn of(&self, chain: &Chain, all: &[Chain]) -> (Periods, Vec<String>) {
        let (mut covering, mut reasons) = (Periods::default(), Vec::new());
        for other in all.iter().filter(|other| !other.summary.covered.as_slice().is_empty()) {
            match self.covers_trail(other, chain) {
                Ok(()) => {
                    other.summary.covered.as_slice().iter().for_each(|one| covering.add(*one));
                }
                Err(why) if !reasons.contains(&why) => reasons.push(why),
                Err(_) => {}
            }
        }
        (covering, reasons)
    }
}

fn is_same_trail(one: &ChainSummary, other: &ChainSummary) -> bool {
    one.chain_name.trail == other.chain_name.trail
        && one.chain_name.home_region == other.chain_name.home_region
        && (one.owners.is_empty()
            || other.owners.is_empty()
            || one.owners.intersection(&other.owners).next().is_some())
}

impl ChainVerifier {
    /// The trails with proven digests, each once.
    pub(crate) fn trails(&self) -> Vec<ProvenTrail> {
        let mut trails = BTreeMap::<TrailId, Option<Timestamp>>::new();
        for chain in self.chains.values().flatten() {
            let Some(end) = chain.summary.proven_until() else { continue };
            let open = self.config.window.until.is_some_and(|until| until > end).then_some(end);
            let gaps = chain.summary.gaps.iter().map(|(gap, _)| gap.from);
            let missed = gaps.chain(open).min();
            let known = trails.entry(TrailId::of(&chain.summary, chain.owner.clone())).or_default();
            *known = [*known, missed].into_iter().flatten().min();
        }
        let here = trails.into_iter();
        here.map(|(id, uncovered_since)| ProvenTrail { id, uncovered_since }).collect()
    }
}
