use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::NeighborStatus;
use crate::archive::verify::run::Verification;
use crate::aws::{AwsError, Observation};
use crate::config::Neighbor;
use crate::names::{AccountId, Arn, Region};
use crate::org::ControlPolicies;
use crate::resources::{Desired, EventSelectors, Observed};

/// Everything that checks read.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When it was read.
    pub at: Timestamp,
    /// The configuration, resolved for the organization.
    pub desired: Desired,
    /// The managed resources.
    pub observed: Observed,
    /// Every account, by unit, then by id.
    pub accounts: Observation<Vec<AccountFacts>>,
    /// The newest digests of every account and Region, verified; absent if the configuration
    /// does not require it.
    pub chains: Observation<std::sync::Arc<Verification>>,
    /// How the newest digest of the trail's home Region is encrypted in the archive:
    /// `AES256`, `aws:kms`. Absent if the last weeks have none.
    pub digest_encryption: Observation<String>,
    /// The resource control policies that apply to the archive's account.
    pub resource_policies: Observation<ControlPolicies>,
    /// What centralized root access allows; absent if IAM has no trusted access.
    pub root_features: Observation<BTreeSet<String>>,
    /// The accounts of an earlier run, if one is given.
    pub earlier: Option<BTreeSet<AccountId>>,
}

/// What was read of one account.
#[derive(Debug, Clone)]
pub struct AccountFacts {
    /// The account's id.
    pub account: AccountId,
    /// Its friendly name.
    pub name: String,
    /// The names of the units from the root down.
    pub unit_path: String,
    /// What was read inside; or why it was not read.
    pub inside: Result<Inside, String>,
}

/// What was read inside an account.
#[derive(Debug, Clone)]
pub struct Inside {
    /// The configured Regions that it has enabled, with the trail's status there; absent if
    /// the trail is missing.
    pub regions: BTreeMap<Region, Observation<TrailStatus>>,
    /// The status of the neighboring services that the configuration declares.
    pub neighbors: BTreeMap<(Neighbor, Region), Observation<NeighborStatus>>,
    /// Why its own list of Regions is unreadable: some may be missing.
    pub regions_unread: Option<AwsError>,
    /// The account's trails other than the configured one.
    pub other_trails: Observation<Vec<OtherTrail>>,
}

/// The status of the organization trail in one account and Region.
///
/// Source: CloudTrail `GetTrailStatus`.
#[derive(Debug, Clone, Default)]
pub struct TrailStatus {
    /// Whether it is logging.
    pub is_logging: bool,
    /// When it was last started.
    pub started: Option<Timestamp>,
    /// The newest log file's delivery.
    pub newest_log: Option<Timestamp>,
    /// The newest digest's delivery, from the status or the archive.
    pub newest_digest: Option<Timestamp>,
    /// The newest digest's delivery from the status alone, which includes digests that were
    /// deleted since.
    pub reported_digest: Option<Timestamp>,
    /// The newest delivery to the log group.
    pub newest_event: Option<Timestamp>,
    /// Why the last delivery of logs failed.
    pub log_error: Option<String>,
    /// Why the last delivery of digests failed.
    pub digest_error: Option<String>,
    /// Why the last delivery to the log group failed.
    pub event_error: Option<String>,
    /// Why the archive could not be searched for digests that the status does not report.
    pub archive_unread: Option<AwsError>,
    /// Whether nothing was ever delivered from there and no delivery failed, while digests
    /// arrive from other Regions of the account.
    pub is_silent: bool,
}

/// A trail other than the configured one.
#[derive(Debug, Clone)]
pub struct OtherTrail {
    /// Its ARN.
    pub arn: Arn,
    /// Whether it is logging.
    pub is_logging: Observation<bool>,
    /// Its event selectors.
    pub selectors: Observation<EventSelectors>,
}

impl Facts {
    /// Facts of the managed resources alone, for checks that read nothing else.
    #[must_use]
    pub fn of_observed(desired: Desired, observed: Observed, at: Timestamp) -> Self {
        Self {
            at,
            desired,
            observed,
            accounts: Observation::Absent,
            chains: Observation::Absent,
            digest_encryption: Observation::Absent,
            resource_policies: Observation::Absent,
            root_features: Observation::Absent,
            earlier: None,
        }
    }

    /// The trail's status in its home Region; or why it was not read.
    pub fn home_status(&self) -> Result<Observation<&TrailStatus>, String> {
        let accounts = match &self.accounts {
            Observation::Present(accounts) => accounts,
            Observation::Absent => return Ok(Observation::Absent),
            Observation::Unreadable(error) => return Ok(Observation::Unreadable(error.clone())),
        };
        let management = self.desired.management();
        let found = accounts.iter().find(|one| one.account == *management);
        let inside = match found.map(|one| &one.inside) {
            Some(Ok(inside)) => inside,
            Some(Err(why)) => return Err(format!("account {management} is excluded: {why}")),
            None => return Err(format!("account {management} is not in the organization")),
        };
        match (inside.regions.get(self.desired.home_region()), &inside.regions_unread) {
            (Some(status), _) => Ok(status.as_ref()),
            (None, Some(error)) => Ok(Observation::Unreadable(error.clone())),
            (None, None) => {
                Err(format!("account {management} has not enabled {}", self.desired.home_region()))
            }
        }
    }

    /// The maximum age of the newest delivery.
    #[must_use]
    pub fn freshness(&self) -> SignedDuration {
        SignedDuration::from_hours(self.desired.config.drift.freshness_hours.into())
    }
}

impl TrailStatus {
    /// Why it is unknown whether digests arrive; none if the status reports that they do not.
    #[must_use]
    pub fn unread(&self) -> Option<&AwsError> {
        let fails = self.log_error.is_some() || self.digest_error.is_some();
        self.archive_unread.as_ref().filter(|_| !fails)
    }

    /// Whether the status reports no delivery of digests, so that the newest is unknown.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.reported_digest.is_none()
    }

    /// Whether neither the status nor the archive shows a delivery, or a failed one.
    pub(super) fn shows_no_delivery(&self) -> bool {
        let delivered = self.newest_digest.or(self.newest_log).is_some();
        let failed = self.log_error.is_some() || self.digest_error.is_some();
        !delivered && !failed && self.archive_unread.is_none()
    }

    /// What is wrong with the newest deliveries, if anything.
    ///
    /// A digest arrives every hour, even without events; a log file only with events. So
    /// digests show whether deliveries have stopped.
    #[must_use]
    pub fn staleness(&self, at: Timestamp, age: SignedDuration) -> Option<String> {
        if let Some(error) = &self.log_error {
            return Some(format!("log files are not delivered: {error}"));
        }
        if let Some(error) = &self.digest_error {
            return Some(format!("digests are not delivered: {error}"));
        }
        let fresh =
            |time: Option<Timestamp>| time.is_some_and(|time| at.duration_since(time) <= age);
        // A trail that was started within that time may not have delivered yet. A Region
        // that never delivered is not late.
        if fresh(self.newest_digest) || fresh(self.started) || self.is_silent {
            return None;
        }
        Some(match (self.newest_digest, self.newest_log) {
            (Some(digest), _) => format!("the newest digest was delivered at {digest}"),
            (None, Some(log)) => format!("no digest; the newest log file was delivered at {log}"),
            (None, None) => "no digest and no log file".to_owned(),
        })
    }
}
