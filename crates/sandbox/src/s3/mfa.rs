//! MFA delete: the bucket owner's root user, with long-term keys and a device.

use orgtrail_base::names::AccountId;
use s3s::{S3ErrorCode, S3Result};

use super::bucket::{Bucket, Settings};
use super::context::CallContext;
use super::error::{access_denied, refuse};
use crate::auth::Identity;
use crate::clock::real_now;
use crate::services::iam::Holder;
use crate::totp;

impl CallContext<'_> {
    /// Whether a version may be deleted as far as MFA delete goes.
    pub(super) fn check_mfa(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        header: Option<&str>,
    ) -> S3Result<()> {
        if settings.mfa_delete { self.prove_mfa(bucket, header) } else { Ok(()) }
    }

    /// Demands the owner's root user and a fresh code of its device:
    /// `x-amz-mfa: SERIAL CODE`.
    pub(super) fn prove_mfa(&self, bucket: &Bucket, header: Option<&str>) -> S3Result<()> {
        let denied = || access_denied("Mfa Authentication must be used for this request");
        let caller = self.caller().ok_or_else(denied)?;
        let Some((serial, code)) = header.and_then(|text| text.trim().split_once(' ')) else {
            return Err(denied());
        };
        let is_owners_root = caller.identity == Identity::Root
            && !caller.temporary
            && caller.account == bucket.owner;
        if !is_owners_root {
            return Err(denied());
        }
        if self.session.tls.is_none() {
            return Err(refuse(
                S3ErrorCode::InvalidRequest,
                "MFA Authentication is only supported over HTTPS",
            ));
        }
        if self.is_mfa_code_valid(&bucket.owner, serial, code.trim()) {
            Ok(())
        } else {
            Err(denied())
        }
    }

    fn is_mfa_code_valid(&self, owner: &AccountId, serial: &str, code: &str) -> bool {
        let devices = self.control.accounts.get(owner).map(|account| &account.iam.mfa_devices);
        devices.and_then(|devices| devices.get(serial)).is_some_and(|device| {
            // Devices and their holders go by the real clock.
            device.holder == Some(Holder::Root) && totp::accepts(&device.seed, code, real_now())
        })
    }
}
