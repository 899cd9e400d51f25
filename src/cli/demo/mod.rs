//! `orgtrail demo`: every guarantee, tried in the built-in sandbox.

mod delivery;
mod drift;
mod env;
pub(super) mod folder;
mod guards;
mod incident;
mod legacy;
mod organization;
mod program;
mod provisioning;
mod report;
mod service;
mod verification;

use self::env::DemoEnv;
use self::report::{DemoReport, Kept, RequiredStepFailed};
use super::{Context, OpError, Outcome};
use crate::stop;

/// Run a demonstration without an AWS account
///
/// Starts an organization in the built-in sandbox, sets up its trail as a platform team would,
/// and then attacks it. Each step explains what happened and why it matters, and shows the
/// command to run. Exits with 0 only if every step succeeded. Touches nothing but a temporary
/// directory, which it removes unless `--keep` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail demo
  orgtrail demo --serve
  orgtrail demo --accounts 40
  orgtrail demo --keep
  orgtrail demo --format json | jq '.steps[] | select(.passed | not)'")]
pub(crate) struct Args {
    /// How many accounts the organization has, including the management account.
    #[arg(long, value_name = "N", default_value_t = 12)]
    #[arg(value_parser = clap::value_parser!(u16).range(4..=500))]
    accounts: u16,

    /// Run the service at the end, until Ctrl-C, to look at its pages.
    #[arg(long)]
    serve: bool,

    /// Keep the sandbox's state and the configuration, and print how to continue with them.
    #[arg(long)]
    keep: bool,
}

impl Args {
    /// Whether it ends by itself after a stop: the service does.
    pub(super) fn stops_gracefully(&self) -> bool {
        self.serve
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let mut report = DemoReport::new(context);
    let kept = run_demo(&mut report, &args, &context.stop).await?;
    report.end(kept)
}

/// Why the demo stops early.
#[derive(Debug)]
enum Stop {
    /// A step that later steps require failed.
    StepFailed(RequiredStepFailed),
    /// The demo itself failed.
    Failed(OpError),
}

impl<E: Into<OpError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

async fn run_demo(
    report: &mut DemoReport,
    args: &Args,
    stop: &stop::Stop,
) -> Result<Option<Kept>, OpError> {
    let env = DemoEnv::start(report, usize::from(args.accounts), args.keep).await?;
    let sections = async {
        run_sections(report, &env).await?;
        if args.serve { service::run(report, &env, stop).await } else { Ok(()) }
    };
    let result = sections.await;
    let kept = env.stop(report).await?;
    match result {
        // The report has the failed step.
        Ok(()) | Err(Stop::StepFailed(_)) => Ok(kept),
        Err(Stop::Failed(error)) => Err(error),
    }
}

async fn run_sections(report: &mut DemoReport, env: &DemoEnv) -> Result<(), Stop> {
    let accessible = organization::run(report, env).await?;
    provisioning::run(report, env).await?;
    let delivered = delivery::run(report, env, &accessible).await?;
    guards::run(report, env, &delivered).await?;
    drift::run(report, env, &delivered).await?;
    legacy::run(report, env, &accessible).await?;
    verification::run(report, env).await?;
    incident::run(report, env).await
}
