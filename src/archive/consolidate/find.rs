//! The lanes of a run's sources, and what their sources do not speak for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt, stream};

use super::{
    binding::{Scope, Unbound},
    outsiders::{Folder, Outsiders},
    pace::Limit,
    progress::Progress,
    proof::Rights,
    quarantine::{Budget, Contents},
    run::{Archive, Asked, LANES_AT_ONCE, Report, failure},
    server_side::Route,
    source::Source,
};
use crate::{
    archive::{
        key::{DIGEST_FOLDER, LogClass},
        units::Lane,
        verify::run::RegionKeys,
    },
    aws::Clients,
    names::{AccountId, BucketName},
};

/// What every folder of CloudTrail's below an account begins with.
const LOGS: &str = "CloudTrail";

/// What a source's lanes are read with.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) bucket: BucketName,
    pub(super) clients: Clients,
    pub(super) route: Arc<Route>,
    pub(super) pace: Arc<Limit>,
    pub(super) budget: Arc<Budget>,
    /// What digests may lack, by the account that they speak for.
    pub(super) rights: Arc<BTreeMap<AccountId, Rights>>,
}

/// Keys that prove nothing.
pub(super) fn none() -> RegionKeys {
    RegionKeys { vouched: Arc::default(), saved: Arc::default(), failed: None }
}

/// The lanes of what sources may speak for, and the folders of all else.
pub(super) async fn find_lanes(
    asked: &Asked,
    archive: &Archive,
    sources: Vec<(Source, Clients)>,
    scope: &Scope,
    contents: &Arc<Contents>,
    progress: &Progress,
    report: &mut Report,
) -> (Vec<(Lane, Reader)>, Vec<Outsiders>) {
    let (mut found, mut outsiders) = (Vec::new(), Vec::new());
    let archive_owner = archive.target.clients.bucket_owner();
    let all: Vec<Source> = sources.iter().map(|(source, _)| source.clone()).collect();
    let mut listed = stream::iter(sources)
        .map(|(source, clients)| async move {
            let binding = scope.binding(&source);
            let wants = |account: &AccountId| binding.admits_account(account).is_ok();
            let lanes = tokio::select! {
                lanes = source.lanes_of(&clients, wants) => Some(lanes),
                () = progress.halted() => None,
            };
            (source, clients, lanes)
        })
        .buffer_unordered(LANES_AT_ONCE);
    while let Some((source, clients, lanes)) = listed.next().await {
        let Some(lanes) = lanes else {
            report.stopped = true;
            continue;
        };
        match lanes {
            Ok(lanes) => {
                let is_foreign = |folder: &String| {
                    !all.iter().any(|other| other.lies_below(&source.bucket, folder))
                };
                let foreign = lanes.foreign.into_iter().filter(is_foreign);
                report
                    .foreign_folders
                    .extend(foreign.map(|key| format!("s3://{}/{key}", source.bucket)));
                report.stray_objects += lanes.stray_objects;
                let binding = scope.binding(&source);
                let mut folders: Vec<Folder> = lanes
                    .others
                    .into_iter()
                    .filter(|(_, account)| asked.wants_account(account))
                    .filter_map(|(root, account)| {
                        let why = binding.admits_account(&account).err()?;
                        Some(Folder { root, account, below: LOGS.to_owned(), why })
                    })
                    .collect();
                let (bound, unknown): (Vec<Lane>, Vec<Lane>) = lanes
                    .lanes
                    .into_iter()
                    .partition(|lane| binding.admits(&lane.account, &lane.region).is_ok());
                let unknown = unknown.into_iter().filter(|lane| asked.wants(lane));
                folders.extend(unknown.map(|lane| Folder {
                    below: format!("{}/{}/", lane.folder, lane.region),
                    root: lane.root,
                    account: lane.account,
                    why: Unbound::UnknownRegion,
                }));
                let wanted: Vec<Lane> =
                    bound.into_iter().filter(|lane| asked.wants(lane)).collect();
                let rights = |lane: &Lane| {
                    let account = &lane.account;
                    (account.clone(), Rights::of(&source, &binding, account))
                };
                let rights = Arc::new(wanted.iter().map(rights).collect());
                let route =
                    Arc::new(asked.server_side.route(clients.bucket_owner(), archive_owner));
                let pace = Arc::new(Limit::new(asked.concurrency));
                let budget = Arc::new(Budget::new(Arc::clone(contents)));
                outsiders.push(Outsiders {
                    source: source.name(),
                    clients: clients.clone(),
                    bucket: source.bucket.clone(),
                    pace: Arc::clone(&pace),
                    budget: Arc::clone(&budget),
                    folders,
                    leave: source.policy.leave_unbound,
                });
                let bucket = source.bucket.clone();
                let reader = Reader { bucket, clients, route, pace, budget, rights };
                found.extend(wanted.into_iter().map(|lane| (lane, reader.clone())));
            }
            Err(error) => report.failures.push(failure(source.name(), &error)),
        }
    }
    found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    found.dedup_by(|(one, ..), (other, ..)| one == other);
    (found, outsiders)
}

/// Adds the lanes of logs that digests may name: a lane's first log may be
/// delivered after its source was looked at and before its digest is copied.
pub(super) fn expect_logs<R: Clone>(found: &mut Vec<(Lane, R)>) {
    let lanes: BTreeSet<Lane> = found.iter().map(|(lane, _)| lane.clone()).collect();
    let digests = found.iter().filter(|(lane, _)| lane.folder == DIGEST_FOLDER);
    let logs = digests.map(|(lane, reader)| {
        let folder = LogClass::Events.folder().to_owned();
        (Lane { folder, ..lane.clone() }, reader.clone())
    });
    let missing: Vec<_> = logs.filter(|(lane, _)| !lanes.contains(lane)).collect();
    found.extend(missing);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_digests_logs_are_looked_for() {
        let lane = |account: &str, folder: &str| Lane {
            bucket: "logs".to_owned(),
            root: "AWSLogs/".to_owned(),
            account: account.parse().unwrap(),
            folder: folder.to_owned(),
            region: "us-east-1".parse().unwrap(),
        };
        let (one, other) = ("111111111111", "222222222222");
        let mut found = vec![
            (lane(one, DIGEST_FOLDER), 1),
            (lane(one, "CloudTrail"), 2),
            (lane(other, DIGEST_FOLDER), 3),
        ];
        expect_logs(&mut found);
        assert_eq!(found[3..], [(lane(other, "CloudTrail"), 3)]);
    }
}
