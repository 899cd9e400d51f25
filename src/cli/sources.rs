//! `orgtrail sources`

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{ContentArrangement, Table, presets};
use futures::{StreamExt, stream};

use super::{OpError, Context, Outcome, Format, consolidate};
use crate::{
    archive::{
        authenticity::Trust,
        consolidate::{
            binding::Scope,
            census::{Census, Counting, census},
            discover::{self, Found, Selected, Unread},
            locate::{LocatedSources, declaration, locate},
            remembered,
            run::Failure,
            source::Source,
        },
        units::Lane,
    },
    aws::Aws,
    config::{Config, matches_any},
    names::{AccountId, Arn, OrgId, Region},
    org::{Buckets, Entry, Organization, Unlocated, known_regions, survey},
    report::contract::sources::{self as contract, MissingSource},
    report::drift::plain,
};

/// Sources that are counted at once.
const SOURCES_AT_ONCE: usize = 8;

/// List the buckets of legacy trails and their logs outside the archive
///
/// Lists the trails of every account in every enabled Region, each multi-Region trail once, and
/// inspects their buckets and the buckets under `[consolidate]`. Each bucket's owner and Region
/// are looked up across the organization. The configured organization trail is left out.
/// Read-only.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sources
  orgtrail sources --exact --format json

Without --exact, objects are counted on three days of each prefix and extrapolated to
the days between.

Outcome code 14 if an account or a bucket was unreadable. A deleted bucket is reported
but is not a failure, because it has nothing left to consolidate.")]
pub(crate) struct Args {
    /// Count every object instead of estimating.
    #[arg(long)]
    exact: bool,
}

/// A source, with what lies in it or why that could not be seen.
#[derive(Debug)]
struct Counted {
    source: Source,
    census: Option<Census>,
    unreadable: Option<String>,
    /// What to do about it.
    hint: Option<String>,
}

impl From<&Counted> for contract::CountedSource {
    fn from(counted: &Counted) -> Self {
        let Counted { source, census, unreadable, hint } = counted;
        Self {
            source: source.into(),
            contents: census.as_ref().map(contract::Contents::from),
            error: unreadable.clone(),
            hint: hint.clone(),
        }
    }
}

/// The same for a document.
pub(super) fn unreadable_regions(unread: &[Unread]) -> Vec<contract::UnreadableRegion> {
    unread.iter().map(contract::UnreadableRegion::from).collect()
}

