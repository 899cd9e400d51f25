use serde::Serialize;

use super::policy_change::policy_change;
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, ErrorKind, Seen};
use crate::plan::{Action, Change, FieldChange};
use crate::policy::{CLOUDTRAIL, PolicyDocument, PolicyKind, Statement, merge};

/// The role with which CloudTrail writes into the log group.
///
/// Source: IAM `GetRole`, `GetRolePolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogGroupRole {
    /// Who may assume it.
    pub trust: PolicyDocument,
    /// What it may do, by the inline policy that orgtrail writes.
    pub permissions: Option<PolicyDocument>,
}

const POLICY_NAME: &str = "orgtrail-cloudwatch-logs";

impl LogGroupRole {
    pub(super) async fn observe(management: &Clients, desired: &Desired) -> Seen<Self> {
        let name = desired.config.cloudwatch_logs.role.as_str();
        let (role, policy) = tokio::join!(
            management.iam().get_role().role_name(name).send(),
            management.iam().get_role_policy().role_name(name).policy_name(POLICY_NAME).send(),
        );
        let parse = |action: &str, text: &str| {
            PolicyDocument::from_percent_encoded(text).map_err(|error| {
                management.malformed(action, &format!("a policy that cannot be read ({error:?})"))
            })
        };
        let trust = role.at(management, "iam:GetRole").and_then(|answer| {
            let role = answer.role;
            let text = role.as_ref().and_then(|role| role.assume_role_policy_document());
            parse("iam:GetRole", text.unwrap_or_default())
        });
        let permissions = policy
            .at(management, "iam:GetRolePolicy")
            .and_then(|answer| parse("iam:GetRolePolicy", &answer.policy_document));
        match Seen::from_result(trust, AwsError::is_not_found) {
            Seen::Present(trust) => match Seen::from_result(permissions, AwsError::is_not_found) {
                Seen::Present(permissions) => {
                    Seen::Present(Self { trust, permissions: Some(permissions) })
                }
                Seen::Absent => Seen::Present(Self { trust, permissions: None }),
                Seen::Unreadable(error) => Seen::Unreadable(error),
            },
            Seen::Absent => Seen::Absent,
            Seen::Unreadable(error) => Seen::Unreadable(error),
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
    type State = Self;
    const ID: &'static str = "log-group/role";
    const AFTER: &'static [&'static str] = &["log-group"];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &[
        "iam:CreateRole",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:PutRolePolicy",
        "iam:UpdateAssumeRolePolicy",
    ];

    fn place(desired: &Desired) -> Place {
        desired.in_management()
    }

    fn wanted(desired: &Desired) -> bool {
        desired.config.cloudwatch_logs.enabled
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.log_group_role
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let foreign = desired.foreign;
        let trust = policy_change(
            found.map(|found| &found.trust),
            &Self::trust(),
            foreign,
            PolicyKind::RoleTrust,
            "",
        );
        let permissions = policy_change(
            found.and_then(|found| found.permissions.as_ref()),
            &Self::permissions(desired),
            foreign,
            PolicyKind::RolePermissions,
            "",
        );
        if let Some(stopped) = [&trust, &permissions].into_iter().find(|c| c.action.stops()) {
            return stopped.clone();
        }
        let within = |part: &'static str, fields: Vec<FieldChange>| {
            fields.into_iter().map(move |change| FieldChange {
                path: format!("{part}.{}", change.path),
                ..change
            })
        };
        let fields = within("trust", trust.fields)
            .chain(within("permissions", permissions.fields))
            .collect();
        let why = "CloudTrail writes into the log group with it, and into nothing else";
        let change = match found {
            None => Change { action: Action::Create, ..Change::update(why, fields) },
            Some(_) => Change::update(why, fields),
        };
        change.with_notes(trust.notes).with_notes(permissions.notes)
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let clients = hands.management();
        let name = hands.desired.config.cloudwatch_logs.role.as_str();
        let found = hands.observed.log_group_role.present();
        let foreign = hands.desired.foreign;
        let trust = merge(found.map(|found| &found.trust), &Self::trust(), foreign);
        if found.is_none() {
            let made = clients
                .iam()
                .create_role()
                .role_name(name)
                .assume_role_policy_document(trust.document.to_json())
                .description("CloudTrail writes the organization trail's events with it")
                .send()
                .await
                .at(&clients, "iam:CreateRole");
            match made {
                Err(error) if error.kind() != ErrorKind::Conflict => return Err(error.into()),
                _ => {}
            }
        } else if !trust.unchanged {
            clients
                .iam()
                .update_assume_role_policy()
                .role_name(name)
                .policy_document(trust.document.to_json())
                .send()
                .await
                .at(&clients, "iam:UpdateAssumeRolePolicy")?;
        }
        let permissions = found.and_then(|found| found.permissions.as_ref());
        let permissions = merge(permissions, &Self::permissions(hands.desired), foreign);
        clients
            .iam()
            .put_role_policy()
            .role_name(name)
            .policy_name(POLICY_NAME)
            .policy_document(permissions.document.to_json())
            .send()
            .await
            .at(&clients, "iam:PutRolePolicy")?;
        Ok(())
    }
}
