use serde::Serialize;

use super::policy_change::policy_change;
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, ErrorKind, Seen};
use crate::config::Replication;
use crate::plan::{Action, Change, FieldChange};
use crate::policy::{PolicyDocument, PolicyKind, Statement, merge};

/// The role with which S3 replicates the archive into the vault.
///
/// Source: IAM `GetRole`, `GetRolePolicy`; S3 User Guide, "Setting up
/// permissions for live replication".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplicationRole {
    /// Who may assume it.
    pub trust: PolicyDocument,
    /// What it may do, by the inline policy that orgtrail writes.
    pub permissions: Option<PolicyDocument>,
}

const POLICY_NAME: &str = "orgtrail-replication";

impl ReplicationRole {
    pub(super) async fn observe(archive: &Clients, desired: &Desired) -> Seen<Self> {
        let Some(vault) = &desired.config.archive.replication else { return Seen::Absent };
        match Self::read(archive, vault).await {
            Ok(role) => Seen::Present(role),
            Err(error) if error.is_not_found() => Seen::Absent,
            Err(error) => Seen::Unreadable(error),
        }
    }

    async fn read(archive: &Clients, vault: &Replication) -> Result<Self, AwsError> {
        let name = vault.role.as_str();
        let parse = |action: &str, text: &str| {
            PolicyDocument::from_percent_encoded(text).map_err(|error| {
                archive.malformed(action, &format!("a policy that cannot be read ({error:?})"))
            })
        };
        let role = archive.iam().get_role().role_name(name).send().await;
        let role = role.at(archive, "iam:GetRole")?.role;
        let trust = role.as_ref().and_then(|role| role.assume_role_policy_document());
        let trust = parse("iam:GetRole", trust.unwrap_or_default())?;
        let inline =
            archive.iam().get_role_policy().role_name(name).policy_name(POLICY_NAME).send().await;
        let permissions = match inline.at(archive, "iam:GetRolePolicy") {
            Ok(answer) => Some(parse("iam:GetRolePolicy", &answer.policy_document)?),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        Ok(Self { trust, permissions })
    }
}

fn trust(desired: &Desired) -> PolicyDocument {
    PolicyDocument::new(vec![
        Statement::allow("OrgTrailAssume")
            .service("s3.amazonaws.com")
            .actions(["sts:AssumeRole"])
            .when("StringEquals", "aws:SourceAccount", [desired.archive().as_str()]),
    ])
}

fn permissions(desired: &Desired, vault: &Replication) -> PolicyDocument {
    let arn = |resource: String| desired.s3_arn(resource).to_string();
    let source = desired.bucket();
    let keys = |region: &crate::names::Region, account: &crate::names::AccountId| {
        format!("arn:{}:kms:{region}:{account}:key/*", desired.partition())
    };
    PolicyDocument::new(vec![
        Statement::allow("OrgTrailSource")
            .actions(["s3:GetReplicationConfiguration", "s3:ListBucket"])
            .resources([arn(source.to_string())]),
        Statement::allow("OrgTrailVersions")
            .actions([
                "s3:GetObjectLegalHold",
                "s3:GetObjectRetention",
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionTagging",
            ])
            .resources([arn(format!("{source}/*"))]),
        Statement::allow("OrgTrailReplicas")
            .actions([
                "s3:ObjectOwnerOverrideToBucketOwner",
                "s3:ReplicateObject",
                "s3:ReplicateTags",
            ])
            .resources([arn(format!("{}/*", vault.bucket))]),
        Statement::allow("OrgTrailDecrypt")
            .actions(["kms:Decrypt"])
            .resources([keys(&desired.config.archive.region, desired.archive())])
            .when(
                "StringLike",
                "kms:ViaService",
                [format!(
                    "s3.{}.{}",
                    desired.config.archive.region,
                    desired.partition().dns_suffix()
                )],
            ),
        Statement::allow("OrgTrailEncrypt")
            .actions(["kms:Encrypt", "kms:GenerateDataKey"])
            .resources([keys(&vault.region, &vault.account)])
            .when(
                "StringLike",
                "kms:ViaService",
                [format!("s3.{}.{}", vault.region, desired.partition().dns_suffix())],
            ),
    ])
}

impl Resource for ReplicationRole {
    type State = Self;
    const ID: &'static str = "replication-role";
    const AFTER: &'static [&'static str] = &[];
    const DUTY: Duty = Duty::Archive;
    const ACTIONS: &'static [&'static str] = &[
        "iam:CreateRole",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:PutRolePolicy",
        "iam:UpdateAssumeRolePolicy",
    ];

    fn place(desired: &Desired) -> Place {
        Place { account: desired.archive().clone(), region: None }
    }

    fn wanted(desired: &Desired) -> bool {
        desired.config.archive.replication.is_some()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.replication_role
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let Some(vault) = &desired.config.archive.replication else { return Change::nothing() };
        let trust = policy_change(
            found.map(|found| &found.trust),
            &trust(desired),
            desired.foreign,
            PolicyKind::RoleTrust,
            "",
        );
        let inline = policy_change(
            found.and_then(|found| found.permissions.as_ref()),
            &permissions(desired, vault),
            desired.foreign,
            PolicyKind::RolePermissions,
            "",
        );
        if let Some(stopped) = [&trust, &inline].into_iter().find(|c| c.action.stops()) {
            return stopped.clone();
        }
        let within = |part: &'static str, fields: Vec<FieldChange>| {
            fields.into_iter().map(move |change| FieldChange {
                path: format!("{part}.{}", change.path),
                ..change
            })
        };
        let fields =
            within("trust", trust.fields).chain(within("permissions", inline.fields)).collect();
        let change = Change::update("S3 replicates with it, and does nothing else", fields);
        let action = if found.is_none() { Action::Create } else { change.action };
        Change { action, ..change }.with_notes(trust.notes).with_notes(inline.notes)
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let desired = hands.desired;
        let Some(vault) = &desired.config.archive.replication else { return Ok(()) };
        let clients = hands.archive();
        let name = vault.role.as_str();
        let found = hands.observed.replication_role.present();
        let trust = merge(found.map(|found| &found.trust), &trust(desired), desired.foreign);
        if found.is_none() {
            let made = clients
                .iam()
                .create_role()
                .role_name(name)
                .assume_role_policy_document(trust.document.to_json())
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
        let inline = found.and_then(|found| found.permissions.as_ref());
        let inline = merge(inline, &permissions(desired, vault), desired.foreign);
        clients
            .iam()
            .put_role_policy()
            .role_name(name)
            .policy_name(POLICY_NAME)
            .policy_document(inline.document.to_json())
            .send()
            .await
            .at(&clients, "iam:PutRolePolicy")?;
        Ok(())
    }
}
