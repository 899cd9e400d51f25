//! What CloudTrail reports about the newest digests.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::types::Trail;
use jiff::Timestamp;

use super::selectors::TrailRecordings;
use super::{ScopeReport, Selection};
use crate::archive::key::Root;
use crate::archive::verify::chain::{
    Coverage, DeclaredTrail, LatestDelivery, OriginTrail, ProvenTrail, TrailReports,
    UnreportedTrail,
};
use crate::archive::verify::digest_delay::NEWER_AFTER;
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::place::{ChainScope, OrgOwner};
use crate::aws::{At as _, Aws, AwsError, Clients};
use crate::names::{AccountId, Arn, Partition, Region};

/// What CloudTrail reports about trails: their newest digest deliveries, and what they
/// record.
#[derive(Debug)]
pub struct Deliveries {
    kind: DeliverySource,
    declared: Option<DeclaredTrail>,
    records: TrailRecordings,
}

#[derive(Debug)]
enum DeliverySource {
    None,
    Known(Root, BTreeMap<(AccountId, Region), Vec<LatestDelivery>>),
    Ask(Box<Aws>),
}

impl Deliveries {
    fn new(kind: DeliverySource) -> Self {
        Self { kind, declared: None, records: TrailRecordings::default() }
    }

    /// No information.
    #[must_use]
    pub fn none() -> Self {
        Self::new(DeliverySource::None)
    }

    /// Known deliveries of the trails that currently deliver below a root, by account and
    /// Region.
    #[must_use]
    pub fn known(
        root: Root,
        reports: impl IntoIterator<Item = (AccountId, Region, LatestDelivery)>,
    ) -> Self {
        let mut known = BTreeMap::<_, Vec<_>>::new();
        for (account, region, latest) in reports {
            known.entry((account, region)).or_default().push(latest);
        }
        Self::new(DeliverySource::Known(root, known))
    }

    /// Reads `GetTrailStatus` of every trail that delivers to the bucket, and of those whose
    /// chains were copied to it, in each account and Region with the account's role: the status
    /// is about that account's digests.
    #[must_use]
    pub fn query(aws: Aws) -> Self {
        Self::new(DeliverySource::Ask(Box::new(aws)))
    }

    /// Sets the declared organization trail: its digests cover those of all other trails.
    #[must_use]
    pub fn with_declared_trail(self, declared: Option<DeclaredTrail>) -> Self {
        Self { declared, ..self }
    }

    /// The declared organization trail.
    pub(super) fn declared(&self) -> Option<&DeclaredTrail> {
        self.declared.as_ref()
    }

    /// Whether whole folders are checked, not only the window's days; frequent checks of the
    /// newest hours skip this.
    pub(super) fn is_thorough(&self) -> bool {
        !matches!(self.kind, DeliverySource::Known(..))
    }

    /// The reports about one account and Region, and findings about failed reads.
    pub(super) async fn of(
        &self,
        scopes: &[Arc<ChainScope>],
        selection: &Selection,
        until: Option<Timestamp>,
        org_owner: Option<&OrgOwner>,
    ) -> (TrailReports, Vec<Finding>) {
        match &self.kind {
            DeliverySource::Known(root, reports) => {
                let scope = scopes.iter().find(|scope| scope.root == *root);
                let here = scope.map(|scope| (scope.account.clone(), scope.region.clone()));
                let latest = here.and_then(|here| reports.get(&here)).cloned().unwrap_or_default();
                (TrailReports { latest, ..TrailReports::default() }, Vec::new())
            }
            DeliverySource::None => (TrailReports::default(), Vec::new()),
            DeliverySource::Ask(aws) => {
                let declared = self.declared_arn(scopes, selection, org_owner);
                Box::pin(ask(aws, scopes, selection, until, declared)).await
            }
        }
    }

