//! Which accounts and Regions an archive has.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Finding, Lane, ListError, Selection, Source};
use crate::archive::consolidate::quarantine::QUARANTINE;
use crate::archive::key::{DIGEST_FOLDER, LogClass, Root};
use crate::archive::verify::finding::FindingKind;
use crate::names::{AccountId, MOST_CHARACTERS, OrgId, Region};

const AWSLOGS: &str = "AWSLogs";
/// How many folders are searched for `AWSLogs`.
const MOST_FOLDERS: usize = 5000;
/// How many accounts are looked at at a time.
const AT_ONCE: usize = 32;

/// What lies below a prefix.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    /// All chosen accounts and Regions that have digests or log files, in order.
    pub(super) lanes: Vec<Lane>,
    /// Says so where not every folder could be searched.
    pub(super) unsearched: Option<Finding>,
}

/// Finds all chosen accounts and Regions that have digests or log files below a
/// prefix.
pub(super) async fn discover(
    source: &Source,
    prefix: &str,
    selection: &Selection,
) -> Result<Discovered, ListError> {
    let mut lanes = BTreeSet::new();
    let Searched { roots, whole } = roots(source, prefix).await?;
    for root in roots {
        let mut found = Vec::new();
        for name in source.folders(&root.to_string()).await? {
            if let Ok(account) = name.parse::<AccountId>() {
                found.push((root.clone(), account));
            } else if let Ok(org) = name.parse::<OrgId>() {
                let root = Root { org: Some(org), ..root.clone() };
                for name in source.folders(&root.to_string()).await? {
                    found.extend(name.parse().ok().map(|account| (root.clone(), account)));
                }
            }
        }
        let chosen = &selection.accounts;
        found.retain(|(_, account)| chosen.is_empty() || chosen.contains(account));
        let of_each: Vec<Vec<Lane>> = stream::iter(found)
            .map(async |(root, account)| {
                of_account(source, prefix, selection, &root, &account).await
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        lanes.extend(of_each.into_iter().flatten());
    }
    let unsearched = (!whole).then(|| {
        let wanted = format!("every folder below `{prefix}` searched for `{AWSLOGS}`");
        let found = format!("more than {MOST_FOLDERS} folders: name the prefix of the logs");
        let finding = Finding::new(FindingKind::Unreadable).because(wanted, found);
        finding.at(source.bucket(), prefix)
    });
    Ok(Discovered { lanes: lanes.into_iter().collect(), unsearched })
}

async fn of_account(
    source: &Source,
    prefix: &str,
    selection: &Selection,
    root: &Root,
    account: &AccountId,
) -> Result<Vec<Lane>, ListError> {
    let [digests, logs] = [DIGEST_FOLDER, LogClass::Events.folder()]
        .map(|folder| format!("{root}{account}/{folder}/"));
    let (digests, logs) = tokio::try_join!(source.folders(&digests), source.folders(&logs))?;
    let regions: BTreeSet<Region> =
        digests.iter().chain(&logs).filter_map(|name| name.parse().ok()).collect();
    let chosen = &selection.regions;
    let lane = |region| Lane {
        bucket: source.bucket().map(Into::into),
        root: root.clone(),
        account: account.clone(),
        region,
    };
    let wanted = |lane: &Lane| {
        let within = |folder: &str| {
            let path = root.folder(account, folder, &lane.region);
            path.starts_with(prefix) || prefix.starts_with(&path)
        };
        within(DIGEST_FOLDER) || within(LogClass::Events.folder())
    };
    Ok(regions
        .into_iter()
        .filter(|region| chosen.is_empty() || chosen.contains(region))
        .map(lane)
        .filter(wanted)
        .collect())
}

/// The roots that were found, and whether every folder was looked into.
struct Searched {
    roots: BTreeSet<Root>,
    whole: bool,
}

/// The roots without their organizations: what stands before `AWSLogs/` where
/// that holds accounts or an organization. A trail's prefix may itself have a
/// folder of that name, and lie as deep as its length allows.
async fn roots(source: &Source, prefix: &str) -> Result<Searched, ListError> {
    let leading = named(prefix);
    let mut level = match &leading {
        None => vec![Folder { path: prefix.to_owned(), of_owner: false }],
        // A prefix may end in what looks like an account.
        Some(_) if ends_in_owner(prefix) => {
            vec![Folder { path: prefix.to_owned(), of_owner: true }]
        }
        Some(_) => Vec::new(),
    };
    let mut searched = Searched { roots: leading.into_iter().collect(), whole: true };
    let mut left = MOST_FOLDERS;
    while !level.is_empty() {
        if level.len() > left {
            searched.whole = false;
            level.truncate(left);
        }
        left -= level.len();
        let listed: Vec<(Folder, Vec<String>)> = stream::iter(level)
            .map(async |folder| {
                let names = source.folders(&folder.path).await?;
                Ok::<_, ListError>((folder, names))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        level = Vec::new();
        for (Folder { path, of_owner }, names) in listed {
            let before = before_awslogs(&path);
            for name in names {
                let is_owner = before.is_some() && is_owner(&name);
                if let Some(before) = before.filter(|_| is_owner) {
                    searched.roots.insert(root(before));
                }
                if may_lead_on(&path, &name) && (!of_owner || name == AWSLOGS) {
                    level.push(Folder { path: format!("{path}{name}/"), of_owner: is_owner });
                }
            }
        }
    }
    Ok(searched)
}

/// A folder that is searched.
struct Folder {
    path: String,
    /// Whether it lies right below an `AWSLogs/`, named by an account or an
    /// organization: then nothing but a further `AWSLogs/` is looked for in it.
    of_owner: bool,
}

/// Whether a prefix ends in an account or organization below `AWSLogs/`.
fn ends_in_owner(prefix: &str) -> bool {
    let folder = prefix.strip_suffix('/').and_then(|path| path.rsplit_once('/'));
    folder.is_some_and(|(above, name)| {
        is_owner(name) && before_awslogs(&format!("{above}/")).is_some()
    })
}

/// The root that a prefix names itself, where it leads below one.
fn named(prefix: &str) -> Option<Root> {
    let folders =
        prefix.match_indices("AWSLogs/").map(|(at, name)| prefix.split_at(at + name.len()));
    let roots = folders.filter_map(|(folder, below)| {
        let before = before_awslogs(folder)?;
        let leads = match below.split_once('/') {
            Some((owner, _)) => is_owner(owner),
            // The prefix may end within the owner's name.
            None => below.starts_with("o-") || begins_account(below),
        };
        leads.then(|| root(before))
    });
    roots.last()
}

/// What stands before a folder's `AWSLogs/`, with the slash at its end.
fn before_awslogs(folder: &str) -> Option<&str> {
    let before = folder.strip_suffix("AWSLogs/")?;
    (before.is_empty() || before.ends_with('/')).then_some(before)
}

/// Whether it is what CloudTrail has right below `AWSLogs/`.
fn is_owner(name: &str) -> bool {
    name.parse::<AccountId>().is_ok() || name.parse::<OrgId>().is_ok()
}

/// Whether an account's id may begin so.
fn begins_account(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a root can lie in or below a folder: none is deeper than a prefix is
/// long.
fn may_lead_on(folder: &str, name: &str) -> bool {
    // What consolidation refused keeps its key there, and is no archive.
    if format!("{folder}{name}/").ends_with(QUARANTINE) {
        return false;
    }
    let length = folder.chars().count() + name.chars().count();
    length <= MOST_CHARACTERS || (name == AWSLOGS && folder.chars().count() <= MOST_CHARACTERS + 1)
}

fn root(before: &str) -> Root {
    Root { prefix: before.strip_suffix('/').map(Into::into), org: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_leads_below_a_root_names_it() {
        let before = |prefix: &str| named(prefix).map(|root| root.to_string());
        for (prefix, wanted) in [
            ("AWSLogs/111111111111/", Some("AWSLogs/")),
            ("a/AWSLogs/o-exampleorgid/", Some("a/AWSLogs/")),
            ("AWSLogs/AWSLogs/111111111111/CloudTrail/", Some("AWSLogs/AWSLogs/")),
            ("ct//AWSLogs/111111111111/", Some("ct//AWSLogs/")),
            ("/AWSLogs/111111111111/", Some("/AWSLogs/")),
            ("AWSLogs/1111", Some("AWSLogs/")),
            ("", None),
            ("AWSLogs/", None),
            ("myAWSLogs/111111111111/", None),
            ("AWSLogs/elb/", None),
        ] {
            assert_eq!(before(prefix).as_deref(), wanted, "{prefix}");
        }
    }

    #[test]
    fn a_prefix_that_ends_in_an_owner_is_told() {
        assert!(ends_in_owner("AWSLogs/111111111111/"));
        assert!(ends_in_owner("a/AWSLogs/o-exampleorgid/"));
        for prefix in ["", "AWSLogs/", "111111111111/", "AWSLogs/111111111111/CloudTrail/"] {
            assert!(!ends_in_owner(prefix), "{prefix}");
        }
    }

    #[test]
    fn no_folder_is_searched_that_is_longer_than_a_prefix_can_be() {
        let longest = "p".repeat(MOST_CHARACTERS);
        assert!(may_lead_on("", &longest));
        assert!(may_lead_on(&format!("{longest}/"), AWSLOGS));
        assert!(!may_lead_on(&format!("{longest}/"), "x"));
        assert!(!may_lead_on("", &format!("{longest}p")));
    }
}
