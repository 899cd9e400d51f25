use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::concerns::Certainty;
use super::detector::Detected;
use super::first_use::FirstUse;
use super::rule::Rule;
use super::table::FIRST_USE_OF_REGION;
use crate::Event;
use crate::severity::Severity;

/// Findings of one rule, principal and resource within so long of each other are one.
const JOINED: SignedDuration = SignedDuration::from_hours(1);
/// The most findings that are kept.
const MAX_FINDINGS: usize = 10_000;
/// The most events that a finding names.
const MAX_EVENTS: usize = 20;
/// The longest text of a record that is kept. Units: characters.
const MAX_TEXT: usize = 300;

/// The rule behind a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its id.
    pub id: String,
    /// What it detects.
    pub title: String,
    /// Its own severity.
    pub severity: Severity,
    /// Its techniques of MITRE ATT&CK, as `T1078.004`.
    pub techniques: Vec<String>,
    /// Why it matters.
    pub why: String,
    /// What to do; empty if the rule does not say it.
    pub fix: String,
    /// Of a Sigma rule, who wrote it and where it is.
    pub sigma: Option<SigmaSource>,
}

/// Who wrote a Sigma rule, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SigmaSource {
    /// Its author. The Detection Rule License asks for the name in every match.
    pub author: Option<String>,
    /// Its license, if it says one.
    pub license: Option<String>,
    /// Its file.
    pub file: String,
    /// Events that match although nothing is wrong, as the rule says.
    pub false_positives: Vec<String>,
    /// What the rule refers to.
    pub references: Vec<String>,
}

/// An event that a finding relies on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRef {
    /// `eventID`
    pub id: Option<String>,
    /// `eventTime`
    pub at: Option<Timestamp>,
    /// `eventSource`
    pub source: Option<String>,
    /// `eventName`
    pub name: Option<String>,
    /// The account that it was recorded for.
    pub account: Option<String>,
    /// `awsRegion`
    pub region: Option<String>,
    /// Who acted.
    pub principal: Option<String>,
    /// Their unique id.
    pub principal_id: Option<String>,
    /// `sourceIPAddress`
    pub source_ip: Option<String>,
    /// How it failed.
    pub error: Option<String>,
    /// The key of the log file.
    pub key: String,
}

/// One or more events that a rule matches.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: Arc<RuleInfo>,
    /// How severe it is.
    pub severity: Severity,
    /// How certain it is that it concerns our resources.
    pub certainty: Certainty,
    /// Whether the calls failed.
    pub has_failed: bool,
    /// Whether they look like calls of `orgtrail apply`.
    pub claims_own_apply: bool,
    /// What they concern.
    pub about: String,
    /// What else is worth knowing.
    pub details: Vec<String>,
    /// The events: all, or the first ones.
    pub events: Vec<EventRef>,
    /// How many events there are.
    pub count: u64,
    /// When the last of them happened.
    pub last_at: Option<Timestamp>,
}

/// Findings, joined and bounded.
#[derive(Debug, Default)]
pub struct Findings {
    all: Vec<Finding>,
    /// The newest finding of each group.
    newest: HashMap<Group, usize>,
    left_out: u64,
}

/// What findings that are joined have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Group {
    rule: String,
    account: Option<String>,
    principal: Option<String>,
    about: String,
    has_failed: bool,
    claims_own_apply: bool,
}

impl RuleInfo {
    /// What a built-in rule says.
    #[must_use]
    pub fn built_in(rule: &Rule) -> Self {
        Self {
            id: rule.id.to_owned(),
            title: rule.title.to_owned(),
            severity: rule.severity,
            techniques: rule.techniques.iter().map(|&id| id.to_owned()).collect(),
            why: rule.why.to_owned(),
            fix: rule.fix.to_owned(),
            sigma: None,
        }
    }
}

impl EventRef {
    /// What is kept of an event of a file.
    #[must_use]
    pub fn new(event: &Event<'_>, key: &str) -> Self {
        let text = |field: Option<&str>| field.map(|text| text.chars().take(MAX_TEXT).collect());
        Self {
            id: text(event.id.as_deref()),
            at: event.at(),
            source: text(event.source.as_deref()),
            name: text(event.name.as_deref()),
            account: text(event.account()),
            region: text(event.region.as_deref()),
            principal: text(event.identity.principal()),
            principal_id: text(event.identity.principal_id.as_deref()),
            source_ip: text(event.source_ip.as_deref()),
            error: text(event.failure().as_ref().map(|failure| &*failure.code)),
            key: key.to_owned(),
        }
    }
}

