use crate::cli::{Context, Format, OpError, Outcome};
use crate::report::contract::Emitted;
use crate::report::contract::config::Show;

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

JSON: docs/schemas/config.json.")]
pub(crate) struct Args {}

#[expect(clippy::unused_async, reason = "every command has this shape")]
pub(crate) async fn run(_: Args, context: &Context) -> Result<Outcome, OpError> {
    let loaded = context.load()?;
    context.note_warnings(&loaded);
    let path = &context.config_path;
    match context.format {
        Format::Json => {
            let origin = |(key, origin): (&String, &crate::config::Origin)| {
                (key.clone(), origin.clone().into())
            };
            context.out.json(&Emitted::new(Show {
                file: path.display().to_string(),
                config: serde_json::to_value(&loaded.config).map_err(OpError::unexpected)?,
                origins: loaded.origins.iter().map(origin).collect(),
            }))?;
        }
        Format::Text => {
            let text = loaded.annotated(path);
            context.out.data(text.map_err(OpError::unexpected)?)?;
        }
    }
    Ok(Outcome::Clean)
}
