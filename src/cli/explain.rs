//! `orgtrail explain`

use std::fmt::Write as _;

use super::{Context, Format, OpError, Outcome};
use crate::checks::Check;
use crate::ops::drift;
use crate::report::contract::Emitted;
use crate::report::contract::checks::Catalogue;

/// Explain a check: what it tests, why it matters, how to fix it
///
/// Lists all checks if no id is given. Calls no AWS API.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail explain
  orgtrail explain bucket-policy-digest-safe
  orgtrail explain --format json | jq '.checks[] | select(.severity == \"critical\") | .id'")]
pub(crate) struct Args {
    /// The check's id.
    #[arg(value_name = "CHECK")]
    check: Option<String>,
}

#[expect(clippy::unused_async, reason = "every command's entry is")]
pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let checks = drift::checks(args.check.as_slice())?;
    match (context.format, checks.as_slice()) {
        (Format::Json, checks) => context.out.json(&Emitted::new(Catalogue::new(checks)))?,
        (Format::Text, [check]) if args.check.is_some() => context.out.data(text(check))?,
        (Format::Text, checks) => {
            let width = checks.iter().map(|check| check.id.len()).max().unwrap_or_default();
            let lines: Vec<String> = checks
                .iter()
                .map(|check| format!("{:width$}  {:8}  {}", check.id, check.severity, check.title))
                .collect();
            context.out.data(lines.join("\n"))?;
        }
    }
    Ok(Outcome::Clean)
}

fn text(check: &Check) -> String {
    let Check { id, title, severity, why, fix, resources, mappings, .. } = check;
    // Writing to a string cannot fail.
    let mut text = format!("{id} ({severity})\n  passes if   {title}\n");
    let _ = writeln!(text, "  why         {why}");
    let _ = writeln!(text, "  fix         {fix}");
    if !resources.is_empty() {
        let _ = writeln!(text, "  managed as  {}", resources.join(", "));
    }
    for (at, mapping) in mappings.iter().enumerate() {
        let label = if at == 0 { "answers" } else { "" };
        let _ = writeln!(text, "  {label:10}  {} {}", mapping.framework.name(), mapping.id);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::CATALOGUE;

    #[test]
    fn every_check_is_told_with_all_that_there_is() {
        for check in CATALOGUE {
            let text = text(check);
            for part in [check.id, check.title, check.why, check.fix] {
                assert!(text.contains(part), "{part}");
            }
            for mapping in check.mappings {
                assert!(text.contains(mapping.id), "{}", mapping.id);
            }
        }
    }
}