    /// The ARN of the declared trail, if it may deliver below one of the scopes' roots.
    fn declared_arn(
        &self,
        scopes: &[Arc<ChainScope>],
        selection: &Selection,
        org_owner: Option<&OrgOwner>,
    ) -> Option<String> {
        let (trail, owner) = (self.declared.as_ref()?, org_owner?);
        let is_chosen = selection.trails.is_empty() || selection.trails.contains(&trail.name);
        let is_of_org = |scope: &Arc<ChainScope>| scope.root.org.as_ref() == Some(&trail.org);
        let partition = Partition::of(&trail.home_region);
        let (region, account) = (&trail.home_region, &owner.management);
        let name = format!("trail/{}", trail.name);
        let arn = Arn::regional(partition, "cloudtrail", region, account, name);
        (is_chosen && scopes.iter().any(is_of_org)).then(|| arn.to_string())
    }

    /// Which of a scope's trails cover which.
    pub(super) async fn coverage(
        &self,
        scope: &ChainScope,
        trails: Vec<ProvenTrail>,
        org_owner: Option<&OrgOwner>,
    ) -> Coverage {
        let mut coverage = Coverage { declared: self.declared.clone(), ..Coverage::default() };
        let DeliverySource::Ask(aws) = &self.kind else { return coverage };
        for missed in &trails {
            let Some(since) = missed.uncovered_since else { continue };
            for other in trails.iter().filter(|other| other.id != missed.id) {
                let known = self.records.covers_trail(
                    aws,
                    scope,
                    (&other.id, &missed.id),
                    since,
                    org_owner,
                );
                coverage.pairs.insert((other.id.clone(), missed.id.clone()), known.await);
            }
        }
        coverage
    }
}

async fn ask(
    aws: &Aws,
    scopes: &[Arc<ChainScope>],
    selection: &Selection,
    until: Option<Timestamp>,
    declared: Option<String>,
) -> (TrailReports, Vec<Finding>) {
    let (mut reports, mut unread) = (TrailReports::default(), Vec::new());
    let Some(scope) = scopes.first() else { return (reports, unread) };
    let clients = aws.clients(&scope.account, &scope.region);
    let mut failed = |what: String, error: AwsError| {
        unread.push(Finding::new(FindingKind::Unreadable).with_mismatch(what, error));
    };
    let declared = declared.as_deref();
    // Nearly every description lists the declared trail: its status is read at the same time.
    let (described, of_declared) =
        futures::join!(describe(&clients), async { status(&clients, Some(declared?)).await.ok() });
    match described {
        Ok(described) => {
            reports.origins_known = true;
            let chosen = described.iter().filter(|trail| is_chosen(trail, selection));
            let asked = chosen.filter_map(|trail| {
                let scope = scopes.iter().find(|scope| delivers_to(trail, scope));
                // Only logs below an organization's folder can have been copied there.
                let may_be_origin = scopes.iter().any(|scope| scope.root.org.is_some());
                (scope.is_some() || may_be_origin).then_some((trail, scope))
            });
            let (clients, of_declared) = (&clients, &of_declared);
            let asked = asked.map(|(trail, scope)| async move {
                let is_declared = declared.is_some() && trail.trail_arn() == declared;
                let status = match of_declared.as_ref().filter(|_| is_declared) {
                    Some(known) => Ok(known.clone()),
                    // Shadow and organization trails require the ARN.
                    None => status(clients, trail.trail_arn().or(trail.name())).await,
                };
                (trail, scope, status)
            });
            for (trail, scope, status) in futures::future::join_all(asked).await {
                let Some(scope) = scope else {
                    reports.origins.extend(origin(trail, scopes, status));
                    continue;
                };
                match status {
                    Ok(status) => add_latest(trail, &scope.root, &status, until, &mut reports),
                    Err(error) if error.is_not_found() => {}
                    Err(error) => {
                        let name = trail.trail_arn().or(trail.name()).unwrap_or_default();
                        failed(format!("the status of {name}"), error);
                    }
                }
            }
        }
        Err(error) => failed(
            format!("what {} reports about its newest digests in {}", scope.account, scope.region),
            error,
        ),
    }
    (reports, unread)
}

