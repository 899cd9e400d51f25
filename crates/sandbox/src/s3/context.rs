//! One request under way: who asks, what is known, and whether they may.

use std::cell::Cell;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Region};
use s3s::{S3ErrorCode, S3Result};

use super::Store;
use super::bucket::{Bucket, Settings};
use super::error::{access_denied, refuse};
use super::session::Session;
use crate::auth::{Caller, Identity};
use crate::policy::Request;
use crate::simulation::{Control, Simulation};

/// One request under way.
pub(crate) struct CallContext<'a> {
    pub(super) simulation: &'a Simulation,
    /// INVARIANT: held for the whole of the request, and taken before any
    /// bucket's lock.
    pub(super) control: &'a Control,
    pub(super) session: &'a Session,
    /// The Region the request was signed for; `None` if unsigned.
    pub(super) region: Option<&'a Region>,
    pub(super) headers: &'a HeaderMap,
    pub(super) now: Timestamp,
    /// The answer's status, where it is not the operation's usual one.
    pub(super) status: Cell<Option<StatusCode>>,
}

/// Condition keys of a request.
pub(super) type Keys<'a> = Vec<(&'a str, String)>;

/// What the access control list of a resource would have to grant, where no
/// policy does.
pub(super) enum ByAcl<'a> {
    /// Nothing: the action cannot be granted by a list.
    No,
    /// This permission, on the bucket.
    Bucket(&'static str),
    /// This permission, on an object with this list and owner.
    Object(&'static str, Option<&'a super::object::Object>),
}

impl<'a> CallContext<'a> {
    pub(crate) fn new(
        simulation: &'a Simulation,
        control: &'a Control,
        session: &'a Session,
        headers: &'a HeaderMap,
    ) -> Self {
        Self {
            simulation,
            control,
            session,
            region: None,
            headers,
            now: simulation.clock.now(),
            status: Cell::new(None),
        }
    }

