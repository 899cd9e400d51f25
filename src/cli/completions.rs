use clap::CommandFactory;

use super::{Cli, Context, OpError, Outcome};

/// Print a shell completion script
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail completions bash > ~/.local/share/bash-completion/completions/orgtrail
  orgtrail completions zsh  > ~/.zfunc/_orgtrail
  orgtrail completions fish > ~/.config/fish/completions/orgtrail.fish")]
pub(crate) struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

#[expect(clippy::unused_async, reason = "every command has this shape")]
pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "orgtrail", &mut script);
    context.out.data(String::from_utf8_lossy(&script))?;
    Ok(Outcome::Clean)
}
