use crate::cli::{Context, Format, OpError, Outcome, Output};
use crate::config::{ConfigError, Severity};
use crate::ops::config_findings;
use crate::report::contract::{Emitted, config as contract};
use crate::words::counted;

/// Check the configuration without calling AWS
///
/// Exits with 2 if there are errors, and with 0 if there are only warnings or none.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail config check
  orgtrail --config prod.toml config check --format json | jq '.findings[].setting'

JSON: docs/schemas/config-check.json.")]
pub(crate) struct Args {}

#[expect(clippy::unused_async, reason = "every command has this shape")]
pub(crate) async fn run(_: Args, context: &Context) -> Result<Outcome, OpError> {
    let findings = match context.load() {
        Ok(loaded) => loaded.warnings,
        Err(ConfigError::Invalid { findings, .. }) => findings,
        Err(error) => return Err(error.into()),
    };
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let path = &context.config_path;
    match context.format {
        Format::Json => {
            let check = contract::Check::new(path.display().to_string(), &findings);
            context.out.json(&Emitted::new(check))?;
        }
        Format::Text => {
            if !findings.is_empty() {
                Output::data_in_color(config_findings(path, &findings))?;
            }
            let verdict = if errors == 0 { "valid" } else { "not valid" };
            context.out.note(format!(
                "{} is {verdict}: {}, {}",
                path.display(),
                number(errors, "error"),
                number(warnings, "warning")
            ));
        }
    }
    Ok(if errors == 0 { Outcome::Clean } else { Outcome::Usage })
}

fn number(count: usize, noun: &str) -> String {
    if count == 0 { format!("no {noun}s") } else { counted(count, noun) }
}