    pub(super) fn store(&self) -> &'a Store {
        &self.simulation.s3
    }

    pub(super) fn caller(&self) -> Option<&'a Caller> {
        self.session.caller.as_ref()
    }

    /// The signer's account.
    ///
    /// # Errors
    /// `AccessDenied` for anonymous requests.
    pub(super) fn account(&self) -> S3Result<&'a AccountId> {
        self.caller().map(|caller| &caller.account).ok_or_else(|| access_denied("Access Denied"))
    }

    /// The bucket that a request names, where the request may be sent.
    ///
    /// # Errors
    /// `NoSuchBucket`; `AccessDenied` when it is not whose the request expects;
    /// `PermanentRedirect` when it is in another Region than the request was
    /// signed for.
    pub(super) fn bucket(&self, name: &str, expected_owner: Option<&str>) -> S3Result<Arc<Bucket>> {
        let bucket = self.bucket_anywhere(name, expected_owner)?;
        if self.region.is_some_and(|region| *region != bucket.region) {
            let mut error = refuse(
                S3ErrorCode::PermanentRedirect,
                "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
            );
            error.set_status_code(StatusCode::MOVED_PERMANENTLY);
            error.set_headers(region_header(&bucket.region));
            return Err(error);
        }
        Ok(bucket)
    }

    /// The same, wherever the bucket is.
    pub(super) fn bucket_anywhere(
        &self,
        name: &str,
        expected_owner: Option<&str>,
    ) -> S3Result<Arc<Bucket>> {
        let bucket = self.store().bucket(name)?;
        if expected_owner.is_some_and(|owner| owner != bucket.owner.as_str()) {
            return Err(access_denied("Access Denied"));
        }
        Ok(bucket)
    }

    /// May the caller do this to the bucket itself?
    pub(super) fn allow_bucket(
        &self,
        bucket: &Bucket,
        action: &str,
        keys: Keys<'_>,
        acl: ByAcl<'_>,
    ) -> S3Result<()> {
        let resource = format!("arn:{}:s3:::{}", self.simulation.partition, bucket.name);
        self.allow(bucket, &bucket.settings(), action, &resource, keys, acl)
    }

    /// May the caller do this to an object?
    pub(super) fn allow_object(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        key: &str,
        action: &str,
        keys: Keys<'_>,
        acl: ByAcl<'_>,
    ) -> S3Result<()> {
        let resource = format!("arn:{}:s3:::{}/{key}", self.simulation.partition, bucket.name);
        self.allow(bucket, settings, action, &resource, keys, acl)
    }

    fn allow(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        action: &str,
        resource: &str,
        mut keys: Keys<'_>,
        acl: ByAcl<'_>,
    ) -> S3Result<()> {
        if let Some(tls) = &self.session.tls {
            keys.push(("s3:TlsVersion", tls.clone()));
        }
        let policy = settings.policy.as_ref();
        let request = Request {
            action,
            resource,
            resource_account: &bucket.owner,
            // A request is sent to the endpoint of the Region that it is signed for, an
            // unsigned one to the bucket's.
            region: self.region.unwrap_or(&bucket.region),
            resource_policy: policy.map(|policy| policy.document.evaluator()),
            context: &keys,
            secure_transport: self.session.tls.is_some(),
        };
        // RestrictPublicBuckets: a public policy serves AWS services and the
        // bucket's own account only.
        let outsider = self.caller().is_none_or(|caller| {
            let service = matches!(caller.identity, Identity::Service { .. });
            !service && caller.account != bucket.owner
        });
        if outsider
            && policy.is_some_and(|policy| policy.is_public)
            && settings.blocks(|block| block.restrict_public_buckets)
        {
            return Err(access_denied(
                "Access Denied: public access is restricted by the RestrictPublicBuckets setting in S3 Block Public Access",
            ));
        }
        match self.control.decide(self.caller(), &request) {
            Ok(()) => self.allow_owned_by_writer(bucket, settings, &acl),
            Err(denial) if !denial.explicit && self.acl_grants(bucket, settings, &acl) => Ok(()),
            Err(denial) => Err(access_denied(denial.message)),
        }
    }

    /// Where ACLs rule, an object belongs to its writer, and the bucket's owner
    /// reads it only if the writer's list says so.
    fn allow_owned_by_writer(
        &self,
        bucket: &Bucket,
        settings: &Settings,
        acl: &ByAcl<'_>,
    ) -> S3Result<()> {
        let ByAcl::Object(permission, Some(object)) = acl else { return Ok(()) };
        let owner = object.details.as_ref().and_then(|details| details.owner.as_ref());
        let account = self.caller().map(|caller| &caller.account);
        if settings.acls_disabled() || owner.is_none_or(|owner| Some(owner) == account) {
            return Ok(());
        }
        if self.acl_grants(bucket, settings, acl) {
            return Ok(());
        }
        Err(access_denied(format!("the object's owner has not granted {permission}")))
    }

    fn acl_grants(&self, bucket: &Bucket, settings: &Settings, acl: &ByAcl<'_>) -> bool {
        let ignore_public = settings.blocks(|block| block.ignore_public_acls);
        let account = self.caller().map(|caller| &caller.account);
        if settings.acls_disabled() {
            return false;
        }
        let (permission, list) = match acl {
            ByAcl::No => return false,
            ByAcl::Bucket(permission) => (permission, settings.acl.as_ref()),
            ByAcl::Object(permission, object) => {
                let details = object.and_then(|object| object.details.as_ref());
                (permission, details.and_then(|details| details.acl.as_ref()))
            }
        };
        // Within the bucket's own account, policies decide.
        account != Some(&bucket.owner)
            && list.is_some_and(|list| list.allows(account, permission, ignore_public))
            || list.is_some_and(|list| {
                matches!(acl, ByAcl::Object(..))
                    && account == Some(&bucket.owner)
                    && list.allows(account, permission, ignore_public)
            })
    }
}

/// The header with a bucket's Region.
pub(super) fn region_header(region: &Region) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(region.as_str()) {
        headers.insert("x-amz-bucket-region", value);
    }
    headers
}
