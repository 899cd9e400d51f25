use std::cmp::Reverse;
use std::fmt::Write as _;

use comfy_table::Table;
use indicatif::HumanCount;

use super::{Subject, digests, keys_by_origin, plain};
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::run::{ScopeReport, Verification};
use crate::archive::verify::source::METADATA_SUFFIX;
use crate::report::contract::verification::Outcome;
use crate::report::new_table;

/// How many findings of one kind are listed.
const LISTED: usize = 50;
/// How many files of one finding are listed.
const FILES: usize = 10;

/// The report for people: a table, the findings, the verdict.
#[must_use]
pub fn text(subject: &Subject, verification: &Verification) -> String {
    let mut text = format!("{}\n\n", table(&verification.scopes).trim_fmt());
    let mut kinds: Vec<(Severity, FindingKind, Vec<&Finding>)> = FindingKind::ALL
        .iter()
        .filter_map(|kind| {
            let of_kind: Vec<&Finding> =
                verification.all_findings().filter(|finding| finding.kind == *kind).collect();
            // The first is the most severe.
            Some((of_kind.first()?.severity, *kind, of_kind))
        })
        .collect();
    kinds.sort_by_key(|(severity, ..)| Reverse(*severity));
    for (severity, kind, of_kind) in kinds {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {kind} ({})", mark(severity), of_kind.len());
        let _ = writeln!(text, "  {}", kind.meaning());
        of_kind.iter().take(LISTED).for_each(|finding| list(&mut text, finding));
        if let Some(more) = of_kind.len().checked_sub(LISTED).filter(|more| *more > 0) {
            let _ = writeln!(text, "  … and {more} more: `--format json` lists them all");
        }
        text.push('\n');
    }
    provenance(&mut text, subject);
    earlier(&mut text, verification);
    text.push_str(&verdict(subject, verification));
    text
}

/// The origin of the public keys, and the files of a bundle that no digest proves.
fn provenance(text: &mut String, subject: &Subject) {
    for keys in keys_by_origin(subject) {
        let _ = writeln!(text, "{}", plain(&keys));
    }
    if let Some(bundle) = &subject.bundle {
        let _ = writeln!(text, "SHA-256 of the manifest: {}", bundle.manifest_sha256);
        let when = [subject.window.since, subject.window.until];
        if let [Some(since), Some(until)] = when {
            let _ = writeln!(text, "window: {since} to {until}");
        }
        let count = counted(bundle.unproven.len(), "file", "files");
        let _ = writeln!(text, "not proven by any digest: {count}");
        let metadata = |path: &&String| path.ends_with(METADATA_SUFFIX);
        for path in bundle.unproven.iter().filter(|path| !metadata(path)) {
            let _ = writeln!(text, "  - {}", plain(path));
        }
        let metadata = bundle.unproven.iter().filter(metadata).count();
        if metadata > 0 {
            let metadata = counted(metadata, "file", "files");
            let _ = writeln!(text, "  - {metadata} of metadata: `--format json` lists them");
        }
    }
    if !subject.keys.is_empty() || subject.bundle.is_some() {
        text.push('\n');
    }
}

/// What was not verified now, and why.
fn earlier(text: &mut String, verification: &Verification) {
    let parts = || verification.scopes.iter().filter_map(|scope| scope.earlier.as_ref());
    let Some(first) = parts().next() else { return };
    let latest = parts().map(|part| part.before).max().unwrap_or(first.before);
    let whole_at = parts().map(|part| part.recorded.whole_at).min().unwrap_or(latest);
    let again = || parts().filter_map(|part| part.sample);
    let digests = counted(again().map(|sample| sample.digests).sum::<u64>(), "digest", "digests");
    let logs =
        counted(again().map(|sample| sample.log_files).sum::<u64>(), "log file", "log files");
    let writer =
        if first.recorded.is_authenticated { "" } else { ", whose writer is not authenticated" };
    let places = counted(parts().count(), "account and Region", "accounts and Regions");
    let _ = writeln!(
        text,
        "not verified now: in {places}, what is before {latest} or earlier. It was proven by {}, \
         according to {}{writer}; all at once last by {whole_at}",
        first.recorded.written_at,
        plain(&first.recorded.record),
    );
    let _ =
        writeln!(text, "of that, verified again: {digests} and {logs} of days chosen at random\n");
}

fn table(scopes: &[ScopeReport]) -> Table {
    let mut table =
        new_table(["ACCOUNT", "REGION", "PROVEN", "DIGESTS", "LOG FILES", "GAPS", "BREAKS"]);
    for scope in scopes {
        let (valid, invalid) = digests(scope);
        let proven = match scope.proven.as_slice() {
            [] => "nothing".to_owned(),
            [one] => one.to_string(),
            [first, .., last] => {
                format!("{} to {} in {} parts", first.from, last.to, scope.proven.len())
            }
        };
        let count = |severity| {
            scope.findings.iter().filter(|finding| finding.severity == severity).count().to_string()
        };
        let logs = scope.logs;
        table.add_row([
            scope.account.to_string(),
            scope.region.to_string(),
            proven,
            ratio(valid, valid + invalid),
            ratio(logs.valid, logs.valid + logs.invalid + logs.unreadable),
            count(Severity::Incomplete),
            count(Severity::Broken),
        ]);
    }
    table
}

