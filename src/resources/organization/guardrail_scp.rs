use std::collections::BTreeSet;

use aws_sdk_organizations::operation::list_policies::ListPoliciesOutput;
use aws_sdk_organizations::types::{PolicyType, PolicyTypeStatus};
use serde::Serialize;

use crate::aws::{At, AwsError, Clients, Observation};
use crate::policy::{PolicyDocument, PolicyKind, Statement, Unmanaged};
use crate::resources::change::{Action, Change, Confirmation, FieldChange};
use crate::resources::destroy::{Deletion, Kept, KeptCost, ignore_missing};
use crate::resources::policy_change::{DeclaredPolicy, policy_change};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The service control policy that keeps members from changing the trail, the bucket and
/// the key. It does not apply to the management account and to service-linked roles.
///
/// Source: Organizations `ListPolicies`, `DescribePolicy`,
/// `ListTargetsForPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardrailScp {
    /// The policy's id; absent if no policy has the name.
    pub id: Option<String>,
    /// Its document.
    pub document: Option<PolicyDocument>,
    /// What it is attached to: ids of units, roots and accounts.
    pub targets: BTreeSet<String>,
    /// Whether service control policies are enabled for the organization's root.
    pub type_enabled: bool,
    /// Policies with other names that orgtrail created: earlier names of the guardrail.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub renamed: BTreeSet<String>,
}

/// The description by which orgtrail recognizes its policy.
const DESCRIPTION: &str = "Keeps members from tampering with the organization trail";

impl GuardrailScp {
    /// What it must be attached to: the declared targets, or the root.
    pub(crate) fn targets(desired: &Desired) -> BTreeSet<String> {
        let declared = &desired.config.guardrail.targets;
        if declared.is_empty() {
            return BTreeSet::from([desired.organization.root.to_string()]);
        }
        declared.iter().map(ToString::to_string).collect()
    }

    async fn read(management: &Clients, desired: &Desired) -> Result<Self, AwsError> {
        const DESCRIBE: &str = "organizations:DescribePolicy";
        let organizations = management.organizations();
        let pages = organizations
            .list_roots()
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "organizations:ListRoots")?;
        let roots = pages.into_iter().flat_map(|page| page.roots.unwrap_or_default());
        let mut types = roots.flat_map(|root| root.policy_types.unwrap_or_default());
        let type_enabled = types.any(|kind| {
            kind.r#type() == Some(&PolicyType::ServiceControlPolicy)
                && kind.status() == Some(&PolicyTypeStatus::Enabled)
        });
        let listed = organizations
            .list_policies()
            .filter(PolicyType::ServiceControlPolicy)
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "organizations:ListPolicies")?;
        let name = desired.config.guardrail.name.as_str();
        let policies = || listed.iter().flat_map(ListPoliciesOutput::policies);
        let renamed = policies()
            .filter(|policy| policy.name() != Some(name))
            .filter(|policy| policy.description() == Some(DESCRIPTION))
            .filter_map(|policy| policy.name().map(str::to_owned))
            .collect();
        let Some(id) =
            policies().find(|policy| policy.name() == Some(name)).and_then(|one| one.id())
        else {
            let targets = BTreeSet::new();
            return Ok(Self { id: None, document: None, targets, type_enabled, renamed });
        };
        let (described, targets) = tokio::join!(
            organizations.describe_policy().policy_id(id).send(),
            organizations
                .list_targets_for_policy()
                .policy_id(id)
                .into_paginator()
                .send()
                .collect::<Result<Vec<_>, _>>(),
        );
        let policy = described.at(management, DESCRIBE)?.policy;
        let text = policy.as_ref().and_then(|policy| policy.content()).unwrap_or_default();
        let document = text.parse().map_err(|_| {
            management.malformed(DESCRIBE, "a policy that is not a policy document")
        })?;
        let targets = targets.at(management, "organizations:ListTargetsForPolicy")?;
        Ok(Self {
            id: Some(id.to_owned()),
            document: Some(document),
            targets: targets
                .iter()
                .flat_map(aws_sdk_organizations::operation::list_targets_for_policy::ListTargetsForPolicyOutput::targets)
                .filter_map(|one| one.target_id().map(str::to_owned))
                .collect(),
            type_enabled,
            renamed,
        })
    }
}

