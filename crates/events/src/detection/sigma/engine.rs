//! Evaluation by the crate `rsigma-eval`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rsigma_eval::result::ResultBody;
use rsigma_eval::{
    CorrelationConfig, CorrelationEngine, EvalError, EvaluationResult, JsonEvent, TimestampFallback,
};
use rsigma_parser::{CorrelationRule, Level, SigmaCollection, SigmaRule};
use serde_json::Value;

use super::{SigmaEngine, SigmaMatch};
use crate::detection::finding::{RuleInfo, SigmaSource};
use crate::severity::Severity;

/// The most groups of correlations that are remembered.
const MAX_GROUPS: usize = 100_000;
/// The most events of a group that are remembered.
const MAX_IN_GROUP: usize = 10_000;
/// The most fields that a match names.
const MAX_FIELDS: usize = 6;
/// The longest value that a match names. Units: characters.
const MAX_VALUE: usize = 120;

/// Rules, compiled by `rsigma-eval`.
pub(super) struct RsigmaEngine {
    engine: CorrelationEngine,
    rules: HashMap<String, Arc<RuleInfo>>,
}

impl fmt::Debug for RsigmaEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsigmaEngine").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

impl RsigmaEngine {
    /// Compiles rules, which all have ids of their own.
    pub(super) fn new(
        collection: &SigmaCollection,
        rules: HashMap<String, Arc<RuleInfo>>,
    ) -> Result<Self, EvalError> {
        let mut engine = CorrelationEngine::new(CorrelationConfig {
            timestamp_fields: vec!["eventTime".to_owned()],
            timestamp_fallback: TimestampFallback::Skip,
            max_state_entries: MAX_GROUPS,
            max_group_entries: Some(MAX_IN_GROUP),
            emit_detections: false,
            ..CorrelationConfig::default()
        });
        engine.add_collection(collection)?;
        Ok(Self { engine, rules })
    }

    fn named(&self, result: &EvaluationResult) -> Option<SigmaMatch> {
        let rule = self.rules.get(result.header.rule_id.as_deref()?)?;
        let details = match &result.body {
            ResultBody::Detection(body) => {
                let fields = body.matched_fields.iter().take(MAX_FIELDS);
                fields.map(|field| format!("{}={}", field.field, text(&field.value))).collect()
            }
            ResultBody::Correlation(body) => {
                let groups = body.group_key.iter().take(MAX_FIELDS);
                let mut details: Vec<String> =
                    groups.map(|(field, value)| format!("{field}={}", cut(value))).collect();
                details.push(format!(
                    "{} {} within {} s",
                    body.correlation_type.as_str(),
                    body.aggregated_value,
                    body.timespan_secs
                ));
                details
            }
        };
        Some(SigmaMatch { rule: Arc::clone(rule), severity: rule.severity, details })
    }
}

impl SigmaEngine for RsigmaEngine {
    fn matches(&self, record: &Value) -> bool {
        !self.engine.evaluate(&JsonEvent::borrow(record)).is_empty()
    }

    fn add(&mut self, record: &Value, at: Option<Timestamp>) -> Vec<SigmaMatch> {
        let event = JsonEvent::borrow(record);
        let results = match at {
            Some(at) => self.engine.process_event_at(&event, at.as_second()),
            None => self.engine.evaluate(&event),
        };
        results.iter().filter_map(|result| self.named(result)).collect()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_VALUE).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    }
}

/// What is kept of a rule.
pub(super) fn rule_info(file: &str, id: &str, rule: &SigmaRule) -> RuleInfo {
    RuleInfo {
        id: id.to_owned(),
        title: rule.title.clone(),
        severity: severity(rule.level),
        techniques: techniques(&rule.tags),
        why: rule.description.as_deref().unwrap_or_default().trim().to_owned(),
        fix: String::new(),
        sigma: Some(SigmaSource {
            author: rule.author.clone(),
            license: rule.license.clone(),
            file: file.to_owned(),
            false_positives: rule.falsepositives.clone(),
            references: rule.references.clone(),
        }),
    }
}

/// What is kept of a correlation.
pub(super) fn correlation_info(file: &str, id: &str, rule: &CorrelationRule) -> RuleInfo {
    RuleInfo {
        id: id.to_owned(),
        title: rule.title.clone(),
        severity: severity(rule.level),
        techniques: techniques(&rule.tags),
        why: rule.description.as_deref().unwrap_or_default().trim().to_owned(),
        fix: String::new(),
        sigma: Some(SigmaSource {
            author: rule.author.clone(),
            license: rule.license.clone(),
            file: file.to_owned(),
            false_positives: rule.falsepositives.clone(),
            references: rule.references.clone(),
        }),
    }
}

fn severity(level: Option<Level>) -> Severity {
    match level {
        Some(Level::Critical) => Severity::Critical,
        Some(Level::High) => Severity::High,
        Some(Level::Medium) | None => Severity::Medium,
        Some(Level::Low | Level::Informational) => Severity::Low,
    }
}

/// The techniques among a rule's tags: `attack.t1078.004`.
fn techniques(tags: &[String]) -> Vec<String> {
    let technique = |tag: &String| {
        let id = tag.to_ascii_lowercase().strip_prefix("attack.t")?.to_owned();
        let is_id = id.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        (is_id && !id.is_empty()).then(|| format!("T{id}"))
    };
    tags.iter().filter_map(technique).collect()
}
