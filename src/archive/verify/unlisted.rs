//! Log files that no digest lists.
//!
//! Listings and digests are both in order of time, so a file is unlisted once the digests
//! are a few hours past it. Only these hours are kept in memory, and files that closely
//! follow the newest digest of a trail.
//!
//! **Invariant**: every file in the window is listed by a verified digest, or is a finding
//! that is at least incomplete. Only files after the window's end have no finding while they
//! wait for their digest.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::chain::Window;
use super::finding::{Finding, FindingKind};
use super::period::{Period, Periods};
use super::place::ChainScope;
use crate::archive::key::{LogClass, ObjectKey, ObjectKind};

/// How far a file's time may be outside the hour of the digest that lists it: near the ends
/// of the covered periods, a file is unproven, not unlisted.
pub(crate) const HOUR_MARGIN: SignedDuration = SignedDuration::from_mins(15);

/// How much later than a trail's newest digest a file may be to wait for the next digest.
/// Logs are consolidated in rounds, so the next digests arrive with the next round.
const MAX_DIGEST_LAG: SignedDuration = SignedDuration::from_hours(24);
/// A window that is open at its end ends some hours before now: a file this much later is
/// dated in the future and waits for no digest.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(3);
/// The maximum number of unlisted files per folder with their own finding.
const MAX_SINGLE_FINDINGS: u64 = 1000;
/// The maximum number of files that a finding lists.
pub(in crate::archive::verify) const MAX_NAMED: usize = 100;

/// A log file below its folder: time and unique part.
type Name = (Timestamp, Box<str>);

/// The listed files that no digest has claimed yet.
#[derive(Debug)]
pub struct Unclaimed {
    scope: ChainScope,
    class: LogClass,
    window: Window,
    waiting: BTreeSet<Name>,
    /// Files outside the covered periods, in runs.
    unproven: Vec<FileRun>,
    /// The number of unlisted files with their own finding.
    reported: u64,
    /// Further unlisted files.
    unreported: Option<FileRun>,
}

/// A run of consecutive files.
#[derive(Debug)]
struct FileRun {
    period: Period,
    files: u64,
    /// The first ones.
    names: Vec<String>,
}

impl FileRun {
    fn new(time: Timestamp) -> Self {
        Self { period: Period { from: time, to: time }, files: 0, names: Vec::new() }
    }

    fn add(&mut self, time: Timestamp, name: String) {
        self.period.to = time;
        self.files += 1;
        if self.names.len() < MAX_NAMED {
            self.names.push(name);
        }
    }
}

/// Whether a time is in the window; newer files wait for their digests.
#[must_use]
pub(super) fn is_in_window(window: Window, time: Timestamp) -> bool {
    let ahead = |until: Timestamp| until.checked_add(CLOCK_TOLERANCE).unwrap_or(until);
    window.since.is_none_or(|since| time >= since)
        && window
            .until
            .is_none_or(|until| time <= until || (window.last.is_none() && time > ahead(until)))
}

impl Unclaimed {
    /// No files.
    #[must_use]
    pub fn new(scope: ChainScope, class: LogClass, window: Window) -> Self {
        Self {
            scope,
            class,
            window,
            waiting: BTreeSet::new(),
            unproven: Vec::new(),
            reported: 0,
            unreported: None,
        }
    }

    /// Adds a file of the scope.
    pub fn listed(&mut self, key: &ObjectKey) {
        let name = self.name(key);
        self.waiting.extend(name);
    }

    /// Removes a file that a verified digest lists; returns whether it was present.
    pub fn claimed(&mut self, key: &ObjectKey) -> bool {
        key.root() == &self.scope.root
            && self.name(key).is_some_and(|name| self.waiting.remove(&name))
    }

