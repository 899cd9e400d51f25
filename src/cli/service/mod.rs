//! `orgtrail service`: what is done for the service from outside.

mod token;

use super::{Context, OpError, Outcome};

/// Test and administer the service
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Token(token::Args),
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    match args.command {
        Command::Token(args) => token::run(args, context).await,
    }
}
