//! Consolidation: the logs of legacy trails into the archive.

mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::request::{CONCURRENCY, Request};
use super::legacy::{self, Legacy, buckets, located, vanished};
use super::sign_in::AccountsChecked;
use super::sources::{unexpected_owner, unreadable_regions};
use super::{Env, Interrupted, OpError, Outcome, archive, managed_archive};
use crate::archive::consolidate::copy::WriteTarget;
use crate::archive::consolidate::discover::{self, Found, Selected};
use crate::archive::consolidate::keys::{self, SaveKeysError};
use crate::archive::consolidate::ledger::LedgerError;
use crate::archive::consolidate::locate::LocatedSources;
use crate::archive::consolidate::pending::{NotFound, Unfinished};
use crate::archive::consolidate::run::{
    Archive, Failure, Progress, Report, Sources, add_new, consolidate,
};
use crate::archive::consolidate::source::Source;
use crate::archive::consolidate::vanished::PastSources;
use crate::archive::shard::Shard;
use crate::archive::verify::chain::Window;
use crate::archive::verify::public_keys::PublicKeySet;
use crate::archive::verify::run::{ApiKeys, PublicKeySource};
use crate::aws::{Aws, WriteAuthority};
use crate::config::{Config, matches_any};
use crate::cost::consolidation::{Estimate, estimate};
use crate::names::{AccountId, OrgId};
use crate::org::Identity;
use crate::plan::apply::Stale;
use crate::report::contract::sources::MissingSource;
use crate::report::contract::{self};
use crate::words::{counted, in_one_line};

/// After a stop, how long the run has to finish and to write its record: less than the
/// 30 seconds after which schedulers kill it.
const RECORDED_WITHIN: Duration = Duration::from_secs(25);

/// A consolidation before it copies anything: its sources are known.
#[derive(Debug)]
pub struct Prepared {
    request: Request,
    aws: Aws,
    legacy: Legacy,
    /// What the configuration excludes; the sources are those of `located`.
    selected: Selected,
    /// The buckets that trails or the configuration name.
    known: BTreeSet<String>,
    located: LocatedSources,
    /// The sources of earlier runs; `None` if only some sources were requested: that is no
    /// reason to miss others.
    past: Option<Result<PastSources, LedgerError>>,
    /// The public keys in the archive.
    saved: Result<PublicKeySet, SaveKeysError>,
}

/// Finds what is to be consolidated. Changes nothing.
///
/// # Errors
/// The request is invalid, no source matches it, not signed in, the organization is
/// unreadable, or a stop was requested.
pub async fn prepare(env: &Env, request: Request) -> Result<Prepared, OpError> {
    if let (Some(since), Some(until)) = (request.since, request.until)
        && since > until
    {
        return Err(OpError::usage(format!("`--since {since}` is after `--until {until}`"))
            .with_hint("both days are included"));
    }
    env.unless_stopped(Box::pin(async {
        let finding = |aws, identity: Identity, checked| {
            Prepared::find(env, request, aws, identity.organization, Some(checked))
        };
        Ok(Box::pin(env.aws_and(finding)).await?.1)
    }))
    .await?
}

impl Prepared {
    async fn find(
        env: &Env,
        request: Request,
        aws: Aws,
        organization: Option<OrgId>,
        checked: Option<AccountsChecked>,
    ) -> Result<Self, OpError> {
        let config = env.config()?;
        let archived = async {
            if let Some(checked) = checked {
                checked.wait().await;
            }
            // A choice of sources is no reason to miss others, which belong to no account and
            // Region.
            let is_first = request.shard.as_ref().is_none_or(Shard::is_first);
            let past = async {
                let past = legacy::past_sources(&aws, config, organization.as_ref());
                if request.sources.is_empty() && is_first { Some(past.await) } else { None }
            };
            let (prefix, archive) = (archive::prefix(config), archive::bucket(config, &aws));
            Ok(futures::join!(past, keys::saved(&archive, prefix.as_deref())))
        };
        let (legacy, (past, saved)) = futures::try_join!(legacy::find(env, &aws), archived)?;
        let mut selected = discover::selected(&legacy.found.trails, config);
        let known = buckets(&selected);
        let wanted = &request.sources;
        let found: Vec<Source> = std::mem::take(&mut selected.sources)
            .into_iter()
            .filter(|source| wanted.is_empty() || matches_any(wanted, &source.name()))
            .collect();
        if !wanted.is_empty() && found.is_empty() {
            return Err(OpError::usage(format!("no source matches {}", wanted.join(", ")))
                .with_hint("`orgtrail sources` lists them"));
        }
        let located = located(&aws, config, Some(&legacy.organization), found).await;
        Ok(Self { request, aws, legacy, selected, known, located, past, saved })
    }