    /// Classifies all files before an instant, which later digests cannot list. Files that
    /// follow one of the `ends` of trails wait.
    pub fn classify_before(
        &mut self,
        before: Timestamp,
        covered: &Periods,
        ends: &[Timestamp],
    ) -> Vec<Finding> {
        let later = self.waiting.split_off(&(before, "".into()));
        let mut findings = Vec::new();
        for (time, unique) in std::mem::replace(&mut self.waiting, later) {
            // It is not documented whether digests list the other classes.
            if self.class != LogClass::Events || !covered.contains(time, HOUR_MARGIN) {
                self.uncovered(time, unique, covered);
            } else if ends.iter().any(|end| follows(time, *end)) {
                self.waiting.insert((time, unique));
            } else {
                findings.extend(self.unlisted(time, unique));
            }
        }
        findings
    }

    /// Classifies the remaining files.
    ///
    /// Files after the window's end wait for their digests and are not counted; files after one
    /// of the `ends` of trails are counted if another chain covers them.
    pub fn finish(mut self, covered: &Periods, ends: &[Timestamp]) -> Vec<Finding> {
        let mut findings = self.classify_before(Timestamp::MAX, covered, ends);
        findings.extend(self.lagging());
        let folder = self.folder();
        let bucket = self.scope.bucket.as_deref();
        for FileRun { period, files, names } in self.unproven {
            findings.push(
                Finding::new(FindingKind::LogsUnproven)
                    .at(bucket, &folder)
                    .with_mismatch(
                        "a digest that lists them",
                        format!("{} and none", counted(files)),
                    )
                    .with_period(period.from, period.to)
                    .with_files(files, names),
            );
        }
        findings.extend(self.unreported.map(|FileRun { period, files, names }| {
            Finding::new(FindingKind::LogUnlisted)
                .at(bucket, &folder)
                .with_mismatch(
                    "digests that list them",
                    format!("{} more, and none", counted(files)),
                )
                .with_period(period.from, period.to)
                .with_files(files, names)
        }));
        findings
    }

    fn unlisted(&mut self, time: Timestamp, unique: Box<str>) -> Option<Finding> {
        let key = self.key(time, unique);
        if self.reported >= MAX_SINGLE_FINDINGS {
            self.unreported.get_or_insert_with(|| FileRun::new(time)).add(time, key);
            return None;
        }
        self.reported += 1;
        let finding = Finding::new(FindingKind::LogUnlisted).at(self.scope.bucket.as_deref(), key);
        Some(finding.with_mismatch("a digest that lists it", "none").with_period(time, time))
    }

    /// The finding for files that wait for a trail's next digest.
    fn lagging(&mut self) -> Option<Finding> {
        let mut run: Option<FileRun> = None;
        for (time, unique) in std::mem::take(&mut self.waiting) {
            if is_in_window(self.window, time) {
                let key = self.key(time, unique);
                run.get_or_insert_with(|| FileRun::new(time)).add(time, key);
            }
        }
        let FileRun { period, files, names } = run?;
        let found = format!("{} newer than the newest digest of their trail", counted(files));
        let expected = "digests that list them, which the next consolidation may copy";
        Some(
            Finding::new(FindingKind::LogsUnproven)
                .at(self.scope.bucket.as_deref(), self.folder())
                .with_mismatch(expected, found)
                .with_period(period.from, period.to)
                .with_files(files, names),
        )
    }

    fn folder(&self) -> String {
        self.scope.root.folder(&self.scope.account, self.class.folder(), &self.scope.region)
    }

    fn key(&self, time: Timestamp, unique: Box<str>) -> String {
        let ChainScope { root, account, region, .. } = &self.scope;
        let kind = ObjectKind::Log { class: self.class, unique };
        let key = ObjectKey::new(root.clone(), account.clone(), region.clone(), time, kind);
        key.map(|key| key.to_string()).unwrap_or_default()
    }

    fn uncovered(&mut self, time: Timestamp, unique: Box<str>, covered: &Periods) {
        if !is_in_window(self.window, time) {
            return;
        }
        let is_separate = |run: &FileRun| {
            let between = |period: &Period| period.from >= run.period.to && period.to <= time;
            covered.as_slice().iter().any(between)
        };
        let key = self.key(time, unique);
        match self.unproven.last_mut() {
            Some(run) if !is_separate(run) => run.add(time, key),
            _ => {
                let mut run = FileRun::new(time);
                run.add(time, key);
                self.unproven.push(run);
            }
        }
    }

