//! `orgtrail retire`

mod bucket;
mod ending;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::Arc;

use futures::StreamExt as _;
use jiff::Timestamp;

use self::bucket::Bucket;
use super::trust::{tell_unauthenticated, trust};
use super::verify::{Target, What, checked};
use super::{Context, Format, OpError, Outcome, consolidate, sources};
use crate::archive::consolidate::discover::{self, LegacyTrail, Selected};
use crate::archive::consolidate::keys;
use crate::archive::consolidate::run::{
    Archive, Asked, Progress, Report, Sources, consolidate as join,
};
use crate::archive::consolidate::server_side::ServerSide;
use crate::archive::consolidate::source::Source;
use crate::archive::inventory;
use crate::archive::key::{DIGEST_FOLDER, ObjectKey};
use crate::archive::retire::{self, Condition, Standing, TrailIdentity, Unproven};
use crate::archive::retired::Retired;
use crate::archive::units::Lane;
use crate::archive::verify::chain::Window;
use crate::archive::verify::public_keys::PublicKeySet;
use crate::archive::verify::run::{ApiKeys, KeyRing, Selection, Verification};
use crate::aws::{self, Aws, Clients, WriteAuthority, WriteClients};
use crate::config::Config;
use crate::cost::storage::{Holdings, holdings};
use crate::names::{AccountId, Arn, BucketName, Region, TrailName};
use crate::org::{Organization, known_regions};
use crate::plan::apply::Stale;
use crate::plan::retire::Retirement;
use crate::report::contract::retirement as contract;
use crate::report::drift::plain;
use crate::resources::EventSelectors;
use crate::words::in_one_line;

/// Comparisons under way at once.
const CONCURRENCY: usize = 64;

/// Retire a legacy trail once it is safe to delete
///
/// Checks that the organization trail provably delivers the same account and Regions, that
/// everything the legacy trail delivered is in the archive and verified there, that the counts
/// match, and that service control policies allow the deletion. If all conditions are met and
/// you confirm, it stops and deletes the trail in its home Region with its owner's credentials.
/// If CloudTrail refuses the deletion, logging is started again. The bucket stays. An
/// organization trail is never deleted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail retire arn:aws:cloudtrail:us-east-1:444444444444:trail/legacy
  orgtrail retire arn:aws:cloudtrail:us-east-1:444444444444:trail/legacy --yes

Exit code 12 if a condition is not met. Exit code 14 if something it needs was
unreadable, or if the trail could not be deleted. If a run is killed, the next one
completes it.")]
pub(crate) struct Args {
    /// The trail's ARN, as shown by `orgtrail sources --format json`.
    trail: Arn,

