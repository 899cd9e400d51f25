//! Log files that no digest lists.
//!
//! Listing and digests both come in the order of time, so what no digest has
//! claimed is known once the digests are a few hours past it: only those hours
//! are held, and what follows the newest digest of a trail closely.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, FindingKind, Severity};
use super::period::{Period, Periods};
use super::place::Lane;
use crate::archive::key::{LogClass, ObjectKey, ObjectKind};

/// How far a file's minute may lie from the hour of the digest that lists it:
/// near the border of what is covered, nothing is said.
pub(in crate::archive) const BORDER: SignedDuration = SignedDuration::from_mins(15);

/// How much later than a trail's newest digest a file may be that waits for the
/// next one. A trail that wrote its last digest has no file after it, but logs are
/// moved in rounds: the next digests come with the next round, whenever that is.
const WAITS_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How far a trail may be behind another before somebody should ask why.
const BEHIND: SignedDuration = SignedDuration::from_hours(24);

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

    /// Strikes a file out that a verified digest lists, and tells whether it was
    /// there.
    pub fn claimed(&mut self, key: &ObjectKey) -> bool {
        key.root() == &self.lane.root && name(key).is_some_and(|name| self.waiting.remove(&name))
    }

    /// Decides about all files before an instant, which no later digest can
    /// claim any more. Those that follow one of the `ends` of trails wait.
    pub fn settle(
        &mut self,
        before: Timestamp,
        covered: &Periods,
        ends: &[Timestamp],
    ) -> Vec<Finding> {
        let later = self.waiting.split_off(&(before, LogClass::Events, "".into()));
        let mut findings = Vec::new();
        for (time, class, unique) in std::mem::replace(&mut self.waiting, later) {
            if !covered.hold(time, BORDER) {
                self.uncovered(time, covered);
            } else if ends.iter().any(|end| follows(time, *end)) {
                self.waiting.insert((time, class, unique));
            } else {
                findings.push(self.unlisted(time, class, unique));
            }
        }
        findings
    }

    /// Decides about all that is left, and tells how many files lie where no
    /// digest says anything.
    ///
    /// Files after the last digest wait for theirs and are not counted; those
    /// after one of the `ends` of trails are, where another chain covers them.
    pub fn finish(
        mut self,
        covered: &Periods,
        ends: &[Timestamp],
        window: Option<Period>,
    ) -> Vec<Finding> {
        let mut findings = self.settle(Timestamp::MAX, covered, ends);
        findings.extend(self.lagging(ends));
        let last = covered.as_slice().last().map(|period| period.to);
        let folder = self.folder();
        for (period, files) in self.unproven {
            let waits = last.is_some_and(|last| last.duration_since(period.from) <= BORDER);
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

    /// The finding that the files are which wait for a trail's next digest.
    fn lagging(&self, ends: &[Timestamp]) -> Option<Finding> {
        let (from, to) = (self.waiting.first()?.0, self.waiting.last()?.0);
        let newest = ends.iter().max()?;
        let files = self.waiting.len();
        let soon = |(time, ..): &Name| {
            ends.iter().any(|end| follows(*time, *end) && newest.duration_since(*end) <= BEHIND)
        };
        let severity =
            if self.waiting.iter().all(soon) { Severity::Notice } else { Severity::Incomplete };
        let expected = "digests that list them, which the next consolidation may bring";
        let found = format!("{files} log files newer than the newest digest of a trail");
        Some(Finding {
            objects: files as u64,
            ..Finding::new(FindingKind::LogsUnproven)
                .at(self.lane.bucket.as_deref(), self.folder())
                .because(expected, found)
                .over(from, to)
                .weighing(severity)
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

/// Whether a file may be of the digest after a trail's newest one.
fn follows(time: Timestamp, end: Timestamp) -> bool {
    let after = time.duration_since(end);
    -BORDER < after && after <= WAITS_FOR
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

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_file_that_no_digest_claims_is_found() {
        let covered = covered("2026-01-01T00:00:00Z", "2026-01-01T06:00:00Z");
        let ends = [at("2026-01-01T06:00:00Z")];
        let mut files = Unclaimed::new(lane());
        files.listed(&log("2026-01-01T01:30:00Z", 'a'));
        files.listed(&log("2026-01-01T01:30:00Z", 'b'));
        files.claimed(&log("2026-01-01T01:30:00Z", 'a'));
        let findings = files.settle(at("2026-01-01T03:00:00Z"), &covered, &ends);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].kind, FindingKind::LogUnlisted);
        assert_eq!(findings[0].key, Some(log("2026-01-01T01:30:00Z", 'b').to_string()));
        assert!(files.finish(&covered, &ends, None).is_empty());
    }

    /// What is said of files at some hours, where one trail reaches to
    /// 2026-01-01T03:00 and another to the hour given.
    fn told(newest: &str, hours: &[&str]) -> Vec<(FindingKind, Severity, u64)> {
        let covered = covered("2026-01-01T00:00:00Z", newest);
        let ends = [at("2026-01-01T03:00:00Z"), at(newest)];
        let mut files = Unclaimed::new(lane());
        for hour in hours {
            files.listed(&log(hour, 'a'));
        }
        let mut findings = files.settle(at("2026-01-02T00:00:00Z"), &covered, &ends);
        findings.extend(files.finish(&covered, &ends, None));
        findings.iter().map(|it| (it.kind, it.severity, it.objects)).collect()
    }

    #[test]
    fn a_file_after_a_lagging_chain_waits_for_its_next_digest() {
        let hours = ["2026-01-01T02:30:00Z", "2026-01-01T03:30:00Z", "2026-01-01T05:30:00Z"];
        assert_eq!(
            told("2026-01-01T06:00:00Z", &hours),
            [
                (FindingKind::LogUnlisted, Severity::Broken, 1),
                (FindingKind::LogsUnproven, Severity::Notice, 2)
            ]
        );
    }

    #[test]
    fn a_trail_that_stays_behind_makes_its_newest_files_unproven_and_not_foreign() {
        let waiting = ["2026-01-01T03:30:00Z", "2026-01-02T02:30:00Z"];
        let unproven = (FindingKind::LogsUnproven, Severity::Incomplete, 2);
        assert_eq!(told("2026-01-09T00:00:00Z", &waiting), [unproven]);
        let foreign = (FindingKind::LogUnlisted, Severity::Broken, 1);
        let later = "2026-01-02T03:30:00Z";
        assert_eq!(told("2026-01-09T00:00:00Z", &[later]), [foreign]);
        assert_eq!(told("2026-01-09T00:00:00Z", &[waiting[0], later]).len(), 2);
    }

    #[test]
    fn a_late_digest_still_claims_a_file_that_waited() {
        let covered = covered("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
        let mut files = Unclaimed::new(lane());
        let file = log("2026-01-01T03:30:00Z", 'a');
        files.listed(&file);
        let ends = [at("2026-01-01T03:00:00Z"), at("2026-01-03T00:00:00Z")];
        assert!(files.settle(at("2026-01-02T21:00:00Z"), &covered, &ends).is_empty());
        files.claimed(&file);
        assert!(files.finish(&covered, &ends, None).is_empty());
    }

    #[test]
    fn a_file_in_a_gap_of_its_trail_is_found_once_the_trail_goes_on() {
        let covered = covered("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
        let mut files = Unclaimed::new(lane());
        files.listed(&log("2026-01-01T03:30:00Z", 'a'));
        let before = [at("2026-01-01T03:00:00Z"), at("2026-01-03T00:00:00Z")];
        assert!(files.settle(at("2026-01-02T21:00:00Z"), &covered, &before).is_empty());
        let after = [at("2026-01-03T00:00:00Z"), at("2026-01-03T00:00:00Z")];
        let findings = files.finish(&covered, &after, None);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].kind, FindingKind::LogUnlisted);
    }

    #[test]
    fn files_where_no_digest_speaks_are_counted_and_the_newest_wait() {
        let covered = covered("2026-01-01T03:00:00Z", "2026-01-01T06:00:00Z");
        let mut files = Unclaimed::new(lane());
        files.listed(&log("2026-01-01T01:30:00Z", 'a'));
        files.listed(&log("2026-01-01T01:35:00Z", 'b'));
        files.listed(&log("2026-01-01T06:35:00Z", 'c'));
        let findings = files.finish(&covered, &[at("2026-01-01T06:00:00Z")], None);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].kind, findings[0].objects), (FindingKind::LogsUnproven, 2));
    }

    #[test]
    fn a_file_at_the_end_of_time_does_no_harm() {
        let covered = covered("2026-01-01T03:00:00Z", "2026-01-01T06:00:00Z");
        let mut files = Unclaimed::new(lane());
        files.listed(&log("9999-12-30T21:59:00Z", 'a'));
        assert!(files.finish(&covered, &[at("2026-01-01T06:00:00Z")], None).is_empty());
    }
}
