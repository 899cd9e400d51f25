use super::detached::{self, SandboxDir};
use super::launch::{self, LaunchOptions, Launched};
use super::process::Signals;
use super::variables::Variables;
use super::{line, running};
use crate::cli::{Context, Format, OpError, Outcome};
use crate::words::counted;

/// Run a sandbox until Ctrl-C or SIGTERM, or in the background
///
/// Prints the variables that point the AWS CLI and orgtrail to the sandbox. `--format json`
/// prints them as one line of JSON, with the root keys and MFA seeds of all accounts. To run
/// commands against a sandbox, prefer `sandbox exec`, which does not run the command if no
/// sandbox is running.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox up --port 4566 --write-config orgtrail.toml
  orgtrail sandbox up --accounts 100

  orgtrail sandbox up --detach --accounts 8 --history 7d --legacy 2
  orgtrail sandbox exec --detached -- orgtrail sources
  orgtrail sandbox down")]
pub(super) struct Args {
    #[command(flatten)]
    launch: LaunchOptions,

    /// Run in the background, and return once the sandbox listens. `sandbox exec --detached`
    /// runs commands against it; `sandbox down` stops it.
    #[arg(long)]
    detach: bool,

    #[command(flatten)]
    place: SandboxDir,

    /// What `--detach` starts.
    #[arg(long, hide = true, conflicts_with = "detach")]
    in_background: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    if args.detach {
        return detached::start(&args.place, context).await;
    }
    if args.in_background {
        return Box::pin(detached::serve(&args.launch, &args.place, context)).await;
    }
    // Before the sandbox is there: whatever ends it from now on lets it save.
    let mut signals = Signals::ending().map_err(OpError::unexpected)?;
    let Launched { sandbox, config } = args.launch.start(context).await?;
    let running = running(&sandbox);
    match context.format {
        Format::Json => context.out.data(line(&running)?)?,
        Format::Text => {
            context.out.data(Variables::of(&running, config.as_deref()).exports())?;
            context.out.note(format_args!(
                "{} on {}; Ctrl-C stops it",
                counted(running.accounts.len(), "account"),
                running.endpoint
            ));
        }
    }
    signals.next().await;
    launch::stop(sandbox, &mut signals).await?;
    Ok(Outcome::Clean)
}
