use crate::cli::{Context, OpError, Outcome};
use crate::config::Config;

/// Print the reference of all keys as Markdown (docs/config.md)
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail config reference > keys.md")]
pub(crate) struct Args {}

#[expect(clippy::unused_async, reason = "every command has this shape")]
pub(crate) async fn run(_: Args, context: &Context) -> Result<Outcome, OpError> {
    context.out.data(Config::reference())?;
    Ok(Outcome::Clean)
}
