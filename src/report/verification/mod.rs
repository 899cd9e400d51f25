//! The results of verification, in each format.

mod aws_cli;
mod junit;
mod text;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::aws_cli::aws_cli;
pub use self::junit::junit;
pub use self::text::text;
use super::drift::plain;
use crate::archive::verify::chain::Window;
use crate::archive::verify::run::{ScopeReport, Verification};

/// The subject of a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subject {
    /// What was verified, as named on the command line: `s3://bucket/prefix`, a path.
    pub target: String,
    /// The period that was verified.
    pub window: Window,
    /// When the report was made.
    pub at: Timestamp,
    /// The public keys that it was verified with.
    pub keys: Vec<KeyUsed>,
    /// The identity of a bundle; none for a bucket or a folder.
    pub bundle: Option<BundleFacts>,
    /// Descriptions of the settings that environment variables changed.
    pub overrides: Vec<String>,
}

impl Subject {
    /// What the shards of one verification have in common; `None` of no shard.
    #[must_use]
    pub fn join(parts: Vec<Self>) -> Option<Self> {
        let mut joined = parts.into_iter().reduce(|mut joined, part| {
            joined.at = joined.at.max(part.at);
            joined.window = joined.window.joined(part.window);
            joined.keys.extend(part.keys);
            joined.overrides.extend(part.overrides);
            joined
        })?;
        joined.keys.sort();
        joined.keys.dedup();
        let mut seen = BTreeSet::new();
        joined.overrides.retain(|line| seen.insert(line.clone()));
        Some(joined)
    }
}

/// A public key that digests were verified with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyUsed {
    /// Where it comes from.
    pub origin: KeyOrigin,
    /// MD5 of its DER, in hexadecimal, as AWS lists it.
    pub fingerprint: String,
}

/// Where a public key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyOrigin {
    /// AWS lists it.
    Aws,
    /// `--public-keys`.
    Given,
    /// It was stored in the target, and proves nothing by itself.
    Saved,
}

/// The identity of a bundle, and its files that no digest proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFacts {
    /// SHA-256 of its manifest, in hexadecimal.
    pub manifest_sha256: String,
    /// Its files that are not digests and that no digest in it lists.
    pub unproven: Vec<String>,
}

/// The public keys by their origin, for people.
fn keys_by_origin(subject: &Subject) -> Vec<String> {
    [
        (KeyOrigin::Aws, "listed by AWS"),
        (KeyOrigin::Given, "given by --public-keys"),
        (KeyOrigin::Saved, "STORED IN THE TARGET, which prove nothing by themselves"),
    ]
    .into_iter()
    .filter_map(|(origin, shown)| {
        let keys = subject.keys.iter().filter(|key| key.origin == origin);
        let keys: Vec<&str> = keys.map(|key| key.fingerprint.as_str()).collect();
        (!keys.is_empty()).then(|| format!("public keys {shown}: {}", keys.join(", ")))
    })
    .collect()
}

/// The accounts and Regions, those with the most severe findings first.
fn by_severity(verification: &Verification) -> Vec<&ScopeReport> {
    let mut scopes: Vec<&ScopeReport> = verification.scopes.iter().collect();
    scopes.sort_by_key(|scope| Reverse(scope.findings.iter().map(|it| it.severity).max()));
    scopes
}

/// Proven and unproven digests.
fn digests(scope: &ScopeReport) -> (u64, u64) {
    let sum = |count: fn(&crate::archive::verify::chain::ChainSummary) -> u64| {
        scope.chains.iter().map(count).sum()
    };
    (sum(|chain| chain.valid), sum(|chain| chain.invalid))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_key_cannot_forge_a_line() {
        assert_eq!(super::plain("a\u{1b}[2J\nb/é"), "a\\u001b[2J\\nb/é");
    }
}
