//! What an account's own, older trail left behind: a bucket full of log files
//! with their chain of digests, from before the organization's trail.

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Arn, BucketName, Region, TrailName};

use super::{SettingsPeriod, State, Volume, deliver};
use crate::services::cloudtrail::Trail;
use crate::simulation::{Control, Simulation};

/// An older trail of one account and what it delivered.
#[derive(Debug, Clone)]
pub struct Legacy {
    /// The account that the trail is of.
    pub account: AccountId,
    /// Where it delivered. The bucket must be there and let CloudTrail write.
    pub bucket: BucketName,
    /// The prefix of its keys.
    pub prefix: Option<String>,
    /// The trail's name.
    pub trail: TrailName,
    /// The Regions it recorded, the home Region first.
    pub regions: Vec<Region>,
    /// From when it logged.
    pub from: Timestamp,
    /// Until when; then it was stopped, but not deleted.
    pub until: Timestamp,
}

/// Why a legacy trail could not be made up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filling bucket {bucket} with the past of trail {trail}: {reason}")]
pub struct LegacyError {
    /// The bucket.
    pub bucket: BucketName,
    /// The trail.
    pub trail: TrailName,
    /// S3's error code, or what is missing.
    pub reason: String,
}

/// Makes the trail and delivers all that it would have.
pub(crate) fn fill(simulation: &Simulation, legacy: &Legacy) -> Result<(), LegacyError> {
    let refuse = |reason: String| LegacyError {
        bucket: legacy.bucket.clone(),
        trail: legacy.trail.clone(),
        reason,
    };
    let home = legacy.regions.first().ok_or_else(|| refuse("no Region is given".to_owned()))?;
    let mut control = simulation.control.write();
    if !control.accounts.contains_key(&legacy.account) {
        return Err(refuse(format!("no account {}", legacy.account)));
    }
    let resource = format!("trail/{}", legacy.trail);
    let arn = Arn::regional(simulation.partition, "cloudtrail", home, &legacy.account, resource);
    let mut trail = Trail::legacy(arn, legacy, home);
    trail.logging = true;
    trail.started_at = Some(legacy.from);
    trail.settle_digests(legacy.from);
    // Only this trail's Regions, and nothing that clients called today.
    let regions = Some(legacy.regions.clone());
    control.simulator.filling = Some(Volume { regions, ..control.simulator.volumes.now().clone() });
    let run = SettingsPeriod { trail: trail.clone().into(), until: legacy.until, ends: true };
    // Before it delivers: its status reports that.
    let mut stopped = trail.clone();
    stopped.logging = false;
    stopped.stopped_at = Some(legacy.until);
    stopped.digests_since = None;
    store(&mut control, stopped);
    deliver(simulation, &mut control, [(trail.arn.to_string(), vec![run])].into(), legacy.until);
    control.simulator.filling = None;
    let failure = failure(&control.simulator, &trail);
    match failure {
        Some(reason) => Err(refuse(reason)),
        None => Ok(()),
    }
}

fn failure(state: &State, trail: &Trail) -> Option<String> {
    let places = state.places.get(&trail.arn.to_string())?;
    places
        .values()
        .any(super::place::Place::has_failed)
        .then(|| "the bucket does not let CloudTrail write".to_owned())
}

fn store(control: &mut Control, trail: Trail) {
    if let Some(owner) = control.accounts.get_mut(&trail.owner) {
        owner.cloudtrail.trails.insert(trail.arn.to_string(), trail);
    }
}
