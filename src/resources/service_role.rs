use serde::Serialize;

use crate::aws::{At, AwsError, Clients, ErrorKind, Observation, WriteClients};
use crate::names::RoleName;
use crate::policy::{PolicyDocument, PolicyKind, Unmanaged, merge};
use crate::resources::change::{Action, Change, Irreversible, within};
use crate::resources::policy_change::{DeclaredPolicy, policy_change};
use crate::resources::{ApplyContext, StepError};

/// A role that an AWS service assumes, with the inline policy that orgtrail writes.
///
/// Source: IAM `GetRole`, `GetRolePolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceRole {
    /// Who may assume it.
    pub trust: PolicyDocument,
    /// What it may do, by the inline policy that orgtrail writes.
    pub permissions: Option<PolicyDocument>,
}

/// What the configuration declares of such a role.
pub(super) struct Declared<'a> {
    pub(super) name: &'a RoleName,
    /// The name of the inline policy.
    pub(super) policy: &'static str,
    pub(super) description: &'static str,
    pub(super) trust: PolicyDocument,
    pub(super) permissions: PolicyDocument,
}

/// The IAM actions that managing such a role needs.
pub(super) const ACTIONS: &[&str] = &[
    "iam:CreateRole",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
];

impl ServiceRole {
    pub(super) async fn read(
        clients: &Clients,
        name: &RoleName,
        policy: &str,
    ) -> Observation<Self> {
        Observation::from_result(
            Self::try_read(clients, name.as_str(), policy).await,
            AwsError::is_not_found,
        )
    }

    async fn try_read(clients: &Clients, name: &str, policy: &str) -> Result<Self, AwsError> {
        let parse = |action: &str, text: &str| {
            PolicyDocument::from_percent_encoded(text)
                .map_err(|_| clients.malformed(action, "a policy that is not a policy document"))
        };
        let role = clients.iam().get_role().role_name(name).send().await;
        let role = role.at(clients, "iam:GetRole")?.role;
        let trust = role.as_ref().and_then(|role| role.assume_role_policy_document());
        let trust = parse("iam:GetRole", trust.unwrap_or_default())?;
        let inline =
            clients.iam().get_role_policy().role_name(name).policy_name(policy).send().await;
        let permissions = match inline.at(clients, "iam:GetRolePolicy") {
            Ok(answer) => Some(parse("iam:GetRolePolicy", &answer.policy_document)?),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        Ok(Self { trust, permissions })
    }

    pub(super) fn diff(
        found: Option<&Self>,
        declared: &Declared<'_>,
        unmanaged: Unmanaged,
        why: &str,
    ) -> Change {
        let trust = policy_change(
            found.map(|found| &found.trust),
            &DeclaredPolicy {
                document: &declared.trust,
                unmanaged,
                kind: PolicyKind::RoleTrust,
                why: "",
                context: &[],
            },
        );
        let permissions = policy_change(
            found.and_then(|found| found.permissions.as_ref()),
            &DeclaredPolicy {
                document: &declared.permissions,
                unmanaged,
                kind: PolicyKind::RolePermissions,
                why: "",
                context: &[],
            },
        );
        if let Some(stopped) = [&trust, &permissions].into_iter().find(|c| c.action.stops()) {
            return stopped.clone();
        }
        let fields = within("trust", trust.fields)
            .chain(within("permissions", permissions.fields))
            .collect();
        let change = Change::update(why, fields);
        let action = if found.is_none() { Action::Create } else { change.action };
        let irreversible = Irreversible::both(trust.irreversible, permissions.irreversible);
        Change { action, irreversible, ..change }
            .with_notes(trust.notes)
            .with_notes(permissions.notes)
    }

    pub(super) async fn put(
        context: &ApplyContext<'_>,
        clients: &WriteClients,
        found: Option<&Self>,
        declared: &Declared<'_>,
    ) -> Result<(), StepError> {
        let name = declared.name.as_str();
        let unmanaged = context.desired.unmanaged;
        let trust = merge(found.map(|found| &found.trust), &declared.trust, unmanaged);
        if found.is_none() {
            let made = clients
                .iam()
                .create_role()
                .role_name(name)
                .assume_role_policy_document(trust.document.to_json())
                .description(declared.description)
                .send()
                .await
                .at(clients, "iam:CreateRole");
            match made {
                Err(error) if error.kind() != ErrorKind::Conflict => return Err(error.into()),
                _ => context.mark_created(),
            }
        } else if !trust.unchanged {
            clients
                .iam()
                .update_assume_role_policy()
                .role_name(name)
                .policy_document(trust.document.to_json())
                .send()
                .await
                .at(clients, "iam:UpdateAssumeRolePolicy")?;
        }
        let inline = found.and_then(|found| found.permissions.as_ref());
        let inline = merge(inline, &declared.permissions, unmanaged).document.to_json();
        context
            .retry(|| async {
                clients
                    .iam()
                    .put_role_policy()
                    .role_name(name)
                    .policy_name(declared.policy)
                    .policy_document(&inline)
                    .send()
                    .await
                    .at(clients, "iam:PutRolePolicy")
            })
            .await?;
        Ok(())
    }
}
