//! Log files that no digest lists.
//!
//! Listing and digests both come in the order of time, so what no digest has
//! claimed is known once the digests are a few hours past it: only those hours
//! are held.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, FindingKind, Severity};
use super::period::{Period, Periods};
use super::place::Lane;
use crate::archive::key::{LogClass, ObjectKey, ObjectKind};

/// How far a file's minute may lie from the hour of the digest that lists it:
/// near the border of what is covered, nothing is said.
const BORDER: SignedDuration = SignedDuration::from_mins(15);

/// A log file below its lane: time, class and unique part.
type Name = (Timestamp, LogClass, Box<str>);

/// The files that were listed and that no digest has claimed yet.
#[derive(Debug)]
pub struct Unclaimed {
    lane: Lane,
    waiting: BTreeSet<Name>,
    /// Files outside of what digests cover, by run: a period and a count.
    unproven: Vec<(Period, u64)>,
}

impl Unclaimed {
    /// No files.
    #[must_use]
    pub fn new(lane: Lane) -> Self {
        Self { lane, waiting: BTreeSet::new(), unproven: Vec::new() }
    }

    /// Takes in a file that lies in the lane.
    pub fn listed(&mut self, key: &ObjectKey) {
        self.waiting.extend(name(key));
    }

    /// Strikes a file out that a verified digest lists.
    pub fn claimed(&mut self, key: &ObjectKey) {
        if key.root() == &self.lane.root {
            name(key).map(|name| self.waiting.remove(&name));
        }
    }

    /// Decides about all files before an instant, which no later digest can
    /// claim any more.
    pub fn settle(&mut self, before: Option<Timestamp>, covered: &Periods) -> Vec<Finding> {
        let later = match before {
            Some(before) => self.waiting.split_off(&(before, LogClass::Events, "".into())),
            None => BTreeSet::new(),
        };
        let mut findings = Vec::new();
        for (time, class, unique) in std::mem::replace(&mut self.waiting, later) {
            if covered.hold(time, BORDER) {
                findings.push(self.unlisted(time, class, unique));
            } else {
                self.uncovered(time, covered);
            }
        }
        findings
    }

    /// Decides about all that is left, and tells how many files lie where no
    /// digest says anything.
    ///
    /// Files after the last digest wait for theirs and are not counted; those
    /// after `told_until` are, where another chain covers them.
    pub fn finish(
        mut self,
        covered: &Periods,
        told_until: Option<Timestamp>,
        window: Option<Period>,
    ) -> Vec<Finding> {
        let before = told_until.map(|told| told.checked_sub(BORDER).unwrap_or(told));
        let mut findings = self.settle(before, covered);
        findings.extend(self.lagging(covered));
        findings.extend(self.settle(None, covered));
        let last = covered.as_slice().last().map(|period| period.to);
        let folder = self.folder();
        for (period, files) in self.unproven {
            let waits = last.is_some_and(|last| period.from + BORDER >= last);
            let inside = window.is_none_or(|window| {
                period.within(Some(window.from), Some(window.to)).is_some()
                    || (period.from == period.to
                        && window.from <= period.from
                        && period.to <= window.to)
            });
            if waits || !inside {
                continue;
            }
            findings.push(Finding {
                objects: files,
                ..Finding::new(FindingKind::LogsUnproven)
                    .at(self.lane.bucket.as_deref(), &folder)
                    .because("a digest that covers them", format!("{files} log files and none"))
                    .over(period.from, period.to)
            });
        }
        findings
    }

    fn unlisted(&self, time: Timestamp, class: LogClass, unique: Box<str>) -> Finding {
        let Lane { bucket, root, account, region } = &self.lane;
        let kind = ObjectKind::Log { class, unique };
        let key = ObjectKey::new(root.clone(), account.clone(), region.clone(), time, kind);
        let key = key.map(|key| key.to_string()).unwrap_or_default();
        Finding::new(FindingKind::LogUnlisted)
            .at(bucket.as_deref(), key)
            .because("a digest that lists it", "none")
            .over(time, time)
    }

