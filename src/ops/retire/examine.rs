use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use jiff::Timestamp;

use super::Candidate;
use crate::archive::batches::LogPrefix;
use crate::archive::consolidate::keys;
use crate::archive::consolidate::run::{
    ConsolidateOptions, Progress, Report, Sources, consolidate,
};
use crate::archive::consolidate::server_side::ServerSide;
use crate::archive::inventory;
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::archive::retire::{self, Condition, ConditionStatus, TrailIdentity, Unproven};
use crate::archive::verify::chain::Window;
use crate::archive::verify::run::{ApiKeys, PublicKeySource, Selection, Verification};
use crate::aws::{Clients, Observation};
use crate::cost::storage::{StoredTotals, stored_totals};
use crate::names::{AccountId, Arn, NameError, Region, TrailName};
use crate::ops::verify::{Scope, Target, checked};
use crate::ops::{Env, OpError, Outcome, archive, legacy};
use crate::org::{Organization, known_regions};
use crate::resources::EventSelectors;
use crate::words::in_one_line;

/// Comparisons under way at once.
const CONCURRENCY: usize = 64;

/// Whether a trail is safe to delete, with the reasons.
#[derive(Debug)]
pub struct Examined {
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// The prefixes of the account in the trail's bucket.
    pub(super) log_prefixes: Vec<LogPrefix>,
    stored: Option<StoredTotals>,
}

/// What the archive has of the source: all of it, as many, and how much the source has.
#[derive(Debug)]
pub(super) struct Contents {
    consolidated: Condition,
    counted: Condition,
    stored: Option<StoredTotals>,
}

impl Examined {
    /// Whether every condition is met.
    #[must_use]
    pub fn is_deletable(&self) -> bool {
        self.conditions.iter().all(|condition| condition.status == ConditionStatus::Met)
    }

    /// How it ended: refused if a condition is not met, incomplete if something was
    /// unreadable, or if a stop left the trail.
    #[must_use]
    pub fn outcome(&self, env: &Env, is_deleted: bool) -> Outcome {
        match self.conditions.iter().map(|condition| condition.status).max() {
            Some(ConditionStatus::NotMet) => Outcome::Refused,
            Some(ConditionStatus::Unreadable) => Outcome::Incomplete,
            _ if !is_deleted && env.stop().is_requested() => Outcome::Incomplete,
            Some(ConditionStatus::Met) | None => Outcome::Clean,
        }
    }

    /// What the trail's bucket has of the account, if it could be counted.
    pub(super) fn stored(&self) -> Option<&StoredTotals> {
        self.stored.as_ref()
    }

    /// Replaces what was found of the contents.
    pub(super) fn update(&mut self, newer: Contents) {
        let Contents { consolidated, counted, stored } = newer;
        for condition in [consolidated, counted] {
            self.conditions.retain(|older| older.name != condition.name);
            self.conditions.push(condition);
        }
        self.stored = stored;
    }
}

impl Candidate {
    /// Examines whether the trail is safe to delete. Changes nothing.
    ///
    /// # Errors
    /// The archive cannot be opened. What else is unreadable is in the conditions.
    pub async fn examine(&self, env: &Env) -> Result<Examined, OpError> {
        let config = env.config()?;
        // To the second, as people read it.
        let now = self.aws.now();
        let at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let deletable = self.deletable(config).await;
        if self.without_bucket {
            let mut conditions = retire::without_bucket(&self.trail.bucket);
            conditions.push(deletable);
            return Ok(Examined { conditions, log_prefixes: Vec::new(), stored: None });
        }
        let clients = self.source_clients();
        let account = &self.trail.account;
        let found = self.source.log_prefixes(&clients).await;
        let log_prefixes: Vec<LogPrefix> = match found {
            // Anyone who can write to the bucket can name Regions that do not exist.
            Ok(found) => {
                let known = known_regions(config.partition());
                let is_own = |log_prefix: &LogPrefix| {
                    log_prefix.account == *account
                        && (known.contains(&log_prefix.region)
                            || log_prefix.region == self.trail.home_region)
                };
                found.log_prefixes.into_iter().filter(is_own).collect()
            }
            Err(error) => {
                // Without them no condition can be judged.
                let unseen = |name| Condition {
                    name,
                    status: ConditionStatus::Unreadable,
                    reason: error.in_full(),
                };
                let names =
                    [retire::DELIVERED, retire::CONSOLIDATED, retire::VERIFIED, retire::COUNTED];
                let mut conditions: Vec<Condition> = names.map(unseen).into();
                conditions.push(deletable);
                return Ok(Examined { conditions, log_prefixes: Vec::new(), stored: None });
            }
        };
        let mut regions: BTreeSet<Region> =
            log_prefixes.iter().map(|log_prefix| log_prefix.region.clone()).collect();
        regions.insert(self.trail.home_region.clone());
        let delivered = self.delivered(env, &regions, at).await?;
        let verified = self.verified(env, &log_prefixes, at).await?;
        let Contents { consolidated, counted, stored } = self.contents(env, &log_prefixes).await?;
        let conditions = vec![delivered, consolidated, verified, counted, deletable];
        Ok(Examined { conditions, log_prefixes, stored })
    }

