//! Which accounts and Regions an archive has.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{Lane, ListError, Selection, Source};
use crate::archive::key::{DIGEST_FOLDER, LogClass, Root};
use crate::names::{AccountId, OrgId, Region};

const AWSLOGS: &str = "AWSLogs";
/// How far below the prefix `AWSLogs` is looked for.
const DEPTH: usize = 2;
/// How many accounts are looked at at a time.
const AT_ONCE: usize = 32;

/// All chosen accounts and Regions that have digests or log files below a
/// prefix, in order.
pub(super) async fn lanes(
    source: &Source,
    prefix: &str,
    selection: &Selection,
) -> Result<Vec<Lane>, ListError> {
    let mut lanes = BTreeSet::new();
    for root in roots(source, prefix).await? {
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
    Ok(lanes.into_iter().collect())
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

/// The roots without their organizations: what stands before `AWSLogs`.
async fn roots(source: &Source, prefix: &str) -> Result<Vec<Root>, ListError> {
    // The prefix may name the folder itself, or lead deeper.
    if let Some(before) = prefix.split(AWSLOGS).next().filter(|before| before.len() < prefix.len())
        && (before.is_empty() || before.ends_with('/'))
    {
        return Ok(vec![root(before)]);
    }
    let mut found = Vec::new();
    let mut level = vec![prefix.to_owned()];
    for depth in 0..=DEPTH {
        let mut below = Vec::new();
        for folder in level {
            for name in source.folders(&folder).await? {
                if name == AWSLOGS {
                    found.push(root(&folder));
                } else if depth < DEPTH {
                    below.push(format!("{folder}{name}/"));
                }
            }
        }
        level = below;
    }
    Ok(found)
}

fn root(before: &str) -> Root {
    Root { prefix: before.strip_suffix('/').map(Into::into), org: None }
}