    /// The sources that can be read.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.located.readable
    }

    /// Finds everything again after a person confirmed it.
    ///
    /// # Errors
    /// The sources, their owners or the accounts whose logs they may have differ from those
    /// that were confirmed.
    pub async fn refreshed(self, env: &Env) -> Result<Self, OpError> {
        let organization = Some(self.legacy.organization.id.clone());
        let again = Self::find(env, self.request.clone(), self.aws.clone(), organization, None);
        let now = env.unless_stopped(Box::pin(again)).await??;
        let only_in = |one: &[Source], other: &[Source]| -> Vec<String> {
            one.iter().filter(|it| !other.contains(it)).map(Source::name).collect()
        };
        let (confirmed, found) = (self.sources(), now.sources());
        let changed: BTreeSet<String> =
            only_in(confirmed, found).into_iter().chain(only_in(found, confirmed)).collect();
        if changed.is_empty() {
            return Ok(now);
        }
        Err(Stale { changed: changed.into_iter().collect() }.into())
    }

    /// Copies what is missing; without an authority to write, only says what that is.
    ///
    /// A stop finishes what is in flight, and the result says so.
    ///
    /// # Errors
    /// The records in the archive are invalid or could not be written, or a second stop was
    /// requested.
    pub async fn run(
        self,
        env: &Env,
        authority: Option<&WriteAuthority>,
    ) -> Result<Consolidated, OpError> {
        let config = env.config()?;
        if authority.is_some() {
            managed_archive::refuse(env, &self.aws).await?;
        }
        let Self { request, aws, legacy, selected, known, located, past, saved } = self;
        let LocatedSources { readable, missing, unreadable, .. } = located;
        let unexpected_owners = readable
            .iter()
            .filter_map(|source| Some((source.name(), unexpected_owner(config, source)?.clone())))
            .collect();
        let mut failed: Vec<Failure> = unreadable
            .into_iter()
            .map(|(source, why)| Failure {
                place: source.name(),
                reason: why.reason,
                hint: why.hint,
            })
            .collect();
        let names = readable.iter().map(Source::name);
        let names = names.chain(failed.iter().map(|one| one.place.clone())).collect();
        if let Some(past) = past {
            let organization = Some(&legacy.organization.id);
            failed.extend(vanished(&aws, config, organization, past, &known).await);
        }
        let excluded: Vec<String> = selected.excluded.iter().map(Source::name).collect();
        let asked = request.options(config, excluded.clone());
        let archive = archive::archive(config, &legacy.organization.id, &aws);
        let run = archive::start_run(&aws);
        let progress = Progress::new(request.limit).ending_on(env.stop().clone());
        let wants_forecast = env.progress().wants_forecast();
        let progress = Arc::new(if wants_forecast { progress.with_forecast() } else { progress });
        let phase = env.progress().copying(&progress);
        let work = async {
            let scope = legacy::scope(config, &legacy.organization, legacy.regions);
            let saved = saved.unwrap_or_else(|error| {
                failed.push(public_keys(&archive, "not read", &error));
                PublicKeySet::default()
            });
            let management = config.organization.management_account.clone();
            let keys = PublicKeySource::Api(ApiKeys::new(aws.clone(), management, saved, run.now));
            let readable = readable.into_iter().map(|source| {
                let clients = source.clients(&aws);
                (source, clients)
            });
            let sources = Sources { readable: readable.collect(), failed, scope, keys };
            let mut report =
                consolidate(&run, &asked, &archive, sources, progress, authority).await?;
            // After a stop there is no time, and the next run saves them.
            if let Some(authority) = authority.filter(|_| !env.stop().is_requested()) {
                let target = WriteTarget::new(archive.target.clone(), authority);
                save_keys(&aws, config, &archive, &target, run.now, &mut report).await;
            }
            Ok::<_, OpError>(report)
        };
        let report = tokio::select! {
            ended = env.unless_ended(Box::pin(work)) => ended,
            // If even the record cannot be written in time.
            () = env.stop().over(RECORDED_WITHIN) => Err(Interrupted::AtOnce.into()),
        }?;
        drop(phase);
        Ok(Consolidated {
            run_id: run.id,
            is_dry_run: authority.is_none(),
            sources: names,
            unexpected_owners,
            missing: missing.into_iter().map(Into::into).collect(),
            excluded,
            found: legacy.found,
            report,
            storage_class: archive.target.storage_class.as_str().to_owned(),
        })
    }
}

