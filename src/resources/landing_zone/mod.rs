//! The landing zone: the organization and the roles that orgtrail works with. It is created
//! before everything else that orgtrail manages, because that needs the roles, and its facts
//! need not exist yet; so it has its own declaration and its own observation.

mod access;
mod causes;
mod deployment;
mod observed;
mod old_stacks;
mod organization;
mod parameters;
mod stack;
mod stack_set;
mod waves;

pub use access::Access;
pub(crate) use access::activate;
pub use causes::{Cause, causes};
pub use deployment::{Deployment, LandingZoneError, Place, deployments};
pub(crate) use observed::SHARED;
pub use observed::{ObservedZone, Reading, observe_declared, observe_zone};
pub use old_stacks::OldStack;
pub use organization::OrganizationState;
pub(crate) use organization::{
    create as create_organization, enable_policy_type, read as organization_state,
};
pub use stack::StackState;
pub(crate) use stack::{delete as delete_stack, ensure as ensure_stack};
pub use stack_set::{InstanceState, StackSetState};
pub(crate) use stack_set::{delete as delete_stack_set, ensure as ensure_stack_set, ensure_wave};
pub use waves::{Wave, WaveTarget, accounts_of_wave, waves};

use crate::config::Config;
use crate::names::{AccountId, Arn, Region};
use crate::resources::StepError;
use crate::stop::Stop;

/// The tag of every stack and stack set that orgtrail creates, by which it recognizes its own.
pub(crate) const OWNER_TAG: (&str, &str) = ("orgtrail:managed-by", "orgtrail-bootstrap");

/// What the configuration declares of the landing zone.
#[derive(Debug, Clone)]
pub struct LandingZone {
    /// The config.
    pub config: Config,
    /// Whether the organization is created where there is none.
    pub create_organization: bool,
    /// The roles, in the order in which they are created.
    pub deployments: Vec<Deployment>,
}

impl LandingZone {
    /// What a config declares.
    ///
    /// # Errors
    /// Two roles of one account would have the same name.
    pub fn new(config: Config, create_organization: bool) -> Result<Self, LandingZoneError> {
        let deployments = deployments(&config)?;
        Ok(Self { config, create_organization, deployments })
    }

    /// The account that owns all of it.
    #[must_use]
    pub fn management(&self) -> &AccountId {
        &self.config.organization.management_account
    }

    /// The Region of its stacks and stack sets.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.config.organization.home_region
    }

    /// Who may assume a role: as the configuration says, or by default every principal of the
    /// management account.
    #[must_use]
    pub fn trusted(&self, deployment: &Deployment) -> Arn {
        let root = || Arn::global(self.config.partition(), "iam", self.management(), "root");
        deployment.role.trusted.clone().unwrap_or_else(root)
    }
}

/// What a step writes to AWS with.
#[derive(Debug)]
pub(crate) struct ZoneWriter<'a> {
    pub(crate) zone: &'a LandingZone,
    /// Of the management account in the home Region.
    pub(crate) clients: crate::aws::WriteClients,
    /// How long what was just written is waited for.
    pub(crate) propagation: crate::aws::Propagation,
    /// What ends the waits for AWS early.
    pub(crate) stop: &'a Stop,
}

impl ZoneWriter<'_> {
    /// The waits between two looks at something that is under way, the longest repeated.
    pub(crate) fn waits(&self) -> impl Iterator<Item = std::time::Duration> {
        let longest = self.propagation.longest_wait.max(self.propagation.first_wait);
        let first = self.propagation.first_wait;
        std::iter::successors(Some(first), move |wait| Some(wait.mul_f64(1.5).min(longest)))
    }
}

impl ZoneWriter<'_> {
    /// Waits until AWS is read again.
    ///
    /// # Errors
    /// A stop was requested: what is under way in AWS continues, and the next run waits for it.
    pub(crate) async fn pause(&self, wait: std::time::Duration) -> Result<(), StepError> {
        pause(self.stop, wait).await
    }
}

async fn pause(stop: &Stop, wait: std::time::Duration) -> Result<(), StepError> {
    tokio::select! {
        () = tokio::time::sleep(wait) => Ok(()),
        () = stop.requested() => Err(StepError::Interrupted),
    }
}

/// A step that failed for a reason that AWS reports later than in the response to a call.
pub(crate) fn failed(what: impl Into<String>, hint: Option<String>) -> StepError {
    StepError::Reported { what: what.into(), hint }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait_for_an_operation_at_once() {
        let (stopper, stop) = Stop::by_hand();
        pause(&stop, Duration::from_secs(10)).await.unwrap();
        stopper.request();
        let began = tokio::time::Instant::now();
        let ended = pause(&stop, Duration::from_hours(1)).await;
        assert!(matches!(ended, Err(StepError::Interrupted)));
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
