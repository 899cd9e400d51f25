//! `orgtrail service token`

use std::path::PathBuf;

use crate::cli::{Context, Format, OpError, Outcome};
use crate::config::AccessScope;
use crate::report::contract::api::NewToken as Document;
use crate::serve::tokens::{NewToken, create};
use crate::words::counted;

/// Create a token for the pages and the API of the service
///
/// Prints the token once, and adds its SHA-256 to the file of tokens. A running service uses
/// the file at once. To revoke a token, delete its entry from the file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail service token --scope read --days 90
  orgtrail service token --scope metrics --days 365 --name prometheus
  orgtrail service token --scope read --scope run --days 30 --name ci
  curl --header \"Authorization: Bearer $TOKEN\" https://orgtrail.example.com/api/v1/status")]
pub(crate) struct Args {
    /// What the token allows. Can be repeated.
    #[arg(long, value_name = "SCOPE", value_enum, required = true)]
    scope: Vec<AccessScope>,

    /// After how many days it expires.
    #[arg(long, value_name = "DAYS")]
    days: u32,

    /// A name for it, which logs show.
    #[arg(long, value_name = "NAME", default_value = "token")]
    name: String,

    /// The file of tokens. Default: `service.access.tokens` of the configuration.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, OpError> {
    let Args { scope, days, name, file } = args;
    let file = match file {
        Some(file) => file.clone(),
        None => of_config(context)?,
    };
    let new = NewToken { name: name.clone(), scopes: scope.iter().copied().collect(), days: *days };
    let now = context.env_of_caller()?.now();
    let (token, entry) = create(&file, &new, now)?;
    match context.format {
        Format::Json => context.document(Document {
            token: token.secret().to_owned(),
            id: entry.id().to_owned(),
            name: entry.name,
            scopes: entry.scopes.iter().map(ToString::to_string).collect(),
            expires_at: entry.expires_at,
            file: file.display().to_string(),
        })?,
        Format::Text => {
            context.out.data(token.secret())?;
            context.out.note(format_args!(
                "{}, valid for {}, until {}",
                entry.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                counted(*days, "day"),
                entry.expires_at
            ));
            context.out.note(format_args!(
                "its SHA-256 is in {} (entry {}): the token is not shown again",
                file.display(),
                entry.id()
            ));
        }
    }
    Ok(Outcome::Clean)
}

fn of_config(context: &Context) -> Result<PathBuf, OpError> {
    let file = context.config()?.service.access.tokens;
    file.map(PathBuf::from).ok_or_else(|| {
        OpError::usage("there is no file of tokens: `service.access.tokens` is not set")
            .with_hint("set it in the configuration, or give --file")
    })
}
