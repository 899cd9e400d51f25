//! The lines of `aws cloudtrail validate-logs`, for scripts that parse them.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Subject, by_severity, digests, keys_by_origin, plain};
use crate::archive::verify::finding::{Finding, FindingKind, Severity};
use crate::archive::verify::run::{ScopeReport, Verification};
use crate::names::{AccountId, Partition};

/// The AWS CLI's lines, one block per account and Region.
///
/// For findings that the AWS CLI does not have, the line has its form. The AWS CLI writes
/// invalid files to standard error; here everything is one text.
#[must_use]
pub fn aws_cli(subject: &Subject, verification: &Verification) -> String {
    let mut text = String::new();
    for line in subject.overrides.iter().cloned().chain(keys_by_origin(subject)) {
        let _ = writeln!(text, "{}\n", plain(&line));
    }
    for scope in by_severity(verification) {
        block(&mut text, subject, scope);
    }
    text
}

fn block(text: &mut String, subject: &Subject, scope: &ScopeReport) {
    let since = subject.window.since.or_else(|| scope.proven.first().map(|p| p.from));
    let until = subject.window.until.or_else(|| scope.proven.last().map(|p| p.to));
    let (since, until) = (since.unwrap_or(Timestamp::UNIX_EPOCH), until.unwrap_or(subject.at));
    let mut trails: Vec<String> = scope
        .chains
        .iter()
        .map(|chain| {
            let partition = Partition::of(&scope.region);
            let home = &chain.home_region;
            // No account rather than a wrong one.
            let owner = chain.owner.as_ref().map(AccountId::as_str).unwrap_or_default();
            format!("arn:{partition}:cloudtrail:{home}:{owner}:trail/{}", chain.trail)
        })
        .collect();
    trails.dedup();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "Validating log files for trail {} between {} and {}\n",
        trails.join(", "),
        shown(since),
        shown(until)
    );
    for finding in &scope.findings {
        for file in finding.files.iter().filter(|_| finding.severity > Severity::Notice) {
            let bucket = finding.bucket.as_deref().unwrap_or_default();
            let _ = writeln!(
                text,
                "Log file\ts3://{bucket}/{}\tINVALID: not listed in any digest file\n",
                plain(file)
            );
        }
        if let Some(line) = line(finding) {
            let _ = writeln!(text, "{line}\n");
        }
    }
    let _ = writeln!(text, "Results requested for {} to {}", shown(since), shown(until));
    let (valid, invalid) = digests(scope);
    let missing = scope.findings.iter().filter(|finding| {
        matches!(finding.kind, FindingKind::DigestMissing | FindingKind::ChainStartMissing)
    });
    let invalid = invalid + missing.count() as u64;
    if valid + invalid == 0 {
        text.push_str("No digests found\n\n");
        return;
    }
    match (scope.proven.first(), scope.proven.last()) {
        (Some(first), Some(last)) => {
            let (from, to) = (first.from.max(since), last.to.min(until));
            let _ = writeln!(text, "Results found for {} to {}:", shown(from), shown(to));
        }
        _ => text.push_str("No valid digests found in range\n"),
    }
    ratio(text, valid, invalid, "digest");
    ratio(text, scope.logs.valid, scope.logs.invalid + scope.logs.unreadable, "log");
    text.push_str("\n\n");
}

fn ratio(text: &mut String, valid: u64, invalid: u64, name: &str) {
    let total = valid + invalid;
    if total == 0 {
        return;
    }
    let _ = write!(text, "\n{valid}/{total} {name} files valid");
    if invalid > 0 {
        let _ = write!(text, ", {invalid}/{total} {name} files INVALID");
    }
}

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn line(finding: &Finding) -> Option<String> {
    let place = format!(
        "s3://{}/{}",
        finding.bucket.as_deref().unwrap_or_default(),
        plain(finding.key.as_deref().unwrap_or_default())
    );
    let digest = |what: &str| Some(format!("Digest file\t{place}\tINVALID: {what}"));
    let log = |what: &str| Some(format!("Log file\t{place}\tINVALID: {what}"));
    match finding.kind {
        FindingKind::DigestMissing | FindingKind::ChainStartMissing => digest("not found"),
        FindingKind::DigestFormat => digest("invalid format"),
        FindingKind::DigestMoved => digest("has been moved from its original location"),
        FindingKind::PublicKeyNotFound | FindingKind::PublicKeyMissing => {
            digest(&plain(finding.found.as_deref()?))
        }
        FindingKind::DigestSignature | FindingKind::SignatureMissing => {
            digest("signature verification failed")
        }
        FindingKind::LogMissing => log("not found"),
        FindingKind::LogHash => log("hash value doesn't match"),
        FindingKind::LogFormat => log("invalid format"),
        FindingKind::LogTrailingData => log("unexpected data after end of compressed stream"),
        FindingKind::LogUnlisted => log("not listed in any digest file"),
        FindingKind::Gap => {
            let period = finding.period?;
            let (from, to) = (shown(period.from), shown(period.to));
            Some(format!("No log files were delivered by CloudTrail between {from} and {to}"))
        }
        FindingKind::LinkHash | FindingKind::LinkSignature | FindingKind::LinkAddress => {
            digest("not the one that the next digest file was chained to")
        }
        _ if finding.severity == Severity::Notice => None,
        kind => Some(format!("{place}\t{kind}: {}", kind.meaning())),
    }
}
