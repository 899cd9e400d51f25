//! The result of `orgtrail events detect`, and of its linter.

use jiff::Timestamp;
use orgtrail_events::detection::sigma;
use orgtrail_events::detection::{self, Certainty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::Severity;
use super::events::{Files, ProofCounts, ProofStatus, SilentDays};
use crate::events::detections::{DetectedFinding, Detections, RuleSet};

/// What was detected, and in what.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The findings, in the order of the time of their first events.
    pub findings: Vec<Detection>,
    /// Findings that are left out because there are too many.
    pub more_findings: u64,
    /// The place that was searched.
    pub place: String,
    /// When.
    pub searched_at: Timestamp,
    /// The earliest time of events, the baseline included; null for any.
    pub from: Option<Timestamp>,
    /// The latest time of events; null for any.
    pub to: Option<Timestamp>,
    /// Whether it was stopped before everything was read.
    pub stopped: bool,
    /// The log files that were read.
    pub files: Files,
    /// The records in them.
    pub records: u64,
    /// Records that could not be read.
    pub malformed_records: u64,
    /// The accounts that have log files.
    pub accounts: usize,
    /// The Regions that have log files.
    pub regions: usize,
    /// Days on which an account and Region has no log file.
    pub silent_days: SilentDays,
    /// How the events of the findings are proven; null unless that was asked for.
    pub proof: Option<ProofCounts>,
    /// What the events were compared with.
    pub trail: Trail,
    /// The baseline of Regions; null without one: then first uses are not detected.
    pub baseline: Option<Baseline>,
    /// The Sigma rules; null if none were given.
    pub rules: Option<Rules>,
}

/// One or more events that a rule matches.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Detection {
    /// The rule.
    pub rule: Rule,
    /// How severe it is: less than the rule's severity if it failed, is possible only, or looks
    /// like orgtrail's own.
    pub severity: Severity,
    /// How certain it is that it concerns the resources of the configuration.
    pub certainty: CertaintyWord,
    /// Whether the calls failed.
    pub failed: bool,
    /// Whether they look like calls of `orgtrail apply`. Anyone who may assume its roles can
    /// imitate them.
    pub claims_own_apply: bool,
    /// What they concern.
    pub about: String,
    /// What else is worth knowing.
    pub details: Vec<String>,
    /// How many events there are.
    pub event_count: u64,
    /// When the first of them happened; null if its record does not say it.
    pub first_at: Option<Timestamp>,
    /// When the last of them happened.
    pub last_at: Option<Timestamp>,
    /// The events: all, or the first of many.
    pub events: Vec<Event>,
    /// The weakest proof of these events; null unless that was asked for.
    pub proof: Option<ProofStatus>,
}

/// How certain a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertaintyWord {
    /// The record does not say which resource it concerns, or by a name that is not known.
    Possible,
    /// The record names the resource.
    Certain,
}

/// A rule.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// What it detects.
    pub title: String,
    /// Its own severity.
    pub severity: Severity,
    /// Its techniques of MITRE ATT&CK.
    pub techniques: Vec<String>,
    /// Why it matters.
    pub why: String,
    /// What to do; empty if the rule does not say it.
    pub fix: String,
    /// Where it is from; null for a built-in rule.
    pub sigma: Option<SigmaRule>,
}

/// Who wrote a Sigma rule, and where it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SigmaRule {
    /// Its author.
    pub author: Option<String>,
    /// Its license.
    pub license: Option<String>,
    /// Its file.
    pub file: String,
    /// Events that match although nothing is wrong.
    pub false_positives: Vec<String>,
    /// What the rule refers to.
    pub references: Vec<String>,
}

/// An event of a finding.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its id.
    pub id: Option<String>,
    /// When it happened.
    pub happened_at: Option<Timestamp>,
    /// The service: `eventSource`.
    pub source: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The account that it was recorded for.
    pub account: Option<String>,
    /// Its Region.
    pub region: Option<String>,
    /// Who acted.
    pub principal: Option<String>,
    /// Their unique id.
    pub principal_id: Option<String>,
    /// Where from.
    pub source_ip: Option<String>,
    /// How it failed; null if it did not.
    pub error: Option<String>,
    /// The key of the log file.
    pub key: String,
}

/// What events were compared with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Trail {
    /// Whether a configuration names the trail and its resources. Without one, rules about
    /// trails and the organization apply to any of them, and others to none.
    pub configured: bool,
    /// What is not known of the resources: events that may concern them are possible findings.
    pub unknown: Vec<Unknown>,
}

/// Something that is not known of a resource.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Unknown {
    /// The resource.
    pub resource: String,
    /// Why.
    pub reason: String,
}

