//! Follows chains into the buckets that they came from.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt as _, stream};

use super::delivery::Deliveries;
use super::logs::Limits;
use super::scope::Extent;
use super::{ChainScope, Depth, Progress, Request, ScopeReport, Selection, Source, Window, scope};
use crate::archive::accept::Acceptances;
use crate::archive::authenticity::RecordTrust;
use crate::archive::bundle::Followed;
use crate::archive::verify::chain::BucketHandoff;
use crate::archive::verify::finding::{FindingKind, Severity};
use crate::archive::verify::source::{FolderSource, S3Source};
use crate::aws::Aws;
use crate::names::{AccountId, BucketName};
use crate::org::{BucketPlace, BucketState, Buckets};

/// Access to buckets other than the verified one.
#[derive(Debug, Clone)]
pub struct OtherBuckets(BucketAccess);

#[derive(Debug, Clone)]
enum BucketAccess {
    None,
    ReadAs(Aws, Vec<AccountId>, Option<Arc<Buckets>>),
    /// Only to look for files that were not copied yet; chains are not followed.
    OriginsAs(Aws, Vec<AccountId>),
    Packed(PathBuf, Arc<BTreeSet<Followed>>, Arc<Source>),
}

impl OtherBuckets {
    /// No access.
    #[must_use]
    pub fn none() -> Self {
        Self(BucketAccess::None)
    }

    /// Reads buckets with these accounts, or else with the account of the digests.
    #[must_use]
    pub fn read_as(aws: Aws, accounts: Vec<AccountId>) -> Self {
        Self(BucketAccess::ReadAs(aws, accounts, None))
    }

    /// Also looks up the owner of a bucket in the organization if none of these accounts can
    /// read it.
    #[must_use]
    pub fn with_owner_lookup(self, buckets: Buckets) -> Self {
        match self.0 {
            BucketAccess::ReadAs(aws, accounts, _) => {
                Self(BucketAccess::ReadAs(aws, accounts, Some(Arc::new(buckets))))
            }
            other => Self(other),
        }
    }

    /// Reads buckets only to look for files that were not copied yet; chains are not followed.
    #[must_use]
    pub fn origins_as(aws: Aws, accounts: Vec<AccountId>) -> Self {
        Self(BucketAccess::OriginsAs(aws, accounts))
    }

    /// Reads the buckets of a bundle: one folder per bucket, and a folder with the run records.
    #[must_use]
    pub fn packed(folder: PathBuf, followed: BTreeSet<Followed>, records: PathBuf) -> Self {
        let records = Arc::new(Source::Folder(FolderSource::new(records)));
        Self(BucketAccess::Packed(folder, Arc::new(followed), records))
    }

    /// Whether the buckets that files were copied from are accessible.
    pub(super) fn has_origins(&self) -> bool {
        matches!(self.0, BucketAccess::ReadAs(..) | BucketAccess::OriginsAs(..))
    }

    /// Opens a bucket that files were copied from; returns why it cannot be read.
    pub(super) async fn origin(&self, bucket: &str, account: &AccountId) -> Result<Source, String> {
        match &self.0 {
            BucketAccess::OriginsAs(aws, accounts) => {
                let name: BucketName = bucket.parse().map_err(|error| format!("{error}"))?;
                read_as(aws, accounts, &name, account).await
            }
            _ => self.open(bucket, account).await,
        }
    }

    /// The run records, where they do not are in what is verified.
    pub(super) fn records(&self) -> Option<Arc<Source>> {
        match &self.0 {
            BucketAccess::Packed(.., records) => Some(Arc::clone(records)),
            _ => None,
        }
    }

    /// Opens a bucket; returns why it cannot be read.
    pub async fn open(&self, bucket: &str, account: &AccountId) -> Result<Source, String> {
        let name: BucketName = bucket.parse().map_err(|error| format!("{error}"))?;
        match &self.0 {
            BucketAccess::None => {
                Err("this is not a bucket, and no other bucket is read".to_owned())
            }
            BucketAccess::OriginsAs(..) => {
                Err("chains are not followed into other buckets".to_owned())
            }
            BucketAccess::ReadAs(aws, accounts, buckets) => {
                let refused = match read_as(aws, accounts, &name, account).await {
                    Ok(source) => return Ok(source),
                    Err(refused) => refused,
                };
                let Some(buckets) = buckets else { return Err(refused) };
                match buckets.find(&name, std::slice::from_ref(account)).await {
                    BucketState::Found(BucketPlace { owner, reader, region }) => {
                        let clients = aws.clients(&reader, &region);
                        let clients = clients.for_buckets_of(owner.as_ref().unwrap_or(&reader));
                        Ok(Source::S3(S3Source::new(clients, name.as_str())))
                    }
                    BucketState::Missing => Err("the bucket was deleted".to_owned()),
                    BucketState::Outside(why) | BucketState::Unknown(why) => Err(why.reason),
                }
            }
            BucketAccess::Packed(folder, followed, _) => {
                let packed = Followed { bucket: name.clone(), account: account.clone() };
                if !followed.contains(&packed) {
                    return Err("the bundle does not contain it".to_owned());
                }
                let root = folder.join(name.as_str());
                let source = FolderSource::of_bucket(root, name.as_str(), folder.clone());
                Ok(Source::Folder(source))
            }
        }
    }
}

