//! Following chains into the buckets that they came from.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt as _, stream};

use super::delivery::Deliveries;
use super::lane::Extent;
use super::logs::Limits;
use super::{Lane, LaneReport, Progress, Request, Selection, Source, Window, lane};
use crate::archive::accept::Acceptances;
use crate::archive::authenticity::Trust;
use crate::archive::bundle::Followed;
use crate::archive::verify::chain::Border;
use crate::archive::verify::finding::{FindingKind, Severity};
use crate::archive::verify::source::{FolderSource, S3Source};
use crate::aws::Aws;
use crate::names::{AccountId, BucketName};
use crate::org::{BucketPlace, BucketState, Buckets};

/// Whether other buckets than the one that is verified can be read.
#[derive(Debug, Clone)]
pub struct OtherBuckets(Kind);

#[derive(Debug, Clone)]
enum Kind {
    None,
    ReadAs(Aws, Vec<AccountId>, Option<Arc<Buckets>>),
    /// To look for what was not copied yet; chains are not followed.
    OriginsAs(Aws, Vec<AccountId>),
    Packed(PathBuf, Arc<BTreeSet<Followed>>, Arc<Source>),
}

impl OtherBuckets {
    /// None can.
    #[must_use]
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// They are read as these accounts, or else as the account that the digests
    /// are of.
    #[must_use]
    pub fn read_as(aws: Aws, accounts: Vec<AccountId>) -> Self {
        Self(Kind::ReadAs(aws, accounts, None))
    }

    /// The same; where none of these may read a bucket, its owner is looked for in
    /// the organization.
    #[must_use]
    pub fn or_of_owner(self, buckets: Buckets) -> Self {
        match self.0 {
            Kind::ReadAs(aws, accounts, _) => {
                Self(Kind::ReadAs(aws, accounts, Some(Arc::new(buckets))))
            }
            other => Self(other),
        }
    }

    /// They are read as these accounts, or else as the account that the digests
    /// are of, for what was not copied from them yet; chains are not followed.
    #[must_use]
    pub fn origins_as(aws: Aws, accounts: Vec<AccountId>) -> Self {
        Self(Kind::OriginsAs(aws, accounts))
    }

    /// Those that a bundle holds lie in a folder, each in one of its name; the run
    /// records lie in another.
    #[must_use]
    pub fn packed(folder: PathBuf, followed: BTreeSet<Followed>, records: PathBuf) -> Self {
        let records = Arc::new(Source::Folder(FolderSource::new(records)));
        Self(Kind::Packed(folder, Arc::new(followed), records))
    }

    /// Whether the buckets that files were copied from can be looked into.
    pub(super) fn has_origins(&self) -> bool {
        matches!(self.0, Kind::ReadAs(..) | Kind::OriginsAs(..))
    }

    /// Opens a bucket that files were copied from, or says why it cannot be read.
    pub(super) async fn origin(&self, bucket: &str, account: &AccountId) -> Result<Source, String> {
        match &self.0 {
            Kind::OriginsAs(aws, accounts) => {
                let name: BucketName = bucket.parse().map_err(|error| format!("{error}"))?;
                read_as(aws, accounts, &name, account).await
            }
            _ => self.open(bucket, account).await,
        }
    }

    /// The run records, where they do not lie in what is verified.
    pub(super) fn records(&self) -> Option<Arc<Source>> {
        match &self.0 {
            Kind::Packed(.., records) => Some(Arc::clone(records)),
            _ => None,
        }
    }

