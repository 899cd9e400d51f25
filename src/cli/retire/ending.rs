//! Ending the trail: what is asked before it is touched, and what is done when
//! CloudTrail refuses.

use super::{Clients, Context, LegacyTrail, Look, OpError, Outcome, Seen, Source};
use crate::archive::consolidate::source::Policy;
use crate::archive::retire::{Condition, deletable as judged};
use crate::aws::{At as _, AwsError};
use crate::names::Arn;
use crate::org::{ControlKind, ControlPolicies, Ruling};
use crate::plan::retire::{Left, Retirement};
use crate::policy::eval::{Principal, Request};

/// Whether the trail records.
///
/// # Errors
/// Its status could not be read: then nothing could be put back.
pub(super) async fn is_logging(owner: &Clients, trail: &Arn) -> Result<bool, OpError> {
    let status = owner.cloudtrail().get_trail_status().name(trail.to_string()).send().await;
    match status.at(owner, "cloudtrail:GetTrailStatus") {
        Ok(status) => Ok(status.is_logging() == Some(true)),
        Err(error) => Err(unread(error)),
    }
}

/// A read that failed, which leaves the answer open.
pub(super) fn unread(error: AwsError) -> OpError {
    let hint = error.hint();
    let unread = OpError::new(error, Outcome::Incomplete);
    match hint {
        Some(hint) => unread.with_hint(hint),
        None => unread,
    }
}

/// The source of a trail, whatever the config says of it.
pub(super) fn undeclared(trail: &LegacyTrail) -> Source {
    Source {
        bucket: trail.bucket.clone(),
        prefix: trail.prefix.clone(),
        account: trail.account.clone(),
        region: trail.home_region.clone(),
        owner: None,
        accounts: [trail.account.clone()].into(),
        trails: vec![trail.arn.clone()],
        policy: Policy::default(),
    }
}

/// Whether service control policies let the trail be stopped and deleted with the
/// role that orgtrail assumes in its account.
pub(super) async fn deletable(look: &Look<'_>) -> Condition {
    let organization = &look.config.organization;
    let (account, home) = (&look.trail.account, &organization.home_region);
    let management = look.aws.clients(&organization.management_account, home);
    let read = ControlPolicies::read(
        &management,
        ControlKind::Service,
        account,
        &organization.management_account,
    );
    let policies = match read.await {
        Ok(policies) => policies,
        Err(error) => return judged(Err(error.in_full())),
    };
    let caller = look.aws.caller();
    let partition = look.config.partition();
    // The caller's own account is not entered through a role.
    let principal = if caller.account == *account {
        caller.arn.to_string()
    } else {
        look.config.roles.arn_in(partition, account).to_string()
    };
    let resource = look.trail.arn.to_string();
    let context = [
        ("aws:PrincipalArn", principal.as_str()),
        ("aws:PrincipalAccount", account.as_str()),
        ("aws:ResourceAccount", account.as_str()),
        ("aws:RequestedRegion", look.trail.home_region.as_str()),
        ("aws:SecureTransport", "true"),
        ("aws:PrincipalIsAWSService", "false"),
    ];
    let rulings = ["cloudtrail:StopLogging", "cloudtrail:DeleteTrail"].map(|action| {
        let principal = Principal::role(account, &principal);
        let request = Request { principal, action, resource: &resource, context: &context };
        (action, policies.ruling(ControlKind::Service, &request, &[]))
    });
    let rulings: &[(&'static str, Ruling)] = &rulings;
    judged(Ok(rulings))
}

/// Stops the trail, looks again at what it delivered, and deletes it; whether it is
/// deleted. Where anything fails on the way, it is put back.
pub(super) async fn end(
    look: &Look<'_>,
    seen: &mut Seen,
    retirement: Retirement<'_>,
) -> Result<bool, OpError> {
    let (context, trail) = (look.context, &look.trail.arn);
    retirement.stop().await?;
    context.out.note(format_args!("{trail} is stopped"));
    if !look.without_bucket {
        // What it delivered since the first look.
        let contents =
            match context.env()?.unless_stopped(Box::pin(look.contents(&seen.lanes))).await {
                Ok(contents) => contents,
                Err(_) => Err(OpError::new(
                    format!("stopped by {}", context.stop.cause()),
                    Outcome::Incomplete,
                )
                .with_hint("run the same command again")),
            };
        match contents {
            Ok((consolidated, counted, held)) => seen.replace([consolidated, counted], held),
            Err(error) => {
                let left = retirement.put_back().await;
                context.out.warn(format_args!("{trail} is not deleted, and {left}"));
                return Err(error);
            }
        }
    }
    if seen.may_go() {
        retirement.delete().await?;
        context.out.note(format_args!("{trail} is deleted"));
        return Ok(true);
    }
    let waits = seen.conditions.iter().all(|one| one.standing != super::Standing::Unseen);
    if waits {
        context.out.warn(format_args!(
            "files arrived meanwhile: the trail is stopped and not deleted yet; run `orgtrail \
             consolidate`, then `orgtrail retire {trail}` again"
        ));
    } else {
        let left = retirement.put_back().await;
        context.out.warn(format_args!("{trail} is not deleted, and {left}"));
        if matches!(left, Left::Stopped { .. }) {
            tell_stopped(context, look.trail);
        }
    }
    seen.tell(context)?;
    Ok(false)
}

/// Says that a trail that stays does not record.
pub(super) fn tell_stopped(context: &Context, trail: &LegacyTrail) {
    context.out.note(format_args!(
        "the trail is stopped: an earlier run may have stopped it; to start it again, with its \
         owner's credentials: `aws cloudtrail start-logging --name {}`",
        trail.arn
    ));
}

/// Says what it means that the bucket does not exist.
pub(super) fn tell_without_bucket(context: &Context, trail: &LegacyTrail) {
    context.out.note(format_args!(
        "the bucket {} does not exist: {} delivers nothing, and what it delivered before is only \
         in the archive if it was consolidated",
        trail.bucket, trail.arn
    ));
}
