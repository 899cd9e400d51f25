//! The newest digests of every account and Region, put before the verifier.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::archive::key::Root;
use crate::archive::verify::chain::Window;
use crate::archive::verify::public_keys::{PublicKeySet, SAVED_KEYS};
use crate::archive::verify::run::{
    ApiKeys, Concurrency, Deliveries, KeyRing, OtherBuckets, Request, Selection, Silent,
    Verification, verify,
};
use crate::archive::verify::source::{FetchError, S3Source, Source};
use crate::aws::{Aws, AwsError, Seen};
use crate::resources::Desired;

/// Verifies the digests of the declared newest hours; absent where none are
/// declared, or nothing is in the archive.
pub(super) async fn verify_newest(
    aws: &Aws,
    desired: &Desired,
    at: Timestamp,
) -> Seen<Arc<Verification>> {
    let hours = desired.config.drift.chain_hours;
    if hours == 0 {
        return Seen::Absent;
    }
    let clients = aws.clients(desired.archive(), &desired.config.archive.region);
    let source = Arc::new(Source::S3(S3Source::new(clients.clone(), desired.bucket().as_str())));
    let prefix = desired.config.archive.prefix.as_ref().map(ToString::to_string);
    let folder = prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    let saved = match source.fetch(None, &format!("{folder}{SAVED_KEYS}")).await {
        Ok(object) => PublicKeySet::from_json(&object.bytes).unwrap_or_default(),
        Err(FetchError::NotFound) => PublicKeySet::default(),
        Err(error) => {
            tracing::debug!(%error, "the saved public keys could not be read");
            PublicKeySet::default()
        }
    };
    let since = at.checked_sub(SignedDuration::from_hours(hours.into())).unwrap_or(at);
    let request = Request {
        source,
        prefix: folder,
        selection: Selection::default(),
        window: Window { since: Some(since), until: None, last: None },
        keys: KeyRing::Api(ApiKeys::new(aws.clone(), aws.caller().account.clone(), saved, at)),
        declared: Some(Root {
            prefix: prefix.map(Into::into),
            org: Some(desired.org_id().clone()),
        }),
        org_owner: None,
        delivered: Deliveries::none(),
        other_buckets: OtherBuckets::none(),
        concurrency: Concurrency::default(),
        kept: None,
    };
    match verify(request, Arc::new(Silent)).await {
        Ok(verification) if verification.lanes.is_empty() => Seen::Absent,
        Ok(verification) => Seen::Present(Arc::new(verification)),
        Err(error) => match error.source.downcast_ref::<AwsError>() {
            Some(error) if error.is_not_found() => Seen::Absent,
            Some(error) => Seen::Unreadable(error.clone()),
            None => Seen::Unreadable(clients.malformed("s3:ListBucket", &error.to_string())),
        },
    }
}
