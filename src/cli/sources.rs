//! `orgtrail sources`

use std::collections::BTreeMap;

use comfy_table::Table;

use super::{Context, Format, OpError, Outcome};
use crate::archive::consolidate::discover::{FailedRead, Found};
use crate::archive::consolidate::run::Failure;
use crate::archive::consolidate::source_stats::CountMethod;
use crate::names::{AccountId, Arn};
use crate::ops::sources::{CountedSource, SourceList, sources};
use crate::report::contract::sources::MissingSource;
use crate::report::drift::plain;
use crate::report::new_table;

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

Exit code 14 if an account or a bucket was unreadable. A deleted bucket is reported
but is not a failure, because it has nothing left to consolidate.")]
pub(crate) struct Args {
    /// Count every object instead of estimating.
    #[arg(long)]
    exact: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let counting = if args.exact { CountMethod::Exact } else { CountMethod::Sampled };
    let list = sources(&context.env()?, counting).await?;
    match context.format {
        Format::Json => context.document(list.document())?,
        Format::Text => print(context, &list)?,
    }
    Ok(list.outcome())
}

fn print(context: &Context, list: &SourceList) -> Result<(), OpError> {
    let SourceList { found, counted, missing, excluded, vanished, .. } = list;
    context.head()?;
    if counted.is_empty() && missing.is_empty() {
        context
            .out
            .note("no sources: none is configured, and the organization trail is the only trail");
    } else if !counted.is_empty() {
        context.out.data(table(counted).trim_fmt())?;
    }
    print_missing(context, missing);
    for Failure { place, reason, hint } in vanished {
        print_unreadable(context, place, reason, hint.as_deref());
    }
    for source in excluded {
        context.out.note(format_args!("excluded by the configuration: {}", plain(&source.name())));
    }
    print_unread(context, found);
    for CountedSource { source, stats, unexpected_owner, unreadable } in counted {
        let name = source.name();
        if let Some(owner) = unexpected_owner {
            print_unexpected_owner(context, &name, owner);
        }
        if let Some(why) = unreadable {
            print_unreadable(context, &name, &why.reason, why.hint.as_deref());
        }
        for folder in stats.iter().flat_map(|stats| &stats.unexpected) {
            context.out.note(format_args!(
                "not CloudTrail's: s3://{}/{}",
                source.bucket,
                plain(folder),
            ));
        }
    }
    Ok(())
}

/// Reports sources whose buckets were deleted, each once.
pub(super) fn print_missing(context: &Context, missing: &[MissingSource]) {
    for MissingSource { source, trails } in missing {
        context.out.note(format_args!(
            "{}: the bucket was deleted, so there is nothing to consolidate",
            plain(source)
        ));
        for trail in trails {
            context.out.note(format_args!(
                "  {trail} still delivers to it, and AWS charges for undeliverable events; to remove the trail: `orgtrail retire {trail}`"
            ));
        }
    }
}

/// Reports why something is unreadable, and what to do about it.
pub(super) fn print_unreadable(context: &Context, place: &str, reason: &str, hint: Option<&str>) {
    context.out.warn(format_args!("{}: {}", plain(place), plain(reason)));
    if let Some(hint) = hint {
        context.out.warn(format_args!("  hint: {}", plain(hint)));
    }
}

/// Reports unreadable accounts and Regions. Regions of an account with the same hint are
/// reported once.
pub(super) fn print_unread(context: &Context, found: &Found) {
    for excluded in &found.excluded {
        let name = excluded.source.as_ref().map_or("a trail", |source| source.name.as_str());
        context.out.note(format_args!(
            "excluded by the configuration: {}: {}",
            plain(name),
            plain(&excluded.reason)
        ));
    }
    for (first, others) in by_reason(&found.failed_reads) {
        let (account, region, reason) = (&first.account, &first.region, plain(&first.reason));
        context.out.warn(format_args!("account {account} in {region}: {reason}"));
        if !others.is_empty() {
            let regions: Vec<&str> = others.iter().map(|unread| unread.region.as_str()).collect();
            context.out.warn(format_args!("  also in {}", regions.join(", ")));
        }
        if let Some(hint) = &first.hint {
            context.out.warn(format_args!("  hint: {hint}"));
        }
    }
}

/// The unreadable Regions, grouped by account and hint: the first of each group, and the others.
fn by_reason(unread: &[FailedRead]) -> Vec<(&FailedRead, Vec<&FailedRead>)> {
    let mut groups: Vec<(&FailedRead, Vec<&FailedRead>)> = Vec::new();
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

fn table(sources: &[CountedSource]) -> Table {
    let mut table = new_table([
        "SOURCE", "OWNER", "REGION", "TRAILS", "OBJECTS", "BYTES", "FROM", "TO", "DIGESTS",
    ]);
    for CountedSource { source, stats, .. } in sources {
        let trails = trails(&source.trails);
        let owner = match (&source.owner, stats) {
            (Some(owner), _) => owner.to_string(),
            (None, Some(_)) => format!("unknown, read as {}", source.account),
            (None, None) => "unknown".to_owned(),
        };
        let is_located = source.owner.is_some() || stats.is_some();
        let region = if is_located { source.region.as_str() } else { "unknown" };
        let name = plain(&source.name()).into_owned();
        let mut row = vec![name, owner, region.to_owned(), trails];
        match stats {
            None => row.extend(["unreadable", "", "", "", ""].map(str::to_owned)),
            Some(stats) => {
                let about = if stats.counting == CountMethod::Sampled { "~" } else { "" };
                let day = |day: Option<jiff::civil::Date>| {
                    day.map_or_else(|| "-".to_owned(), |day| day.to_string())
                };
                row.extend([
                    format!("{about}{}", indicatif::HumanCount(stats.objects)),
                    format!("{about}{}", indicatif::BinaryBytes(stats.bytes)),
                    day(stats.first_day),
                    day(stats.last_day),
                    if stats.digests { "yes" } else { "no" }.to_owned(),
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

/// Reports a bucket whose owner is unexpected: no trail and no configuration names that
/// account, so it may have taken the name of a deleted bucket.
pub(super) fn print_unexpected_owner(context: &Context, source: &str, owner: &AccountId) {
    context.out.note(format_args!(
        "{}: account {owner} owns the bucket, but none of the trails that deliver to it; if the account took the name of a deleted bucket, exclude the source under [consolidate]",
        plain(source)
    ));
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
        let unread = |account: &str, region: &str, hint: Option<&str>| FailedRead {
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
        let others: Vec<usize> = by_reason(&all).iter().map(|(_, others)| others.len()).collect();
        assert_eq!(others, [1, 0, 0, 0]);
    }
}
