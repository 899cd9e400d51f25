use crate::cli::{Context, OpError, Outcome};
use crate::config::Config;

/// Print the JSON Schema of the configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail config schema > orgtrail.schema.json

Editors that use Taplo (Even Better TOML) read it if the configuration starts with:
  #:schema ./orgtrail.schema.json")]
pub(crate) struct Args {}

#[expect(clippy::unused_async, reason = "every command has this shape")]
pub(crate) async fn run(_: Args, context: &Context) -> Result<Outcome, OpError> {
    context.out.json(&Config::json_schema())?;
    Ok(Outcome::Clean)
}
