//! Sigma rules: reading, checking and evaluating them.
//!
//! Rules are untrusted: files, nesting, regular expressions and state are bounded.

mod bounds;
mod engine;
mod fields;
mod lint;
mod load;
mod names;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde_json::Value;

pub use self::load::{Loaded, load};
pub use self::names::written_as;
use super::finding::RuleInfo;
use crate::severity::Severity;

/// A file with rules, as it stands in its directory.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// Its path, relative to the directory.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Something that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The rule's file.
    pub file: String,
    /// Its title, if it could be read.
    pub rule: Option<String>,
    /// What kind of problem it is, as `event-name`.
    pub check: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
    /// Whether the rule cannot be used. Otherwise it is used, and may match nothing.
    pub is_unusable: bool,
}

/// A match of a Sigma rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigmaMatch {
    /// The rule.
    pub rule: Arc<RuleInfo>,
    /// Its severity.
    pub severity: Severity,
    /// What matched, in words.
    pub details: Vec<String>,
}

/// What evaluates rules.
pub trait SigmaEngine: Send + Sync + fmt::Debug {
    /// Whether a record matches a rule by itself.
    fn matches(&self, record: &Value) -> bool;

    /// Takes a record, in the order of time, and returns what matches: rules, and
    /// correlations of earlier matches. Without a time, it takes part in no correlation.
    fn add(&mut self, record: &Value, at: Option<Timestamp>) -> Vec<SigmaMatch>;
}

/// The rules of a directory, ready to be used from several threads.
#[derive(Debug)]
pub struct Sigma(RwLock<Box<dyn SigmaEngine>>);

impl Sigma {
    /// Rules that an engine has read.
    #[must_use]
    pub fn new(engine: Box<dyn SigmaEngine>) -> Self {
        Self(RwLock::new(engine))
    }

    /// Whether a record matches a rule by itself.
    #[must_use]
    pub fn matches(&self, record: &Value) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).matches(record)
    }

    /// Takes a record that matches, in the order of time.
    pub fn add(&self, record: &Value, at: Option<Timestamp>) -> Vec<SigmaMatch> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).add(record, at)
    }
}

#[cfg(test)]
mod tests;
