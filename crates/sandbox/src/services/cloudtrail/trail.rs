//! A trail, and how its deliveries fare.

use std::collections::BTreeMap;

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn, Region, TrailName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::selectors::Selectors;
use crate::simulator::Legacy;

/// A trail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trail {
    /// With the owner's account and the home Region.
    pub(crate) arn: Arn,
    pub(crate) name: TrailName,
    pub(crate) home_region: Region,
    pub(crate) owner: AccountId,
    pub(crate) bucket: String,
    pub(crate) prefix: Option<String>,
    pub(crate) topic: Option<Arn>,
    pub(crate) global_events: bool,
    pub(crate) multi_region: bool,
    pub(crate) validation: bool,
    pub(crate) organization: bool,
    pub(crate) log_group: Option<String>,
    pub(crate) log_role: Option<String>,
    /// The key's ARN.
    pub(crate) key: Option<String>,
    pub(crate) selectors: Option<Selectors>,
    pub(crate) insights: Vec<super::insights::Insight>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) logging: bool,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) stopped_at: Option<Timestamp>,
    /// Since when digests are due: logging and validation are both on.
    pub(crate) digests_since: Option<Timestamp>,
    /// By account and Region: `111111111111/eu-central-1`.
    pub(crate) deliveries: BTreeMap<String, Delivery>,
}

/// How deliveries of one account and Region fare.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) attempted_at: Option<Timestamp>,
    pub(crate) delivered_at: Option<Timestamp>,
    /// S3's error code, while the last attempt failed.
    pub(crate) error: Option<String>,
    pub(crate) digest_delivered_at: Option<Timestamp>,
    pub(crate) digest_error: Option<String>,
    pub(crate) logs_delivered_at: Option<Timestamp>,
    pub(crate) logs_error: Option<String>,
    pub(crate) notified_at: Option<Timestamp>,
    pub(crate) notification_error: Option<String>,
}

/// The key of [`Trail::deliveries`].
pub(crate) fn place(account: &AccountId, region: &Region) -> String {
    format!("{account}/{region}")
}

impl Trail {
    /// A trail of an account that records several Regions and all management
    /// events.
    pub(crate) fn legacy(arn: Arn, of: &Legacy, home_region: &Region) -> Self {
        Self {
            bucket: of.bucket.to_string(),
            prefix: of.prefix.clone(),
            multi_region: of.regions.len() > 1,
            validation: true,
            ..Self::new(arn, of.trail.clone(), home_region.clone(), of.account.clone())
        }
    }

    /// A trail with the settings that `CreateTrail` gives it by default.
    pub(super) fn new(arn: Arn, name: TrailName, home_region: Region, owner: AccountId) -> Self {
        Self {
            arn,
            name,
            home_region,
            owner,
            bucket: String::new(),
            prefix: None,
            topic: None,
            global_events: true,
            multi_region: false,
            validation: false,
            organization: false,
            log_group: None,
            log_role: None,
            key: None,
            selectors: None,
            insights: Vec::new(),
            tags: BTreeMap::new(),
            logging: false,
            started_at: None,
            stopped_at: None,
            digests_since: None,
            deliveries: BTreeMap::new(),
        }
    }

    /// Brings `digests_since` in line with the settings.
    ///
    /// Gives whether chains of digests end here.
    pub(crate) fn settle_digests(&mut self, now: Timestamp) -> bool {
        match (self.logging && self.validation, self.digests_since) {
            (true, None) => {
                self.digests_since = Some(now);
                false
            }
            (false, Some(_)) => {
                self.digests_since = None;
                true
            }
            _ => false,
        }
    }

    /// What `CreateTrail` and `UpdateTrail` answer.
    pub(super) fn summary(&self) -> Value {
        json!({
            "Name": self.name,
            "S3BucketName": self.bucket,
            "IncludeGlobalServiceEvents": self.global_events,
            "IsMultiRegionTrail": self.multi_region,
            "TrailARN": self.arn,
            "LogFileValidationEnabled": self.validation,
            "IsOrganizationTrail": self.organization,
            "S3KeyPrefix": self.prefix,
            "SnsTopicName": self.topic.as_ref().map(|topic| &topic.resource),
            "SnsTopicARN": self.topic,
            "CloudWatchLogsLogGroupArn": self.log_group,
            "CloudWatchLogsRoleArn": self.log_role,
            "KmsKeyId": self.key,
        })
    }

    /// What `DescribeTrails` and `GetTrail` answer.
    pub(super) fn description(&self) -> Value {
        let mut trail = self.summary();
        trail["HomeRegion"] = self.home_region.as_str().into();
        trail["HasCustomEventSelectors"] = self.selectors.is_some().into();
        trail["HasInsightSelectors"] = (!self.insights.is_empty()).into();
        trail
    }
}
