//! Which accounts and Regions an archive has.

use std::collections::BTreeSet;

use super::{Lane, ListError, Request};
use crate::archive::key::{DIGEST_FOLDER, LogClass, Root};
use crate::names::{AccountId, OrgId, Region};

const AWSLOGS: &str = "AWSLogs";
/// How far below the prefix `AWSLogs` is looked for.
const DEPTH: usize = 2;

/// All accounts and Regions that have digests or log files, in order.
pub(super) async fn lanes(request: &Request) -> Result<Vec<Lane>, ListError> {
    let mut lanes = BTreeSet::new();
    for root in roots(request).await? {
        let mut found = Vec::new();
        for name in request.source.folders(&root.to_string()).await? {
            if let Ok(account) = name.parse::<AccountId>() {
                found.push((root.clone(), account));
            } else if let Ok(org) = name.parse::<OrgId>() {
                let root = Root { org: Some(org), ..root.clone() };
                for name in request.source.folders(&root.to_string()).await? {
                    found.extend(name.parse().ok().map(|account| (root.clone(), account)));
                }
            }
        }
        for (root, account) in found {
            let chosen = &request.selection.accounts;
            if chosen.is_empty() || chosen.contains(&account) {
                lanes.extend(of_account(request, &root, &account).await?);
            }
        }
    }
    Ok(lanes.into_iter().collect())
}

async fn of_account(
    request: &Request,
    root: &Root,
    account: &AccountId,
) -> Result<Vec<Lane>, ListError> {
    let mut regions = BTreeSet::new();
    for folder in [DIGEST_FOLDER, LogClass::Events.folder()] {
        let names = request.source.folders(&format!("{root}{account}/{folder}/")).await?;
        regions.extend(names.iter().filter_map(|name| name.parse::<Region>().ok()));
    }
    let chosen = &request.selection.regions;
    let lane = |region| Lane {
        bucket: request.source.bucket().map(Into::into),
        root: root.clone(),
        account: account.clone(),
        region,
    };
    let wanted = |lane: &Lane| {
        let within = |folder: &str| {
            let path = root.folder(account, folder, &lane.region);
            path.starts_with(&request.prefix) || request.prefix.starts_with(&path)
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
async fn roots(request: &Request) -> Result<Vec<Root>, ListError> {
    let prefix = request.prefix.as_str();
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
            for name in request.source.folders(&folder).await? {
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
