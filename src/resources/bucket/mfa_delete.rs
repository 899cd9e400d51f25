use super::{BUCKET, Versioning};
use crate::aws::Observation;
use crate::config;
use crate::names::{AccountId, BucketName, Region};
use crate::resources::change::Change;
use crate::resources::{
    ApplyContext, Desired, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// S3's own MFA delete. It shares its state with [`Versioning`], and only the
/// account's root can switch it.
///
/// Source: S3 `GetBucketVersioning`, `MfaDelete`.
#[derive(Debug, Clone, Copy)]
pub struct MfaDelete;

/// What the root user must do, step by step.
pub(crate) fn runbook(account: &AccountId, bucket: &BucketName, region: &Region) -> String {
    let partition = crate::names::Partition::of(region);
    format!(
        "Only the root user of account {account} can enable MFA delete of `{bucket}`, with long-term credentials:
  1. sign in as root of {account} and assign a virtual or hardware MFA device (not a passkey)
  2. create an access key for root, and export it: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, no session token
  3. run: orgtrail mfa-delete enable --serial arn:{partition}:iam::{account}:mfa/<device> --code <6 digits>
  4. now delete root's access key
  The same by hand: aws s3api put-bucket-versioning --region {region} --bucket {bucket} --versioning-configuration Status=Enabled,MFADelete=Enabled --mfa \"<serial> <code>\""
    )
}

impl Resource for MfaDelete {
    type State = Versioning;
    const ID: &'static str = "archive-bucket/mfa-delete";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET, "archive-bucket/versioning"];
    const ACTIONS: &'static [&'static str] = &["s3:GetBucketVersioning"];
    const MAY_BE_UNDECLARED: bool = true;

    async fn observe(context: &ObserveContext<'_>) -> Observation<Versioning> {
        Versioning::observe(context).await
    }

    fn diff(desired: &Desired, found: Option<&Versioning>, observed: &Observed) -> Change {
        let archive = &desired.config.archive;
        let is_on = found.is_some_and(|found| found.mfa_delete);
        match archive.mfa_delete {
            config::MfaDelete::Root if is_on => Change::nothing(),
            config::MfaDelete::Root => {
                let rules = observed.lifecycle.present();
                if rules.is_some_and(|lifecycle| !lifecycle.rules.is_empty())
                    && archive.lifecycle.enabled
                {
                    return Change::refused(
                        "S3 does not allow MFA delete while the bucket has lifecycle rules",
                        "set archive.lifecycle.enabled = false, or archive.mfa_delete to `policy` or `vault`",
                    );
                }
                Change::blocked(
                    "MFA delete requires the root user: no role or session can enable it",
                    runbook(desired.archive(), desired.bucket(), &archive.region),
                )
            }
            config::MfaDelete::Off => Change::nothing().with_notes([
                "archive.mfa_delete is off: deleting a version requires no second factor"
                    .to_owned(),
            ]),
            config::MfaDelete::Policy | config::MfaDelete::Vault if is_on => Change::nothing()
                .with_notes([
                    "MFA delete is also enabled, so S3 allows no lifecycle rules".to_owned()
                ]),
            config::MfaDelete::Policy | config::MfaDelete::Vault => Change::nothing(),
        }
    }

    fn undeclared(desired: &Desired, found: &Versioning) -> Vec<Undeclared> {
        if desired.config.archive.mfa_delete != config::MfaDelete::Off || !found.mfa_delete {
            return Vec::new();
        }
        let what = "S3's MFA delete is enabled";
        vec![Undeclared::by_others(Self::ID, "archive.mfa_delete", what)]
    }

    async fn apply(_: &ApplyContext<'_>) -> Result<(), StepError> {
        // INVARIANT: its step never writes; only root can enable MFA delete.
        Err(StepError::Missing("root's second factor".to_owned()))
    }
}