/// The policy that the config declares.
///
/// It names the key by its alias, so that it can be planned before the key exists.
fn declared(desired: &Desired) -> PolicyDocument {
    let bucket = desired.bucket().as_str();
    let own: Vec<String> = desired.own_roles.iter().map(ToString::to_string).collect();
    let except_own = |statement: Statement| {
        if own.is_empty() {
            statement
        } else {
            statement.when("ArnNotLike", "aws:PrincipalArn", own.clone())
        }
    };
    let archive = desired.archive();
    let keys = format!(
        "arn:{}:kms:{}:{archive}:key/*",
        desired.partition(),
        desired.config.archive.region
    );
    let key = Statement::deny("OrgTrailKey").actions([
        "kms:DisableKey",
        "kms:DisableKeyRotation",
        "kms:PutKeyPolicy",
        "kms:ScheduleKeyDeletion",
    ]);
    PolicyDocument::new(vec![
        Statement::deny("OrgTrailTrail")
            .actions([
                "cloudtrail:AddTags",
                "cloudtrail:DeleteTrail",
                "cloudtrail:PutEventSelectors",
                "cloudtrail:PutInsightSelectors",
                "cloudtrail:RemoveTags",
                "cloudtrail:StopLogging",
                "cloudtrail:UpdateTrail",
            ])
            .resources([desired.trail_arn().to_string()]),
        Statement::deny("OrgTrailAdministrators")
            .actions([
                "cloudtrail:DeregisterOrganizationDelegatedAdmin",
                "cloudtrail:RegisterOrganizationDelegatedAdmin",
            ])
            .resources(["*"]),
        // The management account is not bound; IAM's delegated administrators are.
        Statement::deny("OrgTrailRootSessions")
            .actions(["sts:AssumeRoot"])
            .resources([format!("arn:{}:iam::{archive}:root", desired.partition())]),
        except_own(
            Statement::deny("OrgTrailBucket")
                .actions([
                    "s3:BypassGovernanceRetention",
                    "s3:DeleteBucket",
                    "s3:DeleteBucketPolicy",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                    "s3:PutBucketLogging",
                    "s3:PutBucketObjectLockConfiguration",
                    "s3:PutBucketOwnershipControls",
                    "s3:PutBucketPolicy",
                    "s3:PutBucketPublicAccessBlock",
                    "s3:PutBucketVersioning",
                    "s3:PutEncryptionConfiguration",
                    "s3:PutLifecycleConfiguration",
                    "s3:PutReplicationConfiguration",
                ])
                .resources([
                    desired.s3_arn(bucket).to_string(),
                    desired.s3_arn(format!("{bucket}/*")).to_string(),
                ]),
        ),
        except_own(match &desired.config.key.arn {
            Some(arn) => key.resources([arn.to_string()]),
            None => key.resources([keys]).when(
                "ForAnyValue:StringEquals",
                "kms:ResourceAliases",
                [desired.config.key.alias.as_str()],
            ),
        }),
        except_own(
            Statement::deny("OrgTrailKeyAlias")
                .actions(["kms:DeleteAlias", "kms:UpdateAlias"])
                .resources([desired.key_alias_arn().to_string()]),
        ),
    ])
}