impl Counted {
    fn unreadable(source: Source, why: Unlocated) -> Self {
        Self { source, census: None, unreadable: Some(why.reason), hint: why.hint }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let config = context.config()?;
    let aws = context.env()?.aws().await?;
    let Legacy { organization, found, .. } = find(context, &aws, &config).await?;
    let archive = consolidate::archive(&config, &organization.id, &aws);
    let counting = if args.exact { Counting::Exact } else { Counting::Sampled };
    let selected = discover::selected(&found.trails, &config);
    let vanished = vanished(&aws, &config, Some(&organization.id), &buckets(&selected)).await;
    let Selected { sources, excluded } = selected;
    let located = located(&aws, &config, Some(&organization), sources).await;
    let missing: Vec<MissingSource> =
        located.missing.into_iter().map(MissingSource::from).collect();
    let bar = context.out.progress("looking into buckets", located.readable.len());
    let mut counted: Vec<Counted> = stream::iter(located.readable)
        .map(|source| async {
            let clients = source.clients(&aws);
            let has_arrived = |lane: &Lane| archive.has(lane);
            let counted = match census(&clients, &source, counting, has_arrived).await {
                Ok(census) => {
                    Counted { source, census: Some(census), unreadable: None, hint: None }
                }
                Err(error) => Counted::unreadable(source, (&error).into()),
            };
            bar.inc(1);
            counted
        })
        .buffer_unordered(SOURCES_AT_ONCE)
        .collect()
        .await;
    bar.finish_and_clear();
    let unlocated = located.unreadable.into_iter();
    counted.extend(unlocated.map(|(source, why)| Counted::unreadable(source, why)));
    leave_out_each_other(&mut counted);
    counted.sort_by(|one, other| one.source.cmp(&other.source));
    let unreadable = counted.iter().filter(|source| source.unreadable.is_some()).count();
    let complete = found.unread.is_empty()
        && unreadable == 0
        && vanished.is_empty()
        && !context.stop.is_requested();
    match context.format {
        Format::Json => context.document(contract::Report {
            trails: found.trails.iter().map(contract::LegacyTrail::from).collect(),
            sources: counted.iter().map(contract::CountedSource::from).collect(),
            missing_sources: missing,
            excluded_sources: excluded.iter().map(contract::Source::from).collect(),
            unreadable_regions: unreadable_regions(&found.unread),
            excluded_trails: unreadable_regions(&found.excluded),
            vanished_sources: vanished.iter().map(|one| one.place.clone()).collect(),
        })?,
        Format::Text => {
            context.head()?;
            if counted.is_empty() && missing.is_empty() {
                context
                    .out
                    .note("no source is declared, and no trail but the organization's found");
            } else if !counted.is_empty() {
                context.out.data(table(&counted).trim_fmt())?;
            }
            tell_missing(context, &missing);
            for Failure { place, reason, hint } in &vanished {
                tell_unreadable(context, place, reason, hint.as_deref());
            }
            for source in &excluded {
                context.out.note(format_args!("left out by the config: {}", plain(&source.name())));
            }
            tell_unread(context, &found);
            for source in &counted {
                tell_unexpected_owner(context, &config, &source.source);
                if let Some(reason) = &source.unreadable {
                    let name = source.source.name();
                    tell_unreadable(context, &name, reason, source.hint.as_deref());
                }
                for folder in source.census.iter().flat_map(|census| &census.foreign) {
                    context.out.note(format_args!(
                        "not CloudTrail's, left alone: s3://{}/{}",
                        source.source.bucket,
                        plain(folder),
                    ));
                }
            }
        }
    }
    Ok(if complete { Outcome::Clean } else { Outcome::Incomplete })
}

/// Takes out what leads to another source of the same bucket.
fn leave_out_each_other(counted: &mut [Counted]) {
    let sources: Vec<Source> = counted.iter().map(|one| one.source.clone()).collect();
    for Counted { source, census, .. } in counted {
        if let Some(census) = census {
            census.foreign.retain(|folder| {
                !sources.iter().any(|other| other.lies_below(&source.bucket, folder))
            });
        }
    }
}

/// The buckets that trails or the configuration name, excluded ones too.
pub(super) fn buckets(selected: &Selected) -> BTreeSet<String> {
    let all = selected.sources.iter().chain(&selected.excluded);
    all.map(|source| source.bucket.to_string()).collect()
}

/// The sources of earlier runs that nothing names any more, and that are not excluded.
pub(super) async fn vanished(
    aws: &Aws,
    config: &Config,
    organization: Option<&OrgId>,
    known: &BTreeSet<String>,
) -> Vec<Failure> {
    let prefix = config.archive.prefix.as_ref().map(ToString::to_string);
    let target = consolidate::target(config, aws);
    let trust = Trust::of_config(config, aws, organization);
    let mut vanished = remembered::vanished(&target, prefix.as_deref(), &trust, known).await;
    vanished.retain(|one| !matches_any(&config.consolidate.exclude, &one.place));
    vanished
}

/// Finds the owners and Regions of the sources' buckets.
pub(super) async fn located(
    aws: &Aws,
    config: &Config,
    organization: Option<&Organization>,
    sources: Vec<Source>,
) -> LocatedSources {
    let (aws, organization) = (aws.clone(), organization.cloned());
    let buckets = Buckets::new(aws, config.organization.clone(), organization);
    locate(&buckets, config, sources).await.into_iter().collect()
}

/// Reports sources whose buckets were deleted, each once.
pub(super) fn tell_missing(context: &Context, missing: &[MissingSource]) {
    for MissingSource { source, trails } in missing {
        context.out.note(format_args!(
            "{}: the bucket was deleted: nothing is left to consolidate",
            plain(source)
        ));
        for trail in trails {
            context.out.note(format_args!(
                "  {trail} still names it, and AWS charges for what it cannot deliver: `orgtrail retire {trail}`"
            ));
        }
    }
}

/// Says why something could not be read, and what to do about it.
pub(super) fn tell_unreadable(context: &Context, place: &str, reason: &str, hint: Option<&str>) {
    context.out.warn(format_args!("{}: {}", plain(place), plain(reason)));
    if let Some(hint) = hint {
        context.out.warn(format_args!("  hint: {}", plain(hint)));
    }
}

/// What the organization holds beside its declared trail.
pub(super) struct Legacy {
    /// The organization.
    pub(super) organization: Organization,
    /// Its trails, and what could not be read.
    pub(super) found: Found,
    /// The Regions that its accounts have enabled.
    pub(super) regions: BTreeSet<Region>,
}

/// The accounts and Regions that sources may speak for.
pub(super) fn scope(
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

/// Finds the legacy trails of all accounts that can be entered; those that
/// cannot are among the unread.
pub(super) async fn find(
    context: &Context,
    aws: &Aws,
    config: &Config,
) -> Result<Legacy, OpError> {
    let declared = &config.organization;
    let management = aws.clients(&declared.management_account, aws.home_region());
    let organization = Organization::read(&management).await?;
    let bar = context.out.progress("entering accounts", organization.accounts.len());
    let accounts = survey(aws, &organization, declared, |_| bar.inc(1)).await;
    bar.finish_and_clear();
    let mut places: Vec<(AccountId, Vec<Region>)> = Vec::new();
    let mut unread = Vec::new();
    let mut all_regions = BTreeSet::new();
    for account in accounts {
        match account.entry {
            Entry::Entered { .. } => {
                let regions = account.regions.unwrap_or_default();
                if let Some(reason) = account.regions_unread
                    && !declared.regions.all_in(&regions)
                {
                    unread.push(Unread {
                        account: account.account.clone(),
                        region: aws.home_region().clone(),
                        reason: format!(
                            "only the Regions that every account has were asked for trails: {reason}"
                        ),
                        hint: None,
                        source: None,
                    });
                }
                all_regions.extend(regions.iter().cloned());
                let wanted = regions.into_iter().filter(|r| declared.regions.includes(r));
                places.push((account.account, wanted.collect()));
            }
            Entry::Failed { reason, hint, .. } => unread.push(Unread {
                account: account.account,
                region: aws.home_region().clone(),
                reason,
                hint,
                source: None,
            }),
            Entry::LeftOut { .. } => {}
        }
    }
    let trail = Arn::regional(
        aws.partition(),
        "cloudtrail",
        &declared.home_region,
        &declared.management_account,
        format!("trail/{}", config.trail.name),
    );
    let mut found = discover::legacy_trails(aws, &places, &trail).await;
    found.unread.extend(unread);
    found.exclude(config);
    Ok(Legacy { organization, found, regions: all_regions })
}

/// Says which accounts and Regions could not be asked. What one hint explains in
/// several Regions of an account is said once.
pub(super) fn tell_unread(context: &Context, found: &Found) {
    for excluded in &found.excluded {
        let name = excluded.source.as_ref().map_or("a trail", |source| source.name.as_str());
        context.out.note(format_args!(
            "left out by the config: {}: {}",
            plain(name),
            plain(&excluded.reason)
        ));
    }
    for (first, others) in alike(&found.unread) {
        let (account, region, reason) = (&first.account, &first.region, plain(&first.reason));
        context.out.warn(format_args!("account {account} in {region}: {reason}"));
        if !others.is_empty() {
            let regions: Vec<&str> = others.iter().map(|unread| unread.region.as_str()).collect();
            context.out.warn(format_args!("  the same in {}", regions.join(", ")));
        }
        if let Some(hint) = &first.hint {
            context.out.warn(format_args!("  hint: {hint}"));
        }
    }
}

/// The first of those that one hint explains in an account, with the others.
fn alike(unread: &[Unread]) -> Vec<(&Unread, Vec<&Unread>)> {
    let mut groups: Vec<(&Unread, Vec<&Unread>)> = Vec::new();
    for one in unread {
        let known = groups.iter_mut().find(|(first, _)| {
            first.hint.is_some() && (&first.account, &first.hint) == (&one.account, &one.hint)
        });
        match known {
            Some((_, others)) => others.push(one),
            None => groups.push((one, Vec::new())),
        }
    }
    groups
}

fn table(sources: &[Counted]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "SOURCE", "OWNER", "REGION", "TRAILS", "OBJECTS", "BYTES", "FROM", "TO", "DIGESTS",
        ]);
    for Counted { source, census, .. } in sources {
        let trails = trails(&source.trails);
        let owner = match (&source.owner, census) {
            (Some(owner), _) => owner.to_string(),
            (None, Some(_)) => format!("not proven, read as {}", source.account),
            (None, None) => "unknown".to_owned(),
        };
        let is_located = source.owner.is_some() || census.is_some();
        let region = if is_located { source.region.as_str() } else { "unknown" };
        let name = plain(&source.name()).into_owned();
        let mut row = vec![name, owner, region.to_owned(), trails];
        match census {
            None => row.extend(["unreadable", "", "", "", ""].map(str::to_owned)),
            Some(census) => {
                let about = if census.counting == Counting::Sampled { "~" } else { "" };
                let day = |day: Option<jiff::civil::Date>| {
                    day.map_or_else(|| "-".to_owned(), |day| day.to_string())
                };
                row.extend([
                    format!("{about}{}", census.objects),
                    format!("{about}{}", indicatif::BinaryBytes(census.bytes)),
                    day(census.first_day),
                    day(census.last_day),
                    if census.digests { "yes" } else { "no" }.to_owned(),
                ]);
            }
        }
        table.add_row(row);
    }
    table
}

