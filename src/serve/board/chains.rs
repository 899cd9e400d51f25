//! The digest chains, as several verifications together know them.
//!
//! An hourly round verifies a day, a weekly one everything. What an earlier verification
//! found before the period of a later one is still the newest knowledge about that time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::read::{Verification, VerifiedChain, VerifiedFinding};
use crate::names::{AccountId, Region};
use crate::report::contract::Period;
use crate::report::contract::verification::Severity;

/// All chains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chains {
    /// When the newest verification was made.
    pub as_of: Option<Timestamp>,
    /// The chains, by account and Region.
    pub scopes: BTreeMap<(AccountId, Region), ScopeChains>,
    /// Findings that concern no single account and Region.
    pub general: Vec<ChainFinding>,
}

/// The chains of an account in a Region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScopeChains {
    /// The trails whose digests they are; several scopes share equal ones.
    pub trails: Vec<Arc<VerifiedChain>>,
    /// The periods that are proven, in order.
    pub proven: Vec<Period>,
    /// What is not proven, and why, the most severe first. No notices.
    pub findings: Vec<ChainFinding>,
}

/// Something that verification found, which is not a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFinding {
    /// The kind of finding.
    pub kind: Arc<str>,
    /// Whether it contradicts CloudTrail, or is only not proven.
    pub is_broken: bool,
    /// What the kind means.
    pub meaning: Arc<str>,
    /// The key of the object.
    pub key: Option<String>,
    /// What was expected.
    pub expected: Option<String>,
    /// What was found.
    pub found: Option<String>,
    /// The period that it concerns.
    pub period: Option<Period>,
    /// How many objects it concerns.
    pub objects: u64,
}

/// From when on verifications know everything; they say nothing of the time before.
#[derive(Debug, Clone)]
struct Known {
    /// Of every account and Region that is not listed; `None`: of all time.
    all: Option<Timestamp>,
    /// Of those that were verified incrementally.
    of: BTreeMap<(AccountId, Region), Timestamp>,
}

impl Default for Known {
    /// Nothing is known.
    fn default() -> Self {
        Self { all: Some(Timestamp::MAX), of: BTreeMap::new() }
    }
}

impl Known {
    fn is_everything(&self) -> bool {
        self.all.is_none() && self.of.is_empty()
    }

    /// From when on everything is known of an account and Region; `None` of all time.
    fn from(&self, account: &AccountId, region: &Region) -> Option<Timestamp> {
        self.of.get(&(account.clone(), region.clone())).copied().or(self.all)
    }

    fn add(&mut self, verification: &Verification) {
        let window = verification.window.from;
        let mut of = BTreeMap::new();
        if let Some(window) = window {
            of.extend(self.of.iter().map(|(place, from)| (place.clone(), window.min(*from))));
        }
        for scope in &verification.scopes {
            let verified = scope.earlier.map(|earlier| earlier.before).or(window);
            let known = self.from(&scope.account, &scope.region);
            let place = (scope.account.clone(), scope.region.clone());
            match verified.zip(known) {
                Some((verified, known)) => of.insert(place, verified.min(known)),
                None => of.remove(&place),
            };
        }
        self.all = self.all.and_then(|known| Some(window?.min(known)));
        of.retain(|_, from| Some(*from) != self.all);
        self.of = of;
    }
}

impl ScopeChains {
    /// Whether something contradicts CloudTrail.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(|finding| finding.is_broken)
    }

    /// The end of the newest proven period.
    #[must_use]
    pub fn proven_through(&self) -> Option<Timestamp> {
        self.proven.iter().map(|period| period.to).max()
    }
}

impl Chains {
    /// What verifications know together, given the newest first.
    #[must_use]
    pub fn of(verifications: Vec<Verification>) -> Self {
        let mut chains = Self::default();
        let mut texts = Texts::default();
        let mut known = Known::default();
        for verification in verifications {
            if known.is_everything() {
                break;
            }
            chains.as_of = chains.as_of.max(Some(verification.created_at));
            let later = known.clone();
            if !verification.was_stopped {
                known.add(&verification);
            }
            chains.add(verification, &later, &mut texts);
        }
        for scope in chains.scopes.values_mut() {
            scope
                .findings
                .sort_by_key(|finding| (!finding.is_broken, finding.period.map(|it| it.from)));
            scope.findings.dedup();
            scope.proven = joined(std::mem::take(&mut scope.proven));
        }
        chains
    }

