//! The results of verification, in each format.

mod aws_cli;
mod junit;
mod text;

use std::cmp::Reverse;

use jiff::Timestamp;

pub use self::aws_cli::aws_cli;
pub use self::junit::junit;
pub use self::text::text;
use super::drift::plain;
use crate::archive::verify::chain::Window;
use crate::archive::verify::run::{ScopeReport, Verification};

/// The subject of a report.
#[derive(Debug, Clone)]
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

/// A public key that digests were verified with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyUsed {
    /// `aws`: listed by AWS now. `given`: by `--public-keys`. `saved`: it was stored in the target,
    /// and proves nothing by itself.
    pub origin: &'static str,
    /// MD5 of its DER, in hexadecimal, as AWS lists it.
    pub fingerprint: String,
}

/// The identity of a bundle, and its files that no digest proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFacts {
    /// SHA-256 of its manifest, in hexadecimal.
    pub manifest_sha256: String,
    /// Its files that are not digests and that no digest in it lists.
    pub unproven: Vec<String>,
}

/// The public keys by their origin, for people.
fn keys_by_origin(subject: &Subject) -> Vec<String> {
    [
        ("aws", "listed by AWS"),
        ("given", "given by --public-keys"),
        ("saved", "STORED IN THE TARGET, which prove nothing by themselves"),
    ]
    .iter()
    .filter_map(|(origin, shown)| {
        let keys = subject.keys.iter().filter(|key| key.origin == *origin);
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
