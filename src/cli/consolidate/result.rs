//! The result of a consolidation, as text.

use indicatif::HumanCount;

use crate::archive::consolidate::run::EXAMPLES;
use crate::cli::{Context, OpError, archived, estimate, sources};
use crate::cost::prices;
use crate::ops::consolidate::Consolidated;
use crate::report::drift::plain;
use crate::words::counted;

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
            "{} copied inside S3, without passing through this machine",
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
        context
            .out
            .note("no sources: none is configured, and the organization trail is the only trail");
    }
    let is_complete =
        !consolidated.sources.is_empty() && report.failures.is_empty() && !report.stopped;
    if is_complete && report.log_prefixes == 0 {
        // A mistyped account would look like one that is done.
        context.out.warn(
            "no CloudTrail objects of the selected accounts and Regions: check `--account` and `--region`",
        );
    }
    let estimated = consolidated.is_dry_run && !consolidated.sources.is_empty();
    if estimated {
        estimate::print(context, report, &consolidated.estimate())?;
    }
    let left = if report.left_is_lower_bound {
        "or more left for the next run, because this one stopped before it listed all"
    } else {
        "left for the next run, because this one stopped"
    };
    let notices = [
        (
            counts.quarantined,
            "in quarantine, because their content does not match their keys; to accept one: `orgtrail accept KEY --reason TEXT`",
        ),
        (
            counts.unbound,
            "not copied, because their source has no authority over their accounts or Regions; to accept one in quarantine: `orgtrail accept KEY --reason TEXT`; to leave them all: `other_accounts = \"leave\"` under [[consolidate.sources]]",
        ),
        (
            counts.held_back,
            "left at their source: log files whose digests are not in the archive, or digests whose public keys are unreadable",
        ),
        (
            counts.accepted,
            "in quarantine, and accepted: `orgtrail accept --list` shows who accepted them and why",
        ),
        (
            counts.conflicts,
            "in conflict: the archive has different content at their keys, and keeps it",
        ),
        (counts.failed, "not copied: run again"),
        (counts.left, left),
        (counts.archived, "in an archive storage class: restore them first (`--restore`)"),
        (counts.unexpected, "not CloudTrail's, left in the source"),
        (
            counts.uncompared,
            "already present by key and size only: the source or the archive has them in an archive storage class, so their content was not compared",
        ),
        (report.stray_objects, "outside CloudTrail's folders, left in the source"),
    ];
    for (objects, words) in notices.into_iter().filter(|(objects, _)| *objects > 0) {
        context.out.warn(format_args!("{} {words}", counted(objects, "object")));
    }
    let restores = archived::print(context, &report.archived)?;
    if estimated {
        context.out.data(prices::LIST)?;
    } else if restores {
        context.out.note(prices::LIST);
    }
    for unbound in report.unbound.iter().take(EXAMPLES) {
        let more = if unbound.more { "more than " } else { "" };
        let (place, objects) = (plain(&unbound.folder), counted(unbound.objects, "object"));
        let kept = match (unbound.left, unbound.kept) {
            (true, _) => "left in the source, as configured".to_owned(),
            (false, kept) => format!("{} in quarantine", HumanCount(kept)),
        };
        let text = format!(
            "{}: {more}{objects} below {place}: {}: not copied, {kept}",
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
            "not listed: {} of accounts outside their source's authority",
            counted(report.unbound_not_listed, "more folder")
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
        context.out.note(format_args!("not CloudTrail's, left in the source: {}", plain(folder)));
    }
    if report.stopped {
        context.out.note("stopped before the end; run the same command again to continue");
    }
    if let Some(number) = report.last_record {
        context.out.note(format_args!("recorded as orgtrail/runs/{number:012}.jsonl.gz"));
    }
    Ok(())
}
