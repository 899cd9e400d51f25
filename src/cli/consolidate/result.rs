//! The result of a consolidation, as text.

use indicatif::HumanCount;

use crate::archive::consolidate::run::EXAMPLES;
use crate::cli::{Context, OpError, archived, estimate, sources};
use crate::cost::prices;
use crate::ops::consolidate::Consolidated;
use crate::report::drift::plain;

/// Prints all of it.
pub(in crate::cli) fn print(context: &Context, consolidated: &Consolidated) -> Result<(), OpError> {
    for (source, owner) in &consolidated.unexpected_owners {
        sources::print_unexpected_owner(context, source, owner);
    }
    sources::print_unread(context, &consolidated.found);
    let report = &consolidated.report;
    let counts = &report.counts;
    context.out.data(consolidated.summary())?;
    if counts.copied_inside_s3 > 0 {
        context.out.note(format_args!(
            "{} of them copied inside S3, without passing through this machine",
            HumanCount(counts.copied_inside_s3)
        ));
    }
    for (key, reason) in &report.record_faults {
        context.out.warn(format_args!("not used: {}: {}", plain(key), plain(reason)));
    }
    if let Some(reason) = &report.full_listing {
        context.out.note(reason);
    }
    sources::print_missing(context, &consolidated.missing);
    for name in &consolidated.excluded {
        context.out.note(format_args!("excluded by the configuration: {}", plain(name)));
    }
    if consolidated.sources.is_empty()
        && consolidated.missing.is_empty()
        && consolidated.excluded.is_empty()
    {
        context.out.note("no source is declared, and no trail but the organization's found");
    }
    let looked = !consolidated.sources.is_empty() && report.failures.is_empty() && !report.stopped;
    if looked && report.log_prefixes == 0 {
        // A mistyped account would look like one that is done.
        context.out.warn(
            "nothing there is CloudTrail's and of an account and a Region that were asked for",
        );
    }
    let estimated = consolidated.is_dry_run && !consolidated.sources.is_empty();
    if estimated {
        estimate::tell(context, report, &consolidated.estimate())?;
    }
    let left = if report.left_is_lower_bound {
        "or more left for the next run: this one was stopped before all were listed"
    } else {
        "left for the next run, this one was stopped before them"
    };
    let told = [
        (
            counts.quarantined,
            "in quarantine: they are not what their keys say; `orgtrail accept KEY --reason TEXT` accepts that",
        ),
        (
            counts.unbound,
            "of accounts or Regions that their source does not speak for: not copied; `orgtrail accept KEY --reason TEXT` accepts what is in quarantine, and `other_accounts = \"leave\"` under [[consolidate.sources]] all of it",
        ),
        (
            counts.held_back,
            "left at their source: log files whose digests are not in the archive, or digests whose public keys could not be read",
        ),
        (
            counts.accepted,
            "in quarantine, and accepted: `orgtrail accept --list` shows who accepted them and why",
        ),
        (counts.conflicts, "in conflict: their keys are taken by different content, left as it is"),
        (counts.failed, "not copied: run again"),
        (counts.left, left),
        (counts.archived, "archived: not copied before they are restored"),
        (counts.unexpected, "not CloudTrail's, left where they are"),
        (
            counts.uncompared,
            "there before by key and size alone: at the source, or in the archive, they lie archived and cannot be read to compare them",
        ),
        (report.stray_objects, "beside CloudTrail's folders, left where they are"),
    ];
    for (objects, words) in told.into_iter().filter(|(objects, _)| *objects > 0) {
        let noun = if objects == 1 { "object" } else { "objects" };
        context.out.warn(format_args!("{} {noun} {words}", HumanCount(objects)));
    }
    let restores = archived::tell(context, &report.archived)?;
    if estimated {
        context.out.data(prices::LIST)?;
    } else if restores {
        context.out.note(prices::LIST);
    }
    for unbound in report.unbound.iter().take(EXAMPLES) {
        let more = if unbound.more { "more than " } else { "" };
        let (place, objects) = (plain(&unbound.folder), HumanCount(unbound.objects));
        let kept = match (unbound.left, unbound.kept) {
            (true, _) => "left there, as the config says".to_owned(),
            (false, kept) => format!("{} in quarantine", HumanCount(kept)),
        };
        let text = format!(
            "{}: {more}{objects} objects below {place}: {}: not copied, {kept}",
            plain(&unbound.source),
            unbound.why,
        );
        if unbound.open() == 0 {
            context.out.note(text);
        } else {
            context.out.warn(text);
            context.out.warn(format_args!("  hint: {}", unbound.why.hint()));
        }
    }
    if report.unbound_not_listed > 0 {
        context.out.warn(format_args!(
            "{} further folders of accounts that their source does not speak for were not listed",
            HumanCount(report.unbound_not_listed)
        ));
    }
    for row in &report.examples {
        let reason = row.reason.as_deref().unwrap_or("no reason recorded");
        let (key, reason) = (plain(&row.origin_key), plain(reason));
        context.out.warn(format_args!("  s3://{}/{key}: {reason}", row.origin_bucket));
    }
    for failure in &report.failures {
        let hint = failure.hint.as_deref();
        sources::print_unreadable(context, &failure.place, &failure.reason, hint);
    }
    for folder in &report.unexpected_folders {
        context.out.note(format_args!("not CloudTrail's, left alone: {}", plain(folder)));
    }
    if report.stopped {
        context.out.note("stopped before the end; the same command goes on from here");
    }
    if let Some(number) = report.last_record {
        context.out.note(format_args!("recorded as orgtrail/runs/{number:012}.jsonl.gz"));
    }
    Ok(())
}
