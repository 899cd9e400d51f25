use super::inputs::Inputs;
use super::item::Item;
use crate::aws::Observation;
use crate::checks::ROOT_SESSIONS;
use crate::org::root_features;
use crate::resources::Observed;

const ID: &str = "root-access";

/// Whether an administrator of the management account can delete the archive's bucket policy
/// as the root user of its account, without MFA.
pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    let features = match root_features(&inputs.clients()).await {
        Observation::Present(features) => features,
        Observation::Absent => {
            return vec![Item::ok(ID, "centralized root access is off: IAM has no trusted access")];
        }
        Observation::Unreadable(error) => return vec![Item::unread(ID, &error)],
    };
    if !features.contains(ROOT_SESSIONS) {
        return vec![Item::ok(ID, "no root sessions: sts:AssumeRoot is refused")];
    }
    let guarded = inputs.observed.as_ref().is_some_and(|(_, observed)| is_guarded(observed));
    if guarded {
        return vec![Item::ok(
            ID,
            "root sessions are enabled, and the guardrail binds the archive's root user",
        )];
    }
    vec![Item::problem(
        ID,
        "root sessions are enabled: sts:AssumeRoot with S3UnlockBucketPolicy deletes the archive's bucket policy without MFA; Object Lock still protects locked logs",
        "set `enabled = true` in [guardrail], then orgtrail apply; or aws iam disable-organizations-root-sessions",
    )]
}

fn is_guarded(observed: &Observed) -> bool {
    let guardrail = observed.guardrail.present();
    guardrail.is_some_and(|it| it.id.is_some() && it.type_enabled && !it.targets.is_empty())
}
