use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, AwsError, Clients, Observation, WriteClients};
use crate::config::MfaDelete;
use crate::names::BucketName;
use crate::policy::{CLOUDTRAIL, PolicyDocument, PolicyKind, Statement, merge};
use crate::resources::change::Change;
use crate::resources::policy_change::{DeclaredPolicy, policy_change};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// The bucket's policy: who may write, who may read, and what nobody may.
///
/// Source: S3 `GetBucketPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy(pub PolicyDocument);

impl Policy {
    pub(super) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        const ACTION: &str = "s3:GetBucketPolicy";
        let answer = clients.s3().get_bucket_policy().bucket(bucket.as_str()).send().await;
        let read = answer.at(clients, ACTION).and_then(|answer| {
            let Some(text) = answer.policy.filter(|text| !text.is_empty()) else { return Ok(None) };
            let document = text.parse();
            document
                .map(|document| Some(Self(document)))
                .map_err(|_| clients.malformed(ACTION, "a policy that is not a policy document"))
        });
        Observation::from_result(read, AwsError::is_not_found).flatten()
    }

    pub(super) async fn put(
        clients: &WriteClients,
        bucket: &BucketName,
        document: &PolicyDocument,
    ) -> Result<(), AwsError> {
        clients
            .s3()
            .put_bucket_policy()
            .bucket(bucket.as_str())
            .policy(document.to_json())
            .send()
            .await
            .at(clients, "s3:PutBucketPolicy")?;
        Ok(())
    }
}

/// The policy that the config declares.
pub(crate) fn declared(desired: &Desired) -> PolicyDocument {
    let archive = &desired.config.archive;
    let bucket = desired.bucket().as_str();
    let bucket_arn = desired.s3_arn(bucket).to_string();
    let objects = desired.s3_arn(format!("{bucket}/*")).to_string();
    let trail = desired.trail_arn().to_string();
    let written = desired
        .log_prefixes()
        .map(|prefix| desired.s3_arn(format!("{bucket}/{prefix}*")).to_string());

    let mut statements = vec![
        Statement::allow("OrgTrailAclCheck")
            .service(CLOUDTRAIL)
            .actions(["s3:GetBucketAcl"])
            .resources([&bucket_arn])
            .when("StringEquals", "aws:SourceArn", [&trail]),
        Statement::allow("OrgTrailWrite")
            .service(CLOUDTRAIL)
            .actions(["s3:PutObject"])
            .resources(written)
            .when("StringEquals", "aws:SourceArn", [&trail])
            .when("StringEquals", "s3:x-amz-acl", ["bucket-owner-full-control"]),
    ];
    statements.extend(tls([&bucket_arn, &objects], archive.tls_floor.as_str()));
    statements.push(
        // Digests are encrypted with the trail's key, or with SSE-S3 if the trail is
        // older: allowing only one of them would lose digests.
        Statement::deny("OrgTrailEncryption")
            .anyone()
            .actions(["s3:PutObject"])
            .resources([&objects])
            .when("Null", "s3:x-amz-server-side-encryption", ["false"])
            .when("StringNotEquals", "s3:x-amz-server-side-encryption", ["aws:kms", "AES256"]),
    );
    if archive.mfa_delete == MfaDelete::Policy {
        statements.extend(delete_guard(desired, &bucket_arn, &objects));
    }
    if !archive.readers.is_empty() {
        let readers: Vec<String> = archive
            .readers
            .iter()
            .map(|reader| reader.arn(desired.partition()).to_string())
            .collect();
        statements.push(
            Statement::allow("OrgTrailList")
                .principals(readers.clone())
                .actions(["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"])
                .resources([&bucket_arn]),
        );
        statements.push(
            Statement::allow("OrgTrailRead")
                .principals(readers)
                .actions(["s3:GetObject", "s3:GetObjectVersion"])
                .resources([&objects]),
        );
    }
    PolicyDocument::new(statements)
}

/// Denies requests without TLS, or with a version below the minimum.
pub(super) fn tls(resources: [&String; 2], floor: &str) -> [Statement; 2] {
    [
        Statement::deny("OrgTrailTlsOnly").anyone().actions(["s3:*"]).resources(resources).when(
            "Bool",
            "aws:SecureTransport",
            ["false"],
        ),
        Statement::deny("OrgTrailTlsFloor").anyone().actions(["s3:*"]).resources(resources).when(
            "NumericLessThan",
            "s3:TlsVersion",
            [floor],
        ),
    ]
}

/// Deleting versions requires a recent second factor from everybody; changing the
/// bucket's settings requires it from everybody except orgtrail's own role, which has
/// none.
fn delete_guard(desired: &Desired, bucket: &String, objects: &String) -> Vec<Statement> {
    let age = desired.config.archive.mfa_max_age_seconds.to_string();
    let own: Vec<String> = desired.own_roles.iter().map(ToString::to_string).collect();
    let versions = |sid: &str| {
        Statement::deny(sid)
            .anyone()
            .actions([
                "s3:BypassGovernanceRetention",
                "s3:DeleteBucket",
                "s3:DeleteObjectVersion",
                "s3:PutObjectLegalHold",
                "s3:PutObjectRetention",
            ])
            .resources([bucket, objects])
    };
    let settings = |sid: &str| {
        let statement = Statement::deny(sid)
            .anyone()
            .actions([
                "s3:DeleteBucketPolicy",
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
                "s3:PutReplicationConfiguration",
            ])
            .resources([bucket]);
        if own.is_empty() {
            statement
        } else {
            statement.when("ArnNotLike", "aws:PrincipalArn", own.clone())
        }
    };
    let without = |s: Statement| s.when("BoolIfExists", "aws:MultiFactorAuthPresent", ["false"]);
    let stale =
        |s: Statement| s.when("NumericGreaterThan", "aws:MultiFactorAuthAge", [age.clone()]);
    vec![
        without(versions("OrgTrailDeleteMfa")),
        stale(versions("OrgTrailDeleteMfaAge")),
        without(settings("OrgTrailSettingsMfa")),
        stale(settings("OrgTrailSettingsMfaAge")),
    ]
}

impl Resource for Policy {
    type State = Self;
    const ID: &'static str = "archive-bucket/policy";
    const DEPENDS_ON: &'static [&'static str] = &[
        BUCKET,
        "archive-bucket/versioning",
        "archive-bucket/ownership",
        "archive-bucket/public-access",
        "archive-bucket/object-lock",
        "archive-bucket/encryption",
    ];
    const ACTIONS: &'static [&'static str] = &["s3:GetBucketPolicy", "s3:PutBucketPolicy"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        let mut context = desired.service_context();
        // Logs are encrypted with the trail's key.
        context.push(("s3:x-amz-server-side-encryption", "aws:kms".to_owned()));
        if let Some(key) = observed.kms_key.present() {
            context.push(("s3:x-amz-server-side-encryption-aws-kms-key-id", key.arn.to_string()));
        }
        policy_change(
            found.map(|found| &found.0),
            &DeclaredPolicy {
                document: &declared(desired),
                unmanaged: desired.unmanaged,
                kind: PolicyKind::Bucket,
                why: "only the trail writes, only over TLS, and nothing is deleted without a second factor",
                context: &context,
            },
        )
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.archive();
        let found = context.observed.bucket_policy.present().map(|found| &found.0);
        let merged = merge(found, &declared(context.desired), context.desired.unmanaged);
        let bucket = context.desired.bucket();
        context.retry(|| Self::put(&clients, bucket, &merged.document)).await
    }
}