    /// Whether the organization trail covers the overlap.
    async fn delivered(
        &self,
        env: &Env,
        regions: &BTreeSet<Region>,
        at: Timestamp,
    ) -> Result<Condition, OpError> {
        let config = env.config()?;
        let (name, organization) = (&config.trail.name, &config.organization);
        let trail = TrailIdentity {
            home: organization.home_region.clone(),
            owner: organization.management_account.clone(),
        };
        let period = retire::overlap(at, config.retire.overlap_days);
        let window = Window { since: Some(period.from), until: Some(period.to), last: None };
        let found = self.verify(env, name, regions, window).await?;
        let found = found.as_ref().map_err(Clone::clone);
        let delivered = retire::delivered(found, &self.trail.account, regions, &trail, period);
        if delivered.status != ConditionStatus::Met || self.may_record_less {
            return Ok(delivered);
        }
        let Err((status, reason)) = self.records_no_more(&trail, name).await else {
            return Ok(delivered);
        };
        Ok(Condition { status, reason, ..delivered })
    }

    /// Whether the trail records nothing that the organization trail does not, or what.
    async fn records_no_more(
        &self,
        organizations: &TrailIdentity,
        name: &TrailName,
    ) -> Result<(), (ConditionStatus, String)> {
        let TrailIdentity { home, owner } = organizations;
        let resource = format!("trail/{name}");
        let arn = Arn::regional(self.aws.partition(), "cloudtrail", home, owner, resource);
        let read = async |arn: &Arn, account: &AccountId, region: &Region| {
            let unread = |reason| {
                (ConditionStatus::Unreadable, format!("reading what {arn} records: {reason}"))
            };
            match EventSelectors::read(&self.aws.clients(account, region), arn).await {
                Observation::Present(selectors) => Ok(selectors),
                Observation::Absent => Err(unread("it does not exist".to_owned())),
                Observation::Unreadable(error) => Err(unread(error.to_string())),
            }
        };
        let own = read(&self.trail.arn, &self.trail.account, &self.trail.home_region).await?;
        let lacks = read(&arn, owner, home).await?.lacks(&own);
        if lacks.is_empty() {
            return Ok(());
        }
        let reason = format!(
            "the organization trail does not record {}, which this trail does: declare it under \
             [trail], or confirm that it ends with --confirm-weakened-guard",
            lacks.join(", ")
        );
        Err((ConditionStatus::NotMet, reason))
    }

    /// Whether the trail's own chains are proven in the archive.
    async fn verified(
        &self,
        env: &Env,
        log_prefixes: &[LogPrefix],
        at: Timestamp,
    ) -> Result<Condition, OpError> {
        let name: TrailName = self
            .trail
            .arn
            .resource_name()
            .parse()
            .map_err(|error: NameError| OpError::new(error, Outcome::Usage))?;
        let regions = log_prefixes.iter().map(|log_prefix| log_prefix.region.clone()).collect();
        let found = self.verify(env, &name, &regions, Window::default()).await?;
        let unproven = match &found {
            Ok(verification) => self.unproven(log_prefixes, verification, at).await,
            Err(reason) => Err(reason.clone()),
        };
        let proven = found.as_ref().map_err(Clone::clone);
        let proven = proven.and_then(|found| Ok((found, unproven.as_ref().map_err(Clone::clone)?)));
        Ok(retire::verified(proven, log_prefixes, &self.identity()))
    }

    fn identity(&self) -> TrailIdentity {
        let (home, owner) = (self.trail.home_region.clone(), self.trail.account.clone());
        TrailIdentity { home, owner }
    }

    /// The log files of the source that the trail's chains do not prove.
    async fn unproven(
        &self,
        log_prefixes: &[LogPrefix],
        verification: &Verification,
        at: Timestamp,
    ) -> Result<Unproven, String> {
        let clients = self.source_clients();
        let mut unproven = Unproven::new(verification, &self.identity(), at);
        for log_prefix in
            log_prefixes.iter().filter(|log_prefix| log_prefix.folder != DIGEST_FOLDER)
        {
            let prefix = log_prefix.prefix();
            let mut logs = inventory::list(&clients, &self.source.bucket, prefix.clone(), None);
            while let Some(log) = logs.next().await {
                let log = log.map_err(|error| error.in_full())?;
                // What is not CloudTrail's is not copied, and counted as such.
                if let Ok(key) = format!("{prefix}{}", log.path).parse::<ObjectKey>() {
                    unproven.add_log(&log_prefix.region, key.time());
                }
            }
        }
        Ok(unproven)
    }

