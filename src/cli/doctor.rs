//! `orgtrail doctor`

use super::{Context, Format, OpError, Outcome};
use crate::ops::doctor::{Diagnosis, Item, Verdict, doctor};
use crate::serve::doctor as service;
use crate::words::counted;

/// Find what keeps orgtrail from working, and how to fix it
///
/// Examines credentials, the organization, roles, policies, the trail, the archive and the
/// service, and prints a line for each, problems first. Changes nothing. Without a configuration
/// file, it examines what the credentials show. Exits with 0 if nothing is wrong, 11 if there is
/// a problem, and 14 if none was found but something is unreadable.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail doctor
  orgtrail doctor --send-test
  orgtrail doctor --format json | jq '.items[] | select(.verdict == \"problem\")'")]
pub(crate) struct Args {
    /// Send an example to each channel of `[[service.notify]]`, to see whether it arrives.
    #[arg(long)]
    send_test: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    // Only the usual file is optional: another one is missing by mistake.
    let file = &context.config_path;
    if file.as_os_str() != "orgtrail.toml" && !file.exists() {
        let message = format!("there is no configuration file {}", file.display());
        return Err(OpError::usage(message)
            .with_hint("correct `--config`, or leave it out to examine without a configuration"));
    }
    let env = context.env()?;
    let diagnosis = Box::pin(doctor(&env)).await?;
    let of_service = service::examine(&env, &context.environment, args.send_test);
    let diagnosis = diagnosis.with(Box::pin(of_service).await);
    match context.format {
        Format::Json => context.document(diagnosis.document())?,
        Format::Text => context.out.data(text(context, &diagnosis))?,
    }
    Ok(diagnosis.outcome())
}

/// The longest line, unless a word is longer.
const WIDTH: usize = 80;
/// Where the text of an item begins.
const INDENT: usize = 9;

fn text(context: &Context, diagnosis: &Diagnosis) -> String {
    let mut lines = Vec::new();
    for head in context.session.head_lines() {
        lines.extend(wrapped("", &head, 0));
    }
    let skipped: Vec<&str> = diagnosis
        .items()
        .iter()
        .filter(|item| item.verdict == Verdict::Skipped)
        .map(|item| item.id)
        .collect();
    let examined = diagnosis.items().iter().filter(|item| item.verdict != Verdict::Skipped);
    examined.for_each(|item| lines.extend(item_lines(item)));
    if !skipped.is_empty() {
        lines.extend(wrapped(
            "skipped",
            &format!("not configured: {}", skipped.join(", ")),
            INDENT,
        ));
    }
    let summary = diagnosis.document().summary;
    let counts = format!(
        "{}, {} unknown, {} ok",
        counted(summary.problems, "problem"),
        summary.unknown,
        summary.ok
    );
    lines.push(String::new());
    lines.extend(wrapped("", &counts, 0));
    lines.extend(wrapped("", &format!("Next: {}", diagnosis.next_step()), 0));
    lines.join("\n")
}

fn item_lines(item: &Item) -> Vec<String> {
    let word = match item.verdict {
        Verdict::Problem => "PROBLEM",
        Verdict::Unknown => "UNKNOWN",
        Verdict::Ok => "ok",
        Verdict::Skipped => "skipped",
    };
    let mut lines = wrapped(word, &format!("{}: {}", item.id, item.evidence), INDENT);
    if !item.missing_actions.is_empty() {
        let missing = format!("missing: {}", item.missing_actions.join(", "));
        lines.extend(wrapped("", &missing, INDENT));
    }
    if let Some(fix) = &item.fix {
        lines.extend(wrapped("", &format!("fix: {fix}"), INDENT));
    }
    lines
}

/// A text in lines of [`WIDTH`], all but the first word behind an indentation. Words are not
/// broken, so that commands and ARNs can be copied.
fn wrapped(first: &str, text: &str, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = format!("{first:indent$}");
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_words_are_not_broken() {
        let arn = format!("arn:aws:iam::111111111111:role/{}", "x".repeat(80));
        let lines = wrapped("PROBLEM", &format!("{} {arn} end", "word ".repeat(30)), INDENT);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH || line.contains(&arn)));
        assert!(lines[0].starts_with("PROBLEM  word") && lines[1].starts_with("         word"));
        assert!(lines.iter().any(|line| line.trim() == arn), "{lines:#?}");
    }
}