fn public_keys(
    archive: &Archive,
    what: &str,
    error: &(dyn std::error::Error + 'static),
) -> Failure {
    Failure {
        place: format!("the public keys in s3://{}", archive.target.bucket),
        reason: format!("{what}: {}", in_one_line(error)),
        hint: None,
    }
}

/// Saves the public keys of every Region whose digests were copied: later AWS may no longer
/// have them. What fails is a failure of the run, whose report stands.
async fn save_keys(
    aws: &Aws,
    config: &Config,
    archive: &Archive,
    target: &WriteTarget,
    now: Timestamp,
    report: &mut Report,
) {
    let management = config.organization.management_account.clone();
    let api = ApiKeys::new(aws.clone(), management, PublicKeySet::default(), now);
    for (region, accounts) in &report.digest_accounts {
        api.add_accounts(region, accounts);
    }
    let mut keys = PublicKeySet::default();
    for region in report.digest_regions.clone() {
        match api.list(&region, Window::default()).await {
            Ok(listed) => keys.extend(&listed),
            Err(error) => report.failures.push(Failure {
                place: format!("the public keys of {region}"),
                reason: in_one_line(&error),
                hint: error.hint(),
            }),
        }
    }
    if keys.is_empty() {
        return;
    }
    match keys::save(target, archive.prefix.as_deref(), &keys).await {
        Ok(saved) => report.record_faults.extend(saved.replaced.map(|key| {
            let reason = "it was not a list of public keys, and was replaced; its earlier versions may have more keys";
            (key, reason.to_owned())
        })),
        Err(error) => report.failures.push(public_keys(archive, "not saved", &error)),
    }
}

/// The result of a consolidation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Consolidated {
    /// The id of the run, as in its record.
    pub run_id: String,
    /// Whether nothing was written.
    pub is_dry_run: bool,
    /// The names of the sources.
    pub sources: Vec<String>,
    /// Sources whose buckets an account owns that neither a trail nor the configuration
    /// names, with that account.
    pub unexpected_owners: BTreeMap<String, AccountId>,
    /// Sources whose buckets were deleted.
    pub missing: Vec<MissingSource>,
    /// The names of sources that the configuration excludes.
    pub excluded: Vec<String>,
    /// The legacy trails, and the accounts and Regions that were unreadable.
    pub found: Found,
    /// What was copied, and what was not.
    pub report: Report,
    /// The storage class of the copies.
    pub storage_class: String,
}

impl Consolidated {
    /// Joins what the shards of one run did, in their order; `None` of no shard. The id is that
    /// of the first.
    #[must_use]
    pub fn join(shards: Vec<Self>) -> Option<Self> {
        shards.into_iter().reduce(|mut joined, shard| {
            add_new(&mut joined.sources, shard.sources);
            joined.unexpected_owners.extend(shard.unexpected_owners);
            add_new(&mut joined.missing, shard.missing);
            add_new(&mut joined.excluded, shard.excluded);
            add_new(&mut joined.found.trails, shard.found.trails);
            add_new(&mut joined.found.failed_reads, shard.found.failed_reads);
            add_new(&mut joined.found.excluded, shard.found.excluded);
            joined.report.join(shard.report);
            joined
        })
    }

