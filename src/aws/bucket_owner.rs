//! Who must own a bucket, stated with every call that names one.
//!
//! Names of buckets are shared by all accounts: one that was never created, was
//! mistyped, or was deleted may belong to anyone, who then decides what is stored or
//! returned. S3 compares the stated owner before it reads or writes, so that
//! no time passes between a check and a write.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointResolverParams;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use crate::names::AccountId;

/// The account that must own the bucket of a call.
pub(super) const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";
/// The account that must own the bucket that a copy reads.
const SOURCE_OWNER: &str = "x-amz-source-expected-bucket-owner";
/// What a copy inside S3 reads.
const COPY_SOURCE: &str = "x-amz-copy-source";
/// The call that takes no owner: the bucket has none yet.
const CREATES: &str = "CreateBucket";
/// The calls that determine a bucket's owner and Region. Only these may accept any owner;
/// they read and write no data.
const DISCOVERS: [&str; 2] = ["HeadBucket", "GetBucketLocation"];

/// States the expected owner with every call of S3 that names a bucket, and fails
/// the call where none is known.
///
/// INVARIANT: nothing that names a bucket leaves without an expected owner, but for
/// [`CREATES`] and what asks for [`AnyOwner`] among [`DISCOVERS`].
#[derive(Debug)]
pub(super) struct StateBucketOwner {
    /// The owner of the buckets that the clients are for.
    pub(super) owner: Option<AccountId>,
}

/// Lets one call accept any owner of a bucket, to determine who owns it.
#[derive(Debug)]
pub(super) struct AnyOwner;

/// [`AnyOwner`], noted in a call's configuration.
#[derive(Debug)]
struct Anybody;

impl Storable for Anybody {
    type Storer = StoreReplace<Self>;
}

/// A call that states no owner.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Unstated {
    #[error("{operation} names the bucket `{bucket}`, whose expected owner is unknown")]
    Owner { operation: String, bucket: String },
    #[error("{operation} copies `{copied}` without the expected owner of its bucket")]
    SourceOwner { operation: String, copied: String },
}

#[dyn_dispatch_hint]
impl Intercept for AnyOwner {
    fn name(&self) -> &'static str {
        "AnyOwner"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(Anybody);
        Ok(())
    }
}

#[dyn_dispatch_hint]
impl Intercept for StateBucketOwner {
    fn name(&self) -> &'static str {
        "StateBucketOwner"
    }

    // Before the signature, which covers it.
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let params = config.load::<EndpointResolverParams>();
        let params = params.and_then(|it| it.get::<aws_sdk_s3::config::endpoint::Params>());
        let Some(bucket) = params.and_then(|params| params.bucket()) else { return Ok(()) };
        let operation = config.load::<Metadata>().map_or("a call", |it| it.name());
        if operation == CREATES {
            return Ok(());
        }
        let (anybody, bucket) = (config.load::<Anybody>().is_some(), bucket.to_owned());
        let operation = operation.to_owned();
        let headers = context.request_mut().headers_mut();
        if headers.get(EXPECTED_OWNER).is_none() {
            if anybody && DISCOVERS.contains(&operation.as_str()) {
                return Ok(());
            }
            let Some(owner) = &self.owner else {
                return Err(Unstated::Owner { operation, bucket }.into());
            };
            headers.insert(EXPECTED_OWNER, owner.as_str().to_owned());
        }
        match headers.get(COPY_SOURCE) {
            Some(copied) if headers.get(SOURCE_OWNER).is_none() => {
                let copied = copied.to_owned();
                Err(Unstated::SourceOwner { operation, copied }.into())
            }
            _ => Ok(()),
        }
    }
}