impl Finding {
    /// What a built-in rule detected in an event.
    #[must_use]
    pub fn of(detected: Detected, event: EventRef) -> Self {
        Self {
            rule: Arc::new(RuleInfo::built_in(detected.rule)),
            severity: detected.severity,
            certainty: detected.certainty,
            has_failed: detected.has_failed,
            claims_own_apply: detected.claims_own_apply,
            about: detected.about.chars().take(MAX_TEXT).collect(),
            details: detected.details,
            count: 1,
            last_at: event.at,
            events: vec![event],
        }
    }

    /// The first use of a Region.
    #[must_use]
    pub fn of_first_use(first: FirstUse) -> Self {
        Self {
            rule: Arc::new(RuleInfo::built_in(&FIRST_USE_OF_REGION)),
            severity: FIRST_USE_OF_REGION.severity,
            certainty: Certainty::Certain,
            has_failed: false,
            claims_own_apply: false,
            about: format!("{} in account {}", first.region, first.account),
            details: Vec::new(),
            count: 1,
            last_at: first.event.at,
            events: vec![first.event],
        }
    }

    /// When the first of its events happened.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        self.events.first().and_then(|event| event.at)
    }

    /// Who acted.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.events.first().and_then(|event| event.principal.as_deref())
    }

    fn group(&self) -> Group {
        let event = self.events.first();
        Group {
            rule: self.rule.id.clone(),
            account: event.and_then(|event| event.account.clone()),
            principal: event.and_then(|event| event.principal.clone()),
            about: self.about.clone(),
            has_failed: self.has_failed,
            claims_own_apply: self.claims_own_apply,
        }
    }

    /// Whether a later finding of the group belongs to it.
    fn takes(&self, later: &Self) -> bool {
        match (self.last_at, later.at()) {
            (Some(last), Some(at)) => at.duration_since(last).abs() <= JOINED,
            (None, None) => true,
            _ => false,
        }
    }
}

impl Findings {
    /// Adds a finding, in the order of time, to an earlier one or by itself.
    pub fn add(&mut self, finding: Finding) {
        let group = finding.group();
        let known = self.newest.get(&group).and_then(|&index| self.all.get_mut(index));
        if let Some(known) = known
            && known.takes(&finding)
        {
            known.count += finding.count;
            known.last_at = known.last_at.max(finding.last_at);
            known.severity = known.severity.max(finding.severity);
            known.certainty = known.certainty.max(finding.certainty);
            let free = MAX_EVENTS.saturating_sub(known.events.len());
            known.events.extend(finding.events.into_iter().take(free));
            return;
        }
        if self.all.len() >= MAX_FINDINGS {
            self.left_out += 1;
            return;
        }
        self.newest.insert(group, self.all.len());
        self.all.push(finding);
    }

    /// The findings, in the order of the time of their first events, and how many more were
    /// left out.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Finding>, u64) {
        self.all.sort_by_key(Finding::at);
        (self.all, self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::table::ROOT_USAGE;

    fn finding(minute: u32, principal: &str) -> Finding {
        let at = format!("2026-01-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
        let event = EventRef {
            at: at.parse().ok(),
            principal: Some(principal.to_owned()),
            ..EventRef::default()
        };
        let detected = Detected {
            rule: &ROOT_USAGE,
            severity: Severity::High,
            certainty: Certainty::Certain,
            has_failed: false,
            claims_own_apply: false,
            about: "account 1".to_owned(),
            details: Vec::new(),
        };
        Finding::of(detected, event)
    }

    #[test]
    fn findings_of_one_principal_within_an_hour_are_one() {
        let mut findings = Findings::default();
        for minute in (0..100).step_by(2) {
            findings.add(finding(minute, "root"));
        }
        findings.add(finding(99, "other"));
        findings.add(finding(170, "root"));
        let (all, left_out) = findings.finish();
        let counts: Vec<_> =
            all.iter().map(|it| (it.principal(), it.count, it.events.len())).collect();
        assert_eq!(
            counts,
            [(Some("root"), 50, MAX_EVENTS), (Some("other"), 1, 1), (Some("root"), 1, 1),]
        );
        assert_eq!(left_out, 0);
    }

    #[test]
    fn findings_are_bounded_and_the_rest_is_counted() {
        let mut findings = Findings::default();
        for number in 0..MAX_FINDINGS + 7 {
            findings.add(finding(0, &number.to_string()));
        }
        let (all, left_out) = findings.finish();
        assert_eq!((all.len(), left_out), (MAX_FINDINGS, 7));
    }
}