async fn describe(clients: &Clients) -> Result<Vec<Trail>, AwsError> {
    let described = clients.cloudtrail().describe_trails().include_shadow_trails(true).send().await;
    let described = described.at(clients, "cloudtrail:DescribeTrails")?;
    Ok(described.trail_list.unwrap_or_default())
}

/// A trail that delivers to another place, with its status.
fn origin(
    trail: &Trail,
    scopes: &[Arc<ChainScope>],
    status: Result<GetTrailStatusOutput, AwsError>,
) -> Option<OriginTrail> {
    let org = trail.is_organization_trail().unwrap_or(false);
    let org = scopes.iter().find_map(|scope| scope.root.org.clone()).filter(|_| org);
    let prefix = trail.s3_key_prefix().map(|prefix| prefix.trim_end_matches('/'));
    let root = Root { prefix: prefix.filter(|it| !it.is_empty()).map(Into::into), org };
    let latest = match status {
        Ok(status) => Ok(time_of(status.latest_digest_delivery_time())),
        Err(error) => Err(error.to_string()),
    };
    Some(OriginTrail {
        trail: trail.name()?.to_owned(),
        home_region: trail.home_region()?.to_owned(),
        bucket: trail.s3_bucket_name()?.to_owned(),
        root,
        latest,
    })
}

/// The status of a trail, by its ARN or name.
async fn status(clients: &Clients, name: Option<&str>) -> Result<GetTrailStatusOutput, AwsError> {
    clients
        .cloudtrail()
        .get_trail_status()
        .set_name(name.map(str::to_owned))
        .send()
        .await
        .at(clients, "cloudtrail:GetTrailStatus")
}

fn time_of(time: Option<&aws_smithy_types::DateTime>) -> Option<Timestamp> {
    time.and_then(|time| Timestamp::from_second(time.secs()).ok())
}

/// Adds what the status of a trail that delivers here reports.
fn add_latest(
    trail: &Trail,
    root: &Root,
    status: &GetTrailStatusOutput,
    until: Option<Timestamp>,
    reports: &mut TrailReports,
) {
    let at = time_of(status.latest_digest_delivery_time());
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let (trail_name, home_region) = (text(trail.name()), text(trail.home_region()));
    if let Some(at) = at {
        let (trail, root) = (trail_name, root.clone());
        reports.latest.push(LatestDelivery { trail, home_region, root, at });
    } else if is_unreported(status, until) && trail.log_file_validation_enabled() == Some(true) {
        reports.unreported.push(UnreportedTrail {
            trail: trail_name,
            home_region,
            root: root.clone(),
        });
    }
}

/// Whether a trail is logging without reported deliveries, although a digest is due before
/// the end of the window.
fn is_unreported(status: &GetTrailStatusOutput, until: Option<Timestamp>) -> bool {
    let started = time_of(status.start_logging_time());
    status.is_logging() == Some(true)
        && status.latest_delivery_time().is_none()
        && started.is_none_or(|started| until.is_some_and(|until| started < until))
}

/// Whether a trail currently writes to a scope; its status says nothing about earlier
/// places.
fn delivers_to(trail: &Trail, scope: &ChainScope) -> bool {
    // Keys may lack the prefix's leading and trailing slashes.
    let folder = |prefix: Option<&str>| prefix.unwrap_or_default().trim_matches('/').to_owned();
    trail.s3_bucket_name() == scope.bucket.as_deref()
        && folder(trail.s3_key_prefix()) == folder(scope.root.prefix.as_deref())
        && trail.is_organization_trail().unwrap_or(false) == scope.root.org.is_some()
}

