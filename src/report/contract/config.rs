//! The documents of `orgtrail config check` and `orgtrail config show`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::mirror;
use crate::config;

/// Whether a configuration is valid.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Check {
    /// The file.
    pub file: String,
    /// Whether the configuration can be used.
    pub valid: bool,
    /// Findings of severity `error`.
    pub errors: usize,
    /// Findings of severity `warning`.
    pub warnings: usize,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// The configuration in effect.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Show {
    /// The file.
    pub file: String,
    /// Every section and setting, as `orgtrail config schema` describes them.
    pub config: Value,
    /// Where each setting comes from, by its key.
    pub origins: BTreeMap<String, Origin>,
}

mirror! {
    /// How severe a finding is.
    Severity of config::Severity {
        /// The configuration cannot be used.
        Error,
        /// The configuration can be used, and something about it is doubtful.
        Warning,
    }
}

mirror! {
    /// Something that is wrong with a configuration, or doubtful.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    struct Finding from config::Finding {
        /// How severe it is.
        severity: Severity => into,
        /// The setting: `archive.bucket`; empty for the file as a whole.
        setting: String = key,
        /// Where the setting comes from.
        origin: Origin => into,
        /// What was found and what was expected.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    }
}

mirror! {
    /// Where a setting comes from.
    #[derive(Debug, Clone, Serialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Origin from config::Origin {
        /// The configuration file.
        File {
            /// The line, from 1.
            line: usize,
            /// The column, from 1, in characters.
            column: usize,
        },
        /// An environment variable.
        Environment {
            /// The variable.
            variable: String,
        },
        /// The default.
        Default,
    }
}

impl Check {
    /// The findings about a file.
    #[must_use]
    pub fn new(file: String, findings: &[config::Finding]) -> Self {
        let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
        let (errors, warnings) = (count(config::Severity::Error), count(config::Severity::Warning));
        Self {
            file,
            valid: errors == 0,
            errors,
            warnings,
            findings: findings.iter().map(Finding::from).collect(),
        }
    }
}