    /// Accept that events which only this trail records are no longer recorded.
    #[arg(long)]
    confirm_weakened_guard: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let config = context.config()?;
    let organization_trail = refuse_own(&args.trail, &config)?;
    let aws = context.env()?.aws().await?;
    let (Some(account), Some(home)) = (&args.trail.account, &args.trail.region) else {
        return Err(OpError::usage(format!("{} names no account and Region", args.trail)));
    };
    let owner = aws.clients(account, home);
    let found = discover::trail(&owner, &args.trail).await.map_err(ending::unread)?;
    let Some(trail) = found else {
        let is_gone = async || {
            let found = discover::trail(&owner, &args.trail).await.map_err(ending::unread)?;
            if found.is_some() { Err(stale(&args.trail)) } else { Ok(()) }
        };
        record_retired(&args.trail, None, &config, &aws, context, is_gone).await?;
        context.out.note(format_args!(
            "{} is not there: nothing is left to do, unless the ARN is mistyped (`orgtrail \
             sources` lists what there is)",
            args.trail
        ));
        if context.format == Format::Json {
            context.document(contract::Report {
                trail: args.trail,
                conditions: Vec::new(),
                deletable: true,
                retired: true,
                bucket: None,
            })?;
        }
        return Ok(Outcome::Clean);
    };
    if trail.organization {
        return Err(refused(format!("{} is an organization's trail", args.trail)));
    }
    let is_logging = ending::is_logging(&owner, &trail.arn).await?;
    let declared = own_source(&trail, &config);
    let place = declared.as_ref().map_or_else(|_| ending::undeclared(&trail), Clone::clone);
    let (source, without_bucket) = match (declared, located(&aws, &config, place).await) {
        (Ok(_), found) => found?,
        // Nothing of it could be copied, whatever the config says.
        (Err(_), Ok((source, true))) => (source, true),
        (Err(error), _) => return Err(error),
    };
    let look = Look {
        context,
        config: &config,
        aws: &aws,
        trail: &trail,
        source,
        organization_trail,
        without_bucket,
        // What no longer records loses nothing.
        may_record_less: args.confirm_weakened_guard || !is_logging,
    };
    let mut seen = context.env()?.unless_stopped(Box::pin(look.all())).await??;
    if context.format == Format::Text {
        context.head()?;
        seen.tell(context)?;
    }
    if without_bucket {
        ending::tell_without_bucket(context, &trail);
    }
    let retired = if seen.may_go() && wanted(context, &trail)? && !context.stop.is_requested() {
        if !context.yes {
            // What held before the prompt may not hold after it.
            let now = discover::trail(&owner, &trail.arn).await.map_err(ending::unread)?;
            if now.as_ref() != Some(&trail) {
                return Err(stale(&trail.arn));
            }
            seen = context.env()?.unless_stopped(Box::pin(look.all())).await??;
            if !seen.may_go() {
                seen.tell(context)?;
            }
        }
        let retirement = Retirement::permit(&owner, &trail.arn, &seen.conditions, is_logging)?;
        let ended = ending::end(&look, &mut seen, retirement).await?;
        if ended {
            let bucket = Some(&trail.bucket);
            record_retired(&trail.arn, bucket, &config, &aws, context, async || Ok(())).await?;
        }
        ended
    } else {
        if !is_logging && !seen.may_go() {
            ending::tell_stopped(context, &trail);
        }
        false
    };
    let bucket = seen.held.as_ref().map(|held| Bucket::of(&trail, held));
    match context.format {
        Format::Json => context.document(contract::Report {
            trail: trail.arn.clone(),
            conditions: seen.conditions.iter().map(contract::Condition::from).collect(),
            deletable: seen.may_go(),
            retired,
            bucket: bucket.as_ref().map(Bucket::document),
        })?,
        Format::Text => {
            if let Some(bucket) = bucket {
                bucket.tell(context)?;
            }
        }
    }
    Ok(match seen.outcome() {
        // Nothing speaks against it, and it is still there.
        Outcome::Clean if !retired && context.stop.is_requested() => Outcome::Incomplete,
        exit => exit,
    })
}

/// Records in the archive that a trail was retired: `verify` asks for that where its
/// chain ends and CloudTrail no longer knows the trail.
async fn record_retired(
    trail: &Arn,
    bucket: Option<&BucketName>,
    config: &Config,
    aws: &Aws,
    context: &Context,
    check: impl AsyncFn() -> Result<(), OpError>,
) -> Result<(), OpError> {
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    // It was gone before: that it is known is a person's word.
    if bucket.is_none() {
        if !context.yes && !can_ask {
            context.out.note("`--yes` records in the archive that it was retired");
            return Ok(());
        }
        context.confirm(&format!("record in the archive that {trail} was retired?"))?;
        check().await?;
    }
    let target = consolidate::target(config, aws);
    let prefix = config.archive.prefix.as_ref().map(ToString::to_string);
    let record = Retired::new(trail, bucket, &aws.caller().arn, aws.now());
    let trust = trust(context, config, aws).await?;
    let writer = WriteClients::new(&target.clients, &WriteAuthority::granted());
    let written = record.write(&writer, &target.bucket, prefix.as_deref(), &trust).await;
    let sha256 = written.map_err(|error| {
        OpError::new(error, Outcome::Incomplete).with_hint(
            "`orgtrail verify` stays incomplete until it is recorded: run the same command again",
        )
    })?;
    if trust.mac_key.is_none() && !trust.listed.contains(&sha256) {
        tell_unauthenticated(context, &sha256);
    }
    Ok(())
}

/// A trail that is not as the prompt showed it.
fn stale(trail: &Arn) -> OpError {
    Stale { changed: vec![trail.to_string()] }.into()
}

/// The organization trail's name and home Region.
///
/// # Errors
/// It is the one that is asked for.
fn refuse_own(trail: &Arn, config: &Config) -> Result<(TrailName, Region), OpError> {
    if &*trail.service != "cloudtrail" || trail.resource_type() != "trail" {
        return Err(OpError::usage(format!("found {trail}, expected the ARN of a trail")));
    }
    let declared = &config.organization;
    let own = Arn::regional(
        config.partition(),
        "cloudtrail",
        &declared.home_region,
        &declared.management_account,
        format!("trail/{}", config.trail.name),
    );
    if *trail == own {
        return Err(refused(format!("{trail} is the organization trail itself")));
    }
    Ok((config.trail.name.clone(), declared.home_region.clone()))
}

