//! `orgtrail service`: what is done for the service from outside.

mod test_notification;
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
    TestNotification(test_notification::Args),
    Token(token::Args),
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    match args.command {
        Command::TestNotification(args) => test_notification::run(args, context).await,
        Command::Token(args) => token::run(&args, context),
    }
}
