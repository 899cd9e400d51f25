use super::expiring_bucket::{DeclaredExpiring, Expiration, ExpiringBucket};
use crate::aws::Observation;
use crate::config::Place;
use crate::names::{BucketName, KeyPrefix, prefix_folder};
use crate::resources::change::Change;
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The bucket of the service's state, where `service.manage_state` is set.
///
/// It is never the archive: Object Lock would retain every claim, and versions every heartbeat.
#[derive(Debug)]
pub(crate) struct StateBucket;

/// The folders of the state that only matter while their slot does, in days: claims decide who
/// runs a slot, and no slot is caught up after so long.
const SHORT_LIVED: [(&str, u32); 3] = [("claims", 30), ("heartbeats", 30), ("probes", 1)];
/// The folders that are kept for `service.state_retention_days`.
const HISTORY: [&str; 3] = ["notifications", "reports", "rounds"];
const RULE: &str = "orgtrail-state-";

/// The bucket and the prefix, if orgtrail manages it.
fn managed(desired: &Desired) -> Option<(&BucketName, Option<&KeyPrefix>)> {
    let service = &desired.config.service;
    match service.state.as_ref()?.place() {
        Place::Bucket { bucket, prefix } if service.manage_state => Some((bucket, prefix.as_ref())),
        _ => None,
    }
}

fn declared(desired: &Desired) -> Option<DeclaredExpiring<'_>> {
    let (name, prefix) = managed(desired)?;
    let days = desired.config.service.state_retention_days;
    let folders = SHORT_LIVED.into_iter().chain(HISTORY.map(|folder| (folder, days)));
    let expirations = folders.map(|(folder, days)| Expiration {
        rule: format!("{RULE}{folder}"),
        prefix: format!("{}{folder}/", prefix_folder(prefix)),
        days,
    });
    Some(DeclaredExpiring {
        name,
        region: &desired.config.archive.region,
        setting: "service.state",
        otherwise: "every heartbeat of the service would be kept",
        expirations: expirations.collect(),
    })
}

impl Resource for StateBucket {
    type State = ExpiringBucket;
    const ID: &'static str = "state-bucket";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = ExpiringBucket::ACTIONS;

    fn is_enabled(desired: &Desired) -> bool {
        managed(desired).is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<ExpiringBucket> {
        let Some((name, _)) = managed(context.desired) else { return Observation::Absent };
        let found = ExpiringBucket::read(&context.archive(), name, RULE).await;
        Observation::from_result(found, |_| false).flatten()
    }

    fn diff(desired: &Desired, found: Option<&ExpiringBucket>, _: &Observed) -> Change {
        let Some(declared) = declared(desired) else { return Change::nothing() };
        ExpiringBucket::diff(found, &declared, desired, "the service keeps its state in it")
    }

    fn kept(desired: &Desired, _: Option<&ExpiringBucket>) -> Vec<Kept> {
        let Some((name, _)) = managed(desired) else { return Vec::new() };
        let cost =
            KeptCost::Objects { classes: vec!["STANDARD"], note: "; its lifecycle rules empty it" };
        vec![Kept::new(name, "it contains the rounds of the service", cost)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let Some(declared) = declared(context.desired) else { return Ok(()) };
        let found = context.observed.state_bucket.present();
        ExpiringBucket::apply(found, &declared, context, &context.archive()).await
    }
}
