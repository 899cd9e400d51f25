use crate::aws::Observation;
use crate::config::Replication;
use crate::policy::{PolicyDocument, Statement};
use crate::resources::change::Change;
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::service_role::{self, Declared, ServiceRole};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// The role with which S3 replicates the archive to the vault.
///
/// Source: S3 User Guide, "Setting up permissions for live replication".
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplicationRole;

const POLICY_NAME: &str = "orgtrail-replication";

fn declared<'a>(desired: &Desired, vault: &'a Replication) -> Declared<'a> {
    Declared {
        name: &vault.role,
        policy: POLICY_NAME,
        description: "S3 replicates the archive into the vault with it",
        trust: trust(desired),
        permissions: permissions(desired, vault),
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
    type State = ServiceRole;
    const ID: &'static str = "replication-role";
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = service_role::ACTIONS;

    fn location(desired: &Desired) -> Location {
        Location { account: desired.archive().clone(), region: None }
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.archive.replication.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<ServiceRole> {
        let Some(vault) = &context.desired.config.archive.replication else {
            return Observation::Absent;
        };
        ServiceRole::read(&context.archive(), &vault.role, POLICY_NAME).await
    }

    fn diff(desired: &Desired, found: Option<&ServiceRole>, _: &Observed) -> Change {
        let Some(vault) = &desired.config.archive.replication else { return Change::nothing() };
        let why = "S3 replicates with it and can do nothing else";
        ServiceRole::diff(found, &declared(desired, vault), desired.unmanaged, why)
    }

    fn kept(desired: &Desired, _: Option<&ServiceRole>) -> Vec<Kept> {
        let vault = desired.config.archive.replication.iter();
        let why = "S3 continues to replicate with it";
        vault.map(|vault| Kept::new(&vault.role, why, KeptCost::Nothing)).collect()
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let desired = context.desired;
        let Some(vault) = &desired.config.archive.replication else { return Ok(()) };
        let found = context.observed.replication_role.present();
        ServiceRole::put(context, &context.archive(), found, &declared(desired, vault)).await
    }
}
