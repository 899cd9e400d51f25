//! `orgtrail retire`

use std::io::IsTerminal as _;

use indicatif::BinaryBytes;

use super::trust::print_unauthenticated;
use super::{Context, Format, OpError, Outcome};
use crate::archive::consolidate::discover::LegacyTrail;
use crate::archive::retire::{Condition, ConditionStatus};
use crate::names::Arn;
use crate::ops::retire::{
    Candidate, Ending, Examined, Found, KeptBucket, MissingTrail, Request, find,
};
use crate::plan::retire::Left;
use crate::report::drift::plain;
use crate::words::counted;

/// Retire a legacy trail once it is safe to delete
///
/// Checks that the organization trail provably delivers the same account and Regions, that
/// everything the legacy trail delivered is in the archive and verified there, that the counts
/// match, and that service control policies allow the deletion. If all conditions are met and
/// you confirm, it stops and deletes the trail in its home Region with its owner's credentials.
/// If CloudTrail refuses the deletion, logging is started again. The bucket stays. An
/// organization trail is never deleted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail retire arn:aws:cloudtrail:us-east-1:444444444444:trail/legacy
  orgtrail retire arn:aws:cloudtrail:us-east-1:444444444444:trail/legacy --yes

Exit code 12 if a condition is not met. Exit code 14 if something it needs was
unreadable, or if the trail could not be deleted. If a run is killed, the next one
completes it.")]
pub(crate) struct Args {
    /// The trail's ARN, as shown by `orgtrail sources --format json`.
    trail: Arn,

    /// Accept that events which only this trail records are no longer recorded.
    #[arg(long)]
    confirm_weakened_guard: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let Args { trail, confirm_weakened_guard } = args;
    let env = context.env()?;
    let request = Request { trail, may_record_less: confirm_weakened_guard };
    let candidate = match find(&env, request).await? {
        Found::Missing(missing) => return record(&missing, context).await,
        Found::Trail(candidate) => candidate,
    };
    let trail = candidate.trail();
    let mut examined = env.unless_stopped(Box::pin(candidate.examine(&env))).await??;
    if context.format == Format::Text {
        context.head()?;
        print_conditions(&examined, context)?;
    }
    if candidate.is_without_bucket() {
        context.out.note(format_args!(
            "the bucket {} does not exist, so {} delivers nothing; earlier logs are in the archive only if they were consolidated",
            trail.bucket, trail.arn
        ));
    }
    let mut is_deleted = false;
    if examined.is_deletable() && is_confirmed(trail, context)? && !env.stop().is_requested() {
        is_deleted = retire(&candidate, &mut examined, context).await?;
    } else if !candidate.was_logging() && !examined.is_deletable() {
        note_stopped(trail, context);
    }
    match context.format {
        Format::Json => context.document(candidate.document(&examined, is_deleted))?,
        Format::Text => {
            if let Some(bucket) = candidate.kept_bucket(&examined) {
                print_bucket(&bucket, context)?;
            }
        }
    }
    Ok(examined.outcome(&env, is_deleted))
}

/// Deletes the trail once it is confirmed; whether it is deleted.
async fn retire(
    candidate: &Candidate,
    examined: &mut Examined,
    context: &Context,
) -> Result<bool, OpError> {
    let (env, trail) = (context.env()?, candidate.trail());
    if !context.yes {
        *examined = env.unless_stopped(Box::pin(candidate.examine_again(&env))).await??;
        if !examined.is_deletable() {
            print_conditions(examined, context)?;
        }
    }
    match candidate.retire(&env, examined).await? {
        Ending::Deleted { unauthenticated } => {
            if let Some(sha256) = unauthenticated {
                print_unauthenticated(context, &sha256);
            }
            return Ok(true);
        }
        Ending::Waits => context.out.warn(format_args!(
            "new files arrived, so the trail is stopped but not deleted; run `orgtrail consolidate`, then `orgtrail retire {}` again",
            trail.arn
        )),
        Ending::PutBack(left) => {
            context.out.warn(format_args!("{} is not deleted, and {left}", trail.arn));
            if matches!(left, Left::Stopped { .. }) {
                note_stopped(trail, context);
            }
        }
    }
    print_conditions(examined, context)?;
    Ok(false)
}

/// Records that a trail that does not exist was retired, once a person confirms it.
async fn record(missing: &MissingTrail, context: &Context) -> Result<Outcome, OpError> {
    let report = missing.document();
    let trail = &report.trail;
    if context.yes || can_prompt() {
        context.confirm(&format!("Record in the archive that {trail} was retired?"))?;
        if let Some(sha256) = missing.record(&context.env()?).await? {
            print_unauthenticated(context, &sha256);
        }
    } else {
        context.out.note("to record in the archive that it was retired, add `--yes`");
    }
    context.out.note(format_args!(
        "{trail} does not exist, so there is nothing to do; if the ARN is mistyped, `orgtrail sources` lists the legacy trails"
    ));
    if context.format == Format::Json {
        context.document(report)?;
    }
    Ok(Outcome::Clean)
}

fn can_prompt() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether the deletion is confirmed; it is not if there is no terminal to prompt at.
fn is_confirmed(trail: &LegacyTrail, context: &Context) -> Result<bool, OpError> {
    if !context.yes && !can_prompt() {
        context.out.note("all conditions are met: to stop and delete the trail, add `--yes`");
        return Ok(false);
    }
    context.confirm(&format!("Stop and delete {}? Its bucket is not deleted.", trail.arn))?;
    Ok(true)
}

fn print_conditions(examined: &Examined, context: &Context) -> Result<(), OpError> {
    for Condition { name, status, reason } in &examined.conditions {
        let status = match status {
            ConditionStatus::Met => "met",
            ConditionStatus::NotMet => "not met",
            ConditionStatus::Unreadable => "unreadable",
        };
        context.out.data(format_args!("{name}: {status}: {}", plain(reason)))?;
    }
    Ok(())
}

/// Notes that a trail that is not deleted is stopped.
fn note_stopped(trail: &LegacyTrail, context: &Context) {
    context.out.note(format_args!(
        "the trail is stopped, perhaps by an earlier run; to start it again, run with its owner's credentials: `aws cloudtrail start-logging --name {}`",
        trail.arn
    ));
}

/// Reports the bucket that is not deleted, and what can be done with it.
fn print_bucket(bucket: &KeptBucket, context: &Context) -> Result<(), OpError> {
    context.out.data(format_args!(
        "the bucket {} is not deleted: {} of this account ({}) cost {} per month",
        bucket.bucket,
        counted(bucket.objects, "object"),
        BinaryBytes(bucket.size_bytes),
        bucket.usd_per_month,
    ))?;
    context.out.note(format_args!(
        "next: verify the archive's copies once more; then expire the bucket's objects with a lifecycle rule, or move them to DEEP_ARCHIVE ({} per month). orgtrail deletes none of them.",
        bucket.deep_archive_usd_per_month,
    ));
    context.out.note(bucket.prices);
    Ok(())
}
