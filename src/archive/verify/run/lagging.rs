//! Classifies chains that end before their trails: whether the newest digests are not yet
//! consolidated, or were deleted at their source.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::{Request, ScopeReport, Source};
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::archive::retired::{Retired, RetiredRecord};
use crate::archive::verify::chain::LaggingChain;
use crate::archive::verify::digest_delay::NEWER_AFTER;
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::place::ChainName;

/// Concurrently listed folders.
const AT_ONCE: usize = 16;

/// Classifies chains that end too early, and trails that no longer exist.
pub(super) async fn classify(request: &Request, reports: &mut [ScopeReport]) {
    let mut lagging = Vec::new();
    for (at, report) in reports.iter_mut().enumerate() {
        lagging.extend(std::mem::take(&mut report.lagging).into_iter().map(|one| (at, one)));
    }
    let here = &*reports;
    let located: Vec<_> = stream::iter(lagging)
        .map(async |(at, one)| {
            let newest = newest(request, &here[at], &one).await;
            (at, one, newest)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    for (at, one, newest) in located {
        let is_it = |finding: &&mut Finding| {
            finding.kind == FindingKind::NewestDeleted
                && finding.expected.as_ref() == Some(&one.wanted)
        };
        if let Some(finding) = reports[at].findings.iter_mut().find(is_it) {
            decide(finding, &one, newest);
        }
    }
    retired(request, reports).await;
}

fn decide(
    finding: &mut Finding,
    lagging: &LaggingChain,
    newest: Result<Option<Timestamp>, String>,
) {
    let LaggingChain { bucket, end, latest, .. } = lagging;
    let (kind, severity, found) = match newest {
        Ok(Some(newest)) if latest.duration_since(newest) <= NEWER_AFTER => (
            FindingKind::NotConsolidated,
            Severity::Incomplete,
            format!(
                "not here yet: s3://{bucket} has digests up to {newest}, here they end at {end}"
            ),
        ),
        Ok(newest) => {
            let there = newest.map_or_else(
                || "none after it".to_owned(),
                |newest| format!("none after the one that ends at {newest}"),
            );
            let found = format!("none here after {end}, and in s3://{bucket} {there}");
            (FindingKind::NewestDeleted, Severity::Broken, found)
        }
        Err(why) => (
            FindingKind::NewestDeleted,
            Severity::Incomplete,
            format!("none here after {end}; s3://{bucket} could not be read: {why}"),
        ),
    };
    finding.kind = kind;
    finding.severity = severity;
    finding.found = Some(found);
}

/// The end of a chain's newest digest in the bucket that its trail delivers to.
async fn newest(
    request: &Request,
    scope: &ScopeReport,
    lagging: &LaggingChain,
) -> Result<Option<Timestamp>, String> {
    let opened;
    let source = if request.source.bucket() == Some(lagging.bucket.as_str()) {
        &*request.source
    } else {
        opened = request.other_buckets.origin(&lagging.bucket, &scope.account).await?;
        &opened
    };
    let folder = lagging.root.folder(&scope.account, DIGEST_FOLDER, &scope.region);
    newest_below(source, &folder, lagging).await
}

async fn newest_below(
    source: &Source,
    folder: &str,
    lagging: &LaggingChain,
) -> Result<Option<Timestamp>, String> {
    let start = format!("{folder}{}", lagging.end.strftime("%Y/%m/%d/"));
    let mut listed = source.list(folder, Some(start));
    let mut newest = None;
    while let Some(object) = listed.try_next().await.map_err(|error| error.source.to_string())? {
        let Ok(key) = object.key.parse::<ObjectKey>() else { continue };
        if ChainName::of(&key).as_ref() == Some(&lagging.chain_name) && key.time() > lagging.end {
            newest = newest.max(Some(key.time()));
        }
    }
    Ok(newest)
}

/// Turns findings about vanished trails into notices if their retirement is recorded.
async fn retired(request: &Request, reports: &mut [ScopeReport]) {
    let findings = reports.iter_mut().flat_map(|report| &mut report.findings);
    let mut vanished: Vec<_> =
        findings.filter(|finding| finding.kind == FindingKind::SourceVanished).collect();
    if vanished.is_empty() {
        return;
    }
    let packed = request.other_buckets.records();
    let source = packed.as_deref().unwrap_or(&request.source);
    let prefix = request.declared.as_ref().and_then(|root| root.prefix.as_deref());
    for finding in &mut vanished {
        let Some(trail) = finding.key.clone() else { continue };
        match Retired::read(source, prefix, &trail, &request.trust).await {
            Ok(Some(RetiredRecord { retired, sha256, authenticated })) => {
                let Retired { retired_by, retired_at, .. } = retired;
                let Some(reason) = authenticated.reason() else {
                    finding.severity = Severity::Notice;
                    finding.found = Some(format!("retired by {retired_by} at {retired_at}"));
                    continue;
                };
                finding.found = Some(format!(
                    "a record claims that `{retired_by}` retired it at {retired_at}, and does not \
                     count: {reason}; if it is yours, add `acceptances = [\"{sha256}\"]` under \
                     `[records]` to the configuration"
                ));
            }
            Ok(None) => {}
            Err(why) => {
                let found = finding.found.take().unwrap_or_default();
                let why = format!("{found}; the record of its retirement could not be read: {why}");
                finding.found = Some(why);
            }
        }
    }
}
