use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::{Command, ExitStatus};

use super::detached::SandboxDir;
use super::launch::{self, LaunchOptions, Launched};
use super::process::{Signal, Signals, code_of, send};
use super::running;
use super::variables::{Variables, absolute};
use crate::cli::demo::folder::Folder;
use crate::cli::{Context, OpError, Outcome};
use crate::words::counted;

/// Run a command against a sandbox, and nothing else
///
/// Starts a sandbox, runs the command, and exits with the command's exit code. The command gets
/// the sandbox's endpoint, keys and configuration in its environment, and none of your AWS_… or
/// ORGTRAIL_… variables; it cannot reach your profiles or this machine's credentials. If the
/// sandbox fails to start, the command does not run. The sandbox ends with the command;
/// `--data` keeps its state.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox exec -- orgtrail plan
  orgtrail sandbox exec --history 7d -- orgtrail verify
  orgtrail sandbox exec --accounts 12 -- bash

  orgtrail sandbox exec -- sh -e <<'EOF'
  orgtrail apply --yes
  orgtrail sandbox tick --hours 24
  orgtrail drift
  EOF")]
pub(super) struct Args {
    #[command(flatten)]
    launch: LaunchOptions,

    /// Run the command against the sandbox of `sandbox up --detach`.
    #[arg(long, conflicts_with_all = [
        "accounts", "port", "region", "data", "write_config", "start", "frozen", "seed",
        "history", "legacy", "no_organization",
    ])]
    detached: bool,

    #[command(flatten)]
    place: SandboxDir,

    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    // Before the sandbox is there: whatever ends it from now on lets it save.
    let mut signals = Signals::all().map_err(OpError::unexpected)?;
    if args.detached {
        let found = args.place.running().await?;
        let variables = Variables::of(&found.sandbox, Some(&found.process.config));
        let status = child(&args.command, &variables, &mut signals, context).await?;
        return leave(status);
    }
    let Launched { sandbox, config } = args.launch.start(context).await?;
    let folder = Folder::new(false).map_err(OpError::unexpected)?;
    let config = if let Some(path) = config {
        absolute(&path).map_err(OpError::unexpected)?
    } else {
        let path = folder.path().join("orgtrail.toml");
        launch::write_config(&sandbox, &path)?;
        path
    };
    let running = running(&sandbox);
    context.out.note(format_args!(
        "SANDBOX: {} on {}, until the command ends",
        counted(running.accounts.len(), "account"),
        running.endpoint
    ));
    let variables = Variables::of(&running, Some(&config));
    let status = child(&args.command, &variables, &mut signals, context).await;
    // Whatever became of the command: what it did is saved.
    launch::stop(sandbox, &mut signals).await?;
    drop(folder);
    leave(status?)
}

/// Runs the command, and hands on what signals it is to have.
async fn child(
    command: &[OsString],
    variables: &Variables,
    signals: &mut Signals,
    context: &Context,
) -> Result<ExitStatus, OpError> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| OpError::usage("no command is given"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    variables.give(&mut command, &context.environment);
    let mut child = command.spawn().map_err(|error| {
        let program = program.to_string_lossy();
        OpError::usage(format!("cannot run `{program}`: {error}"))
    })?;
    let process = child.id();
    // The terminal gives Ctrl-C to the command itself as well.
    let from_terminal = std::io::stdin().is_terminal();
    let ended = tokio::task::spawn_blocking(move || child.wait());
    tokio::pin!(ended);
    loop {
        tokio::select! {
            status = ended.as_mut() => {
                let status = status.map_err(OpError::unexpected)?;
                return status.map_err(OpError::unexpected);
            }
            signal = signals.next() => {
                if !(from_terminal && signal == Signal::Interrupt) {
                    // It may have ended this very moment.
                    let _ = send(process, signal);
                }
            }
        }
    }
}

/// Ends this program with a command's own exit code.
fn leave(status: ExitStatus) -> Result<Outcome, OpError> {
    match code_of(status) {
        0 => Ok(Outcome::Clean),
        code => std::process::exit(code),
    }
}
