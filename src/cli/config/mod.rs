//! `orgtrail config`: check, show and describe the config, and print the roles for it.

mod check;
mod reference;
mod roles;
mod schema;
mod show;

use super::{Context, OpError, Outcome};

/// Check, show and describe the configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A complete configuration:
  [organization]
  management_account = \"111111111111\"
  log_archive_account = \"222222222222\"
  home_region = \"us-east-1\"
  [archive]
  bucket = \"acme-log-archive\"

An environment variable can set any key, and overrides the file:
  ORGTRAIL__ROLES__EXTERNAL_ID=… sets `external_id` under `[roles]`.

Examples:
  orgtrail config check
  orgtrail --config prod.toml config show
  orgtrail config schema > orgtrail.schema.json
  orgtrail config roles archive --part template > archive-role.json")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(check::Args),
    Show(show::Args),
    Schema(schema::Args),
    Reference(reference::Args),
    Roles(roles::Args),
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    match args.command {
        Command::Check(args) => check::run(args, context).await,
        Command::Show(args) => show::run(args, context).await,
        Command::Schema(args) => schema::run(args, context).await,
        Command::Reference(args) => reference::run(args, context).await,
        Command::Roles(args) => roles::run(args, context).await,
    }
}
