use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Coverage, Finding};
use crate::names::{AccountId, Arn, BucketName, OrgId, Region};

/// All that one run of the checks gave: what every report renders, and what
/// `--baseline` reads back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The contract's version. Fields may be added; it grows when one changes
    /// its meaning or goes.
    pub version: u32,
    /// When it was looked at.
    pub at: Timestamp,
    /// The organization's id.
    pub organization: OrgId,
    /// The account that owns the trail.
    pub management_account: AccountId,
    /// The trail's home Region.
    pub home_region: Region,
    /// The declared organization trail's ARN.
    pub trail: Arn,
    /// The archive bucket.
    pub bucket: BucketName,
    /// Every answer: those that hold too.
    pub findings: Vec<Finding>,
    /// Account by Region.
    pub coverage: Coverage,
    /// What became of the findings since an earlier run, where one was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub compared: Option<Compared>,
}

/// What became of the findings since an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// When the earlier run was.
    pub since: Timestamp,
    /// Broken or unknown now, and not then.
    pub new: Vec<Finding>,
    /// Broken or unknown then, and not now, as they were then.
    pub fixed: Vec<Finding>,
    /// Broken or unknown then and now.
    pub unchanged: Vec<Finding>,
}