impl Resource for GuardrailScp {
    type State = Self;
    const ID: &'static str = "guardrail";
    const DEPENDS_ON: &'static [&'static str] =
        &["trail", "trail/logging", "archive-bucket/policy"];
    const ACTIONS: &'static [&'static str] = &[
        "organizations:AttachPolicy",
        "organizations:CreatePolicy",
        "organizations:DescribePolicy",
        "organizations:DetachPolicy",
        "organizations:EnablePolicyType",
        "organizations:ListPolicies",
        "organizations:ListRoots",
        "organizations:ListTargetsForPolicy",
        "organizations:UpdatePolicy",
    ];
    const MAY_BE_UNDECLARED: bool = true;
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.management_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.guardrail.enabled
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        // Also if it is disabled: it may be active.
        match Self::read(&context.management(), context.desired).await {
            Ok(found) => Observation::Present(found),
            Err(error) => Observation::Unreadable(error),
        }
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        // The policy is orgtrail's own: unmanaged statements do not belong in it.
        let policy = policy_change(
            found.and_then(|found| found.document.as_ref()),
            &DeclaredPolicy {
                document: &declared(desired),
                unmanaged: Unmanaged::Remove,
                kind: PolicyKind::ServiceControl,
                why: "members cannot change the trail, the bucket or the key",
                context: &[],
            },
        );
        if policy.action.stops() {
            return policy;
        }
        let exists = found.is_some_and(|found| found.id.is_some());
        let mut fields = Vec::new();
        if found.is_some_and(|found| !found.type_enabled) {
            fields.push(FieldChange::new("policy_type", Some("disabled"), Some("enabled")));
        }
        fields.extend(policy.fields);
        let none = BTreeSet::new();
        let attached = found.map_or(&none, |found| &found.targets);
        let wanted = Self::targets(desired);
        fields.extend(wanted.difference(attached).map(|target| {
            FieldChange::new(format!("targets.{target}"), None::<String>, Some("attached"))
        }));
        fields.extend(attached.difference(&wanted).map(|target| {
            FieldChange::new(format!("targets.{target}"), Some("attached"), None::<String>)
        }));
        let why = "members cannot change the trail, the bucket or the key";
        let change = Change { notes: policy.notes, ..Change::update(why, fields) };
        if !exists {
            return Change { action: Action::Create, ..change };
        }
        if policy.irreversible.is_some() || !attached.is_subset(&wanted) {
            return change.irreversible(
                Confirmation::WeakenedGuard,
                "the guardrail protects less than it does now",
            );
        }
        change
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        let guardrail = &desired.config.guardrail;
        let mut undeclared = Vec::new();
        if !guardrail.enabled && found.id.is_some() {
            let targets: Vec<&str> = found.targets.iter().map(String::as_str).collect();
            let targets =
                if targets.is_empty() { "nothing".to_owned() } else { targets.join(", ") };
            let name = &guardrail.name;
            let what = format!("the service control policy `{name}` is attached to {targets}");
            undeclared.push(Undeclared::turned_off(Self::ID, "guardrail.enabled", what));
        }
        undeclared.extend(found.renamed.iter().map(|name| {
            let what = format!("the service control policy `{name}` is an earlier guardrail");
            Undeclared::turned_off(Self::ID, "guardrail.name", what)
        }));
        undeclared
    }

    fn deletion(desired: &Desired, found: &Self) -> Option<Deletion> {
        found.id.as_ref()?;
        let value = desired.config.guardrail.name.clone();
        Some(Deletion { field: "name", value, why: "it guards a trail that is deleted" })
    }

    fn kept(desired: &Desired, found: Option<&Self>) -> Vec<Kept> {
        if Self::is_enabled(desired) || found.is_some_and(|found| found.id.is_none()) {
            return Vec::new();
        }
        let why = "the configuration disables it, so orgtrail does not treat a policy with its name as its own";
        vec![Kept::new(&desired.config.guardrail.name, why, KeptCost::Nothing)]
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let Some(found) = context.observed.guardrail.present() else { return Ok(()) };
        let Some(policy) = &found.id else { return Ok(()) };
        let clients = context.management();
        for target in &found.targets {
            let call = clients.organizations().detach_policy().policy_id(policy).target_id(target);
            ignore_missing(call.send().await.at(&clients, "organizations:DetachPolicy"))?;
        }
        let call = clients.organizations().delete_policy().policy_id(policy);
        ignore_missing(call.send().await.at(&clients, "organizations:DeletePolicy"))
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let organizations = clients.organizations();
        let found = context.observed.guardrail.present();
        let text = declared(context.desired).to_json();
        if found.is_none_or(|found| !found.type_enabled) {
            let enable = || async {
                let enabled = organizations
                    .enable_policy_type()
                    .root_id(context.desired.organization.root.as_str())
                    .policy_type(PolicyType::ServiceControlPolicy)
                    .send()
                    .await
                    .at(&clients, "organizations:EnablePolicyType");
                accept_code(enabled, "PolicyTypeAlreadyEnabledException")
            };
            context.retry(enable).await?;
        }
        let id = if let Some(id) = found.and_then(|found| found.id.clone()) {
            let update = || async {
                let call = organizations.update_policy().policy_id(&id).content(&text);
                call.send().await.at(&clients, "organizations:UpdatePolicy")
            };
            context.retry(update).await?;
            id
        } else {
            let create = || async {
                organizations
                    .create_policy()
                    .name(context.desired.config.guardrail.name.as_str())
                    .description(DESCRIPTION)
                    .r#type(PolicyType::ServiceControlPolicy)
                    .content(&text)
                    .send()
                    .await
                    .at(&clients, "organizations:CreatePolicy")
            };
            let made = context.retry(create).await?;
            context.mark_created();
            made.policy
                .and_then(|policy| policy.policy_summary?.id)
                .ok_or_else(|| StepError::Missing("the service control policy".to_owned()))?
        };
        let none = BTreeSet::new();
        let attached = found.map_or(&none, |found| &found.targets);
        let wanted = Self::targets(context.desired);
        for target in wanted.difference(attached) {
            let attach = || async {
                let call = organizations.attach_policy().policy_id(&id).target_id(target);
                let done = call.send().await.at(&clients, "organizations:AttachPolicy");
                accept_code(done, "DuplicatePolicyAttachmentException")
            };
            context.retry(attach).await?;
        }
        for target in attached.difference(&wanted) {
            let detach = || async {
                let call = organizations.detach_policy().policy_id(&id).target_id(target);
                let done = call.send().await.at(&clients, "organizations:DetachPolicy");
                accept_code(done, "PolicyNotAttachedException")
            };
            context.retry(detach).await?;
        }
        Ok(())
    }
}

/// Accepts the error code that says that nothing needs to be done.
fn accept_code<T>(done: Result<T, AwsError>, code: &str) -> Result<(), AwsError> {
    match done {
        Err(error) if !error.is_code(code) => Err(error),
        _ => Ok(()),
    }
}