    /// Verifies one trail's chains of the account in the archive.
    async fn verify(
        &self,
        env: &Env,
        trail: &TrailName,
        regions: &BTreeSet<Region>,
        window: Window,
    ) -> Result<Result<Verification, String>, OpError> {
        let target = Target::open(None, &Scope::default(), env).await?;
        let selection = Selection {
            accounts: [self.trail.account.clone()].into(),
            regions: regions.clone(),
            trails: [trail.clone()].into(),
            shard: None,
        };
        match checked(target.request(selection, window), env).await {
            Ok(verification) => Ok(Ok(verification)),
            Err(error) if error.outcome() == Outcome::Incomplete => Ok(Err(error.render())),
            Err(error) => Err(error),
        }
    }

    /// Whether everything is in the archive, and as many.
    pub(super) async fn contents(
        &self,
        env: &Env,
        log_prefixes: &[LogPrefix],
    ) -> Result<Contents, OpError> {
        let stored = self.count(log_prefixes).await;
        let report = self.compare(env).await?;
        let report = report.as_ref().map_err(Clone::clone);
        let objects = stored.as_ref().map(StoredTotals::objects).map_err(Clone::clone);
        let counted = retire::counted(objects, report.clone());
        Ok(Contents { consolidated: retire::consolidated(report), counted, stored: stored.ok() })
    }

    async fn count(&self, log_prefixes: &[LogPrefix]) -> Result<StoredTotals, String> {
        let clients = self.source_clients();
        let mut stored = StoredTotals::default();
        for log_prefix in log_prefixes {
            let prefix = log_prefix.prefix();
            let found = stored_totals(&clients, &self.source.bucket, &prefix, |_, _, _| {}).await;
            stored += found.map_err(|error| error.in_full())?;
        }
        Ok(stored)
    }

    /// A dry run over all of the source, whatever earlier runs proved.
    async fn compare(&self, env: &Env) -> Result<Result<Report, String>, OpError> {
        let config = env.config()?;
        let account = &config.organization.management_account;
        let management = self.aws.clients(account, self.aws.home_region());
        let organization = Organization::read(&management).await?;
        let archive = archive::archive(config, &organization.id, &self.aws);
        let asked = ConsolidateOptions {
            shard: None,
            since: None,
            until: None,
            accounts: [self.trail.account.clone()].into(),
            regions: BTreeSet::new(),
            full: true,
            trust_records: false,
            server_side: ServerSide::Never,
            restore: None,
            limit: None,
            concurrency: CONCURRENCY,
            overlap_days: 0,
            excluded: Vec::new(),
        };
        let run = archive::start_run(&self.aws);
        let progress = Arc::new(Progress::new(None));
        let scope = legacy::scope(config, &organization, [self.trail.home_region.clone()]);
        let saved = keys::saved(&archive.target, archive.prefix.as_deref()).await;
        let saved = match saved {
            Ok(saved) => saved,
            Err(error) => return Ok(Err(in_one_line(&error))),
        };
        let keys =
            PublicKeySource::Api(ApiKeys::new(self.aws.clone(), account.clone(), saved, run.now));
        let readable = vec![(self.source.clone(), self.source_clients())];
        let sources = Sources { readable, failed: Vec::new(), scope, keys };
        let report = consolidate(&run, &asked, &archive, sources, progress, None).await;
        Ok(report.map_err(|error| OpError::from(error).render()))
    }

    fn source_clients(&self) -> Clients {
        self.source.clients(&self.aws)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Connection;
    use crate::stop::Stop;

    #[test]
    fn a_trail_is_deletable_if_every_condition_is_met() {
        let condition = |name, status| Condition { name, status, reason: String::new() };
        let mut examined = Examined {
            conditions: vec![
                condition(retire::DELIVERED, ConditionStatus::Met),
                condition(retire::CONSOLIDATED, ConditionStatus::NotMet),
                condition(retire::COUNTED, ConditionStatus::Unreadable),
            ],
            log_prefixes: Vec::new(),
            stored: None,
        };
        let (stopper, stop) = Stop::by_hand();
        let env = Env::new(Connection::default(), || Timestamp::UNIX_EPOCH).with_stop(stop);
        assert!(!examined.is_deletable());
        assert_eq!(examined.outcome(&env, false), Outcome::Refused);

        let update = |status| Contents {
            consolidated: condition(retire::CONSOLIDATED, ConditionStatus::Met),
            counted: condition(retire::COUNTED, status),
            stored: Some(StoredTotals::default()),
        };
        examined.update(update(ConditionStatus::Unreadable));
        assert!(!examined.is_deletable());
        assert_eq!(examined.outcome(&env, false), Outcome::Incomplete);
        examined.update(update(ConditionStatus::Met));
        assert!(examined.is_deletable() && examined.stored().is_some());
        assert_eq!(examined.conditions.len(), 3);
        assert_eq!(examined.outcome(&env, false), Outcome::Clean);
        // It could be deleted, and a stop left it.
        stopper.request();
        assert_eq!(examined.outcome(&env, false), Outcome::Incomplete);
        assert_eq!(examined.outcome(&env, true), Outcome::Clean);
    }
}
