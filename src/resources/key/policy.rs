use serde::Serialize;

use super::KmsKey;
use crate::aws::{At, Clients, Observation};
use crate::config::Principal;
use crate::names::{AccountId, Arn};
use crate::policy::eval::{self, PolicyEvaluator};
use crate::policy::{CLOUDTRAIL, PolicyDocument, PolicyKind, Statement, merge};
use crate::resources::change::Change;
use crate::resources::policy_change::{DeclaredPolicy, policy_change};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The key's policy: what CloudTrail, administrators and readers may do.
///
/// Source: KMS `GetKeyPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyPolicy(pub PolicyDocument);

impl KeyPolicy {
    async fn read(clients: &Clients, key: &KmsKey) -> Observation<Self> {
        const ACTION: &str = "kms:GetKeyPolicy";
        let answer = clients
            .kms()
            .get_key_policy()
            .key_id(key.arn.to_string())
            .policy_name("default")
            .send()
            .await;
        let read = answer.at(clients, ACTION).and_then(|answer| {
            let text = answer.policy.unwrap_or_default();
            text.parse()
                .map(Self)
                .map_err(|_| clients.malformed(ACTION, "a policy that is not a policy document"))
        });
        Observation::from_result(read, |_| false)
    }
}

/// The policy that the config declares for a key in an account.
pub(super) fn declared(desired: &Desired, account: &AccountId) -> PolicyDocument {
    let partition = desired.partition();
    let trail = desired.trail_arn().to_string();
    let trails = format!("arn:{partition}:cloudtrail:*:{}:trail/*", desired.management());
    let arns = |principals: &[Principal]| -> Vec<String> {
        principals.iter().map(|principal| principal.arn(partition).to_string()).collect()
    };
    let key = &desired.config.key;
    let cloudtrail = |sid: &str| Statement::allow(sid).service(CLOUDTRAIL).resources(["*"]);
    let mut statements = vec![
        // Without it, only the principals named here could ever change the key.
        Statement::allow("OrgTrailDelegation")
            .principals([Arn::global(partition, "iam", account, "root").to_string()])
            .actions(["kms:*"])
            .resources(["*"]),
        cloudtrail("OrgTrailEncrypt")
            .actions(["kms:GenerateDataKey*"])
            .when("StringEquals", "aws:SourceArn", [&trail])
            .when("StringLike", "kms:EncryptionContext:aws:cloudtrail:arn", [&trails]),
        cloudtrail("OrgTrailDescribe").actions(["kms:DescribeKey"]).when(
            "StringEquals",
            "aws:SourceArn",
            [&trail],
        ),
        // S3 Bucket Keys: CloudTrail decrypts the bucket's own key.
        cloudtrail("OrgTrailBucketKey").actions(["kms:Decrypt"]).when(
            "StringEquals",
            "aws:SourceArn",
            [&trail],
        ),
    ];
    if !key.administrators.is_empty() {
        statements.push(
            Statement::allow("OrgTrailAdminister")
                .principals(arns(&key.administrators))
                .actions([
                    "kms:CancelKeyDeletion",
                    "kms:CreateAlias",
                    "kms:DeleteAlias",
                    "kms:Describe*",
                    "kms:DisableKey",
                    "kms:DisableKeyRotation",
                    "kms:EnableKey",
                    "kms:EnableKeyRotation",
                    "kms:Get*",
                    "kms:List*",
                    "kms:PutKeyPolicy",
                    "kms:ScheduleKeyDeletion",
                    "kms:TagResource",
                    "kms:UntagResource",
                    "kms:UpdateAlias",
                    "kms:UpdateKeyDescription",
                ])
                .resources(["*"]),
        );
    }
    if !key.readers.is_empty() {
        statements.push(
            Statement::allow("OrgTrailDecrypt")
                .principals(arns(&key.readers))
                .actions(["kms:Decrypt", "kms:DescribeKey"])
                .resources(["*"]),
        );
    }
    PolicyDocument::new(statements)
}

fn account<'a>(desired: &'a Desired, observed: &'a Observed) -> &'a AccountId {
    let key = observed.kms_key.present();
    key.and_then(|key| key.arn.account.as_ref()).unwrap_or_else(|| desired.archive())
}

/// The change that the policy of another account's key needs: that account, not orgtrail,
/// must make it.
fn change_of_other_account(desired: &Desired, key: &KmsKey, found: Option<&KeyPolicy>) -> Change {
    let owner = key.arn.account.as_ref().unwrap_or_else(|| desired.archive());
    let needed = required_in_other_account(desired, owner);
    let Some(found) = found else { return Change::nothing() };
    let missing: Vec<&Statement> = match PolicyEvaluator::new(&found.0) {
        Ok(policy) => needed.iter().filter(|one| !allows(&policy, one, desired, key)).collect(),
        // A policy that cannot be evaluated may allow it.
        Err(_) => return Change::nothing(),
    };
    if missing.is_empty() {
        return Change::nothing();
    }
    let statements = serde_json::to_string(&missing).unwrap_or_default();
    let names: Vec<&str> = missing.iter().filter_map(|one| one.sid.as_deref()).collect();
    let whom = if names == ["OrgTrailArchive"] {
        format!("does not let the log-archive account {} decrypt", desired.archive())
    } else {
        "does not permit everything that the trail and its archive need".to_owned()
    };
    Change::refused(
        format!("the policy of {}, which account {owner} owns, {whom}", key.arn),
        format!("its owner must add to the key's policy: {statements}"),
    )
}

