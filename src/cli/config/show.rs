use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::{CliError, Context, Exit, Format};
use crate::config::{Config, Origin};

/// Print the effective configuration and the origin of each value
///
/// The text output is valid TOML. A comment after each value names its origin: `default`, the
/// file and line, or the environment variable.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail config show
  orgtrail config show | grep -v '# default'
  orgtrail config show --format json | jq .config.archive

JSON, version 1:
  { \"version\": 1, \"file\", \"config\": every section and key, \"origins\": { \"archive.bucket\":
    { \"from\": \"file\", \"line\", \"column\" }, … } }, origins as in `config check`")]
pub(crate) struct Args {}

/// What `config show --format json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    version: u32,
    file: String,
    config: &'a Config,
    origins: &'a BTreeMap<String, Origin>,
}

#[expect(clippy::unused_async, reason = "every command has this shape")]
pub(crate) async fn run(_: Args, context: &Context) -> Result<Exit, CliError> {
    let loaded = context.load_warning()?;
    let path = &context.config_path;
    match context.format {
        Format::Json => context.out.json(&Report {
            version: 1,
            file: path.display().to_string(),
            config: &loaded.config,
            origins: &loaded.origins,
        })?,
        Format::Text => {
            let text = loaded.annotated(path);
            context.out.data(text.map_err(|error| CliError::new(error, Exit::Unexpected))?)?;
        }
    }
    Ok(Exit::Clean)
}
