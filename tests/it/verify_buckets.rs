//! Verifying in buckets, with what the accounts' own CloudTrail says: the
//! sandbox is the seam.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use jiff::SignedDuration;
use orgtrail::archive::accept::Acceptances;
use orgtrail::archive::authenticity::RecordTrust;
use orgtrail::archive::verify::chain::Window;
use orgtrail::archive::verify::finding::{Finding, FindingKind, Severity};
use orgtrail::archive::verify::public_keys::{KeyItem, PublicKeySet};
use orgtrail::archive::verify::run::{
    ApiKeys, Concurrency, Deliveries, Depth, NoProgress, OtherBuckets, PublicKeySource, Request,
    Selection, Verification, verify,
};
use orgtrail::archive::verify::source::{S3Source, Source};
use orgtrail::aws::{Clients, WriteClients};
use orgtrail::names::Region;
use orgtrail::sandbox::{Effect, Fault};

use crate::configured::ConfiguredEnv;
use crate::env::{MINIMAL, home};
use crate::forge::{Bucket, Chain, gzip, key_item, key_set};

pub(crate) const OLD: &str = "old-trail-bucket";
pub(crate) const NEW: &str = "new-trail-bucket";

fn request(clients: &WriteClients, bucket: &str, keys: PublicKeySource) -> Request {
    Request {
        source: Arc::new(Source::S3(S3Source::new(Clients::clone(clients), bucket))),
        prefix: String::new(),
        selection: Selection::default(),
        window: Window::default(),
        keys,
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
    }
}

async fn verified(request: Request) -> Verification {
    verify(request, Arc::new(NoProgress)).await.unwrap()
}

fn found(verification: &Verification) -> Vec<(FindingKind, Severity)> {
    verification.all_findings().map(|finding| (finding.kind, finding.severity)).collect()
}

pub(crate) async fn put(clients: &WriteClients, name: &str, bucket: &Bucket) {
    clients.s3().create_bucket().bucket(name).send().await.unwrap();
    for (key, object) in &bucket.objects {
        let mut put = clients.s3().put_object().bucket(name).key(key);
        for (name, value) in &object.metadata {
            put = put.metadata(name, value);
        }
        put.body(ByteStream::from(object.bytes.clone())).send().await.unwrap();
    }
}

/// A chain that began in one bucket and goes on in another.
pub(crate) fn moved() -> (Bucket, Bucket, Chain) {
    let (mut old, mut new) = (Bucket::default(), Bucket::default());
    let mut chain = Chain { bucket: OLD.to_owned(), ..Chain::new() };
    chain.hours(&mut old, 3, 1, 1);
    NEW.clone_into(&mut chain.bucket);
    chain.hours(&mut new, 3, 1, 1);
    (old, new, chain)
}

#[tokio::test]
async fn a_chain_is_followed_into_the_bucket_that_it_came_from() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let clients = env.management();
    let (old, new, chain) = moved();
    put(&clients, OLD, &old).await;
    put(&clients, NEW, &new).await;
    let asked = || {
        let mut request = request(&clients, NEW, PublicKeySource::Given(Arc::new(key_set())));
        let accounts = vec![env.desired.management().clone()];
        request.other_buckets = OtherBuckets::read_as(env.aws.clone(), accounts);
        request
    };
    let all = verified(asked()).await;
    assert_eq!(found(&all), [(FindingKind::ContinuesElsewhere, Severity::Notice)]);
    let at = |bucket: &str| {
        all.scopes.iter().find(|scope| scope.bucket.as_deref() == Some(bucket)).unwrap()
    };
    assert_eq!((at(OLD).logs.valid, at(NEW).logs.valid), (3, 3));
    assert_eq!(at(OLD).proven[0].to, at(NEW).proven[0].from);

    // What is wrong there is found there.
    let altered = ByteStream::from(gzip(b"{}"));
    let key = &chain.logs[1][0];
    clients.s3().put_object().bucket(OLD).key(key).body(altered).send().await.unwrap();
    let all = verified(asked()).await;
    let broken = |finding: &&Finding| finding.severity == Severity::Broken;
    let finding = all.all_findings().find(broken).unwrap();
    assert_eq!((finding.kind, finding.bucket.as_deref()), (FindingKind::LogHash, Some(OLD)));

    // The digest that the first one here names must be there.
    clients.s3().delete_object().bucket(OLD).key(&chain.digests[2]).send().await.unwrap();
    let all = verified(asked()).await;
    let missing = all.all_findings().find(|it| it.kind == FindingKind::DigestMissing).unwrap();
    assert_eq!(missing.key.as_ref(), Some(&chain.digests[2]));

    // Where it cannot be read, the reason is said.
    env.sandbox.faults().inject(Fault::every("s3:GetBucketLocation", Effect::Deny));
    let all = verified(asked()).await;
    assert_eq!(found(&all), [(FindingKind::ContinuesElsewhere, Severity::Incomplete)]);
    let said = all.all_findings().next().unwrap().found.clone().unwrap();
    assert!(said.contains("not followed") && said.contains("s3:GetBucketLocation"), "{said}");
}

