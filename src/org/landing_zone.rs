//! Landing zones of other tools: AWS Control Tower's, and the Landing Zone Accelerator's.

use serde_json::{Value, json};

use crate::aws::{AwsError, Clients, Observation, SignedRead};
use crate::config::TrailManager;
use crate::names::{AccountId, OrgId};

/// The landing zone that Control Tower set up.
///
/// Source: Control Tower `ListLandingZones`, `GetLandingZone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandingZone {
    /// Its version: `3.3`.
    pub version: String,
    /// The account of its log archive, if its manifest names one.
    pub log_archive: Option<AccountId>,
    /// The account of its auditors, if its manifest names one.
    pub audit: Option<AccountId>,
}

impl LandingZone {
    /// Reads it with the clients of the management account, in the landing zone's home Region:
    /// in other Regions it is absent.
    pub async fn read(management: &Clients) -> Observation<Self> {
        Observation::from_result(Self::try_read(management).await, |_| false).flatten()
    }

    async fn try_read(management: &Clients) -> Result<Option<Self>, AwsError> {
        let listed = management.read(SignedRead::ListLandingZones, &json!({})).await?;
        let zones = listed["landingZones"].as_array();
        let Some(arn) = zones.and_then(|zones| zones.first()?["arn"].as_str()) else {
            return Ok(None);
        };
        let input = json!({ "landingZoneIdentifier": arn });
        let answer = management.read(SignedRead::GetLandingZone, &input).await?;
        let zone = &answer["landingZone"];
        let account = |path: &str| -> Option<AccountId> {
            zone["manifest"].pointer(path).and_then(Value::as_str)?.parse().ok()
        };
        Ok(Some(Self {
            version: zone["version"].as_str().unwrap_or_default().to_owned(),
            log_archive: account("/centralizedLogging/accountId"),
            audit: account("/securityRoles/accountId"),
        }))
    }
}

/// The properties of a trail by which its manager is recognized.
#[derive(Debug, Clone, Copy)]
pub struct TrailProperties<'a> {
    /// Its name.
    pub name: &'a str,
    /// The bucket that it delivers to.
    pub bucket: &'a str,
    /// The prefix of its keys.
    pub prefix: Option<&'a str>,
    /// The ARN of its log group.
    pub log_group: Option<&'a str>,
}

impl TrailProperties<'_> {
    /// The tool whose trail this looks like: at least two of its properties are that tool's.
    /// The name alone is no evidence.
    #[must_use]
    pub fn resembles(&self, organization: &OrgId) -> Option<TrailManager> {
        let of_control_tower = [
            self.name == "aws-controltower-BaselineCloudTrail",
            is_bucket(self.bucket, "aws-controltower-logs-")
                || is_bucket(self.bucket, "aws-controltower-cloudtrail-logs-"),
            self.prefix == Some(organization.as_str()),
            self.log_group.is_some_and(|arn| arn.contains(":log-group:aws-controltower/")),
        ];
        let of_accelerator = [
            self.name.ends_with("-Organizations-CloudTrail"),
            is_bucket(self.bucket, "aws-accelerator-central-logs-"),
            self.prefix == Some("cloudtrail-organization"),
            self.log_group.is_some_and(|arn| arn.contains(":log-group:aws-accelerator-")),
        ];
        let has_two = |of: [bool; 4]| of.into_iter().filter(|is_its| *is_its).count() >= 2;
        if has_two(of_control_tower) {
            Some(TrailManager::ControlTower)
        } else if has_two(of_accelerator) {
            Some(TrailManager::Accelerator)
        } else {
            None
        }
    }

    /// The tool that manages the trail. Where Control Tower answers that it has no landing
    /// zone, the trail is not its; where it cannot be asked, the trail's properties decide.
    #[must_use]
    pub fn manager(
        &self,
        organization: &OrgId,
        zone: &Observation<LandingZone>,
    ) -> Option<TrailManager> {
        let manager = self.resembles(organization)?;
        (manager != TrailManager::ControlTower || !zone.is_absent()).then_some(manager)
    }
}

/// Whether a bucket's name is the prefix and an account id behind it.
fn is_bucket(name: &str, prefix: &str) -> bool {
    let account = name.strip_prefix(prefix).and_then(|rest| rest.get(..12));
    account.is_some_and(|id| id.parse::<AccountId>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: &str = "o-exampleorgid";

    fn manager(
        trail: TrailProperties<'_>,
        zone: &Observation<LandingZone>,
    ) -> Option<TrailManager> {
        trail.manager(&ORG.parse().unwrap(), zone)
    }

    fn zone(version: &str) -> Observation<LandingZone> {
        let version = version.to_owned();
        Observation::Present(LandingZone { version, log_archive: None, audit: None })
    }

    /// Control Tower 3.x, 4.0 and LZA, as `LANDING_ZONE.md` lists them.
    const TRAILS: [(TrailProperties<'_>, TrailManager); 3] = [
        (
            TrailProperties {
                name: "aws-controltower-BaselineCloudTrail",
                bucket: "aws-controltower-logs-222222222222-us-east-1",
                prefix: Some(ORG),
                log_group: Some(
                    "arn:aws:logs:us-east-1:111111111111:log-group:aws-controltower/CloudTrailLogs:*",
                ),
            },
            TrailManager::ControlTower,
        ),
        (
            TrailProperties {
                name: "aws-controltower-BaselineCloudTrail",
                bucket: "aws-controltower-cloudtrail-logs-222222222222-x7k",
                prefix: None,
                log_group: None,
            },
            TrailManager::ControlTower,
        ),
        (
            TrailProperties {
                name: "AWSAccelerator-Organizations-CloudTrail",
                bucket: "aws-accelerator-central-logs-222222222222-us-east-1",
                prefix: Some("cloudtrail-organization"),
                log_group: None,
            },
            TrailManager::Accelerator,
        ),
    ];

    #[test]
    fn trails_of_other_tools_are_recognized_by_their_properties() {
        for (trail, expected) in TRAILS {
            assert_eq!(manager(trail, &zone("3.3")), Some(expected), "{trail:?}");
        }
    }

    #[test]
    fn the_name_alone_is_no_evidence() {
        for (trail, _) in TRAILS {
            let named =
                TrailProperties { bucket: "acme-logs", prefix: None, log_group: None, ..trail };
            assert_eq!(manager(named, &zone("3.3")), None, "{named:?}");
        }
        let almost = TrailProperties { bucket: "aws-controltower-logs-x", ..TRAILS[1].0 };
        assert_eq!(manager(almost, &zone("4.0")), None);
    }

    #[test]
    fn without_a_landing_zone_no_trail_is_of_control_tower() {
        assert_eq!(manager(TRAILS[0].0, &Observation::Absent), None);
        // The accelerator works without Control Tower.
        assert_eq!(manager(TRAILS[2].0, &Observation::Absent), Some(TrailManager::Accelerator));
    }

    #[test]
    fn a_landing_zone_that_cannot_be_read_may_exist() {
        let denied = crate::aws::Failure {
            operation: "ListLandingZones".to_owned(),
            service: "controltower".to_owned(),
            account: None,
            region: None,
            principal: None,
            kind: crate::aws::ErrorKind::AccessDenied,
            code: None,
            message: None,
            request_id: None,
            bucket_region: None,
            source: None,
        };
        let zone = Observation::Unreadable(denied.into());
        assert_eq!(manager(TRAILS[0].0, &zone), Some(TrailManager::ControlTower));
    }
}