    /// Opens a bucket, or says why it cannot be read.
    pub async fn open(&self, bucket: &str, account: &AccountId) -> Result<Source, String> {
        let name: BucketName = bucket.parse().map_err(|error| format!("{error}"))?;
        match &self.0 {
            Kind::None => Err("this is no bucket, and no other is read".to_owned()),
            Kind::OriginsAs(..) => Err("no chain is followed into other buckets".to_owned()),
            Kind::ReadAs(aws, accounts, buckets) => {
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
            Kind::Packed(folder, followed, _) => {
                let packed = Followed { bucket: name.clone(), account: account.clone() };
                if !followed.contains(&packed) {
                    return Err("the bundle does not hold it".to_owned());
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
        // Its own bucket, or that of another account that is known: nobody else's.
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

/// Follows every chain that begins elsewhere, bucket by bucket, to its start,
/// and adds what lies there to the reports.
pub(super) async fn follow(
    request: &Arc<Request>,
    reports: &mut Vec<LaneReport>,
    limits: &Arc<Limits>,
    progress: &Arc<dyn Progress>,
) {
    let mut seen = BTreeSet::new();
    let mut from = 0;
    loop {
        let mut borders: Vec<(usize, Border)> = Vec::new();
        for (at, report) in reports.iter_mut().enumerate().skip(from) {
            borders.extend(std::mem::take(&mut report.borders).into_iter().map(|it| (at, it)));
        }
        borders.retain(|(_, border)| seen.insert((border.bucket.clone(), border.key.to_string())));
        if borders.is_empty() {
            return;
        }
        from = reports.len();
        let is_known =
            |border: &Border| reports.iter().any(|report| is_of(report, border, request));
        let borders: Vec<_> =
            borders.into_iter().map(|(at, border)| (at, is_known(&border), border)).collect();
        let followed: Vec<_> = stream::iter(borders)
            .map(async |(at, is_known, border)| {
                let earlier = earlier(request, border.clone(), is_known, limits, progress).await;
                (at, is_known, border, earlier)
            })
            .buffer_unordered(request.concurrency.lanes)
            .collect()
            .await;
        for (at, is_known, border, earlier) in followed {
            tell(&mut reports[at], &border, earlier.as_ref());
            match earlier {
                // What lies there counts where it was verified; the link counts here.
                Ok(report) if is_known => reports[at].findings.extend(
                    report.findings.into_iter().filter(|it| it.severity > Severity::Notice),
                ),
                Ok(report) => reports.push(report),
                Err(_) => {}
            }
        }
    }
}

/// Whether a report is of the place that a border leads to: all of the window there was
/// verified, or all of the trail up to another border.
fn is_of(report: &LaneReport, border: &Border, request: &Request) -> bool {
    let key = &border.key;
    let is_before = request.window.since.is_some_and(|since| key.time() < since);
    report.bucket.as_deref() == Some(border.bucket.as_str())
        && report.account == *key.account()
        && report.region == *key.region()
        && report.roots.contains(&key.root().to_string())
        && (!report.followed || report.chains.iter().any(|chain| chain.covers(key.time())))
        && !is_before
}

/// Verifies one trail's digests in another bucket up to a border, or the one at the
/// border alone where the others are verified already.
async fn earlier(
    request: &Arc<Request>,
    border: Border,
    is_known: bool,
    limits: &Arc<Limits>,
    progress: &Arc<dyn Progress>,
) -> Result<LaneReport, String> {
    let key = &border.key;
    let source = request.other_buckets.open(&border.bucket, key.account()).await?;
    let lane = Lane {
        bucket: Some(border.bucket.as_str().into()),
        root: key.root().clone(),
        account: key.account().clone(),
        region: key.region().clone(),
    };
    let since = if is_known { Some(key.time()) } else { request.window.since };
    let window = Window { since, until: None, last: Some(key.time()) };
    let request = Request {
        source: Arc::new(source),
        prefix: String::new(),
        selection: Selection { trails: [border.stem.trail.clone()].into(), ..Selection::default() },
        window,
        keys: request.keys.clone(),
        declared: None,
        org_owner: request.org_owner.clone(),
        delivered: Deliveries::none(),
        expected: None,
        other_buckets: request.other_buckets.clone(),
        acceptances: Acceptances::none(),
        trust: Trust::default(),
        concurrency: request.concurrency,
        kept: None,
    };
    let (limits, progress) = (Arc::clone(limits), Arc::clone(progress));
    let extent = if is_known { Extent::At(border) } else { Extent::UpTo(border) };
    let report =
        lane::verify(Arc::new(request), vec![lane], BTreeSet::new(), extent, limits, progress)
            .await;
    let report = report.ok_or_else(|| "there is nothing to follow".to_owned())?;
    Ok(LaneReport { followed: true, ..report })
}

/// Says at the border what following it gave.
fn tell(report: &mut LaneReport, border: &Border, earlier: Result<&LaneReport, &String>) {
    let here = |finding: &&mut crate::archive::verify::finding::Finding| {
        finding.kind == FindingKind::ContinuesElsewhere
            && finding.key.as_ref() == Some(&border.recorded_by)
    };
    let Some(finding) = report.findings.iter_mut().find(here) else { return };
    match earlier {
        Ok(earlier) => {
            let proven: Vec<_> = earlier.proven.iter().map(ToString::to_string).collect();
            let proven = if proven.is_empty() { "nothing".to_owned() } else { proven.join(", ") };
            finding.found = Some(format!("followed there: proven is {proven}"));
            finding.severity = Severity::Notice;
        }
        Err(why) => finding.found = Some(format!("nothing of it here; not followed: {why}")),
    }
}
