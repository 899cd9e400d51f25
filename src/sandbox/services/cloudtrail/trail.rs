//! A trail, and how its deliveries fare.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::selectors::Selectors;
use crate::{
    names::{AccountId, Arn, Region, TrailName},
    sandbox::simulator::Legacy,
};

/// A trail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::sandbox) struct Trail {
    /// With the owner's account and the home Region.
    pub(in crate::sandbox) arn: Arn,
    pub(in crate::sandbox) name: TrailName,
    pub(in crate::sandbox) home_region: Region,
    pub(in crate::sandbox) owner: AccountId,
    pub(in crate::sandbox) bucket: String,
    pub(in crate::sandbox) prefix: Option<String>,
    pub(in crate::sandbox) topic: Option<Arn>,
    pub(in crate::sandbox) global_events: bool,
    pub(in crate::sandbox) multi_region: bool,
    pub(in crate::sandbox) validation: bool,
    pub(in crate::sandbox) organization: bool,
    pub(in crate::sandbox) log_group: Option<String>,
    pub(in crate::sandbox) log_role: Option<String>,
    /// The key's ARN.
    pub(in crate::sandbox) key: Option<String>,
    pub(in crate::sandbox) selectors: Option<Selectors>,
    pub(in crate::sandbox) insights: Vec<super::insights::Insight>,
    pub(in crate::sandbox) tags: BTreeMap<String, String>,
    pub(in crate::sandbox) logging: bool,
    pub(in crate::sandbox) started_at: Option<Timestamp>,
    pub(in crate::sandbox) stopped_at: Option<Timestamp>,
    /// Since when digests are due: logging and validation are both on.
    pub(in crate::sandbox) digests_since: Option<Timestamp>,
    /// By account and Region: `111111111111/eu-central-1`.
    pub(in crate::sandbox) deliveries: BTreeMap<String, Delivery>,
}

/// How deliveries of one account and Region fare.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::sandbox) struct Delivery {
    pub(in crate::sandbox) attempted_at: Option<Timestamp>,
    pub(in crate::sandbox) delivered_at: Option<Timestamp>,
    /// S3's error code, while the last attempt failed.
    pub(in crate::sandbox) error: Option<String>,
    pub(in crate::sandbox) digest_delivered_at: Option<Timestamp>,
    pub(in crate::sandbox) digest_error: Option<String>,
    pub(in crate::sandbox) logs_delivered_at: Option<Timestamp>,
    pub(in crate::sandbox) logs_error: Option<String>,
    pub(in crate::sandbox) notified_at: Option<Timestamp>,
    pub(in crate::sandbox) notification_error: Option<String>,
}

/// The key of [`Trail::deliveries`].
pub(in crate::sandbox) fn place(account: &AccountId, region: &Region) -> String {
    format!("{account}/{region}")
}

impl Trail {
    /// A trail of an account that records several Regions and all management
    /// events.
    pub(in crate::sandbox) fn legacy(arn: Arn, of: &Legacy, home_region: &Region) -> Self {
        Self {
            arn,
            name: of.trail.clone(),
            home_region: home_region.clone(),
            owner: of.account.clone(),
            bucket: of.bucket.to_string(),
            prefix: of.prefix.clone(),
            topic: None,
            global_events: true,
            multi_region: of.regions.len() > 1,
            validation: true,
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
    pub(in crate::sandbox) fn settle_digests(&mut self, now: Timestamp) -> bool {
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
        let mut trail = json!({
            "Name": self.name,
            "S3BucketName": self.bucket,
            "IncludeGlobalServiceEvents": self.global_events,
            "IsMultiRegionTrail": self.multi_region,
            "TrailARN": self.arn,
            "LogFileValidationEnabled": self.validation,
            "IsOrganizationTrail": self.organization,
        });
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                trail[name] = value.into();
            }
        };
        set("S3KeyPrefix", self.prefix.clone());
        set("SnsTopicName", self.topic.as_ref().map(|topic| topic.resource.to_string()));
        set("SnsTopicARN", self.topic.as_ref().map(ToString::to_string));
        set("CloudWatchLogsLogGroupArn", self.log_group.clone());
        set("CloudWatchLogsRoleArn", self.log_role.clone());
        set("KmsKeyId", self.key.clone());
        trail
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