async fn read_as(
    aws: &Aws,
    accounts: &[AccountId],
    bucket: &BucketName,
    account: &AccountId,
) -> Result<Source, String> {
    let mut refused = Vec::new();
    let tried: Vec<&AccountId> =
        accounts.iter().chain((!accounts.contains(account)).then_some(account)).collect();
    for reader in &tried {
        let clients = aws.clients(reader, aws.own_clients().region());
        // Only buckets of known accounts.
        let owners = std::iter::once(reader).chain(tried.iter().filter(|owner| owner != &reader));
        for owner in owners {
            match clients.bucket_region_of(bucket, Some(owner)).await {
                Ok(region) => {
                    let clients = aws.clients(reader, &region).for_buckets_of(owner);
                    return Ok(Source::S3(S3Source::new(clients, bucket.as_str())));
                }
                Err(error) => refused.push(error.to_string()),
            }
        }
    }
    refused.dedup();
    Err(refused.join("; "))
}

/// Follows every chain from another bucket to its start, bucket by bucket, and adds the
/// reports of those buckets.
pub(super) async fn follow(
    request: &Arc<Request>,
    reports: &mut Vec<ScopeReport>,
    limits: &Arc<Limits>,
    progress: &Arc<dyn Progress>,
) {
    let mut seen = BTreeSet::new();
    let mut from = 0;
    loop {
        let mut handoffs: Vec<(usize, BucketHandoff)> = Vec::new();
        for (at, report) in reports.iter_mut().enumerate().skip(from) {
            handoffs.extend(std::mem::take(&mut report.handoffs).into_iter().map(|it| (at, it)));
        }
        handoffs
            .retain(|(_, handoff)| seen.insert((handoff.bucket.clone(), handoff.key.to_string())));
        if handoffs.is_empty() {
            return;
        }
        from = reports.len();
        let is_known =
            |handoff: &BucketHandoff| reports.iter().any(|report| is_of(report, handoff, request));
        let handoffs: Vec<_> =
            handoffs.into_iter().map(|(at, handoff)| (at, is_known(&handoff), handoff)).collect();
        let followed: Vec<_> = stream::iter(handoffs)
            .map(async |(at, is_known, handoff)| {
                let earlier = earlier(request, handoff.clone(), is_known, limits, progress).await;
                (at, is_known, handoff, earlier)
            })
            .buffer_unordered(request.concurrency.scopes)
            .collect()
            .await;
        for (at, is_known, handoff, earlier) in followed {
            describe_handoff(&mut reports[at], &handoff, earlier.as_ref());
            match earlier {
                // The digests count in the other report; the link counts here.
                Ok(report) if is_known => reports[at].findings.extend(
                    report.findings.into_iter().filter(|it| it.severity > Severity::Notice),
                ),
                Ok(report) => reports.push(report),
                Err(_) => {}
            }
        }
    }
}

/// Whether a report covers the place of a handoff: the whole window there was verified, or
/// the trail up to another handoff.
fn is_of(report: &ScopeReport, handoff: &BucketHandoff, request: &Request) -> bool {
    let key = &handoff.key;
    let is_before = request.window.since.is_some_and(|since| key.time() < since);
    report.bucket.as_deref() == Some(handoff.bucket.as_str())
        && report.account == *key.account()
        && report.region == *key.region()
        && report.roots.contains(&key.root().to_string())
        && (!report.followed || report.chains.iter().any(|chain| chain.covers(key.time())))
        && !is_before
}

/// Verifies one trail's digests in another bucket up to a handoff, or only the digest at the
/// handoff if the others are already verified.
async fn earlier(
    request: &Arc<Request>,
    handoff: BucketHandoff,
    is_known: bool,
    limits: &Arc<Limits>,
    progress: &Arc<dyn Progress>,
) -> Result<ScopeReport, String> {
    let key = &handoff.key;
    let source = request.other_buckets.open(&handoff.bucket, key.account()).await?;
    let scope = ChainScope {
        bucket: Some(handoff.bucket.as_str().into()),
        root: key.root().clone(),
        account: key.account().clone(),
        region: key.region().clone(),
    };
    let since = if is_known { Some(key.time()) } else { request.window.since };
    let window = Window { since, until: None, last: Some(key.time()) };
    let request = Request {
        source: Arc::new(source),
        prefix: String::new(),
        selection: Selection {
            trails: [handoff.chain_name.trail.clone()].into(),
            ..Selection::default()
        },
        window,
        keys: request.keys.clone(),
        declared: None,
        org_owner: request.org_owner.clone(),
        delivered: Arc::new(Deliveries::none()),
        expected: None,
        other_buckets: request.other_buckets.clone(),
        acceptances: Acceptances::none(),
        trust: RecordTrust::default(),
        depth: Depth::Whole,
        concurrency: request.concurrency,
        kept: None,
    };
    let (limits, progress) = (Arc::clone(limits), Arc::clone(progress));
    let extent = if is_known { Extent::At(handoff) } else { Extent::UpTo(handoff) };
    let report =
        scope::verify(Arc::new(request), vec![scope], BTreeSet::new(), extent, limits, progress)
            .await;
    let report = report.ok_or_else(|| "there is nothing to follow".to_owned())?;
    Ok(ScopeReport { followed: true, ..report })
}

/// Adds the result of following a handoff to its finding.
fn describe_handoff(
    report: &mut ScopeReport,
    handoff: &BucketHandoff,
    earlier: Result<&ScopeReport, &String>,
) {
    let here = |finding: &&mut crate::archive::verify::finding::Finding| {
        finding.kind == FindingKind::ContinuesElsewhere
            && finding.key.as_ref() == Some(&handoff.recorded_by)
    };
    let Some(finding) = report.findings.iter_mut().find(here) else { return };
    match earlier {
        Ok(earlier) => {
            let proven: Vec<_> = earlier.proven.iter().map(ToString::to_string).collect();
            let proven = if proven.is_empty() { "nothing".to_owned() } else { proven.join(", ") };
            finding.found = Some(format!("followed there: proven from {proven}"));
            finding.severity = Severity::Notice;
        }
        Err(why) => finding.found = Some(format!("not in this archive; not followed: {why}")),
    }
}
