use super::service_role::{self, Declared, ServiceRole};
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{Clients, Seen};
use crate::policy::{CLOUDTRAIL, PolicyDocument, Statement};
use crate::resources::change::Change;

/// The role with which CloudTrail writes into the log group.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogGroupRole;

const POLICY_NAME: &str = "orgtrail-cloudwatch-logs";

impl LogGroupRole {
    pub(super) async fn observe(management: &Clients, desired: &Desired) -> Seen<ServiceRole> {
        ServiceRole::observe(management, &desired.config.cloudwatch_logs.role, POLICY_NAME).await
    }

    fn declared(desired: &Desired) -> Declared<'_> {
        Declared {
            name: &desired.config.cloudwatch_logs.role,
            policy: POLICY_NAME,
            description: "CloudTrail writes the organization trail's events with it",
            trust: Self::trust(),
            permissions: Self::permissions(desired),
        }
    }

    fn trust() -> PolicyDocument {
        PolicyDocument::new(vec![
            Statement::allow("OrgTrailAssume").service(CLOUDTRAIL).actions(["sts:AssumeRole"]),
        ])
    }

    fn permissions(desired: &Desired) -> PolicyDocument {
        let group = desired.log_group_arn();
        // The management account's own stream, and those of the organization.
        let streams = [
            format!("{group}:log-stream:{}_CloudTrail_*", desired.management()),
            format!("{group}:log-stream:{}_*", desired.org_id()),
        ];
        PolicyDocument::new(vec![
            Statement::allow("OrgTrailLogs")
                .actions(["logs:CreateLogStream", "logs:PutLogEvents"])
                .resources(streams),
        ])
    }
}

impl Resource for LogGroupRole {
    type State = ServiceRole;
    const ID: &'static str = "log-group/role";
    const AFTER: &'static [&'static str] = &["log-group"];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = service_role::ACTIONS;

    fn place(desired: &Desired) -> Place {
        desired.in_management()
    }

    fn wanted(desired: &Desired) -> bool {
        desired.config.cloudwatch_logs.enabled
    }

    fn seen(observed: &Observed) -> &Seen<ServiceRole> {
        &observed.log_group_role
    }

    fn diff(desired: &Desired, found: Option<&ServiceRole>, _: &Observed) -> Change {
        let why = "CloudTrail writes into the log group with it, and into nothing else";
        ServiceRole::diff(found, &Self::declared(desired), desired.foreign, why)
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let found = hands.observed.log_group_role.present();
        let declared = Self::declared(hands.desired);
        ServiceRole::put(hands, &hands.management(), found, &declared).await
    }
}
