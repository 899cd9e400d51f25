//! Legacy trails: those apart from the organization trail, and where their logs are.

use std::collections::BTreeSet;

use futures::stream;
use tokio::sync::mpsc;

use super::{Env, OpError, archive};
use crate::archive::authenticity::RecordTrust;
use crate::archive::consolidate::binding::Scope;
use crate::archive::consolidate::discover::{self, FailedRead, Found, Selected};
use crate::archive::consolidate::ledger::LedgerError;
use crate::archive::consolidate::locate::{LocatedSources, locate};
use crate::archive::consolidate::run::Failure;
use crate::archive::consolidate::source::Source;
use crate::archive::consolidate::vanished::{self, PastSources};
use crate::aws::Aws;
use crate::config::{Config, matches_any};
use crate::names::{AccountId, Arn, OrgId, Region};
use crate::org::{
    Access, Buckets, Organization, SurveyEvent, always_enabled, known_regions, read_and_survey,
};

/// The buckets that trails or the configuration name, excluded ones too.
pub(crate) fn buckets(selected: &Selected) -> BTreeSet<String> {
    let all = selected.sources.iter().chain(&selected.excluded);
    all.map(|source| source.bucket.to_string()).collect()
}

/// The sources of earlier runs, by the records in the archive.
pub(crate) async fn past_sources(
    aws: &Aws,
    config: &Config,
    organization: Option<&OrgId>,
) -> Result<PastSources, LedgerError> {
    let (prefix, target) = (archive::prefix(config), archive::bucket(config, aws));
    let trust = RecordTrust::of_config(config, aws, organization);
    vanished::past_sources(&target, prefix.as_deref(), &trust).await
}

/// Those that nothing names any more, and that are not excluded.
pub(crate) async fn vanished(
    aws: &Aws,
    config: &Config,
    organization: Option<&OrgId>,
    past: Result<PastSources, LedgerError>,
    known: &BTreeSet<String>,
) -> Vec<Failure> {
    let (prefix, target) = (archive::prefix(config), archive::bucket(config, aws));
    let trust = RecordTrust::of_config(config, aws, organization);
    let mut vanished = vanished::vanished(&target, prefix.as_deref(), &trust, past, known).await;
    vanished.retain(|one| !matches_any(&config.consolidate.exclude, &one.place));
    vanished
}

/// Finds the owners and Regions of the sources' buckets.
pub(crate) async fn located(
    aws: &Aws,
    config: &Config,
    organization: Option<&Organization>,
    sources: Vec<Source>,
) -> LocatedSources {
    let (aws, organization) = (aws.clone(), organization.cloned());
    let buckets = Buckets::new(aws, config.organization.clone(), organization);
    locate(&buckets, config, sources).await.into_iter().collect()
}

/// What the organization has apart from its declared trail.
#[derive(Debug)]
pub(crate) struct Legacy {
    /// The organization.
    pub(crate) organization: Organization,
    /// Its trails, and what could not be read.
    pub(crate) found: Found,
    /// The Regions that its accounts have enabled.
    pub(crate) regions: BTreeSet<Region>,
}

/// The accounts and Regions whose logs a source may have.
pub(crate) fn scope(
    config: &Config,
    organization: &Organization,
    regions: impl IntoIterator<Item = Region>,
) -> Scope {
    let declared = &config.organization;
    let former = config.consolidate.former_accounts.iter();
    let mut known = known_regions(config.partition());
    known.extend(regions);
    Scope {
        accounts: organization.accounts.keys().chain(former).cloned().collect(),
        regions: known,
        trusted: [&declared.log_archive_account, &declared.management_account]
            .map(Clone::clone)
            .into(),
    }
}

/// Finds the legacy trails of all accessible accounts; the others are reported as unread.
pub(crate) async fn find(env: &Env, aws: &Aws) -> Result<Legacy, OpError> {
    let config = env.config()?;
    let declared = &config.organization;
    let management = aws.clients(&declared.management_account, aws.home_region());
    let phase = env.progress().phase("assuming roles in accounts", 0);
    let (to, from) = mpsc::unbounded_channel();
    let everywhere = always_enabled(aws.partition());
    let ask = move |account: &AccountId, region: &Region| {
        if declared.regions.includes(region) {
            // The receiver ends after the sender.
            let _ = to.send((account.clone(), region.clone()));
        }
    };
    // The Regions that every account has need not be listed first.
    let on = move |event: SurveyEvent<'_>| match event {
        SurveyEvent::Known(accounts) => phase.set_steps(accounts),
        SurveyEvent::Begun(account) => everywhere.iter().for_each(|region| ask(account, region)),
        SurveyEvent::Done(surveyed) => {
            phase.step_done();
            let is_granted = matches!(surveyed.access, Access::Granted { .. });
            let regions = surveyed.regions.iter().flatten().filter(|_| is_granted);
            let others = regions.filter(|region| !everywhere.contains(*region));
            others.for_each(|region| ask(&surveyed.account, region));
        }
    };
    let trail = Arn::regional(
        aws.partition(),
        "cloudtrail",
        &declared.home_region,
        &declared.management_account,
        format!("trail/{}", config.trail.name),
    );
    let places = stream::unfold(from, |mut from| async move { Some((from.recv().await?, from)) });
    let trails = async { Ok(discover::legacy_trails(aws, places, &trail).await) };
    let surveying = read_and_survey(aws, &management, Some(declared), on);
    let ((organization, accounts), mut found) = futures::try_join!(surveying, trails)?;
    let mut places: BTreeSet<(AccountId, Region)> = BTreeSet::new();
    let mut unread = Vec::new();
    let mut all_regions = BTreeSet::new();
    for account in accounts {
        match account.access {
            Access::Granted { .. } => {
                let regions = account.regions.unwrap_or_default();
                if let Some(reason) = account.regions_unread
                    && !declared.regions.all_in(&regions)
                {
                    unread.push(FailedRead {
                        account: account.account.clone(),
                        region: aws.home_region().clone(),
                        reason: format!(
                            "only the Regions enabled by default were searched for trails: {reason}"
                        ),
                        hint: None,
                        source: None,
                    });
                }
                all_regions.extend(regions.iter().cloned());
                places.extend(regions.into_iter().map(|region| (account.account.clone(), region)));
            }
            Access::Failed { reason, hint, .. } => unread.push(FailedRead {
                account: account.account,
                region: aws.home_region().clone(),
                reason,
                hint,
                source: None,
            }),
            Access::Excluded { .. } => {}
        }
    }
    found
        .failed_reads
        .retain(|unread| places.contains(&(unread.account.clone(), unread.region.clone())));
    found.failed_reads.extend(unread);
    found.exclude(config);
    Ok(Legacy { organization, found, regions: all_regions })
}