fn is_chosen(trail: &Trail, selection: &Selection) -> bool {
    let chosen = &selection.trails;
    chosen.is_empty() || chosen.iter().any(|name| Some(name.as_str()) == trail.name())
}

/// Reports missing digests as deleted if their trail already wrote here when it delivered
/// them: other accounts and Regions have earlier digests of the trail, or this one has
/// earlier log files.
pub(super) fn mark_deleted(reports: &mut [ScopeReport]) {
    for at in 0..reports.len() {
        for absent in std::mem::take(&mut reports[at].missing_trails) {
            let (here, latest) = (&reports[at], &absent.latest);
            let has_earlier = reports
                .iter()
                // Not of another bucket, which its chain came from.
                .filter(|scope| !scope.followed)
                .filter(|scope| scope.roots.contains(&latest.root.to_string()))
                .flat_map(|scope| &scope.chains)
                // Trails of several accounts can have the same name.
                .any(|chain| chain.owner == absent.owner && chain.began_before(latest));
            if !has_earlier && !here.findings.iter().any(|one| is_of_earlier_logs(one, latest)) {
                continue;
            }
            let wanted = latest.wanted();
            let reports = reports[at].findings.iter_mut().find(|finding| {
                finding.kind == FindingKind::NewestDeleted
                    && finding.expected.as_ref() == Some(&wanted)
            });
            if let Some(finding) = reports {
                finding.severity = Severity::Broken;
                finding.found = Some("no digest of this trail".to_owned());
            }
        }
    }
}

/// Whether a finding is about log files without digests that are older than a delivered
/// digest.
fn is_of_earlier_logs(finding: &Finding, latest: &LatestDelivery) -> bool {
    finding.kind == FindingKind::NoDigests
        && finding.period.is_some_and(|period| latest.at.duration_since(period.from) > NEWER_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_any_delivery_is_silent_once_a_digest_is_due() {
        let time = aws_smithy_types::DateTime::from_secs;
        let until = Some(Timestamp::from_second(10_000).unwrap());
        let status = GetTrailStatusOutput::builder().is_logging(true);
        assert!(is_unreported(&status.clone().build(), None));
        assert!(is_unreported(&status.clone().start_logging_time(time(9_000)).build(), until));
        // It was started too lately, it delivers, or it does not log.
        assert!(!is_unreported(&status.clone().start_logging_time(time(11_000)).build(), until));
        assert!(!is_unreported(&status.clone().latest_delivery_time(time(9_000)).build(), until));
        assert!(!is_unreported(&status.is_logging(false).build(), until));
    }

    #[test]
    fn only_trails_that_write_here_now_are_asked() {
        let scope = |prefix: Option<&str>, org: Option<&str>| ChainScope {
            bucket: Some("b".into()),
            root: Root { prefix: prefix.map(Into::into), org: org.map(|org| org.parse().unwrap()) },
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let trail = Trail::builder().name("t").s3_bucket_name("b");
        assert!(delivers_to(&trail.clone().build(), &scope(None, None)));
        assert!(delivers_to(&trail.clone().s3_key_prefix("").build(), &scope(None, None)));
        assert!(!delivers_to(&trail.clone().s3_key_prefix("p").build(), &scope(None, None)));
        assert!(delivers_to(&trail.clone().s3_key_prefix("p/").build(), &scope(Some("p/"), None)));
        assert!(delivers_to(&trail.clone().s3_key_prefix("/p").build(), &scope(Some("p"), None)));
        assert!(!delivers_to(&trail.clone().build(), &scope(None, Some("o-exampleorgid"))));
        let org = trail.s3_key_prefix("p").is_organization_trail(true);
        assert!(delivers_to(&org.clone().build(), &scope(Some("p"), Some("o-exampleorgid"))));
        assert!(!delivers_to(
            &org.s3_bucket_name("other").build(),
            &scope(Some("p"), Some("o-exampleorgid"))
        ));
    }
}
