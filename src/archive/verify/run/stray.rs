//! Objects outside the folders of days, where CloudTrail writes none and listings of a
//! window do not reach.

use std::collections::BTreeSet;

use futures::TryStreamExt as _;
use jiff::Timestamp;

use super::listing::odd;
use super::{ChainScope, Finding, ListError, Request};
use crate::archive::verify::finding::FindingKind;
use crate::archive::verify::source::{ListedObject, Source};

/// The maximum number of findings per folder.
const LISTED: usize = 50;

/// The expected folder names by depth.
type IsDate = fn(u32) -> bool;
const LEVELS: [(usize, IsDate); 3] =
    [(4, |_| true), (2, |month| (1..=12).contains(&month)), (2, |day| (1..=31).contains(&day))];

/// Finds them in a scope's folder at the start and end of the window; the listing of days
/// finds all others.
pub(super) async fn strays(request: &Request, scope: &ChainScope, folder: &str) -> Vec<Finding> {
    let window = request.window;
    let edges: Vec<Timestamp> = window.since.into_iter().chain(window.last).collect();
    if edges.is_empty() {
        return Vec::new();
    }
    let top = scope.root.folder(&scope.account, folder, &scope.region);
    let mut prefixes = BTreeSet::from([(0, top.clone())]);
    for edge in edges {
        prefixes.insert((1, format!("{top}{}", edge.strftime("%Y/"))));
        prefixes.insert((2, format!("{top}{}", edge.strftime("%Y/%m/"))));
    }
    let mut findings = Vec::new();
    for (level, prefix) in prefixes {
        let found = in_level(&request.source, &prefix, level, &mut findings).await;
        findings.extend(found.err().map(|error| unlisted(&request.source, &error)));
    }
    findings
}

async fn in_level(
    source: &Source,
    prefix: &str,
    level: usize,
    findings: &mut Vec<Finding>,
) -> Result<(), ListError> {
    let children = source.children(prefix).await?;
    objects(source, children.objects, findings).await;
    for name in children.folders.iter().filter(|name| !is_date(name, level)) {
        below(source, &format!("{prefix}{name}/"), findings).await?;
    }
    Ok(())
}

fn is_date(name: &str, level: usize) -> bool {
    let Some((digits, is_in_range)) = LEVELS.get(level) else { return false };
    name.len() == *digits
        && name.bytes().all(|byte| byte.is_ascii_digit())
        && name.parse().is_ok_and(is_in_range)
}

/// Reports objects in places where CloudTrail writes none.
pub(super) async fn objects(
    source: &Source,
    objects: Vec<ListedObject>,
    findings: &mut Vec<Finding>,
) {
    let mut found = Vec::new();
    for object in objects {
        let why = "an object where CloudTrail writes none";
        if found.len() < LISTED {
            found.extend(odd(source, &object, why).await);
        } else if let Some(last) = found.last_mut() {
            let last: &mut Finding = last;
            last.objects += 1;
            last.found = Some(format!("this, and {} more in its folder", last.objects - 1));
        }
    }
    findings.append(&mut found);
}

/// Reports the objects in a folder that CloudTrail does not create.
pub(super) async fn below(
    source: &Source,
    prefix: &str,
    findings: &mut Vec<Finding>,
) -> Result<(), ListError> {
    let mut listed = source.list(prefix, None);
    let mut found = Vec::new();
    // The remaining objects are only counted.
    while found.len() <= LISTED {
        let Some(object) = listed.try_next().await? else { break };
        found.push(object);
    }
    let more = found.len() > LISTED;
    found.truncate(LISTED);
    let first = findings.len();
    objects(source, found, findings).await;
    if let Some(last) = findings.get_mut(first..).and_then(<[_]>::last_mut).filter(|_| more) {
        last.found = Some(format!("this, and more in the folder `{prefix}`"));
    }
    Ok(())
}

/// The finding for a failed listing.
pub(super) fn unlisted(source: &Source, error: &ListError) -> Finding {
    Finding::new(FindingKind::Unreadable)
        .at(source.bucket(), &error.prefix)
        .with_mismatch("a whole listing", error.source.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_years_months_and_days_are_folders_of_dates() {
        for (name, level, wanted) in [
            ("2026", 0, true),
            ("12", 1, true),
            ("31", 2, true),
            ("13", 1, false),
            ("32", 2, false),
            ("00", 1, false),
            ("1", 1, false),
            ("26", 0, false),
            ("2026x", 0, false),
            ("+026", 0, false),
            ("01", 3, false),
        ] {
            assert_eq!(is_date(name, level), wanted, "{name} {level}");
        }
    }
}