    fn is_complete(&self) -> bool {
        self.report.complete() && self.found.failed_reads.is_empty()
    }

    /// Whether everything is in the archive.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.is_complete() { Outcome::Clean } else { Outcome::Incomplete }
    }

    /// Whether it was stopped before the end.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        self.report.stopped
    }

    /// What it left to the next run.
    #[must_use]
    pub fn unfinished(&self) -> Unfinished {
        let report = &self.report;
        let mut sources: BTreeMap<String, bool> =
            self.sources.iter().map(|name| (name.clone(), true)).collect();
        for (name, counts) in &report.by_source {
            *sources.entry(name.clone()).or_insert(true) &= counts.complete();
        }
        Unfinished {
            stopped: report.stopped,
            sources,
            failed: report.failures.iter().map(|failure| failure.place.clone()).collect(),
            not_found: NotFound::OfAccounts(
                self.found.failed_reads.iter().map(|unread| unread.account.clone()).collect(),
            ),
        }
    }

    /// The result in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = &self.report.counts;
        let verb = if self.is_dry_run { "to copy" } else { "copied" };
        format!(
            "{}: {} {verb} ({}), {} already in the archive",
            count_sources(self.sources.len()),
            counted(counts.copied, "object"),
            BinaryBytes(counts.copied_bytes),
            HumanCount(counts.present),
        )
    }

    /// What the requests cost.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        estimate(&self.report.counts, self.report.log_prefixes, &self.storage_class)
    }

    /// The same as a document.
    #[must_use]
    pub fn document(&self) -> contract::consolidation::Report {
        contract::consolidation::Report {
            run_id: self.run_id.clone(),
            dry_run: self.is_dry_run,
            complete: self.is_complete(),
            sources: self.sources.clone(),
            missing_sources: self.missing.clone(),
            excluded_sources: self.excluded.clone(),
            unreadable_regions: unreadable_regions(&self.found.failed_reads),
            excluded_trails: unreadable_regions(&self.found.excluded),
            work: (&self.report).into(),
            estimate: self.is_dry_run.then(|| (&self.estimate()).into()),
            prices: self.is_dry_run.then(contract::prices::PriceList::current),
        }
    }
}

/// A number of sources, in words.
pub(crate) fn count_sources(sources: usize) -> String {
    if sources == 0 { "no sources".to_owned() } else { counted(sources, "source") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::consolidate::discover::FailedRead;

    #[test]
    fn only_what_was_not_consolidated_may_still_arrive() {
        let mut done = Consolidated {
            run_id: String::new(),
            is_dry_run: false,
            unexpected_owners: BTreeMap::new(),
            sources: vec!["s3://whole".to_owned(), "s3://part/logs".to_owned()],
            missing: Vec::new(),
            excluded: Vec::new(),
            found: Found::default(),
            report: Report::default(),
            storage_class: String::new(),
        };
        let (one, other) = ("111111111111".parse().unwrap(), "222222222222".parse().unwrap());
        let failed = crate::archive::consolidate::record::Counts {
            source: 2,
            present: 1,
            failed: 1,
            ..Default::default()
        };
        done.report.by_source.insert("s3://part/logs".to_owned(), failed);
        done.found.failed_reads.push(FailedRead {
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            reason: "denied".to_owned(),
            hint: None,
            source: None,
        });
        assert!(done.unfinished().may_still_copy("part", Some(&other)));
        assert!(!done.unfinished().may_still_copy("whole", Some(&one)));
        // An unreadable account may have trails.
        assert!(done.unfinished().may_still_copy("unknown", Some(&one)));
        assert!(!done.unfinished().may_still_copy("unknown", Some(&other)));
        done.report.failures.push(Failure {
            place: "s3://whole".to_owned(),
            reason: String::new(),
            hint: None,
        });
        assert!(done.unfinished().may_still_copy("whole", Some(&one)));
        assert!(!done.unfinished().may_still_copy("who", Some(&other)));
    }
}