/// Where the trail's logs lie, read as the config says where it declares them.
///
/// # Errors
/// The config excludes it: nothing of it is brought into the archive.
fn own_source(trail: &LegacyTrail, config: &Config) -> Result<Source, OpError> {
    let Selected { sources, excluded } = discover::selected(std::slice::from_ref(trail), config);
    let is_own = |source: &Source| source.trails.contains(&trail.arn);
    if let Some(source) = excluded.iter().find(|source| is_own(source)) {
        let message = format!("{} is excluded from consolidation", source.name());
        return Err(OpError::new(message, Outcome::Refused).with_hint(
            "what it holds is not brought into the archive: take it out of `exclude` under [consolidate] first",
        ));
    }
    let own = sources.into_iter().find(is_own);
    own.ok_or_else(|| OpError::new("the trail has no bucket", Outcome::Unexpected))
}

/// The source with its bucket's owner and Region; as it is where the bucket was
/// deleted, which the second value says.
///
/// # Errors
/// They could not be found, or the bucket is nobody's in the organization.
async fn located(aws: &Aws, config: &Config, source: Source) -> Result<(Source, bool), OpError> {
    let mut found = sources::located(aws, config, None, vec![source]).await;
    if let Some((source, why)) = found.unreadable.pop() {
        let message = format!("{}: {}", source.name(), why.reason);
        let error = OpError::new(message, Outcome::Incomplete);
        return Err(match why.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
    }
    let readable = found.readable.pop().map(|source| (source, false));
    let source = readable.or_else(|| found.missing.pop().map(|source| (source, true)));
    source.ok_or_else(|| OpError::new("the trail has no bucket", Outcome::Unexpected))
}

fn refused(message: String) -> OpError {
    OpError::new(message, Outcome::Refused).with_hint(
        "only older trails of single accounts are retired; `orgtrail sources` lists them",
    )
}

/// Whether the trail is to go: a yes, or nobody to ask and none given.
fn wanted(context: &Context, trail: &LegacyTrail) -> Result<bool, OpError> {
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !context.yes && !can_ask {
        context.out.note("it may go: `--yes` stops and deletes it");
        return Ok(false);
    }
    context.confirm(&format!("stop and delete {}? Its bucket stays.", trail.arn))?;
    Ok(true)
}

/// What a look at the trail needs.
struct Look<'a> {
    context: &'a Context,
    config: &'a Config,
    aws: &'a Aws,
    trail: &'a LegacyTrail,
    source: Source,
    organization_trail: (TrailName, Region),
    /// Whether the trail's bucket does not exist.
    without_bucket: bool,
    /// Whether the trail may record what the organization trail does not.
    may_record_less: bool,
}

/// What was seen.
struct Seen {
    conditions: Vec<Condition>,
    lanes: Vec<Lane>,
    held: Option<Holdings>,
}

