//! What a consolidation came to, and how it is told.

use std::collections::BTreeMap;

use indicatif::{BinaryBytes, HumanCount};

use crate::{
    archive::consolidate::{
        copy::CopyError,
        discover::{Found, Unread},
        ledger::LedgerError,
        pending::{NotFound, Unfinished},
        run::{EXAMPLES, MAC_HINT, Report},
    },
    cli::{OpError, Context, Outcome, Explain, archived, estimate, sources},
    cost::{
        consolidation::{Estimate, estimate as reckon},
        prices,
    },
    report::contract::{self, sources::MissingSource},
    report::drift::plain,
};

/// What one run came to, not told yet.
#[derive(Debug)]
pub(in crate::cli) struct Done {
    pub(super) run_id: String,
    pub(super) dry_run: bool,
    pub(super) sources: Vec<String>,
    pub(super) missing: Vec<MissingSource>,
    pub(super) excluded: Vec<String>,
    pub(super) found: Found,
    pub(super) report: Report,
    /// The class that objects are written in.
    pub(super) storage_class: String,
}

impl Done {
    fn complete(&self) -> bool {
        self.report.complete() && self.found.unread.is_empty()
    }

    pub(in crate::cli) fn exit(&self) -> Outcome {
        if self.complete() { Outcome::Clean } else { Outcome::Incomplete }
    }

    /// What it left for the next run.
    pub(in crate::cli) fn unfinished(&self) -> Unfinished {
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
                self.found.unread.iter().map(|unread| unread.account.clone()).collect(),
            ),
        }
    }

    /// Whether a person stopped it.
    pub(in crate::cli) fn stopped(&self) -> bool {
        self.report.stopped
    }

    pub(in crate::cli) fn document(&self) -> contract::consolidation::Report {
        let unreadable =
            |all: &[Unread]| all.iter().map(contract::sources::UnreadableRegion::from).collect();
        contract::consolidation::Report {
            run_id: self.run_id.clone(),
            dry_run: self.dry_run,
            complete: self.complete(),
            sources: self.sources.clone(),
            missing_sources: self.missing.clone(),
            excluded_sources: self.excluded.clone(),
            unreadable_regions: unreadable(&self.found.unread),
            excluded_trails: unreadable(&self.found.excluded),
            work: (&self.report).into(),
            estimate: self.dry_run.then(|| (&self.estimate()).into()),
            prices: self.dry_run.then(contract::prices::PriceList::current),
        }
    }

    fn estimate(&self) -> Estimate {
        reckon(&self.report.counts, self.report.lanes, &self.storage_class)
    }

    /// All of it in a line.
    pub(in crate::cli) fn headline(&self) -> String {
        let counts = &self.report.counts;
        let verb = if self.dry_run { "to copy" } else { "copied" };
        format!(
            "{}: {} objects {verb} ({}), {} in the archive before",
            count(self.sources.len()),
            HumanCount(counts.copied),
            BinaryBytes(counts.copied_bytes),
            HumanCount(counts.present),
        )
    }

    pub(in crate::cli) fn tell(&self, context: &Context) -> Result<(), OpError> {
        sources::tell_unread(context, &self.found);
        let report = &self.report;
        let counts = &report.counts;
        context.out.data(self.headline())?;
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
        sources::tell_missing(context, &self.missing);
        for name in &self.excluded {
            context.out.note(format_args!("left out by the config: {}", plain(name)));
        }
        if self.sources.is_empty() && self.missing.is_empty() && self.excluded.is_empty() {
            context.out.note("no source is declared, and no trail but the organization's found");
        }
        let looked = !self.sources.is_empty() && report.failures.is_empty() && !report.stopped;
        if looked && report.lanes == 0 {
            // A mistyped account would look like one that is done.
            context.out.warn(
                "nothing there is CloudTrail's and of an account and a Region that were asked for",
            );
        }
        let estimated = self.dry_run && !self.sources.is_empty();
        if estimated {
            estimate::tell(context, report, &self.estimate())?;
        }
        let left = if report.left_is_least {
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
            (
                counts.conflicts,
                "in conflict: their keys are taken by different content, left as it is",
            ),
            (counts.failed, "not copied: run again"),
            (counts.left, left),
            (counts.archived, "archived: not copied before they are restored"),
            (counts.foreign, "not CloudTrail's, left where they are"),
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
            sources::tell_unreadable(context, &failure.place, &failure.reason, hint);
        }
        for folder in &report.foreign_folders {
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
}

pub(super) fn count(sources: usize) -> String {
    match sources {
        0 => "no sources".to_owned(),
        1 => "1 source".to_owned(),
        more => format!("{more} sources"),
    }
}

impl Explain for LedgerError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) | Self::Fetch(CopyError::Aws(error)) => error.hint(),
            Self::Mac(error) => error.hint().or_else(|| Some(MAC_HINT.to_owned())),
            Self::Record(_) => Some(
                "the run records were altered: keep the bucket as it is and look at the versions of orgtrail/runs/".to_owned(),
            ),
            Self::Fetch(_) | Self::Contended(_) | Self::Encode(_) => None,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Aws(error) | Self::Fetch(CopyError::Aws(error)) => Explain::outcome(error),
            Self::Record(_) => Outcome::IntegrityFailure,
            Self::Contended(_) | Self::Mac(_) => Outcome::Incomplete,
            Self::Fetch(_) | Self::Encode(_) => Outcome::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::consolidate::run::Failure;

    #[test]
    fn only_what_was_not_brought_may_be_still_to_come() {
        let mut done = Done {
            run_id: String::new(),
            dry_run: false,
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
        done.found.unread.push(Unread {
            account: "111111111111".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            reason: "denied".to_owned(),
            hint: None,
            source: None,
        });
        assert!(done.unfinished().may_still_bring("part", Some(&other)));
        assert!(!done.unfinished().may_still_bring("whole", Some(&one)));
        // Of an account that could not be asked, there may be trails.
        assert!(done.unfinished().may_still_bring("unknown", Some(&one)));
        assert!(!done.unfinished().may_still_bring("unknown", Some(&other)));
        done.report.failures.push(Failure {
            place: "s3://whole".to_owned(),
            reason: String::new(),
            hint: None,
        });
        assert!(done.unfinished().may_still_bring("whole", Some(&one)));
        assert!(!done.unfinished().may_still_bring("who", Some(&other)));
    }
}