fn ratio(part: u64, whole: u64) -> String {
    if part == whole { whole.to_string() } else { format!("{part} of {whole}") }
}

fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Broken => "BROKEN",
        Severity::Incomplete => "OPEN",
        Severity::Notice => "NOTE",
    }
}

fn list(text: &mut String, finding: &Finding) {
    let place = match (&finding.bucket, &finding.key) {
        (Some(bucket), Some(key)) => format!("s3://{bucket}/{key}"),
        (None, Some(key)) => key.clone(),
        _ => finding.region.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    let _ = writeln!(text, "  - {}", plain(&place));
    if let Some(period) = finding.period.filter(|period| period.from != period.to) {
        let _ = writeln!(text, "    time:     {period} ({} h)", period.hours());
    }
    if let Some(expected) = &finding.expected {
        let _ = writeln!(text, "    expected: {}", plain(expected));
    }
    if let Some(found) = &finding.found {
        let _ = writeln!(text, "    found:    {}", plain(found));
    }
    for file in finding.files.iter().take(FILES) {
        let _ = writeln!(text, "    file:     {}", plain(file));
    }
    let more = finding.objects.saturating_sub(finding.files.len().min(FILES) as u64);
    if !finding.files.is_empty() && more > 0 {
        let _ = writeln!(text, "    … and {}", counted(more, "more file", "more files"));
    }
    if let Some(accepted) = &finding.accepted {
        let _ = writeln!(
            text,
            "    accepted: by {} at {}: {} (record {})",
            plain(&accepted.by),
            accepted.at,
            plain(&accepted.reason),
            accepted.record
        );
    }
}

fn verdict(subject: &Subject, verification: &Verification) -> String {
    let scopes = &verification.scopes;
    let logs: u64 = scopes.iter().map(|scope| scope.logs.valid).sum();
    let valid: u64 = scopes.iter().map(|scope| digests(scope).0).sum();
    let from = scopes.iter().filter_map(|scope| scope.proven.first()).map(|p| p.from).min();
    let to = scopes.iter().filter_map(|scope| scope.proven.last()).map(|p| p.to).max();
    let when = from.zip(to).map(|(from, to)| format!(", {from} to {to}")).unwrap_or_default();
    let places = counted(scopes.len(), "account and Region", "accounts and Regions");
    let digests = counted(valid, "digest", "digests");
    let logs = counted(logs, "log file", "log files");
    let what = format!("{}: {digests} and {logs} in {places}{when}", subject.target);
    let count = |severity| {
        verification.all_findings().filter(|finding| finding.severity == severity).count()
    };
    let accepted = verification.all_findings().filter(|f| f.accepted.is_some()).count();
    let breaks = counted(count(Severity::Broken), "break", "breaks");
    let open = count(Severity::Incomplete);
    let gaps = counted(open, "gap", "gaps");
    let verdict = match Outcome::of(verification) {
        Outcome::Broken if open == 0 => {
            format!("NOT PROVEN: {breaks}, listed above. Valid in {what}")
        }
        Outcome::Broken => {
            format!("NOT PROVEN: {breaks} and {gaps}, listed above. Valid in {what}")
        }
        Outcome::Incomplete if verification.has_nothing() => {
            format!("NOT PROVEN: no digest and no log file was found. {what}")
        }
        Outcome::Incomplete if valid == 0 => {
            format!("NOT PROVEN: {gaps}, listed above. Valid in {what}")
        }
        Outcome::Incomplete => format!("PARTLY PROVEN: {gaps}, listed above. Valid in {what}"),
        Outcome::Proven if verification.covers_chosen_trails_only() => {
            format!("PROVEN, for the chains of the chosen trails only: {what}")
        }
        Outcome::Proven => match scopes.iter().find_map(|it| it.earlier.as_ref()) {
            Some(earlier) => {
                let at = earlier.recorded.written_at;
                format!("PROVEN, and earlier time as recorded at {at}: {what}")
            }
            None => format!("PROVEN: {what}"),
        },
    };
    match accepted {
        0 => verdict,
        1 => format!("{verdict}; 1 finding was accepted, see above"),
        more => format!("{verdict}; {more} findings were accepted, see above"),
    }
}

fn counted<N: TryInto<u64>>(count: N, one: &str, many: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{} {}", HumanCount(count), if count == 1 { one } else { many })
}
