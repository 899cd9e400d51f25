//! `orgtrail gather`

use super::{Context, OpError, Outcome, Rendering, consolidate};
use crate::names::AccountId;
use crate::ops::events::export;
use crate::ops::shards::{Gathered, gather};

/// Make one result of the results of all shards
///
/// Reads what `--shard I/N` of verify, consolidate or events export kept in PLACE, and prints what
/// the command would have printed as a whole, with its exit code.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail gather s3://acme-jobs/verify-2026-11-30
  orgtrail gather /shared/verify-2026-11-30 --format junit

Exit code: that of the command. 14 if a shard has no result; 2 if a result is there twice, or
is one of other options, another configuration, organization or version.")]
pub(crate) struct Args {
    /// The place that the shards had as `--results`: `s3://bucket/prefix` or a directory.
    place: String,

    /// The account that must own the bucket of PLACE. Default: the caller's.
    #[arg(long, value_name = "ID")]
    results_owner: Option<AccountId>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let env = context.env()?;
    let gathered = gather(&env, &args.place, args.results_owner.as_ref()).await?;
    let is_of_verify = matches!(context.rendering, Rendering::Junit | Rendering::AwsCli);
    if is_of_verify && !matches!(gathered, Gathered::Verified(_)) {
        return Err(OpError::usage(
            "these are not the results of `verify`: `--format` is `text` or `json` for them",
        ));
    }
    match gathered {
        Gathered::Verified(verified) => {
            super::verify::print(context, &verified)?;
            Ok(verified.outcome())
        }
        Gathered::Consolidated(consolidated) => {
            consolidate::print_result(context, &consolidated)?;
            Ok(consolidated.outcome())
        }
        Gathered::Round(round) => {
            super::run::print(context, &round)?;
            Ok(round.outcome())
        }
        Gathered::Exported(exported) => {
            super::events::export::print(context, &exported)?;
            Ok(export::outcome(&exported))
        }
    }
}
