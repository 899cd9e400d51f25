use jiff::SignedDuration;

use super::inputs::Inputs;
use super::item::Item;
use crate::ops::OpError;

const ID: &str = "credentials";
/// Credentials that end sooner are renewed before a long command.
const SHORT: SignedDuration = SignedDuration::from_mins(15);

/// The item of credentials that AWS did not accept, or that were not found.
pub(super) fn refused(error: &OpError) -> Item {
    let fix = error.hint().unwrap_or("set AWS_PROFILE, or export AWS_ACCESS_KEY_ID");
    Item::problem(ID, error.message(), fix)
}

pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let caller = inputs.aws.caller();
    if &*caller.arn.resource == "root" {
        return vec![Item::problem(
            ID,
            format!("signed in as {}: a root user cannot assume roles", caller.arn),
            "use a role or an IAM user with administrator access, and delete the root user's access keys",
        )];
    }
    // Credentials end by the clock of this machine, also in a sandbox.
    let ends_at = inputs.aws.credentials_end_at().await;
    let Some(ends_at) = ends_at else {
        return vec![Item::ok(ID, format!("{}, without an expiry", caller.arn))];
    };
    let left = ends_at.duration_since((inputs.env.clock())());
    if left < SHORT {
        let minutes = left.as_mins().max(0);
        return vec![Item::problem(
            ID,
            format!("the session of {} ends in {minutes} min, at {ends_at:.0}", caller.arn),
            "sign in again: `aws sso login`, or renew the session",
        )];
    }
    vec![Item::ok(ID, format!("{}, until {ends_at:.0}", caller.arn))]
}