    /// Adds what a verification knows about the time of which `later` ones know nothing.
    fn add(&mut self, verification: Verification, later: &Known, texts: &mut Texts) {
        for scope in verification.scopes {
            let Some(before) = later.from(&scope.account, &scope.region) else { continue };
            let chains = self.scopes.entry((scope.account, scope.region)).or_default();
            let periods = scope.proven.into_iter().filter(|period| period.from < before);
            chains.proven.extend(periods.map(|it| Period { to: it.to.min(before), ..it }));
            for chain in scope.chains {
                if !chains.trails.iter().any(|known| **known == chain) {
                    chains.trails.push(texts.chain(chain));
                }
            }
        }
        for finding in verification.findings {
            let is_broken = finding.severity == Severity::Broken;
            let place = finding.account.as_ref().zip(finding.region.as_ref());
            let known = place.map_or(later.all, |(account, region)| later.from(account, region));
            let Some(before) = known else { continue };
            // An earlier finding without a period may still be true: it is kept if it is grave.
            let is_newest = match finding.period {
                Some(period) => period.from < before,
                None => is_broken || before == Timestamp::MAX,
            };
            if finding.severity == Severity::Notice || !is_newest {
                continue;
            }
            let VerifiedFinding { account, region, .. } = &finding;
            match (account.clone(), region.clone()) {
                (Some(account), Some(region)) => {
                    let chains = self.scopes.entry((account, region)).or_default();
                    chains.findings.push(texts.finding(finding));
                }
                _ => self.general.push(texts.finding(finding)),
            }
        }
    }
}

/// Texts that many findings share.
#[derive(Debug, Default)]
struct Texts {
    texts: BTreeMap<String, Arc<str>>,
    chains: Vec<Arc<VerifiedChain>>,
}

impl Texts {
    fn text(&mut self, text: String) -> Arc<str> {
        Arc::clone(self.texts.entry(text).or_insert_with_key(|text| text.as_str().into()))
    }

    fn chain(&mut self, chain: VerifiedChain) -> Arc<VerifiedChain> {
        // An organization trail has the same chain everywhere; there are few others.
        if let Some(known) = self.chains.iter().take(64).find(|known| ***known == chain) {
            return Arc::clone(known);
        }
        let chain = Arc::new(chain);
        self.chains.push(Arc::clone(&chain));
        chain
    }

    fn finding(&mut self, finding: VerifiedFinding) -> ChainFinding {
        let VerifiedFinding { kind, severity, meaning, key, expected, found, .. } = finding;
        ChainFinding {
            kind: self.text(kind),
            is_broken: severity == Severity::Broken,
            meaning: self.text(meaning),
            key,
            expected,
            found,
            period: finding.period,
            objects: finding.objects,
        }
    }
}