    /// Strikes out what another chain covers, and tells how much it is.
    fn lagging(&mut self, covered: &Periods) -> Option<Finding> {
        let held = |(time, ..): &Name| covered.hold(*time, BORDER);
        let (lagging, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(held);
        self.waiting = waiting;
        let lagging: BTreeSet<Name> = lagging;
        let (from, to) = (lagging.first()?.0, lagging.last()?.0);
        let expected = "digests that list them, which may be still to come";
        let found = format!("{} log files newer than the newest digest of a trail", lagging.len());
        Some(Finding {
            objects: lagging.len() as u64,
            ..Finding::new(FindingKind::LogsUnproven)
                .at(self.lane.bucket.as_deref(), self.folder())
                .because(expected, found)
                .over(from, to)
                .weighing(Severity::Notice)
        })
    }

    fn folder(&self) -> String {
        self.lane.root.folder(&self.lane.account, LogClass::Events.folder(), &self.lane.region)
    }

    fn uncovered(&mut self, time: Timestamp, covered: &Periods) {
        // Files within the border of what is covered belong to a neighbouring
        // digest.
        if covered.hold(time, SignedDuration::ZERO) {
            return;
        }
        let apart = |run: &Period| {
            covered.as_slice().iter().any(|period| period.from >= run.to && period.to <= time)
        };
        match self.unproven.last_mut() {
            Some((run, files)) if !apart(run) => {
                run.to = time;
                *files += 1;
            }
            _ => self.unproven.push((Period { from: time, to: time }, 1)),
        }
    }
}

fn name(key: &ObjectKey) -> Option<Name> {
    match key.kind() {
        // Whether digests list the other classes is not documented.
        ObjectKind::Log { class: LogClass::Events, unique } => {
            Some((key.time(), LogClass::Events, unique.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::key::Root;

    fn lane() -> Lane {
        Lane {
            bucket: Some("b".into()),
            root: Root::default(),
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        }
    }

    fn log(time: &str, unique: char) -> ObjectKey {
        let lane = lane();
        let kind = ObjectKind::Log {
            class: LogClass::Events,
            unique: unique.to_string().repeat(16).into(),
        };
        ObjectKey::new(lane.root, lane.account, lane.region, time.parse().unwrap(), kind).unwrap()
    }

    fn covered(from: &str, to: &str) -> Periods {
        let mut periods = Periods::default();
        periods.add(Period { from: from.parse().unwrap(), to: to.parse().unwrap() });
        periods
    }

    #[test]
    fn a_file_that_no_digest_claims_is_found() {
        let covered = covered("2026-01-01T00:00:00Z", "2026-01-01T06:00:00Z");
        let mut files = Unclaimed::new(lane());
        files.listed(&log("2026-01-01T01:30:00Z", 'a'));
        files.listed(&log("2026-01-01T01:30:00Z", 'b'));
        files.claimed(&log("2026-01-01T01:30:00Z", 'a'));
        let findings = files.settle(Some("2026-01-01T03:00:00Z".parse().unwrap()), &covered);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].kind, FindingKind::LogUnlisted);
        assert_eq!(findings[0].key, Some(log("2026-01-01T01:30:00Z", 'b').to_string()));
        assert!(files.finish(&covered, None, None).is_empty());
    }

    #[test]
    fn a_file_after_a_lagging_chain_waits_for_its_next_digest() {
        let covered = covered("2026-01-01T00:00:00Z", "2026-01-01T06:00:00Z");
        let told_until = Some("2026-01-01T03:00:00Z".parse().unwrap());
        let mut files = Unclaimed::new(lane());
        files.listed(&log("2026-01-01T02:30:00Z", 'a'));
        files.listed(&log("2026-01-01T03:30:00Z", 'b'));
        files.listed(&log("2026-01-01T05:30:00Z", 'c'));
        let findings = files.finish(&covered, told_until, None);
        let told: Vec<_> = findings.iter().map(|it| (it.kind, it.severity, it.objects)).collect();
        assert_eq!(
            told,
            [
                (FindingKind::LogUnlisted, Severity::Broken, 1),
                (FindingKind::LogsUnproven, Severity::Notice, 2)
            ]
        );
        assert_eq!(findings[0].key, Some(log("2026-01-01T02:30:00Z", 'a').to_string()));
    }

    #[test]
    fn files_where_no_digest_speaks_are_counted_and_the_newest_wait() {
        let covered = covered("2026-01-01T03:00:00Z", "2026-01-01T06:00:00Z");
        let mut files = Unclaimed::new(lane());
        files.listed(&log("2026-01-01T01:30:00Z", 'a'));
        files.listed(&log("2026-01-01T01:35:00Z", 'b'));
        files.listed(&log("2026-01-01T06:35:00Z", 'c'));
        let findings = files.finish(&covered, None, None);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].kind, findings[0].objects), (FindingKind::LogsUnproven, 2));
    }
}