impl Look<'_> {
    async fn all(&self) -> Result<Seen, OpError> {
        // To the second, as people read it.
        let now = self.aws.now();
        let at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let deletable = ending::deletable(self).await;
        if self.without_bucket {
            let mut conditions = retire::without_bucket(&self.trail.bucket);
            conditions.push(deletable);
            return Ok(Seen { conditions, lanes: Vec::new(), held: None });
        }
        let clients = self.source_clients();
        let account = &self.trail.account;
        let found = self.source.lanes(&clients).await;
        let lanes: Vec<Lane> = match found {
            // Whoever writes the bucket can name Regions that there are not.
            Ok(found) => {
                let known = known_regions(self.config.partition());
                let is_own = |lane: &Lane| {
                    lane.account == *account
                        && (known.contains(&lane.region) || lane.region == self.trail.home_region)
                };
                found.lanes.into_iter().filter(is_own).collect()
            }
            Err(error) => {
                // Without them nothing can be told of any condition.
                let unseen =
                    |name| Condition { name, standing: Standing::Unseen, reason: error.in_full() };
                let names =
                    [retire::DELIVERED, retire::CONSOLIDATED, retire::VERIFIED, retire::COUNTED];
                let mut conditions: Vec<Condition> = names.map(unseen).into();
                conditions.push(deletable);
                return Ok(Seen { conditions, lanes: Vec::new(), held: None });
            }
        };
        let mut regions: BTreeSet<Region> = lanes.iter().map(|lane| lane.region.clone()).collect();
        regions.insert(self.trail.home_region.clone());
        let delivered = self.delivered(&regions, at).await?;
        let verified = self.verified(&lanes, at).await?;
        let (consolidated, counted, held) = self.contents(&lanes).await?;
        let conditions = vec![delivered, consolidated, verified, counted, deletable];
        Ok(Seen { conditions, lanes, held })
    }

    /// Whether the organization trail covers the overlap.
    async fn delivered(
        &self,
        regions: &BTreeSet<Region>,
        at: Timestamp,
    ) -> Result<Condition, OpError> {
        let (name, home) = &self.organization_trail;
        let owner = self.config.organization.management_account.clone();
        let trail = TrailIdentity { home: home.clone(), owner };
        let period = retire::overlap(at, self.config.retire.overlap_days);
        let window = Window { since: Some(period.from), until: Some(period.to), last: None };
        let found = self.verify(name, regions, window).await?;
        let found = found.as_ref().map_err(Clone::clone);
        let delivered = retire::delivered(found, &self.trail.account, regions, &trail, period);
        if delivered.standing != Standing::Holds || self.may_record_less {
            return Ok(delivered);
        }
        let Err((standing, reason)) = self.records_no_more(&trail, name).await else {
            return Ok(delivered);
        };
        Ok(Condition { standing, reason, ..delivered })
    }

    /// Whether the trail records nothing that the organization trail does not, or what.
    async fn records_no_more(
        &self,
        organizations: &TrailIdentity,
        name: &TrailName,
    ) -> Result<(), (Standing, String)> {
        let TrailIdentity { home, owner } = organizations;
        let resource = format!("trail/{name}");
        let arn = Arn::regional(self.aws.partition(), "cloudtrail", home, owner, resource);
        let read = async |arn: &Arn, account: &AccountId, region: &Region| {
            let unread = |reason| (Standing::Unseen, format!("what {arn} records: {reason}"));
            match EventSelectors::read(&self.aws.clients(account, region), arn).await {
                aws::Seen::Present(selectors) => Ok(selectors),
                aws::Seen::Absent => Err(unread("it does not exist".to_owned())),
                aws::Seen::Unreadable(error) => Err(unread(error.to_string())),
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
        Err((Standing::Not, reason))
    }

    /// Whether the trail's own chains are proven in the archive.
    async fn verified(&self, lanes: &[Lane], at: Timestamp) -> Result<Condition, OpError> {
        let name: TrailName = self
            .trail
            .arn
            .resource_name()
            .parse()
            .map_err(|error: crate::names::NameError| OpError::new(error, Outcome::Usage))?;
        let regions = lanes.iter().map(|lane| lane.region.clone()).collect();
        let found = self.verify(&name, &regions, Window::default()).await?;
        let unproven = match &found {
            Ok(verification) => self.unproven(lanes, verification, at).await,
            Err(reason) => Err(reason.clone()),
        };
        let seen = found.as_ref().map_err(Clone::clone);
        let seen = seen.and_then(|found| Ok((found, unproven.as_ref().map_err(Clone::clone)?)));
        Ok(retire::verified(seen, lanes, &self.session.identity()))
    }

    fn identity(&self) -> TrailIdentity {
        let (home, owner) = (self.trail.home_region.clone(), self.trail.account.clone());
        TrailIdentity { home, owner }
    }

    /// The log files of the source that the trail's chains do not prove.
    async fn unproven(
        &self,
        lanes: &[Lane],
        verification: &Verification,
        at: Timestamp,
    ) -> Result<Unproven, String> {
        let clients = self.source_clients();
        let mut unproven = Unproven::new(verification, &self.session.identity(), at);
        for lane in lanes.iter().filter(|lane| lane.folder != DIGEST_FOLDER) {
            let prefix = lane.prefix();
            let mut logs = inventory::list(&clients, &self.source.bucket, prefix.clone(), None);
            while let Some(log) = logs.next().await {
                let log = log.map_err(|error| error.in_full())?;
                // What is not CloudTrail's is not brought, and counted as such.
                if let Ok(key) = format!("{prefix}{}", log.path).parse::<ObjectKey>() {
                    unproven.look(&lane.region, key.time());
                }
            }
        }
        Ok(unproven)
    }

    /// Verifies one trail's chains of the account in the archive.
    async fn verify(
        &self,
        trail: &TrailName,
        regions: &BTreeSet<Region>,
        window: Window,
    ) -> Result<Result<Verification, String>, OpError> {
        let target = Target::open(None, &What::default(), self.context).await?;
        let selection = Selection {
            accounts: [self.trail.account.clone()].into(),
            regions: regions.clone(),
            trails: [trail.clone()].into(),
        };
        match checked(target.request(selection, window), self.context).await {
            Ok(verification) => Ok(Ok(verification)),
            Err(error) if error.outcome() == Outcome::Incomplete => Ok(Err(error.render())),
            Err(error) => Err(error),
        }
    }

    /// Whether everything is in the archive, and as many.
    async fn contents(
        &self,
        lanes: &[Lane],
    ) -> Result<(Condition, Condition, Option<Holdings>), OpError> {
        let held = self.count(lanes).await;
        let report = self.join().await?;
        let report = report.as_ref().map_err(Clone::clone);
        let counted = retire::counted(
            held.as_ref().map(Holdings::objects).map_err(Clone::clone),
            report.clone(),
        );
        Ok((retire::consolidated(report), counted, held.ok()))
    }

    async fn count(&self, lanes: &[Lane]) -> Result<Holdings, String> {
        let clients = self.source_clients();
        let mut held = Holdings::default();
        for lane in lanes {
            let prefix = lane.prefix();
            let found = holdings(&clients, &self.source.bucket, &prefix).await;
            held += found.map_err(|error| error.in_full())?;
        }
        Ok(held)
    }

    /// A dry run over all of the source, whatever earlier runs proved.
    async fn join(&self) -> Result<Result<Report, String>, OpError> {
        let management = &self.config.organization.management_account;
        let management = self.aws.clients(management, self.aws.home_region());
        let organization = Organization::read(&management).await?;
        let archive: Archive = consolidate::archive(self.config, &organization.id, self.aws);
        let asked = Asked {
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
        let run = consolidate::begin(self.aws);
        let progress = Arc::new(Progress::new(None));
        let scope = sources::scope(self.config, &organization, [self.trail.home_region.clone()]);
        let saved = keys::saved(&archive.target, archive.prefix.as_deref()).await;
        let saved: PublicKeySet = match saved {
            Ok(saved) => saved,
            Err(error) => return Ok(Err(in_one_line(&error))),
        };
        let management = self.config.organization.management_account.clone();
        let keys = KeyRing::Api(ApiKeys::new(self.aws.clone(), management, saved, run.now));
        let readable = vec![(self.source.clone(), self.source_clients())];
        let sources = Sources { readable, failed: Vec::new(), scope, keys };
        let report = join(&run, &asked, &archive, sources, progress, None).await;
        Ok(report.map_err(|error| OpError::from(error).render()))
    }

    fn source_clients(&self) -> Clients {
        self.source.clients(self.aws)
    }
}

impl Seen {
    fn may_go(&self) -> bool {
        self.conditions.iter().all(|condition| condition.standing == Standing::Holds)
    }

    /// Refused where something does not hold, incomplete where something could
    /// not be seen.
    fn exit(&self) -> Outcome {
        match self.conditions.iter().map(|condition| condition.standing).max() {
            Some(Standing::Not) => Outcome::Refused,
            Some(Standing::Unseen) => Outcome::Incomplete,
            Some(Standing::Holds) | None => Outcome::Clean,
        }
    }

    fn replace(&mut self, newer: [Condition; 2], held: Option<Holdings>) {
        for condition in newer {
            self.conditions.retain(|older| older.name != condition.name);
            self.conditions.push(condition);
        }
        self.held = held;
    }

    fn tell(&self, context: &Context) -> Result<(), OpError> {
        for Condition { name, standing, reason } in &self.conditions {
            let standing = match standing {
                Standing::Holds => "holds",
                Standing::Not => "does not hold",
                Standing::Unseen => "could not be seen",
            };
            context.out.data(format_args!("{name}: {standing}: {}", plain(reason)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_says_how_a_trails_bucket_is_read_and_whether() {
        let trail = LegacyTrail {
            arn: "arn:aws:cloudtrail:us-east-1:444444444444:trail/one".parse().unwrap(),
            account: "444444444444".parse().unwrap(),
            home_region: "us-east-1".parse().unwrap(),
            multi_region: true,
            organization: false,
            log_file_validation: true,
            bucket: "legacy-a".parse().unwrap(),
            prefix: None,
            seen_in: BTreeSet::new(),
        };
        let own = |more: &str| {
            let config: Config = format!("{}{more}", crate::config::SMALLEST).parse().unwrap();
            own_source(&trail, &config)
        };
        assert_eq!(own("").unwrap().account, trail.account);
        let declared = own("[[consolidate.sources]]\nbucket = \"legacy-a\"\n\
             account = \"555555555555\"\nregion = \"eu-west-1\"\n")
        .unwrap();
        assert_eq!(declared.account.as_str(), "555555555555");
        assert_eq!(declared.region.as_str(), "eu-west-1");
        let excluded =
            own("[consolidate]\nexclude = [\"444444444444:s3://legacy-*\"]\n").unwrap_err();
        assert_eq!(excluded.outcome(), Outcome::Refused);
    }
}
