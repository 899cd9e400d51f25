use super::document::{Node, shorten};
use super::finding::Finding;
use super::read::{Read, Reader, nearest};

/// The ids of all checks, in the order in which reports show them.
///
/// The configuration names checks, and the checks read the configuration. The ids are
/// therefore below both; `checks::CATALOGUE` is compared with them during compilation.
pub const CHECK_IDS: [&str; 66] = [
    "trail-multi-region",
    "trail-is-logging",
    "trail-kms",
    "trail-log-validation",
    "trail-cloudwatch-logs",
    "trail-insights",
    "trail-data-events",
    "trail-selectors-named",
    "trail-notifies",
    "trail-tags",
    "trail-duplicates",
    "org-trail-identity",
    "org-trusted-access",
    "org-delegated-admins",
    "org-coverage",
    "org-delivery-freshness",
    "org-digest-chain",
    "org-unmanaged-trails",
    "org-new-accounts",
    "org-root-access",
    "guardrail-scp",
    "rcp-archive",
    "bucket-public-access",
    "bucket-ownership",
    "bucket-tls-only",
    "bucket-encryption",
    "bucket-policy-source-arn",
    "bucket-policy-digest-safe",
    "bucket-cross-account",
    "bucket-versioning",
    "bucket-object-lock",
    "bucket-mfa-delete",
    "bucket-lifecycle",
    "bucket-retention-conflict",
    "bucket-access-logging",
    "bucket-replication",
    "bucket-notifications",
    "key-enabled",
    "key-rotation",
    "key-not-public",
    "key-policy-scope",
    "key-single-region",
    "log-group-encrypted",
    "log-group-retention",
    "alarm-4.1",
    "alarm-4.2",
    "alarm-4.3",
    "alarm-4.4",
    "alarm-4.5",
    "alarm-4.6",
    "alarm-4.7",
    "alarm-4.8",
    "alarm-4.9",
    "alarm-4.10",
    "alarm-4.11",
    "alarm-4.12",
    "alarm-4.13",
    "alarm-4.14",
    "alarm-4.15",
    "alarm-selector-changes",
    "alarm-root-sessions",
    "neighbor-config",
    "neighbor-guardduty",
    "neighbor-security-hub",
    "undeclared",
    "plan-empty",
];

/// The id of a check that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct CheckId(&'static str);

impl CheckId {
    /// The id of a check.
    ///
    /// Errors: the most similar id, if one is similar enough to be meant.
    pub fn parse(text: &str) -> Result<Self, Option<&'static str>> {
        let known = CHECK_IDS.into_iter().find(|id| *id == text);
        known.map(Self).ok_or_else(|| nearest(text, &CHECK_IDS))
    }

    /// The id.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl Read for CheckId {
    fn read(node: &Node, path: &str, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "the id of a check";
        let text = reader.string(node, path, EXPECTED)?;
        let hint = match Self::parse(text) {
            Ok(id) => return Some(id),
            Err(Some(similar)) => format!("did you mean `{similar}`?"),
            Err(None) => "`orgtrail explain` lists all checks".to_owned(),
        };
        let message = format!("found `{}`, expected {EXPECTED}", shorten(text));
        reader.findings.push(Finding::error(path, node.origin.clone(), message).with_hint(hint));
        None
    }

    fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": CHECK_IDS.as_slice() })
    }

    fn stand_in() -> Option<Self> {
        CHECK_IDS.first().copied().map(Self)
    }
}