/// Periods in order, without overlaps.
fn joined(mut periods: Vec<Period>) -> Vec<Period> {
    periods.sort_unstable_by_key(|period| (period.from, period.to));
    let mut joined: Vec<Period> = Vec::with_capacity(periods.len());
    for period in periods {
        match joined.last_mut() {
            Some(last) if period.from <= last.to => last.to = last.to.max(period.to),
            _ => joined.push(period),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + hour * 3600).unwrap()
    }

    fn period(from: i64, to: i64) -> Period {
        Period { from: at(from), to: at(to) }
    }

    fn scope() -> (AccountId, Region) {
        ("111122223333".parse().unwrap(), "eu-central-1".parse().unwrap())
    }

    fn finding(severity: Severity, period: Option<Period>) -> VerifiedFinding {
        let (account, region) = scope();
        VerifiedFinding {
            kind: "digest-missing".to_owned(),
            severity,
            meaning: "a digest is missing".to_owned(),
            account: Some(account),
            region: Some(region),
            key: None,
            expected: None,
            found: None,
            period,
            objects: 1,
        }
    }

    fn verification(
        created: i64,
        from: Option<i64>,
        proven: &[(i64, i64)],
        findings: Vec<VerifiedFinding>,
    ) -> Verification {
        let (account, region) = scope();
        Verification {
            created_at: at(created),
            window: crate::report::contract::Window { from: from.map(at), to: None },
            scopes: vec![super::super::read::VerifiedScope {
                account,
                region,
                chains: Vec::new(),
                proven: proven.iter().map(|&(from, to)| period(from, to)).collect(),
                earlier: None,
            }],
            findings,
            was_stopped: false,
        }
    }

    #[test]
    fn what_was_not_verified_again_is_known_from_an_earlier_verification() {
        let old = || vec![finding(Severity::Broken, Some(period(10, 12)))];
        let whole = verification(48, None, &[(0, 10)], old());
        let mut incremental = verification(72, None, &[(48, 71)], Vec::new());
        incremental.scopes[0].earlier =
            Some(super::super::read::VerifiedEarlier { before: at(48) });
        let before = verification(24, None, &[(0, 23)], Vec::new());
        let chains = Chains::of(vec![incremental.clone(), whole, before.clone()]);
        let here = &chains.scopes[&scope()];
        assert_eq!(here.proven, [period(0, 10), period(48, 71)]);
        assert!(here.is_broken());
        // Another account is known as a whole.
        let (account, region) = ("222222222222".parse().unwrap(), scope().1);
        let mut before = before;
        before.scopes[0].account = account;
        let chains = Chains::of(vec![incremental, before]);
        assert!(!chains.scopes.contains_key(&("222222222222".parse().unwrap(), region)));
    }

    #[test]
    fn a_verification_that_was_stopped_replaces_no_earlier_one() {
        let broken = || finding(Severity::Broken, Some(period(10, 12)));
        let older = verification(48, None, &[(0, 10)], vec![broken()]);
        let newer = verification(72, None, &[], vec![broken()]);
        let newer = Verification { was_stopped: true, ..newer };
        let chains = Chains::of(vec![newer, older]);
        let scope = &chains.scopes[&scope()];
        assert_eq!(scope.proven, [period(0, 10)]);
        assert_eq!(scope.findings.len(), 1, "{:?}", scope.findings);
    }

    #[test]
    fn a_later_verification_of_a_day_keeps_what_was_found_before_that_day() {
        let older = verification(
            48,
            None,
            &[(0, 10), (12, 47)],
            vec![
                finding(Severity::Broken, Some(period(10, 12))),
                finding(Severity::Incomplete, Some(period(40, 41))),
            ],
        );
        let newer = verification(72, Some(36), &[(36, 71)], Vec::new());
        let chains = Chains::of(vec![newer, older]);
        let scope = &chains.scopes[&scope()];
        assert_eq!(scope.proven, [period(0, 10), period(12, 71)]);
        assert_eq!(scope.findings.len(), 1, "{:?}", scope.findings);
        assert_eq!(scope.findings[0].period, Some(period(10, 12)));
        assert!(scope.is_broken());
        assert_eq!((chains.as_of, scope.proven_through()), (Some(at(72)), Some(at(71))));
    }

    #[test]
    fn a_full_verification_replaces_all_earlier_ones() {
        let older = verification(48, None, &[(0, 10)], vec![finding(Severity::Broken, None)]);
        let newer = verification(72, None, &[(0, 71)], Vec::new());
        let chains = Chains::of(vec![newer, older]);
        assert_eq!(chains.scopes[&scope()].findings, []);
    }

    #[test]
    fn a_grave_finding_without_a_period_stays_until_everything_is_verified_again() {
        let older = verification(
            48,
            None,
            &[],
            vec![finding(Severity::Broken, None), finding(Severity::Incomplete, None)],
        );
        let newer = verification(72, Some(36), &[(36, 71)], Vec::new());
        let chains = Chains::of(vec![newer, older]);
        let found = &chains.scopes[&scope()].findings;
        assert!(found.len() == 1 && found[0].is_broken, "{found:?}");
    }

    #[test]
    fn notices_are_left_out() {
        let one = verification(1, None, &[], vec![finding(Severity::Notice, None)]);
        assert!(Chains::of(vec![one]).scopes[&scope()].findings.is_empty());
    }
}
