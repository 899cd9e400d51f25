//! `orgtrail events …`: one file per command.

mod arguments;
mod detect;
pub(super) mod export;
mod reconcile;
mod search;
mod who;

use super::{Context, OpError, Outcome, Rendering};

/// Answer questions from the recorded events
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Search(search::Args),
    Who(who::Args),
    Detect(detect::Args),
    Export(export::Args),
    Reconcile(reconcile::Args),
}

impl Args {
    /// Whether a format is one of the command.
    pub(super) fn knows(&self, rendering: Rendering) -> bool {
        match &self.command {
            Command::Search(_) => matches!(rendering, Rendering::Jsonl | Rendering::Csv),
            Command::Who(_) => rendering == Rendering::Jsonl,
            Command::Detect(_) => detect::knows(rendering),
            Command::Export(_) => export::format_of(rendering).is_some(),
            Command::Reconcile(_) => false,
        }
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    match args.command {
        Command::Search(args) => Box::pin(search::run(args, context)).await,
        Command::Who(args) => who::run(args, context).await,
        Command::Detect(args) => detect::run(args, context).await,
        Command::Export(args) => Box::pin(export::run(args, context)).await,
        Command::Reconcile(args) => reconcile::run(args, context).await,
    }
}
