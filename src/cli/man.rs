use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::{Cli, Context, Explain, OpError, Outcome};

/// Print the man page, or write one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail man | man -l -
  orgtrail man --out ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Write `orgtrail.1`, `orgtrail-config.1` and so on into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[expect(clippy::unused_async, reason = "every command has this shape")]
pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = args.out else {
        context.out.data(String::from_utf8_lossy(&page(&command)?))?;
        return Ok(Outcome::Clean);
    };
    std::fs::create_dir_all(&dir).map_err(|source| ManError { path: dir.clone(), source })?;
    write_pages(&command, "orgtrail", &dir, context)?;
    Ok(Outcome::Clean)
}

fn write_pages(
    command: &clap::Command,
    name: &str,
    dir: &Path,
    context: &Context,
) -> Result<(), OpError> {
    let path = dir.join(format!("{name}.1"));
    let page = page(&command.clone().name(name.to_owned()))?;
    std::fs::write(&path, page).map_err(|source| ManError { path: path.clone(), source })?;
    context.out.note(format!("wrote {}", path.display()));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        write_pages(inner, &format!("{name}-{}", inner.get_name()), dir, context)?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> Result<Vec<u8>, OpError> {
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone());
    man.render(&mut page).map_err(OpError::unexpected)?;
    Ok(page)
}

#[derive(Debug, thiserror::Error)]
#[error("writing {}", path.display())]
struct ManError {
    path: PathBuf,
    source: std::io::Error,
}

impl Explain for ManError {
    fn hint(&self) -> Option<String> {
        Some("`--out` requires a writable directory".to_owned())
    }
}
