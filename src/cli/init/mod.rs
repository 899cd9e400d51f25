//! `orgtrail init`

mod draft;
mod recorded;

use std::io::Write;
use std::path::PathBuf;

use super::output_path::check_writable;
use super::{Context, Explain, OpError, Outcome};
use crate::config::{Environment, Loaded, Roles};
use crate::local_file;
use crate::names::{Arn, ExternalId, RoleName};
use crate::ops::Discovery;

/// Write a configuration from the organization's existing resources
///
/// Finds the management account, the accounts that look like the log archive and the auditors,
/// and the organization trail with its destinations, and writes them to `orgtrail.toml`. What
/// it cannot find becomes a comment with the reason. Changes nothing in AWS. Run it with
/// credentials of the management account or of a delegated administrator.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail init
  orgtrail init --out -                       print it
  orgtrail init --role OrgTrailMember --yes   overwrite orgtrail.toml")]
pub(super) struct Args {
    /// The file to write, or `-` for standard output. Default: the configuration file. An
    /// existing file is overwritten only with `--yes`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The role to assume in member accounts.
    #[arg(long, value_name = "NAME")]
    role: Option<RoleName>,

    /// The external id that the role requires.
    #[arg(long, value_name = "ID")]
    external_id: Option<ExternalId>,

    /// The role to assume first, from which the roles in member accounts are assumed.
    #[arg(long, value_name = "ARN")]
    hub: Option<Arn>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let out = args.out.unwrap_or_else(|| context.config_path.clone());
    let to_stdout = out.as_os_str() == "-";
    // Before AWS is called.
    if !to_stdout && !context.yes && out.exists() {
        return Err(OpError::usage(format!("{} already exists", out.display()))
            .with_hint("overwrite it with `--yes`, write another file with `--out FILE`, or print with `--out -`"));
    }
    if !to_stdout {
        check_writable(&out)?;
    }
    let mut roles = Roles { external_id: args.external_id, hub: args.hub, ..Roles::default() };
    if let Some(name) = args.role {
        roles.name = name;
    }
    let aws = context.env_of_caller()?.aws_of_caller(None, roles.clone()).await?;
    if let Some(identity) = context.session.identity() {
        context.out.note(identity);
    }
    let found = Box::pin(Discovery::inspect(&aws)).await?;
    let mut text = draft::draft(&found, &roles, true);
    if check(&text).is_err() {
        // What the trail records may have no words in the config.
        text = draft::draft(&found, &roles, false);
    }
    check(&text)?;
    if to_stdout {
        context.out.data(text)?;
        return Ok(Outcome::Clean);
    }
    write(&out, &text, context.yes).map_err(|source| WriteError { path: out.clone(), source })?;
    context
        .out
        .note(format_args!("wrote {}: review it, then run `orgtrail config check`", out.display()));
    Ok(Outcome::Clean)
}

/// A config that we write is one that we take.
fn check(text: &str) -> Result<(), OpError> {
    match Loaded::from_text(text, &Environment::default()) {
        Ok(_) => Ok(()),
        Err(findings) => {
            let found: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
            Err(OpError::new(
                format!(
                    "the existing resources do not make a valid configuration: {}",
                    found.join("; ")
                ),
                Outcome::Unexpected,
            )
            .with_hint(
                "write the configuration by hand; `orgtrail config schema` describes its keys",
            ))
        }
    }
}

fn write(path: &std::path::Path, text: &str, overwrite: bool) -> std::io::Result<()> {
    // A device has no content to write over: `--out /dev/stdout`.
    if overwrite || (path.exists() && !path.is_file()) {
        return local_file::replace(path, text.as_bytes());
    }
    local_file::create_new(path)?.write_all(text.as_bytes())
}

#[derive(Debug, thiserror::Error)]
#[error("writing {}", path.display())]
struct WriteError {
    path: PathBuf,
    source: std::io::Error,
}

impl Explain for WriteError {
    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}
