use serde::Serialize;

use super::KmsKey;
use crate::aws::{At, Clients, Seen};
use crate::config::Principal;
use crate::names::{AccountId, Arn};
use crate::plan::Change;
use crate::policy::{CLOUDTRAIL, PolicyDocument, PolicyKind, Statement, merge};
use crate::resources::policy_change::policy_change;
use crate::resources::{Desired, Duty, Hands, Observed, Place, Resource, StepError};

/// The key's policy: what CloudTrail, administrators and readers may do.
///
/// Source: KMS `GetKeyPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyPolicy(pub PolicyDocument);

impl KeyPolicy {
    pub(in crate::resources) async fn observe(clients: &Clients, key: &KmsKey) -> Seen<Self> {
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
                .map_err(|_| clients.malformed(ACTION, "a policy that is no policy document"))
        });
        Seen::from_result(read, |_| false)
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
        // Without it only the principals named here could ever change the key.
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

impl Resource for KeyPolicy {
    type State = Self;
    const ID: &'static str = "kms-key/policy";
    const AFTER: &'static [&'static str] = &["kms-key"];
    const DUTY: Duty = Duty::Archive;
    const ACTIONS: &'static [&'static str] = &["kms:GetKeyPolicy", "kms:PutKeyPolicy"];

    fn place(desired: &Desired) -> Place {
        desired.in_archive()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.key_policy
    }

    fn diff(desired: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        policy_change(
            found.map(|found| &found.0),
            &declared(desired, account(desired, observed)),
            desired.foreign,
            PolicyKind::Key,
            "CloudTrail encrypts for this trail alone, and only declared readers decrypt",
        )
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        // A key that was just made got its policy with it.
        let Some(key) = hands.observed.kms_key.present() else { return Ok(()) };
        let clients = KmsKey::clients(hands);
        let found = hands.observed.key_policy.present().map(|found| &found.0);
        let declared = declared(hands.desired, account(hands.desired, hands.observed));
        let document = merge(found, &declared, hands.desired.foreign).document.to_json();
        hands
            .patiently(|| async {
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
