//! `orgtrail drift`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::apply::{Confirmations, carry_out, stopped_at};
use super::ending::unless_stopped;
use super::explain::chosen;
use super::output_path::{check_writable, replace};
use super::provision::{Looked, PlanOptions};
use super::{CliError, Context, Exit, Explain, Rendering};
use crate::aws::Aws;
use crate::checks::{CATALOGUE, Facts, Finding, PLAN_EMPTY, Progress, Run, Severity, Verdict};
use crate::local_file;
use crate::plan::apply::settle;
use crate::plan::{Plan, plan};
use crate::report::contract::{self, ReadError};
use crate::report::drift::{Format, RenderError, render};
use crate::resources::{Desired, OrganizationFacts};
use crate::words::json_fault;

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
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "low")]
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let checks = chosen(&args.check)?;
    let format = format_of(context.rendering).unwrap_or(Format::Text);
    // Before anything is asked of AWS.
    for (_, path) in &args.report {
        check_writable(path)?;
    }
    let earlier = args.baseline.as_deref().map(read).transpose()?;
    let (aws, desired) = declared(args.options, context).await?;
    if let Some(earlier) = earlier.as_ref().filter(|run| run.organization != *desired.org_id()) {
        let (found, wanted) = (&earlier.organization, desired.org_id());
        let message = format!("the baseline is of organization {found}, expected {wanted}");
        return Err(CliError::usage(message).with_hint("name a report of this organization"));
    }
    let look = async |desired: Desired| {
        let bar = Bar::of(context);
        let mut facts = Box::pin(Facts::gather(&aws, desired, aws.now(), &bar)).await;
        bar.done();
        facts.earlier = earlier.as_ref().map(accounts);
        facts
    };
    let mut facts =
        if args.fix { unless_stopped(context, look(desired)).await? } else { look(desired).await };
    if args.fix {
        let found = Run::of(&facts, &checks);
        let mended = mend(&args, &aws, &facts, &found, context).await?;
        // Once stopped, there is time only to report what was found before.
        if mended && !context.stop.is_requested() {
            facts = look(facts.desired).await;
        }
    }
    let mut run = Run::of(&facts, &checks);
    if let Some(earlier) = &earlier {
        run = run.since(earlier);
    }
    for (format, path) in &args.report {
        let text = rendered(*format, &run, context)?;
        replace(path, text.as_bytes())?;
        context.out.note(format_args!("written to {}", path.display()));
    }
    context.out.data(rendered(format, &run, context)?)?;
    Ok(exit_of(&run, args.fail_on, context))
}

