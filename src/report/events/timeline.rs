use std::borrow::Cow;
use std::fmt::Write as _;

use crate::archive::verify::finding::Severity;
use crate::events::Event;
use crate::events::answer::{ProofSummary, Searched, SearchedEvent};
use crate::events::coverage::Coverage;
use crate::printable::plain;
use crate::words::counted;

/// The narrowest timeline. Units: columns.
const NARROWEST: usize = 60;

/// The columns of a timeline, as wide as the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    event: Option<usize>,
    principal: Option<usize>,
}

impl Columns {
    /// Columns for a terminal of some width; `None` where nothing is cut.
    #[must_use]
    pub fn new(width: Option<usize>) -> Self {
        let Some(width) = width else { return Self { event: None, principal: None } };
        // Time, account, Region and two spaces before each.
        let fixed = 20 + 2 + 12 + 2 + 14 + 2;
        let rest = width.max(NARROWEST).saturating_sub(fixed);
        let event = (rest * 2 / 5).clamp(12, 40);
        Self { event: Some(event), principal: Some(rest.saturating_sub(event + 2).max(8)) }
    }

    /// The line of an event: time, account, Region, event, who, from where, and the error.
    #[must_use]
    pub fn line(self, event: &SearchedEvent) -> String {
        let SearchedEvent { raw, proof, .. } = event;
        let event = Event::parse(raw).unwrap_or_default();
        let text = |field: Option<&str>| plain(field.unwrap_or("-")).into_owned();
        let mut line = String::new();
        if let Some(proof) = proof {
            let _ = write!(line, "{:12}  ", proof.as_str());
        }
        let service = event.source.as_deref().unwrap_or_default();
        let service = service.strip_suffix(".amazonaws.com").unwrap_or(service);
        let name = match event.name.as_deref() {
            Some(name) if service.is_empty() => plain(name).into_owned(),
            name => format!("{} ({})", text(name), plain(service)),
        };
        let _ = write!(
            line,
            "{:20}  {:12}  {:14}  {}  ",
            cut(text(event.time.as_deref()), Some(20)),
            cut(text(event.account()), Some(12)),
            cut(text(event.region.as_deref()), Some(14)),
            padded(cut(name, self.event), self.event),
        );
        let mut rest = who_in_words(&event);
        if let Some(from) = event.source_ip.as_deref() {
            let _ = write!(rest, " from {}", plain(from));
        }
        let error = event.failure().map(|failure| plain(&failure.code).into_owned());
        match (error, self.principal) {
            (None, width) => line.push_str(&cut(rest, width)),
            (Some(error), None) => {
                let _ = write!(line, "{rest}: {error}");
            }
            (Some(error), Some(width)) => {
                let error = cut(error, Some(width / 2));
                let left = width.saturating_sub(error.chars().count() + 2);
                let _ = write!(line, "{}: {error}", cut(rest, Some(left)));
            }
        }
        line
    }
}

/// Who acted, in few words.
#[must_use]
pub fn who_in_words(event: &Event<'_>) -> String {
    let identity = &event.identity;
    let arn = identity.arn.as_deref().unwrap_or_default();
    let resource = arn.rsplit_once(':').map(|(_, resource)| resource).filter(|it| !it.is_empty());
    let name = resource.or_else(|| identity.principal());
    let mut who = plain(name.unwrap_or("-")).into_owned();
    if let Some(person) = identity.session.source_identity.as_deref() {
        let _ = write!(who, " ({})", plain(person));
    }
    if let (Some(service), Some(_)) = (identity.invoked_by.as_deref(), resource) {
        let _ = write!(who, " via {}", plain(service));
    }
    who
}

/// A text of at most so many characters.
fn cut(text: String, width: Option<usize>) -> String {
    match width {
        Some(width) if text.chars().count() > width => {
            text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        }
        _ => text,
    }
}

fn padded(text: String, width: Option<usize>) -> String {
    let width = width.unwrap_or_default();
    let missing = width.saturating_sub(text.chars().count());
    text + &" ".repeat(missing)
}

/// What was searched and how it is proven, in a few lines.
#[must_use]
pub fn search_summary(searched: &Searched) -> String {
    let coverage = &searched.coverage;
    let mut text = String::new();
    let matched = counted(searched.matched, "event");
    let copies = match searched.copies {
        0 => String::new(),
        copies => format!(" (and {} of them)", copies_of(copies)),
    };
    let cut = if searched.is_cut { "; there may be more" } else { "" };
    let _ = writeln!(
        text,
        "{matched}{copies} in {}, {}{cut}",
        counted(coverage.records, "record"),
        files_read(coverage),
    );
    if searched.late > 0 {
        let _ = writeln!(
            text,
            "{} delivered more than an hour after it happened, and printed out of order",
            counted(searched.late, "event")
        );
    }
    text.push_str(&coverage_lines(&searched.place, coverage));
    if searched.was_stopped {
        text.push_str("INCOMPLETE: the search was stopped\n");
    }
    text.push_str(&proof_lines(searched.proof.as_ref()));
    text
}

