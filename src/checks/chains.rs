//! Verification of the newest digests of every account and Region.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{AccountFacts, TrailStatus};
use crate::archive::accept::Acceptances;
use crate::archive::authenticity::RecordTrust;
use crate::archive::key::Root;
use crate::archive::verify::chain::{LatestDelivery, Window};
use crate::archive::verify::public_keys::{PublicKeySet, SAVED_KEYS};
use crate::archive::verify::run::{
    ApiKeys, Concurrency, DeclaredTrail, Deliveries, Depth, NoProgress, OtherBuckets,
    PublicKeySource, Request, Selection, Verification, verify,
};
use crate::archive::verify::source::{FetchError, S3Source, Source};
use crate::aws::{Aws, AwsError, Observation};
use crate::names::{AccountId, Region, prefix_folder};
use crate::resources::Desired;

/// A digest covers an hour and is delivered up to two hours later: a shorter window often
/// has none, or none from well before the newest, and shows no deletion.
const FEWEST_HOURS: u32 = 4;

/// The start of the window; none if the configuration turns it off.
pub(super) fn since(desired: &Desired, at: Timestamp) -> Option<Timestamp> {
    let hours = desired.config.drift.chain_hours;
    let window = SignedDuration::from_hours(hours.max(FEWEST_HOURS).into());
    (hours > 0).then(|| at.checked_sub(window).unwrap_or(at))
}

/// The root of the configured trail's keys.
pub(super) fn root(desired: &Desired) -> Root {
    let prefix = desired.config.archive.prefix.as_ref();
    Root {
        prefix: prefix.map(|prefix| prefix.to_string().into()),
        org: Some(desired.org_id().clone()),
    }
}

/// The trail's status in every account and Region that was read.
pub(super) fn statuses(
    accounts: &Observation<Vec<AccountFacts>>,
) -> impl Iterator<Item = (&AccountId, &Region, &Observation<TrailStatus>)> {
    let accounts = accounts.present().into_iter().flatten();
    let entered = accounts.filter_map(|one| Some((&one.account, one.inside.as_ref().ok()?)));
    entered.flat_map(|(account, inside)| {
        inside.regions.iter().map(move |(region, status)| (account, region, status))
    })
}

/// Verifies the digests of the configured number of hours, which must include those that
/// CloudTrail reports in the accounts; absent if the configuration turns it off.
pub(super) async fn verify_newest(
    aws: &Aws,
    desired: &Desired,
    at: Timestamp,
    accounts: &Observation<Vec<AccountFacts>>,
) -> Observation<Arc<Verification>> {
    let Some(since) = since(desired, at) else { return Observation::Absent };
    let clients = aws.clients(desired.archive(), &desired.config.archive.region);
    let source = Arc::new(Source::S3(S3Source::new(clients.clone(), desired.bucket().as_str())));
    let prefix = desired.config.archive.prefix.as_ref().map(ToString::to_string);
    let folder = prefix_folder(prefix.as_ref());
    let saved = match source.fetch(None, &format!("{folder}{SAVED_KEYS}")).await {
        Ok(object) => PublicKeySet::from_json(&object.bytes).unwrap_or_default(),
        Err(FetchError::NotFound) => PublicKeySet::default(),
        Err(error) => {
            tracing::debug!(%error, "the saved public keys could not be read");
            PublicKeySet::default()
        }
    };
    let trust = RecordTrust::of_config(&desired.config, aws, Some(desired.org_id()));
    let acceptances = Acceptances::read(Arc::clone(&source), prefix.as_deref(), &trust).await;
    let request = Request {
        source,
        prefix: folder,
        selection: Selection::default(),
        window: Window { since: Some(since), until: None, last: None },
        keys: PublicKeySource::Api(ApiKeys::new(
            aws.clone(),
            aws.caller().account.clone(),
            saved,
            at,
        )),
        declared: Some(root(desired)),
        org_owner: None,
        delivered: Arc::new(delivered(desired, accounts).with_declared_trail(Some(
            DeclaredTrail {
                name: desired.config.trail.name.clone(),
                home_region: desired.home_region().clone(),
                org: desired.org_id().clone(),
            },
        ))),
        // Other checks report accounts and Regions without deliveries.
        expected: None,
        other_buckets: OtherBuckets::origins_as(
            aws.clone(),
            vec![desired.archive().clone(), aws.caller().account.clone()],
        ),
        acceptances,
        trust,
        depth: Depth::Whole,
        concurrency: Concurrency::default(),
        kept: None,
    };
    match verify(request, Arc::new(NoProgress)).await {
        Ok(verification) => Observation::Present(Arc::new(verification)),
        Err(error) => match error.source.downcast_ref::<AwsError>() {
            // Without the bucket, no digest exists; some may be due.
            Some(error) if error.is_not_found() => {
                let nothing = Verification { scopes: Vec::new(), findings: Vec::new() };
                Observation::Present(Arc::new(nothing))
            }
            Some(error) => Observation::Unreadable(error.clone()),
            None => Observation::Unreadable(clients.malformed("s3:ListBucket", &error.to_string())),
        },
    }
}

/// The configured trail's newest digest.
pub(super) fn latest(desired: &Desired, at: Timestamp) -> LatestDelivery {
    LatestDelivery {
        trail: desired.config.trail.name.to_string(),
        home_region: desired.home_region().to_string(),
        root: root(desired),
        at,
    }
}

/// The newest digests that CloudTrail reports.
fn delivered(desired: &Desired, accounts: &Observation<Vec<AccountFacts>>) -> Deliveries {
    let reported = statuses(accounts).filter_map(|(account, region, status)| {
        let at = status.present()?.reported_digest?;
        Some((account.clone(), region.clone(), latest(desired, at)))
    });
    Deliveries::known(root(desired), reported)
}
