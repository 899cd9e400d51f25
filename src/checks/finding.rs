use std::fmt;

use jiff::civil::Date;

use super::Severity;
use crate::names::{AccountId, Arn, BucketName, Region};

/// What a check covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The organization.
    Organization,
    /// One account.
    Account {
        /// Its id.
        account: AccountId,
    },
    /// One account in one Region.
    Region {
        /// The account's id.
        account: AccountId,
        /// The Region.
        region: Region,
    },
    /// A bucket.
    Bucket {
        /// Its name.
        bucket: BucketName,
    },
    /// Anything that has an ARN: a trail, a key, a log group, an alarm.
    Resource {
        /// Its ARN.
        arn: Arn,
    },
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization => f.pad("organization"),
            Self::Account { account } => f.pad(account.as_str()),
            Self::Region { account, region } => f.pad(&format!("{account} {region}")),
            Self::Bucket { bucket } => f.pad(&format!("s3://{bucket}")),
            Self::Resource { arn } => f.pad(&arn.to_string()),
        }
    }
}

/// The verdict of a check for one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The check passed.
    Pass,
    /// The check failed.
    Fail {
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// Not checked: neither the configuration nor the command line requires it.
    NotConfigured {
        /// The setting or option that would require it: `archive.replication`, `--baseline`.
        setting: String,
    },
    /// A read failed.
    Unknown {
        /// The read that failed, and why: `GetTrailStatus: access denied (…)`.
        reason: String,
        /// The IAM action that it needs: `cloudtrail:GetTrailStatus`.
        permission: Option<String>,
    },
}

impl Verdict {
    /// Whether the check failed or is unknown.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Fail { .. } | Self::Unknown { .. })
    }
}

/// The result of a check for one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The scope.
    pub scope: Scope,
    /// The verdict.
    pub verdict: Verdict,
}

/// Why a finding does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The reason in the configuration.
    pub reason: String,
    /// The last day on which it does not count, in UTC.
    pub last_day: Date,
    /// Whether that day has passed: then the finding counts.
    pub expired: bool,
}

/// A result as reports show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's id.
    pub check: String,
    /// The severity of the check.
    pub severity: Severity,
    /// The scope.
    pub scope: Scope,
    /// The verdict.
    pub verdict: Verdict,
    /// The suppression in the configuration that applies.
    pub suppression: Option<Suppression>,
    /// The id of the cause that it shares with others: see
    /// [`super::Run::causes`].
    pub cause: Option<String>,
}

impl Finding {
    /// Whether it failed and no suppression is in force.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self.verdict, Verdict::Fail { .. }) && self.is_open()
    }

    /// Whether it failed or is unknown, and no suppression is in force.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.verdict.is_open()
            && self.suppression.as_ref().is_none_or(|suppression| suppression.expired)
    }
}
