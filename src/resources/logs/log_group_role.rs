use crate::aws::Observation;
use crate::policy::{CLOUDTRAIL, PolicyDocument, Statement};
use crate::resources::change::Change;
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::service_role::{self, Declared, ServiceRole};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The role with which CloudTrail writes to the log group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogGroupRole;

const POLICY_NAME: &str = "orgtrail-cloudwatch-logs";

impl LogGroupRole {
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
    const DEPENDS_ON: &'static [&'static str] = &["log-group"];
    const ACTIONS: &'static [&'static str] = service_role::ACTIONS;

    fn location(desired: &Desired) -> Location {
        desired.management_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.cloudwatch_logs.enabled
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<ServiceRole> {
        if !Self::is_enabled(context.desired) {
            return Observation::Absent;
        }
        let role = &context.desired.config.cloudwatch_logs.role;
        ServiceRole::read(&context.management(), role, POLICY_NAME).await
    }

    fn diff(desired: &Desired, found: Option<&ServiceRole>, _: &Observed) -> Change {
        let why = "CloudTrail writes to the log group with it and can do nothing else";
        ServiceRole::diff(found, &Self::declared(desired), desired.unmanaged, why)
    }

    fn kept(desired: &Desired, _: Option<&ServiceRole>) -> Vec<Kept> {
        let why = "another trail may use it";
        vec![Kept::new(&desired.config.cloudwatch_logs.role, why, KeptCost::Nothing)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let found = context.observed.log_group_role.present();
        let declared = Self::declared(context.desired);
        ServiceRole::put(context, &context.management(), found, &declared).await
    }
}
