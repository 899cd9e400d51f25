use std::fmt;

use jiff::civil::Date;

use super::Severity;
use crate::names::{AccountId, Arn, BucketName, Region};

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The organization as a whole.
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

/// What a check says of one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it must be.
    Holds,
    /// It is not.
    Broken {
        /// What was found.
        found: String,
        /// What was wanted.
        wanted: String,
    },
    /// Neither the config nor the command line asks for it, so that nothing is
    /// judged.
    NotDeclared {
        /// What would ask for it: `archive.replication`, `--baseline`.
        key: String,
    },
    /// It could not be seen.
    Unknown {
        /// The read that failed, and why: `GetTrailStatus: access denied (…)`.
        reason: String,
        /// The IAM action that it needs: `cloudtrail:GetTrailStatus`.
        permission: Option<String>,
    },
}

impl Verdict {
    /// Whether something is to be done: mended, or looked at.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Unknown { .. })
    }
}

/// A check's verdict on one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it is about.
    pub scope: Scope,
    /// What the check says of it.
    pub verdict: Verdict,
}

/// Why a broken check does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The reason that the config gives.
    pub reason: String,
    /// The last day on which it does not count, in UTC.
    pub until: Date,
    /// Whether that day has passed: then it counts again.
    pub expired: bool,
}

/// An answer as reports show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's id.
    pub check: String,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub scope: Scope,
    /// What was said.
    pub verdict: Verdict,
    /// Why it does not count, where the config says so.
    pub suppression: Option<Suppression>,
    /// The id of the cause that it has in common with others: see
    /// [`super::Run::causes`].
    pub cause: Option<String>,
}

impl Finding {
    /// Whether it is broken and nothing in force suppresses it.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self.verdict, Verdict::Broken { .. }) && self.is_open()
    }

    /// Whether it is broken or unknown, and nothing in force suppresses it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.verdict.is_open()
            && self.suppression.as_ref().is_none_or(|suppression| suppression.expired)
    }
}
