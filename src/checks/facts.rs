use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::archive::verify::run::Verification;
use crate::aws::{AwsError, Seen};
use crate::names::{AccountId, Arn, Region};
use crate::org::ControlPolicies;
use crate::resources::{Desired, EventSelectors, Observed};

/// Everything that checks are judged from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When it was looked at.
    pub at: Timestamp,
    /// What is declared.
    pub desired: Desired,
    /// What was seen of what orgtrail manages.
    pub observed: Observed,
    /// Every account, by unit, then by id.
    pub accounts: Seen<Vec<AccountFacts>>,
    /// The newest digests of every account and Region, verified; absent where
    /// it was not asked for.
    pub chains: Seen<std::sync::Arc<Verification>>,
    /// How the newest digest of the trail's home Region is encrypted in the archive:
    /// `AES256`, `aws:kms`. Absent where there is none of the last weeks.
    pub digest_encryption: Seen<String>,
    /// The resource control policies that bind the archive's account.
    pub resource_policies: Seen<ControlPolicies>,
    /// The accounts of an earlier run, where one was given.
    pub earlier: Option<BTreeSet<AccountId>>,
}

/// What was seen of one account.
#[derive(Debug, Clone)]
pub struct AccountFacts {
    /// The account's id.
    pub account: AccountId,
    /// Its friendly name.
    pub name: String,
    /// The names of the units from the root down.
    pub unit_path: String,
    /// What was seen inside; the words why it was not looked at.
    pub inside: Result<Inside, String>,
}

/// What was seen inside an account.
#[derive(Debug, Clone)]
pub struct Inside {
    /// The declared Regions that it has enabled, and how the trail fares there;
    /// absent where the trail is not there.
    pub regions: BTreeMap<Region, Seen<TrailStatus>>,
    /// Why its own list of Regions could not be read: others may be missing.
    pub regions_unread: Option<AwsError>,
    /// The account's own trails but for the declared one.
    pub other_trails: Seen<Vec<OtherTrail>>,
}

/// How the organization trail fares in one account and Region.
///
/// Source: CloudTrail `GetTrailStatus`.
#[derive(Debug, Clone, Default)]
pub struct TrailStatus {
    /// Whether it records.
    pub is_logging: bool,
    /// When it was last started.
    pub started: Option<Timestamp>,
    /// The newest log file's delivery.
    pub newest_log: Option<Timestamp>,
    /// The newest digest's delivery, as the status tells or the archive shows.
    pub newest_digest: Option<Timestamp>,
    /// The newest digest's delivery, as the status alone tells: it knows of
    /// digests that were deleted since.
    pub told_digest: Option<Timestamp>,
    /// The newest delivery to the log group.
    pub newest_event: Option<Timestamp>,
    /// Why the last delivery of logs failed.
    pub log_error: Option<String>,
    /// Why the last delivery of digests failed.
    pub digest_error: Option<String>,
    /// Why the last delivery to the log group failed.
    pub event_error: Option<String>,
    /// Why the archive could not be asked for digests that the status does not
    /// tell of.
    pub archive_unread: Option<AwsError>,
    /// Whether nothing was ever delivered from there and nothing failed, while the
    /// account's digests arrive from other Regions.
    pub is_silent: bool,
}

/// A trail that is not the declared one.
#[derive(Debug, Clone)]
pub struct OtherTrail {
    /// Its ARN.
    pub arn: Arn,
    /// Whether it records.
    pub is_logging: Seen<bool>,
    /// What it records.
    pub selectors: Seen<EventSelectors>,
}

impl Facts {
    /// How the trail fares in its home Region; the words why that was not looked
    /// at.
    pub fn home_status(&self) -> Result<Seen<&TrailStatus>, String> {
        let accounts = match &self.accounts {
            Seen::Present(accounts) => accounts,
            Seen::Absent => return Ok(Seen::Absent),
            Seen::Unreadable(error) => return Ok(Seen::Unreadable(error.clone())),
        };
        let management = self.desired.management();
        let found = accounts.iter().find(|one| one.account == *management);
        let inside = match found.map(|one| &one.inside) {
            Some(Ok(inside)) => inside,
            Some(Err(why)) => return Err(format!("{management} is not looked at: {why}")),
            None => return Err(format!("{management} is not among the organization's accounts")),
        };
        match (inside.regions.get(self.desired.home_region()), &inside.regions_unread) {
            (Some(status), _) => Ok(status.as_ref()),
            (None, Some(error)) => Ok(Seen::Unreadable(error.clone())),
            (None, None) => {
                Err(format!("{management} has not enabled {}", self.desired.home_region()))
            }
        }
    }

    /// How old a delivery may be.
    #[must_use]
    pub fn freshness(&self) -> SignedDuration {
        SignedDuration::from_hours(self.desired.config.drift.freshness_hours.into())
    }
}

impl TrailStatus {
    /// Why it cannot be told whether digests arrive; none where the status itself
    /// tells that they do not.
    #[must_use]
    pub fn unread(&self) -> Option<&AwsError> {
        let fails = self.log_error.is_some() || self.digest_error.is_some();
        self.archive_unread.as_ref().filter(|_| !fails)
    }

    /// Whether the status reports no delivery of digests at all, so that it does not
    /// tell which is the newest.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.told_digest.is_none()
    }

    /// Whether neither the status nor the archive knows of any delivery, or of one
    /// that failed.
    pub(super) fn knows_of_none(&self) -> bool {
        let delivered = self.newest_digest.or(self.newest_log).is_some();
        let failed = self.log_error.is_some() || self.digest_error.is_some();
        !delivered && !failed && self.archive_unread.is_none()
    }

    /// What is wrong with the newest deliveries, if anything is.
    ///
    /// A digest comes every hour, also where nothing happened; a log file only
    /// where something did. So the digests tell whether deliveries stand still.
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
        // What was started within that time may have nothing to show yet. Nor is
        // silence lateness: late is only what once came.
        if fresh(self.newest_digest) || fresh(self.started) || self.is_silent {
            return None;
        }
        Some(match (self.newest_digest, self.newest_log) {
            (Some(digest), _) => format!("the newest digest is of {digest}"),
            (None, Some(log)) => format!("no digest, the newest log file is of {log}"),
            (None, None) => "no digest and no log file".to_owned(),
        })
    }
}
