//! `orgtrail demo`: every promise, tried on the built-in sandbox.

mod drift;
pub(super) mod folder;
mod ground;
mod guards;
mod legacy;
mod organization;
mod program;
mod proof;
mod provisioning;
mod story;
mod trail;

use story::{Broke, Kept, Story};

use self::ground::Ground;
use super::{Context, OpError, Outcome};

/// Run a demonstration without an AWS account
///
/// Starts an organization in the built-in sandbox, sets up its trail as a platform team would,
/// and then attacks it. Each step explains what happened and why it matters, and shows the
/// command to run. Exits with 0 only if every step succeeded. Touches nothing but a temporary
/// directory, which it removes unless `--keep` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail demo
  orgtrail demo --accounts 40
  orgtrail demo --keep
  orgtrail demo --format json | jq '.steps[] | select(.held | not)'")]
pub(crate) struct Args {
    /// How many accounts the organization has, including the management account.
    #[arg(long, value_name = "N", default_value_t = 12)]
    #[arg(value_parser = clap::value_parser!(u16).range(4..=500))]
    accounts: u16,

    /// Keep the sandbox's state and the configuration, and print how to continue with them.
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let mut story = Story::new(context);
    let kept = play(&mut story, usize::from(args.accounts), args.keep).await?;
    story.end(kept)
}

/// Why the demo goes no further.
#[derive(Debug)]
enum Stop {
    /// A step that the next ones stand on did not hold.
    Broken(Broke),
    /// The demo itself could not go on.
    Failed(OpError),
}

impl<E: Into<OpError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

async fn play(story: &mut Story, accounts: usize, keep: bool) -> Result<Option<Kept>, OpError> {
    let ground = Ground::lay(story, accounts, keep).await?;
    let played = chapters(story, &ground).await;
    let kept = ground.clear(story).await?;
    match played {
        // Told already, with the step that it broke.
        Ok(()) | Err(Stop::Broken(_)) => Ok(kept),
        Err(Stop::Failed(error)) => Err(error),
    }
}

async fn chapters(story: &mut Story, ground: &Ground) -> Result<(), Stop> {
    let entered = organization::play(story, ground).await?;
    provisioning::play(story, ground).await?;
    let delivered = trail::play(story, ground, &entered).await?;
    guards::play(story, ground, &delivered).await?;
    drift::play(story, ground, &delivered).await?;
    legacy::play(story, ground, &entered).await?;
    proof::play(story, ground).await
}