/// The names of trails, each once: many accounts have a trail of the same name.
fn trails(arns: &[Arn]) -> String {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for arn in arns {
        *names.entry(arn.resource_name()).or_default() += 1;
    }
    let name = |(name, count): (&str, usize)| match count {
        1 => name.to_owned(),
        more => format!("{name} (of {more} accounts or Regions)"),
    };
    names.into_iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Reports a bucket that an account owns of which neither trails nor the
/// configuration tell: it may have taken the name of a deleted bucket.
pub(super) fn tell_unexpected_owner(context: &Context, config: &Config, source: &Source) {
    let Some(owner) = &source.owner else { return };
    let organization = &config.organization;
    let expected = [&organization.log_archive_account, &organization.management_account];
    let is_expected = expected.contains(&owner)
        || source.trails.iter().any(|trail| trail.account.as_ref() == Some(owner))
        || declaration(config, source).is_some();
    if !is_expected {
        context.out.note(format_args!(
            "{}: the bucket belongs to {owner}, which has none of the trails that write there: if it took the name of a deleted bucket, exclude the source under [consolidate]",
            plain(&source.name())
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trails_of_one_name_are_named_once() {
        let arn = |account: &str, name: &str| -> Arn {
            format!("arn:aws:cloudtrail:us-east-1:{account}:trail/{name}").parse().unwrap()
        };
        let all = [
            arn("444444444444", "own"),
            arn("555555555555", "own"),
            arn("555555555555", "another"),
        ];
        assert_eq!(trails(&all), "another, own (of 2 accounts or Regions)");
    }

    #[test]
    fn what_one_hint_explains_in_an_account_is_one() {
        let unread = |account: &str, region: &str, hint: Option<&str>| Unread {
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
            reason: format!("denied in {region}"),
            hint: hint.map(str::to_owned),
            source: None,
        };
        let all = [
            unread("444444444444", "eu-west-1", Some("ask")),
            unread("444444444444", "us-east-1", Some("ask")),
            unread("444444444444", "us-west-1", None),
            unread("444444444444", "us-west-2", None),
            unread("555555555555", "us-east-1", Some("ask")),
        ];
        let others: Vec<usize> = alike(&all).iter().map(|(_, others)| others.len()).collect();
        assert_eq!(others, [1, 0, 0, 0]);
    }
}