/// A report that says as whom it was made, where its format has a place for that.
fn rendered(format: Format, run: &Run, context: &Context) -> Result<String, CliError> {
    let text = render(format, run, &context.override_lines())?;
    let head = context.head_lines();
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

/// What a run comes to; one that was stopped is incomplete, whatever it found.
pub(super) fn exit_of(run: &Run, at_least: Severity, context: &Context) -> Exit {
    if context.stop.is_requested() { Exit::Incomplete } else { exit(run, at_least) }
}

/// Every check, judged once, and nothing told yet.
pub(super) async fn once(context: &Context) -> Result<Run, CliError> {
    let checks = chosen(&[])?;
    let (aws, desired) = declared(PlanOptions::default(), context).await?;
    let bar = Bar::of(context);
    let facts = Box::pin(Facts::gather(&aws, desired, aws.now(), &bar)).await;
    bar.done();
    Ok(Run::of(&facts, &checks))
}

/// What a run comes to, of findings that are at least so grave.
pub(super) fn exit(run: &Run, at_least: Severity) -> Exit {
    if run.has_drift(at_least) {
        Exit::Drift
    } else if run.has_unknown(at_least) {
        Exit::Incomplete
    } else {
        Exit::Clean
    }
}

/// The way into AWS, and what is declared for the organization found there.
pub(super) async fn declared(
    options: PlanOptions,
    context: &Context,
) -> Result<(Aws, Desired), CliError> {
    let config = context.config()?;
    let aws = context.aws(&config).await?;
    let organization = OrganizationFacts::read(&aws, &config).await?;
    Ok((aws, Desired::new(config, organization, options.foreign())))
}

/// How far the looking has come, where a person looks on.
pub(super) struct Bar(indicatif::ProgressBar);

impl Bar {
    pub(super) fn of(context: &Context) -> Self {
        Self(context.out.progress("looking at accounts", 0))
    }

    pub(super) fn done(self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn accounts(&self, count: usize) {
        self.0.set_length(count as u64);
    }

    fn account_done(&self) {
        self.0.inc(1);
    }
}

/// Applies what the plan has for what is broken; whether anything was to do.
async fn mend(
    args: &Args,
    aws: &Aws,
    facts: &Facts,
    found: &Run,
    context: &Context,
) -> Result<bool, CliError> {
    let mut plan = plan(&facts.desired, &facts.observed);
    if !args.check.is_empty()
        && let Some(resources) = broken(&found.findings)
    {
        limit(&mut plan, &resources);
    }
    if !plan.steps.iter().any(|step| step.action.stops() || step.action.writes()) {
        context.out.note("orgtrail has nothing to mend");
        return Ok(false);
    }
    let (desired, observed) = (facts.desired.clone(), facts.observed.clone());
    let looked = Looked { aws: aws.clone(), desired, observed, plan };
    let results = carry_out(&looked, args.confirmations, context, true).await?;
    // What was written may not be seen everywhere yet.
    let settled = settle(&looked.aws, &looked.desired, &results);
    if unless_stopped(context, settled).await.is_err() {
        context.out.warn(stopped_at(context, &results));
    }
    Ok(true)
}

/// The managed resources behind what is broken; all where it is the plan itself.
fn broken(findings: &[Finding]) -> Option<BTreeSet<&'static str>> {
    let broken = findings.iter().filter(|one| matches!(one.verdict, Verdict::Fail { .. }));
    let checks: BTreeSet<&str> = broken.map(|finding| finding.check.as_str()).collect();
    if checks.contains(PLAN_EMPTY) {
        return None;
    }
    let told = CATALOGUE.iter().filter(|check| checks.contains(check.id));
    Some(told.flat_map(|check| check.resources).copied().collect())
}

/// Leaves of a plan what mends some resources, and what must stand before.
fn limit(plan: &mut Plan, resources: &BTreeSet<&str>) {
    let mut kept: BTreeSet<String> = resources.iter().map(|id| (*id).to_owned()).collect();
    // A step's dependencies stand before it.
    for step in plan.steps.iter().rev().filter(|step| step.action.writes()) {
        if kept.contains(step.id.as_ref()) {
            kept.extend(step.depends_on.iter().map(ToString::to_string));
        }
    }
    plan.steps.retain(|step| kept.contains(step.id.as_ref()));
}

fn accounts(run: &Run) -> BTreeSet<crate::names::AccountId> {
    run.coverage.accounts.iter().map(|account| account.account.clone()).collect()
}

/// The longest report that is read. Units: bytes.
const LONGEST_BASELINE: u64 = 1 << 30;

fn read(path: &Path) -> Result<Run, CliError> {
    let failed = |source| ReportError { path: path.to_owned(), doing: "reading", source };
    let text = local_file::read(path, LONGEST_BASELINE).map_err(failed)?;
    let report = contract::read::<contract::drift::Report>(&text).map_err(|error| {
        let path = path.display();
        let message = match &error {
            ReadError::OtherVersion { found, expected } => {
                format!("{path} is a report of version {found}, expected {expected}")
            }
            ReadError::OtherDocument { .. } => {
                format!("{path} is not a report of `orgtrail drift`: {error}")
            }
            ReadError::Malformed(error) => {
                format!("{path} is not a report of `orgtrail drift`: {}", json_fault(error))
            }
        };
        CliError::usage(message).with_hint("save one with `orgtrail drift --format json`")
    })?;
    Ok(report.into())
}

fn report(text: &str) -> Result<(Format, PathBuf), String> {
    let wanted = || {
        let values = Format::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value);
        let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        format!("expected FORMAT=FILE, with one of {} before the `=`", names.join(", "))
    };
    let (format, path) = text.split_once('=').ok_or_else(wanted)?;
    let format = Format::from_str(format, false).map_err(|_| wanted())?;
    if path.is_empty() {
        return Err(wanted());
    }
    Ok((format, PathBuf::from(path)))
}

#[derive(Debug, thiserror::Error)]
#[error("{doing} `{}`", path.display())]
struct ReportError {
    path: PathBuf,
    doing: &'static str,
    #[source]
    source: std::io::Error,
}

impl Explain for ReportError {
    fn exit(&self) -> Exit {
        Exit::Usage
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