    fn name(&self, key: &ObjectKey) -> Option<Name> {
        match key.kind() {
            ObjectKind::Log { class, unique } if *class == self.class => {
                Some((key.time(), unique.clone()))
            }
            _ => None,
        }
    }
}

fn counted(files: u64) -> String {
    format!("{files} log file{}", if files == 1 { "" } else { "s" })
}

/// Whether the digest after a trail's newest one may list a file.
fn follows(time: Timestamp, end: Timestamp) -> bool {
    let after = time.duration_since(end);
    -HOUR_MARGIN < after && after <= MAX_DIGEST_LAG
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::key::Root;
    use crate::archive::verify::finding::Severity;

    fn scope() -> ChainScope {
        ChainScope {
            bucket: Some("b".into()),
            root: Root::default(),
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        }
    }

    fn files_in(window: Window) -> Unclaimed {
        Unclaimed::new(scope(), LogClass::Events, window)
    }

    fn log(time: &str, unique: char) -> ObjectKey {
        let scope = scope();
        let kind = ObjectKind::Log {
            class: LogClass::Events,
            unique: unique.to_string().repeat(16).into(),
        };
        ObjectKey::new(scope.root, scope.account, scope.region, time.parse().unwrap(), kind)
            .unwrap()
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
        let mut files = files_in(Window::default());
        files.listed(&log("2026-01-01T01:30:00Z", 'a'));
        files.listed(&log("2026-01-01T01:30:00Z", 'b'));
        files.claimed(&log("2026-01-01T01:30:00Z", 'a'));
        let findings = files.classify_before(at("2026-01-01T03:00:00Z"), &covered, &ends);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].kind, FindingKind::LogUnlisted);
        assert_eq!(findings[0].key, Some(log("2026-01-01T01:30:00Z", 'b').to_string()));
        assert!(files.finish(&covered, &ends).is_empty());
    }

    /// What is said of files at some hours, where one trail reaches to
    /// 2026-01-01T03:00 and another to the hour given.
    fn findings_for(newest: &str, hours: &[&str]) -> Vec<(FindingKind, Severity, u64)> {
        let covered = covered("2026-01-01T00:00:00Z", newest);
        let ends = [at("2026-01-01T03:00:00Z"), at(newest)];
        let mut files = files_in(Window::default());
        for hour in hours {
            files.listed(&log(hour, 'a'));
        }
        let mut findings = files.classify_before(at("2026-01-02T00:00:00Z"), &covered, &ends);
        findings.extend(files.finish(&covered, &ends));
        findings.iter().map(|it| (it.kind, it.severity, it.objects)).collect()
    }

    #[test]
    fn a_file_after_a_lagging_chain_waits_for_its_next_digest_and_is_unproven() {
        let hours = ["2026-01-01T02:30:00Z", "2026-01-01T03:30:00Z", "2026-01-01T05:30:00Z"];
        assert_eq!(
            findings_for("2026-01-01T06:00:00Z", &hours),
            [
                (FindingKind::LogUnlisted, Severity::Broken, 1),
                (FindingKind::LogsUnproven, Severity::Incomplete, 2)
            ]
        );
    }

    #[test]
    fn a_trail_that_lags_makes_its_newest_files_unproven_and_not_unlisted() {
        let waiting = ["2026-01-01T03:30:00Z", "2026-01-02T02:30:00Z"];
        let unproven = (FindingKind::LogsUnproven, Severity::Incomplete, 2);
        assert_eq!(findings_for("2026-01-09T00:00:00Z", &waiting), [unproven]);
        let foreign = (FindingKind::LogUnlisted, Severity::Broken, 1);
        let later = "2026-01-02T03:30:00Z";
        assert_eq!(findings_for("2026-01-09T00:00:00Z", &[later]), [foreign]);
        assert_eq!(findings_for("2026-01-09T00:00:00Z", &[waiting[0], later]).len(), 2);
    }

    #[test]
    fn a_late_digest_still_claims_a_file_that_waited() {
        let covered = covered("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
        let mut files = files_in(Window::default());
        let file = log("2026-01-01T03:30:00Z", 'a');
        files.listed(&file);
        let ends = [at("2026-01-01T03:00:00Z"), at("2026-01-03T00:00:00Z")];
        assert!(files.classify_before(at("2026-01-02T21:00:00Z"), &covered, &ends).is_empty());
        files.claimed(&file);
        assert!(files.finish(&covered, &ends).is_empty());
    }

    #[test]
    fn a_file_in_a_gap_of_its_trail_is_found_once_the_trail_goes_on() {
        let covered = covered("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z");
        let mut files = files_in(Window::default());
        files.listed(&log("2026-01-01T03:30:00Z", 'a'));
        let before = [at("2026-01-01T03:00:00Z"), at("2026-01-03T00:00:00Z")];
        assert!(files.classify_before(at("2026-01-02T21:00:00Z"), &covered, &before).is_empty());
        let after = [at("2026-01-03T00:00:00Z"), at("2026-01-03T00:00:00Z")];
        let findings = files.finish(&covered, &after);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].kind, FindingKind::LogUnlisted);
    }

    #[test]
    fn files_near_the_border_of_what_is_covered_are_unproven() {
        let covered = covered("2026-01-01T03:00:00Z", "2026-01-01T06:00:00Z");
        for time in ["2026-01-01T03:05:00Z", "2026-01-01T05:55:00Z", "2026-01-01T02:55:00Z"] {
            let mut files = files_in(Window::default());
            files.listed(&log(time, 'a'));
            let findings = files.finish(&covered, &[at("2026-01-01T06:00:00Z")]);
            assert_eq!(findings.len(), 1, "{time}");
            assert_eq!(findings[0].severity, Severity::Incomplete, "{time}");
            assert_eq!(findings[0].key, Some(log(time, 'a').to_string()));
        }
    }

    #[test]
    fn files_where_no_digest_speaks_are_counted_and_those_after_the_window_wait() {
        let covered = covered("2026-01-01T03:00:00Z", "2026-01-01T06:00:00Z");
        let window = Window { until: Some(at("2026-01-01T06:00:00Z")), ..Window::default() };
        let mut files = files_in(window);
        files.listed(&log("2026-01-01T01:30:00Z", 'a'));
        files.listed(&log("2026-01-01T01:35:00Z", 'b'));
        files.listed(&log("2026-01-01T06:35:00Z", 'c'));
        let ends = [at("2026-01-01T06:00:00Z")];
        let findings = files.finish(&covered, &ends);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].kind, findings[0].objects), (FindingKind::LogsUnproven, 2));
        assert_eq!(findings[0].files.len(), 2);
        // One from the future waits for nothing, and without an end all are asked for.
        for (window, time) in [
            (window, "2026-01-01T09:35:00Z"),
            (Window::default(), "2026-01-01T06:35:00Z"),
            (Window::default(), "9999-12-30T21:59:00Z"),
        ] {
            let mut files = files_in(window);
            files.listed(&log(time, 'a'));
            assert_eq!(files.finish(&covered, &ends).len(), 1, "{time}");
        }
    }

    #[test]
    fn any_number_of_unlisted_files_is_a_bounded_number_of_findings() {
        let covered = covered("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        let mut files = files_in(Window::default());
        for nth in 0..2500_i64 {
            let time = at("2026-01-02T00:00:00Z") + SignedDuration::from_mins(nth);
            files.listed(&log(&time.to_string(), 'a'));
        }
        let findings = files.finish(&covered, &[at("2026-02-01T00:00:00Z")]);
        assert_eq!(findings.len(), 1001);
        assert_eq!(findings.iter().map(|it| it.objects).sum::<u64>(), 2500);
        assert_eq!(findings[1000].files.len(), MAX_NAMED);
    }
}