#[tokio::test]
async fn another_digest_at_the_border_is_not_the_one_that_was_recorded() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let clients = env.management();
    let (_, new, _) = moved();
    // The same hours once more, signed as well, and with other log files.
    let mut other = Bucket::default();
    Chain { bucket: OLD.to_owned(), ..Chain::new() }.hours(&mut other, 3, 2, 1);
    put(&clients, OLD, &other).await;
    put(&clients, NEW, &new).await;
    let mut request = request(&clients, NEW, PublicKeySource::Given(Arc::new(key_set())));
    let accounts = vec![env.desired.management().clone()];
    request.other_buckets = OtherBuckets::read_as(env.aws.clone(), accounts);
    let all = verified(request).await;
    let kinds: Vec<_> = found(&all).into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.contains(&FindingKind::LinkHash), "{kinds:?}");
    assert!(kinds.contains(&FindingKind::LinkSignature), "{kinds:?}");
}

#[tokio::test]
async fn a_listing_that_is_cut_is_no_end_of_the_bucket() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let clients = env.management();
    let mut bucket = Bucket::default();
    Chain { bucket: OLD.to_owned(), ..Chain::new() }.hours(&mut bucket, 6, 2, 1);
    put(&clients, OLD, &bucket).await;
    let asked = || request(&clients, OLD, PublicKeySource::Given(Arc::new(key_set())));
    assert_eq!(found(&verified(asked()).await), []);
    // Whichever listing it is: the one of a folder, of digests or of log files.
    let mut listings = 0;
    loop {
        let cut = Fault::every("s3:ListObjectsV2", Effect::Truncate).after(listings).times(1);
        env.sandbox.faults().inject(cut);
        match verify(asked(), Arc::new(NoProgress)).await {
            Err(error) => {
                let why = error.source.to_string();
                let reason = why.contains("it was truncated") || why.contains("is unreadable");
                assert!(reason, "{error:?}");
            }
            Ok(all) if found(&all).is_empty() => break,
            Ok(all) => {
                assert_eq!(all.severity(), Some(Severity::Incomplete), "{:#?}", found(&all));
                assert!(found(&all).contains(&(FindingKind::Unreadable, Severity::Incomplete)));
            }
        }
        env.sandbox.faults().clear();
        listings += 1;
    }
    assert!(listings >= 6, "{listings}");
}

#[tokio::test]
async fn what_is_damaged_on_its_way_is_fetched_once_more() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let clients = env.management();
    let mut bucket = Bucket::default();
    Chain { bucket: OLD.to_owned(), ..Chain::new() }.hours(&mut bucket, 4, 2, 1);
    put(&clients, OLD, &bucket).await;
    let asked = || request(&clients, OLD, PublicKeySource::Given(Arc::new(key_set())));
    for effect in [Effect::Truncate, Effect::Alter] {
        for fetched in 0..12 {
            let once = Fault::every("s3:GetObject", effect.clone()).after(fetched).times(1);
            env.sandbox.faults().inject(once);
            assert_eq!(found(&verified(asked()).await), [], "{effect:?} of fetch {fetched}");
            env.sandbox.faults().clear();
        }
        // What never comes whole is neither proven nor accused.
        env.sandbox.faults().inject(Fault::every("s3:GetObject", effect.clone()));
        let all = verified(asked()).await;
        assert_eq!(all.severity(), Some(Severity::Incomplete), "{effect:?}: {:?}", found(&all));
        assert_eq!((all.scopes[0].logs.valid, all.scopes[0].proven.len()), (0, 0));
        env.sandbox.faults().clear();
    }
}

