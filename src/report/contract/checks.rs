//! The catalogue of checks: `orgtrail explain`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mirror;
use crate::checks;

/// The checks that were run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Catalogue {
    /// The checks.
    pub checks: Vec<Check>,
}

mirror! {
    /// How severe it is when a check fails.
    Severity of checks::Severity {
        /// Good practice.
        Low,
        /// Weakens the trail or its guards.
        Medium,
        /// Events or proof can be lost, or read by others.
        High,
        /// Events or proof are being lost, or can be destroyed.
        Critical,
    }
}

mirror! {
    /// The author of a rule.
    Framework of checks::Framework {
        /// CIS AWS Foundations Benchmark, numbered as in version 5.
        Cis,
        /// AWS Security Hub's controls.
        SecurityHub,
        /// AWS Config's managed rules.
        Config,
        /// Prowler's checks.
        Prowler,
        /// Checkov's policies.
        Checkov,
        /// Steampipe's controls.
        Steampipe,
    }
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its id, in kebab-case.
    pub id: String,
    /// What is true when it passes.
    pub title: String,
    /// How severe it is when it fails.
    pub severity: Severity,
    /// Why it matters.
    pub why: String,
    /// How to fix what it finds.
    pub fix: String,
    /// The managed resources whose plan fixes it.
    pub resources: Vec<String>,
    /// The rules of others that it answers.
    pub mappings: Vec<Mapping>,
}

/// An unmanaged rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mapping {
    /// Whose rule.
    pub framework: Framework,
    /// Its id there.
    pub id: String,
}

impl From<&checks::Check> for Check {
    fn from(check: &checks::Check) -> Self {
        let checks::Check { id, title, severity, why, fix, resources, mappings, rule: _ } = check;
        let mapping =
            |it: &checks::Mapping| Mapping { framework: it.framework.into(), id: it.id.to_owned() };
        Self {
            id: (*id).to_owned(),
            title: (*title).to_owned(),
            severity: (*severity).into(),
            why: (*why).to_owned(),
            fix: (*fix).to_owned(),
            resources: resources.iter().map(|&id| id.to_owned()).collect(),
            mappings: mappings.iter().map(mapping).collect(),
        }
    }
}

impl Catalogue {
    /// The document of some checks.
    #[must_use]
    pub fn new(checks: &[&checks::Check]) -> Self {
        Self { checks: checks.iter().map(|&check| Check::from(check)).collect() }
    }
}