/// The Regions that accounts used before.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// Pairs of an account and a Region that were used in it.
    pub account_regions: usize,
    /// Accounts of which it has no use at all, so that nothing can be said.
    pub accounts_without: Vec<String>,
    /// Uses that were left out because there are too many.
    pub more_uses: u64,
}

/// The Sigma rules of a directory.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rules {
    /// The directory.
    pub directory: String,
    /// Its files with rules.
    pub files: usize,
    /// The rules that are used.
    pub used: usize,
    /// Rules for other logs, which are left out.
    pub of_other_logs: usize,
    /// What is wrong with rules.
    pub problems: Vec<Problem>,
}

/// Something that is wrong with a rule.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The rule's file.
    pub file: String,
    /// Its title; null if it could not be read.
    pub rule: Option<String>,
    /// The kind of problem, as `event-name`.
    pub check: String,
    /// What is wrong.
    pub message: String,
    /// Whether the rule is not used because of it.
    pub unusable: bool,
}

/// What is wrong with the rules of a directory: `orgtrail events detect --lint`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LintReport {
    /// The rules.
    pub rules: Rules,
}

impl From<&Detections> for Report {
    fn from(detections: &Detections) -> Self {
        let coverage = &detections.coverage;
        Self {
            findings: detections.findings.iter().map(Detection::from).collect(),
            more_findings: detections.left_out,
            place: detections.place.clone(),
            searched_at: detections.at,
            from: coverage.window.since,
            to: coverage.window.until,
            stopped: detections.was_stopped,
            files: Files::from(coverage),
            records: coverage.records,
            malformed_records: coverage.malformed,
            accounts: coverage.accounts(),
            regions: coverage.regions(),
            silent_days: SilentDays::from(coverage),
            proof: detections.proof.as_ref().map(ProofCounts::from),
            trail: Trail {
                configured: detections.facts.is_configured,
                unknown: detections
                    .facts
                    .unknown
                    .iter()
                    .map(|(resource, reason)| Unknown {
                        resource: resource.clone(),
                        reason: reason.clone(),
                    })
                    .collect(),
            },
            baseline: detections.first_uses.as_ref().map(|uses| Baseline {
                account_regions: uses.in_baseline,
                accounts_without: uses.without_baseline.iter().cloned().collect(),
                more_uses: uses.left_out,
            }),
            rules: detections.rules.as_ref().map(Rules::from),
        }
    }
}

impl From<&DetectedFinding> for Detection {
    fn from(detected: &DetectedFinding) -> Self {
        let finding = &detected.finding;
        Self {
            rule: Rule::from(&*finding.rule),
            severity: detected.severity.into(),
            certainty: match finding.certainty {
                Certainty::Possible => CertaintyWord::Possible,
                Certainty::Certain => CertaintyWord::Certain,
            },
            failed: finding.has_failed,
            claims_own_apply: finding.claims_own_apply,
            about: finding.about.clone(),
            details: finding.details.clone(),
            event_count: finding.count,
            first_at: finding.at(),
            last_at: finding.last_at,
            events: finding.events.iter().map(Event::from).collect(),
            proof: detected.proof.map(ProofStatus::from),
        }
    }
}

impl From<&detection::RuleInfo> for Rule {
    fn from(rule: &detection::RuleInfo) -> Self {
        Self {
            id: rule.id.clone(),
            title: rule.title.clone(),
            severity: rule.severity.into(),
            techniques: rule.techniques.clone(),
            why: rule.why.clone(),
            fix: rule.fix.clone(),
            sigma: rule.sigma.as_ref().map(|source| SigmaRule {
                author: source.author.clone(),
                license: source.license.clone(),
                file: source.file.clone(),
                false_positives: source.false_positives.clone(),
                references: source.references.clone(),
            }),
        }
    }
}

impl From<&detection::EventRef> for Event {
    fn from(event: &detection::EventRef) -> Self {
        let detection::EventRef {
            id,
            at,
            source,
            name,
            account,
            region,
            principal,
            principal_id,
            source_ip,
            error,
            key,
        } = event.clone();
        Self {
            id,
            happened_at: at,
            source,
            name,
            account,
            region,
            principal,
            principal_id,
            source_ip,
            error,
            key,
        }
    }
}

impl From<&RuleSet> for Rules {
    fn from(rules: &RuleSet) -> Self {
        Self {
            directory: rules.directory.clone(),
            files: rules.files,
            used: rules.used,
            of_other_logs: rules.of_other_logs,
            problems: rules.problems.iter().map(Problem::from).collect(),
        }
    }
}

impl From<&sigma::Problem> for Problem {
    fn from(problem: &sigma::Problem) -> Self {
        Self {
            file: problem.file.clone(),
            rule: problem.rule.clone(),
            check: problem.check.to_owned(),
            message: problem.message.clone(),
            unusable: problem.is_unusable,
        }
    }
}