/// The statements that another account's key needs: CloudTrail's, and the
/// archive's, which decrypts what it verifies and encrypts what it copies.
fn required_in_other_account(desired: &Desired, owner: &AccountId) -> Vec<Statement> {
    let archive = Arn::global(desired.partition(), "iam", desired.archive(), "root").to_string();
    let cloudtrail = declared(desired, owner).statements.into_iter().filter(|statement| {
        ["OrgTrailEncrypt", "OrgTrailDescribe", "OrgTrailBucketKey"]
            .contains(&statement.sid.as_deref().unwrap_or_default())
    });
    let archive = Statement::allow("OrgTrailArchive")
        .principals([archive])
        .actions(["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"])
        .resources(["*"]);
    cloudtrail.chain([archive]).collect()
}

/// Whether a policy allows everything that one of those statements allows.
fn allows(
    policy: &PolicyEvaluator,
    statement: &Statement,
    desired: &Desired,
    key: &KmsKey,
) -> bool {
    let trail = desired.trail_arn().to_string();
    let key = key.arn.to_string();
    let role_arn = desired.own_roles.first().map(Arn::to_string).unwrap_or_default();
    let is_archive = statement.sid.as_deref() == Some("OrgTrailArchive");
    let mut context = vec![("aws:SecureTransport", "true")];
    let principal = if is_archive {
        context.extend([
            ("aws:PrincipalArn", role_arn.as_str()),
            ("aws:PrincipalAccount", desired.archive().as_str()),
            ("aws:PrincipalOrgID", desired.org_id().as_str()),
            ("kms:CallerAccount", desired.archive().as_str()),
        ]);
        eval::Principal::role(desired.archive(), &role_arn)
    } else {
        context.extend([
            ("aws:SourceArn", trail.as_str()),
            ("aws:SourceAccount", desired.management().as_str()),
            ("aws:SourceOrgID", desired.org_id().as_str()),
            ("aws:PrincipalIsAWSService", "true"),
            ("aws:PrincipalServiceName", CLOUDTRAIL),
            ("kms:EncryptionContext:aws:cloudtrail:arn", trail.as_str()),
        ]);
        eval::Principal::Service(CLOUDTRAIL)
    };
    statement.action.0.iter().all(|action| {
        let request = eval::Request {
            principal,
            action: action.trim_end_matches('*'),
            resource: &key,
            context: &context,
        };
        policy.evaluate(&request).is_allowed()
    })
}

impl Resource for KeyPolicy {
    type State = Self;
    const ID: &'static str = "kms-key/policy";
    const DEPENDS_ON: &'static [&'static str] = &["kms-key"];
    const ACTIONS: &'static [&'static str] = &["kms:GetKeyPolicy", "kms:PutKeyPolicy"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        match context.state_of::<KmsKey>().await {
            Observation::Present(key) => Self::read(&key.owner_clients(context), key).await,
            Observation::Absent => Observation::Absent,
            Observation::Unreadable(error) => Observation::Unreadable(error.clone()),
        }
    }

    fn diff(desired: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        if let Some(key) = observed.kms_key.present()
            && key.is_in_other_account(desired)
        {
            return change_of_other_account(desired, key, found);
        }
        policy_change(
            found.map(|found| &found.0),
            &DeclaredPolicy {
                document: &declared(desired, account(desired, observed)),
                unmanaged: desired.unmanaged,
                kind: PolicyKind::Key,
                why: "CloudTrail encrypts for this trail only, and only the configured readers decrypt",
                context: &desired.service_context(),
            },
        )
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        // A key that was just created has its policy.
        let Some(key) = context.observed.kms_key.present() else { return Ok(()) };
        let clients = KmsKey::clients(context);
        let found = context.observed.key_policy.present().map(|found| &found.0);
        let declared = declared(context.desired, account(context.desired, context.observed));
        let document = merge(found, &declared, context.desired.unmanaged).document.to_json();
        context
            .retry(|| async {
                clients
                    .kms()
                    .put_key_policy()
                    .key_id(key.arn.to_string())
                    .policy_name("default")
                    .policy(&document)
                    .send()
                    .await
                    .at(&clients, "kms:PutKeyPolicy")
            })
            .await?;
        Ok(())
    }
}
