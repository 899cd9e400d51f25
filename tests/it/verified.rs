//! Chains that are verified, and what there is to say of them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orgtrail::archive::accept::Acceptances;
use orgtrail::archive::authenticity::RecordTrust;
use orgtrail::archive::verify::chain::{LatestDelivery, Window};
use orgtrail::archive::verify::finding::{Finding, FindingKind};
use orgtrail::archive::verify::period::Period;
use orgtrail::archive::verify::run::{
    Concurrency, Deliveries, Depth, Examined, NoProgress, OtherBuckets, PublicKeySource, Request,
    Selection, Verification, examine,
};
use orgtrail::archive::verify::source::{FolderSource, Source};

use crate::forge::{Bucket, Chain, key_set};

/// Six hours of three log files each, and a bucket that holds them.
pub(crate) fn six_hours() -> (Bucket, Chain) {
    let (mut bucket, mut chain) = (Bucket::default(), Chain::new());
    chain.hours(&mut bucket, 6, 3, 2);
    (bucket, chain)
}

pub(crate) fn verified(bucket: &Bucket) -> Verification {
    verified_with(bucket, |_| {})
}

pub(crate) fn verified_with(bucket: &Bucket, change: impl FnOnce(&mut Request)) -> Verification {
    examined_with(bucket, change).conclude()
}

/// What is found, before what follows from all accounts and Regions together.
pub(crate) fn examined_with(bucket: &Bucket, change: impl FnOnce(&mut Request)) -> Examined {
    let folder = tempfile::tempdir().unwrap();
    bucket.write_to(folder.path());
    let mut request = Request {
        source: Arc::new(Source::Folder(FolderSource::new(folder.path().to_owned()))),
        prefix: String::new(),
        selection: Selection::default(),
        window: Window::default(),
        keys: PublicKeySource::Given(Arc::new(key_set())),
        declared: None,
        org_owner: None,
        delivered: Arc::new(Deliveries::none()),
        expected: None,
        other_buckets: OtherBuckets::none(),
        acceptances: Acceptances::none(),
        trust: RecordTrust::default(),
        depth: Depth::Whole,
        concurrency: Concurrency::default(),
        kept: None,
    };
    change(&mut request);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(examine(request, Arc::new(NoProgress))).unwrap()
}

pub(crate) fn kinds(verification: &Verification) -> Vec<FindingKind> {
    verification.all_findings().map(|finding| finding.kind).collect()
}

/// The one finding that there is.
pub(crate) fn only(verification: &Verification) -> &Finding {
    let all: Vec<_> = verification.all_findings().collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0]
}

pub(crate) fn at(hour: i64) -> Timestamp {
    crate::forge::START.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour)
}

/// What CloudTrail says of a trail's newest digest.
pub(crate) fn latest(chain: &Chain, hour: i64) -> LatestDelivery {
    LatestDelivery {
        trail: chain.trail.clone(),
        home_region: chain.home_region.clone(),
        root: chain.root.clone(),
        at: at(hour),
    }
}

pub(crate) fn period(from: i64, to: i64) -> Period {
    Period { from: at(from), to: at(to) }
}
