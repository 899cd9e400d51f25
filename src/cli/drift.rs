//! `orgtrail drift`

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::output_path::{check_writable, replace};
use super::provision::{Confirmations, PlanOptions, confirm, stopped_at};
use super::values::severity;
use super::{Context, Explain, OpError, Outcome, Rendering};
use crate::checks::{Run, Severity};
use crate::local_file;
use crate::ops::drift::{self, Drift, Request, read_baseline};
use crate::report::contract;
use crate::report::drift::{Format, RenderError, render};

/// Check the organization for drift and missing coverage
///
/// Runs every check across the organization, and changes nothing unless `--fix` is given. Exits
/// with 0 if every check passes, 11 if a check fails, and 14 if no check fails but something is
/// unreadable. On Ctrl-C or SIGTERM it reports what it has observed so far (14).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail drift
  orgtrail drift --fail-on high --report html=drift.html --report sarif=drift.sarif
  orgtrail drift --format json > today.json && orgtrail drift --baseline today.json
  orgtrail drift --check bucket-tls-only --check key-rotation --fix")]
pub(crate) struct Args {
    /// Exit with 11 or 14 only for findings of this severity or higher.
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), default_value = "low")]
    fail_on: Severity,

    /// Compare with an earlier report, saved with `--format json`.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Fix drift of the resources that orgtrail manages: plan, confirm, apply and check again.
    #[arg(long)]
    fix: bool,

    /// Run only the check with this id. Can be repeated.
    #[arg(long, value_name = "CHECK")]
    check: Vec<String>,

    /// Also write a report to a file. Can be repeated.
    #[arg(long, value_name = "FORMAT=FILE", value_parser = report)]
    report: Vec<(Format, PathBuf)>,

    #[command(flatten)]
    options: PlanOptions,

    #[command(flatten)]
    confirmations: Confirmations,
}

impl Args {
    /// Whether nothing is to be fixed.
    pub(super) fn reads_only(&self) -> bool {
        !self.fix
    }
}

/// The report that a value of `--format` asks for.
pub(super) fn format_of(rendering: Rendering) -> Option<Format> {
    Format::from_str(rendering.to_possible_value()?.get_name(), false).ok()
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let Args { fail_on, baseline, fix, check, report: reports, options, confirmations } = args;
    // Before AWS is called.
    let checks = drift::checks(&check)?;
    for (_, path) in &reports {
        check_writable(path)?;
    }
    let baseline = baseline.as_deref().map(read).transpose()?;
    let env = context.env()?;
    let request = Request { checks, baseline, unmanaged: options.unmanaged() };
    let checking = Box::pin(drift::check(&env, request));
    let drift = if fix {
        let drift = env.unless_stopped(checking).await??;
        Box::pin(fixed(drift, confirmations, context)).await?
    } else {
        checking.await?
    };
    for (format, path) in &reports {
        let text = rendered(*format, &drift.run, context)?;
        replace(path, text.as_bytes())?;
        context.out.note(format_args!("written to {}", path.display()));
    }
    let format = format_of(context.rendering).unwrap_or(Format::Text);
    context.out.data(rendered(format, &drift.run, context)?)?;
    Ok(drift.outcome(&env, fail_on))
}

/// Fixes what failed, once it is confirmed, and checks again.
async fn fixed(
    drift: Drift,
    confirmations: Confirmations,
    context: &Context,
) -> Result<Drift, OpError> {
    let env = context.env()?;
    let Some(planned) = drift.fix() else {
        context.out.note("nothing to fix: orgtrail can fix none of the failed checks");
        return Ok(drift);
    };
    let confirmed = confirmations.given();
    confirm(&planned, &confirmed, context).await?;
    let applied = planned.apply(&env, &confirmed).await?;
    // Once stopped, there is time only to report what was found before.
    if let Some(cause) = applied.stopped_by {
        context.out.warn(stopped_at(cause, &applied.steps));
        return Ok(drift);
    }
    Ok(drift.check_again(&env).await)
}

/// A report with the identity it was made with, if its format has a place for that.
fn rendered(format: Format, run: &Run, context: &Context) -> Result<String, OpError> {
    let text = render(format, run, &context.session.override_lines())?;
    let head = context.session.head_lines();
    if head.is_empty() {
        return Ok(text);
    }
    match format {
        Format::Text => Ok(format!("{}\n{text}", head.join("\n"))),
        Format::Json => context.document_text(contract::drift::Report::from(run)),
        Format::Html => {
            let line = maud::html! { @for line in &head { p { (line) } } }.into_string();
            Ok(text.replacen("</h1>", &format!("</h1>{line}"), 1))
        }
        Format::Sarif | Format::Junit | Format::Ocsf | Format::Csv => Ok(text),
    }
}

/// The longest report that is read. Units: bytes.
const LONGEST_BASELINE: u64 = 1 << 30;

fn read(path: &Path) -> Result<Run, OpError> {
    let text = local_file::read(path, LONGEST_BASELINE)
        .map_err(|source| UnreadableFile { path: path.to_owned(), source })?;
    Ok(read_baseline(&path.display().to_string(), &text)?)
}

fn report(text: &str) -> Result<(Format, PathBuf), String> {
    let expected = || {
        let values = Format::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value);
        let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        format!("expected FORMAT=FILE, with one of {} before the `=`", names.join(", "))
    };
    let (format, path) = text.split_once('=').ok_or_else(expected)?;
    let format = Format::from_str(format, false).map_err(|_| expected())?;
    if path.is_empty() {
        return Err(expected());
    }
    Ok((format, PathBuf::from(path)))
}

#[derive(Debug, thiserror::Error)]
#[error("reading `{}`", path.display())]
struct UnreadableFile {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Explain for UnreadableFile {
    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}

impl Explain for RenderError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_named_with_its_format() {
        assert_eq!(report("json=a=b.json"), Ok((Format::Json, PathBuf::from("a=b.json"))));
        for wrong in ["json", "json=", "yaml=a", "=a", ""] {
            assert!(report(wrong).unwrap_err().contains("FORMAT=FILE"), "{wrong}");
        }
    }
}
