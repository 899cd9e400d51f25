//! `orgtrail sources`

use comfy_table::{ContentArrangement, Table, presets};
use futures::{StreamExt, stream};
use serde::Serialize;

use super::{CliError, Context, Exit, Format};
use crate::{
    archive::consolidate::{
        census::{Census, Counting, census},
        discover::{self, Found, LegacyTrail, Selected, Unread},
        source::Source,
    },
    aws::Aws,
    config::Config,
    names::{AccountId, Arn, Region},
    org::{Entry, Organization, survey},
    report::drift::plain,
};

/// Sources that are counted at once.
const SOURCES_AT_ONCE: usize = 8;

/// Which trails left logs outside the archive, and how much
///
/// Asks every account in every enabled Region for its trails, counts each once
/// (a trail of many Regions is seen in all of them), and looks into their
/// buckets, and into those that the config declares under `[consolidate]`. The
/// declared organization trail is left out. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sources
  orgtrail sources --exact --format json

Without --exact, objects are counted on three days of each folder and the days
between are taken to be like them.

Exit code 14 where an account or a bucket could not be read.")]
pub(crate) struct Args {
    /// Count every object instead of estimating.
    #[arg(long)]
    exact: bool,
}

/// The JSON contract. Fields may be added; `version` grows when one changes
/// its meaning or goes.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    trails: Vec<LegacyTrail>,
    sources: Vec<Counted>,
    /// Sources that the config leaves where they are.
    excluded: Vec<Source>,
    unread: Vec<Unread>,
}

#[derive(Debug, Serialize)]
struct Counted {
    #[serde(flatten)]
    source: Source,
    census: Option<Census>,
    unreadable: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let config = context.config()?;
    let aws = context.aws(&config).await?;
    let found = find(context, &aws, &config).await?.found;
    let counting = if args.exact { Counting::Exact } else { Counting::Sampled };
    let Selected { sources, excluded } = discover::selected(&found.trails, &config);
    let bar = context.out.progress("looking into buckets", sources.len());
    let mut counted: Vec<Counted> = stream::iter(sources)
        .map(|source| async {
            let clients = aws.clients(&source.account, &source.region);
            let (census, unreadable) = match census(&clients, &source, counting).await {
                Ok(census) => (Some(census), None),
                Err(error) => (None, Some(error.in_full())),
            };
            bar.inc(1);
            Counted { source, census, unreadable }
        })
        .buffer_unordered(SOURCES_AT_ONCE)
        .collect()
        .await;
    bar.finish_and_clear();
    counted.sort_by(|one, other| one.source.cmp(&other.source));
    let unreadable = counted.iter().filter(|source| source.unreadable.is_some()).count();
    let complete = found.unread.is_empty() && unreadable == 0 && !context.stop.is_requested();
    match context.format {
        Format::Json => context.json(&Report {
            version: 1,
            trails: found.trails,
            sources: counted,
            excluded,
            unread: found.unread,
        })?,
        Format::Text => {
            context.head()?;
            if counted.is_empty() {
                context
                    .out
                    .note("no source is declared, and no trail but the organization's found");
            } else {
                context.out.data(table(&counted).trim_fmt())?;
            }
            for source in &excluded {
                context.out.note(format_args!("left out by the config: {}", source.name()));
            }
            tell_unread(context, &found);
            for source in &counted {
                if let Some(reason) = &source.unreadable {
                    let (name, reason) = (source.source.name(), plain(reason));
                    context.out.warn(format_args!("{name}: {reason}"));
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
    Ok(if complete { Exit::Clean } else { Exit::Incomplete })
}

/// What the organization holds beside its declared trail.
pub(super) struct Legacy {
    /// The organization.
    pub(super) organization: Organization,
    /// Its trails, and what could not be read.
    pub(super) found: Found,
}

/// Finds the legacy trails of all accounts that can be entered; those that
/// cannot are among the unread.
pub(super) async fn find(
    context: &Context,
    aws: &Aws,
    config: &Config,
) -> Result<Legacy, CliError> {
    let declared = &config.organization;
    let management = aws.clients(&declared.management_account, aws.home_region());
    let organization = Organization::read(&management).await?;
    let bar = context.out.progress("entering accounts", organization.accounts.len());
    let accounts = survey(aws, &organization, declared, |_| bar.inc(1)).await;
    bar.finish_and_clear();
    let mut places: Vec<(AccountId, Vec<Region>)> = Vec::new();
    let mut unread = Vec::new();
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
                    });
                }
                let wanted = regions.into_iter().filter(|r| declared.regions.includes(r));
                places.push((account.account, wanted.collect()));
            }
            Entry::Failed { reason, hint, .. } => unread.push(Unread {
                account: account.account,
                region: aws.home_region().clone(),
                reason,
                hint,
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
    Ok(Legacy { organization, found })
}

/// Says which accounts and Regions could not be asked. What one hint explains in
/// several Regions of an account is said once.
pub(super) fn tell_unread(context: &Context, found: &Found) {
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
        .set_header(["SOURCE", "ACCOUNT", "TRAILS", "OBJECTS", "BYTES", "FROM", "TO", "DIGESTS"]);
    for Counted { source, census, .. } in sources {
        let trails: Vec<&str> = source.trails.iter().map(Arn::resource_name).collect();
        let mut row = vec![source.name(), source.account.to_string(), trails.join(", ")];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_hint_explains_in_an_account_is_one() {
        let unread = |account: &str, region: &str, hint: Option<&str>| Unread {
            account: account.parse().unwrap(),
            region: region.parse().unwrap(),
            reason: format!("denied in {region}"),
            hint: hint.map(str::to_owned),
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