#[tokio::test]
async fn every_account_says_through_its_role_what_was_delivered_last() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    env.converge().await;
    env.sandbox.tick(SignedDuration::from_hours(6));
    let archive = env.archive();
    let member = env.sandbox.accounts()[3].clone();
    let asked = || {
        let now = env.sandbox.now();
        let account = env.desired.management().clone();
        let keys = ApiKeys::new(env.aws.clone(), account, PublicKeySet::default(), now);
        let mut request = request(&archive, "acme-log-archive", PublicKeySource::Api(keys));
        request.delivered = Deliveries::query(env.aws.clone()).into();
        request
    };
    assert_eq!(found(&verified(asked()).await), []);

    let digests = env.sandbox.keys_raw("acme-log-archive", "");
    let part = format!("/{member}/CloudTrail-Digest/us-east-1/");
    let digests: Vec<_> = digests.iter().filter(|key| key.contains(&part)).collect();
    for digest in &digests[digests.len() - 3..] {
        env.sandbox.delete_raw("acme-log-archive", digest).unwrap();
    }
    let all = verified(asked()).await;
    let newest = all.all_findings().find(|it| it.kind == FindingKind::NewestDeleted).unwrap();
    assert_eq!(newest.account.as_ref(), Some(&member));

    // Nobody is taken for silent who could not be asked.
    env.sandbox.faults().inject(Fault::every("cloudtrail:GetTrailStatus", Effect::Deny));
    let all = verified(asked()).await;
    let said: Vec<_> =
        found(&all).into_iter().filter(|(kind, _)| *kind == FindingKind::Unreadable).collect();
    assert_eq!(said.len(), all.scopes.len());
    assert!(found(&all).iter().all(|(kind, _)| *kind != FindingKind::NewestDeleted));
}

#[tokio::test]
async fn a_key_that_only_the_archive_names_is_not_taken_for_one_of_aws() {
    let env = ConfiguredEnv::at(MINIMAL, "2026-01-05T00:00:00Z".parse().unwrap()).await;
    env.converge().await;
    env.sandbox.tick(SignedDuration::from_hours(2));
    let clients = env.management();
    let (mut lately, mut long_ago) = (Bucket::default(), Bucket::default());
    Chain { bucket: NEW.to_owned(), ..Chain::new() }.hours(&mut lately, 3, 1, 1);
    let before_all_keys = "2025-06-10T08:00:00Z".parse().unwrap();
    Chain { bucket: OLD.to_owned(), end: before_all_keys, ..Chain::new() }.hours(
        &mut long_ago,
        3,
        1,
        1,
    );
    put(&clients, NEW, &lately).await;
    put(&clients, OLD, &long_ago).await;
    // Planted by somebody who may write into the archive, and signs with it.
    let planted = KeyItem { validity_start_time: None, validity_end_time: None, ..key_item() };
    let asked = |bucket: &str| {
        let mut saved = PublicKeySet::default();
        saved.add_item(&planted).unwrap();
        let account = env.desired.management().clone();
        let keys = ApiKeys::new(env.aws.clone(), account, saved, env.sandbox.now());
        request(&clients, bucket, PublicKeySource::Api(keys))
    };

    // AWS lists keys of this time, and not this one.
    let all = verified(asked(NEW)).await;
    assert_eq!(all.severity(), Some(Severity::Broken));
    assert_eq!(all.scopes[0].chains.iter().map(|chain| chain.valid).sum::<u64>(), 0);
    let kinds = found(&all).into_iter().map(|(kind, _)| kind);
    assert_eq!(kinds.filter(|kind| *kind == FindingKind::PublicKeyNotFound).count(), 3);

    // AWS lists no key of this time.
    let all = verified(asked(OLD)).await;
    assert_eq!(found(&all), [(FindingKind::PublicKeySaved, Severity::Incomplete)]);
    assert_eq!((all.scopes[0].chains[0].valid, all.scopes[0].chains[0].by_saved_key), (3, 3));

    // AWS does not answer.
    env.sandbox.faults().inject(Fault::every("cloudtrail:ListPublicKeys", Effect::Deny));
    let all = verified(asked(NEW)).await;
    let mut kinds = found(&all);
    kinds.sort();
    assert_eq!(
        kinds,
        [
            (FindingKind::PublicKeySaved, Severity::Incomplete),
            (FindingKind::Unreadable, Severity::Incomplete)
        ]
    );
}

#[tokio::test]
async fn a_regions_keys_are_asked_for_in_an_account_that_has_it() {
    let env = ConfiguredEnv::new(MINIMAL).await;
    let region: Region = "eu-south-2".parse().unwrap();
    let (management, archive) = (env.desired.management(), env.desired.archive());
    let clients = env.clients(archive, &home());
    let enable = clients.account_management().enable_region().region_name("eu-south-2");
    enable.send().await.unwrap();
    let now = env.sandbox.now();
    let keys = || ApiKeys::new(env.aws.clone(), management.clone(), PublicKeySet::default(), now);
    let alone = keys().list(&region, Window::default()).await.unwrap_err();
    assert!(alone.hint().unwrap().contains("not have enabled eu-south-2"), "{alone}");
    // Accounts that have it not are passed over.
    let all = keys();
    all.add_accounts(&region, &env.sandbox.accounts());
    all.list(&region, Window::default()).await.unwrap();
    // Where all are denied, that is the answer, and no empty list.
    env.sandbox.faults().inject(Fault::every("cloudtrail:ListPublicKeys", Effect::Deny));
    let denied = all.list(&region, Window::default()).await.unwrap_err();
    assert!(denied.to_string().contains("ListPublicKeys"), "{denied}");
}
