//! What `plan`, `apply` and `destroy` have in common.

use super::{OpError, Context, Outcome};
use crate::aws::Aws;
use crate::org::enter_archive;
use crate::plan::{Plan, plan};
use crate::policy::Foreign;
use crate::resources::{Desired, Observed, OrganizationFacts, observe};

/// Options of every command that plans.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct PlanOptions {
    /// Remove unmanaged statements and lifecycle rules from the policies and rules that
    /// orgtrail manages. By default they are kept, and listed.
    #[arg(long)]
    remove_foreign: bool,

    /// Remove deleted roles and users from the policies that orgtrail manages. AWS shows them
    /// as unique ids and rejects a policy that contains one.
    #[arg(long)]
    drop_deleted_principals: bool,
}

/// What was declared, what was seen, and what is between them.
pub(super) struct Looked {
    pub(super) aws: Aws,
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) plan: Plan,
}

impl PlanOptions {
    /// What becomes of what others wrote.
    pub(super) fn foreign(self) -> Foreign {
        match (self.remove_foreign, self.drop_deleted_principals) {
            (true, _) => Foreign::Remove,
            (false, true) => Foreign::KeepLiving,
            (false, false) => Foreign::Keep,
        }
    }

    /// Reads the config, looks at AWS, and plans.
    pub(super) async fn look(self, context: &Context) -> Result<Looked, OpError> {
        let config = context.config()?;
        let aws = context.env()?.aws_to_plan().await?;
        enter_archive(&aws, &config).await?;
        let organization = OrganizationFacts::read(&aws, &config).await?;
        let desired = Desired::new(config, organization, self.foreign());
        let observed = Box::pin(observe(&aws, &desired)).await;
        let plan = plan(&desired, &observed);
        Ok(Looked { aws, desired, observed, plan })
    }
}

/// The exit code that a plan asks for.
pub(super) fn exit_of(plan: &Plan) -> Outcome {
    if plan.has_refused() {
        Outcome::Refused
    } else if plan.has_unreadable() {
        Outcome::Incomplete
    } else if plan.is_empty() {
        Outcome::Clean
    } else {
        Outcome::ChangesPending
    }
}
