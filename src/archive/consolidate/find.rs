//! The log prefixes of a run's sources, and the folders that the sources are not bound to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::binding::{Scope, Unbound};
use super::concurrency::ConcurrencyLimit;
use super::progress::Progress;
use super::proof::Rights;
use super::quarantine::{Budget, Contents};
use super::run::{Archive, ConsolidateOptions, PREFIXES_AT_ONCE, Report, failure};
use super::server_side::Route;
use super::source::Source;
use super::unbound::{Folder, UnboundFolders};
use crate::archive::batches::LogPrefix;
use crate::archive::key::{DIGEST_FOLDER, LogClass};
use crate::aws::Clients;
use crate::names::{AccountId, BucketName};

/// The common prefix of CloudTrail's folders below an account.
const LOGS: &str = "CloudTrail";

/// What is needed to read a source's log prefixes.
#[derive(Debug, Clone)]
pub(super) struct SourceReader {
    pub(super) bucket: BucketName,
    pub(super) clients: Clients,
    pub(super) route: Arc<Route>,
    pub(super) source_limit: Arc<ConcurrencyLimit>,
    pub(super) budget: Arc<Budget>,
    /// What digests may lack, by account.
    pub(super) rights: Arc<BTreeMap<AccountId, Rights>>,
}

/// The log prefixes that sources are bound to, and the folders of other accounts and
/// Regions.
pub(super) async fn find_log_prefixes(
    options: &ConsolidateOptions,
    archive: &Archive,
    sources: Vec<(Source, Clients)>,
    scope: &Scope,
    contents: &Arc<Contents>,
    progress: &Progress,
    report: &mut Report,
) -> (Vec<(LogPrefix, SourceReader)>, Vec<UnboundFolders>) {
    let (mut found, mut unbound_folders) = (Vec::new(), Vec::new());
    let archive_owner = archive.target.clients.bucket_owner();
    let all: Vec<Source> = sources.iter().map(|(source, _)| source.clone()).collect();
    let mut listed = stream::iter(sources)
        .map(|(source, clients)| async move {
            let binding = scope.binding(&source);
            let wants = |account: &AccountId| binding.admits_account(account).is_ok();
            let log_prefixes = tokio::select! {
                log_prefixes = source.log_prefixes_of(&clients, wants) => Some(log_prefixes),
                () = progress.halted() => None,
            };
            (source, clients, log_prefixes)
        })
        .buffer_unordered(PREFIXES_AT_ONCE);
    while let Some((source, clients, log_prefixes)) = listed.next().await {
        let Some(log_prefixes) = log_prefixes else {
            report.stopped = true;
            continue;
        };
        match log_prefixes {
            Ok(log_prefixes) => {
                let is_unexpected = |folder: &String| {
                    !all.iter().any(|other| other.lies_below(&source.bucket, folder))
                };
                let unexpected = log_prefixes.unexpected.into_iter().filter(is_unexpected);
                report
                    .unexpected_folders
                    .extend(unexpected.map(|key| format!("s3://{}/{key}", source.bucket)));
                if options.is_first_shard() {
                    report.stray_objects += log_prefixes.stray_objects;
                }
                let binding = scope.binding(&source);
                let mut folders: Vec<Folder> = log_prefixes
                    .others
                    .into_iter()
                    .filter(|(_, account)| options.wants_unbound(account))
                    .filter_map(|(root, account)| {
                        let why = binding.admits_account(&account).err()?;
                        Some(Folder { root, account, below: LOGS.to_owned(), why })
                    })
                    .collect();
                let (bound, unknown): (Vec<LogPrefix>, Vec<LogPrefix>) =
                    log_prefixes.log_prefixes.into_iter().partition(|log_prefix| {
                        binding.admits(&log_prefix.account, &log_prefix.region).is_ok()
                    });
                let unknown = unknown.into_iter().filter(|log_prefix| options.wants(log_prefix));
                folders.extend(unknown.map(|log_prefix| Folder {
                    below: format!("{}/{}/", log_prefix.folder, log_prefix.region),
                    root: log_prefix.root,
                    account: log_prefix.account,
                    why: Unbound::UnknownRegion,
                }));
                let wanted: Vec<LogPrefix> =
                    bound.into_iter().filter(|log_prefix| options.wants(log_prefix)).collect();
                let rights = |log_prefix: &LogPrefix| {
                    let account = &log_prefix.account;
                    (account.clone(), Rights::of(&source, &binding, account))
                };
                let rights = Arc::new(wanted.iter().map(rights).collect());
                let route =
                    Arc::new(options.server_side.route(clients.bucket_owner(), archive_owner));
                let source_limit = Arc::new(ConcurrencyLimit::fixed(options.concurrency));
                let budget = Arc::new(Budget::new(Arc::clone(contents)));
                unbound_folders.push(UnboundFolders {
                    source: source.name(),
                    clients: clients.clone(),
                    bucket: source.bucket.clone(),
                    source_limit: Arc::clone(&source_limit),
                    budget: Arc::clone(&budget),
                    folders,
                    leave: source.policy.leave_unbound,
                });
                let bucket = source.bucket.clone();
                let reader = SourceReader { bucket, clients, route, source_limit, budget, rights };
                found.extend(wanted.into_iter().map(|log_prefix| (log_prefix, reader.clone())));
            }
            Err(error) => report.failures.push(failure(source.name(), &error)),
        }
    }
    found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    found.dedup_by(|(one, ..), (other, ..)| one == other);
    (found, unbound_folders)
}

/// Adds the log prefixes of logs that digests may list: the first log may be delivered after
/// the listing of the source and before its digest is copied.
pub(super) fn expect_logs<R: Clone>(found: &mut Vec<(LogPrefix, R)>) {
    let log_prefixes: BTreeSet<LogPrefix> =
        found.iter().map(|(log_prefix, _)| log_prefix.clone()).collect();
    let digests = found.iter().filter(|(log_prefix, _)| log_prefix.folder == DIGEST_FOLDER);
    let logs = digests.map(|(log_prefix, reader)| {
        let folder = LogClass::Events.folder().to_owned();
        (LogPrefix { folder, ..log_prefix.clone() }, reader.clone())
    });
    let missing: Vec<_> =
        logs.filter(|(log_prefix, _)| !log_prefixes.contains(log_prefix)).collect();
    found.extend(missing);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_expected_where_there_are_digests() {
        let log_prefix = |account: &str, folder: &str| LogPrefix {
            bucket: "logs".to_owned(),
            root: "AWSLogs/".to_owned(),
            account: account.parse().unwrap(),
            folder: folder.to_owned(),
            region: "us-east-1".parse().unwrap(),
        };
        let (one, other) = ("111111111111", "222222222222");
        let mut found = vec![
            (log_prefix(one, DIGEST_FOLDER), 1),
            (log_prefix(one, "CloudTrail"), 2),
            (log_prefix(other, DIGEST_FOLDER), 3),
        ];
        expect_logs(&mut found);
        assert_eq!(found[3..], [(log_prefix(other, "CloudTrail"), 3)]);
    }
}