/// The log files that were read, and of whom, if their names say it.
pub(super) fn files_read(coverage: &Coverage) -> String {
    let files = counted(coverage.files, "log file");
    let (accounts, regions) = (coverage.accounts() as u64, coverage.regions() as u64);
    if accounts == 0 {
        return files;
    }
    format!("{files} of {} × {}", counted(accounts, "account"), counted(regions, "Region"))
}

/// What was read for an answer, and what could not be.
pub(super) fn coverage_lines(place: &str, coverage: &Coverage) -> String {
    let mut text = String::new();
    let time = |at: Option<jiff::Timestamp>, open: &'static str| {
        at.map_or(Cow::Borrowed(open), |at| at.to_string().into())
    };
    let window = coverage.window;
    if window.since.is_some() || window.until.is_some() {
        let (from, to) =
            (time(window.since, "the first file"), time(window.until, "the last file"));
        let _ = writeln!(text, "searched: {} from {from} to {to}", plain(place));
    } else {
        let _ = writeln!(text, "searched: {}", plain(place));
    }
    match coverage.delivered {
        Some((first, last)) => {
            let _ = writeln!(text, "files: delivered from {first} to {last}");
        }
        None if coverage.files == 0 => {
            text.push_str("files: none: this says nothing about what happened\n");
        }
        None => {}
    }
    let (silent, first) = coverage.silent_days();
    if let Some((account, region, day)) = first.first() {
        let _ = writeln!(
            text,
            "days without log files: {silent}, the first is {day} of {account} in {region}; there may have been no events: `orgtrail verify` shows which",
        );
    }
    text.push_str(&incomplete(coverage));
    text
}

/// What could not be read.
pub(super) fn incomplete(coverage: &Coverage) -> String {
    let mut text = String::new();
    let next = [
        (coverage.unreadable, "file", "could not be read"),
        (coverage.malformed, "record", "could not be read"),
    ];
    for (count, noun, what) in next.into_iter().filter(|(count, ..)| *count > 0) {
        let _ = writeln!(text, "INCOMPLETE: {} {what}", counted(count, noun));
    }
    for (key, why) in &coverage.unreadable_files {
        let _ = writeln!(text, "  {}: {}", plain(key), plain(why));
    }
    if let Some(why) = &coverage.cut_short {
        let _ = writeln!(text, "INCOMPLETE: the listing ended early: {}", plain(why));
    }
    text
}

pub(super) fn copies_of(copies: u64) -> String {
    match copies {
        1 => "1 more copy".to_owned(),
        more => format!("{} more copies", indicatif::HumanCount(more)),
    }
}

/// How the events of an answer are proven.
pub(super) fn proof_lines(proof: Option<&ProofSummary>) -> String {
    let Some(ProofSummary { proven, unproven, contradicted, severity, findings }) = proof else {
        return "proof: not checked (use `--proof`)\n".to_owned();
    };
    let mut text =
        format!("proof: {proven} proven, {unproven} unproven, {contradicted} contradicted; ");
    text.push_str(match severity {
        Some(Severity::Broken) => {
            "BROKEN: logs or digests of what was searched are altered or missing"
        }
        Some(Severity::Incomplete) => "the digests of what was searched are PARTLY PROVEN",
        Some(Severity::Notice) | None => "the digests of what was searched are PROVEN",
    });
    text.push('\n');
    for finding in findings {
        let _ = writeln!(text, "  {}", plain(finding));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> SearchedEvent {
        let raw = r#"{"eventTime":"2026-11-20T10:42:00Z","recipientAccountId":"111111111111","awsRegion":"us-east-1","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","errorCode":"AccessDenied","sourceIPAddress":"198.51.100.7","userIdentity":{"arn":"arn:aws:sts::111111111111:assumed-role/deploy/a\u001b[2Jlice","sessionContext":{"sourceIdentity":"alice"}}}"#;
        SearchedEvent { raw: raw.into(), file: "k".to_owned(), proof: None }
    }

    #[test]
    fn a_line_fits_the_terminal_and_nothing_acts_on_it() {
        for width in [60, 80, 100, 160] {
            let line = Columns::new(Some(width)).line(&event());
            assert!(line.chars().count() <= width.max(80), "{width}: {line}");
            assert!(
                line.starts_with("2026-11-20T10:42:00Z  111111111111  us-east-1       Stop"),
                "{line}"
            );
            assert!(!line.contains('\u{1b}'));
        }
        let whole = Columns::new(None).line(&event());
        assert_eq!(
            whole,
            "2026-11-20T10:42:00Z  111111111111  us-east-1       StopLogging (cloudtrail)  assumed-role/deploy/a\\u001b[2Jlice (alice) from 198.51.100.7: AccessDenied"
        );
    }
}
