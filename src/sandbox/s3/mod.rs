//! Amazon S3: buckets, objects, versions, locks.

/// All buckets and their objects.
#[derive(Debug, Default)]
pub(super) struct Store {}

/// The protocol's server over the world's buckets.
pub(super) fn service(_world: std::sync::Arc<super::world::World>) -> s3s::service::S3Service {
    struct Nothing;
    impl s3s::S3 for Nothing {}
    s3s::service::S3ServiceBuilder::new(Nothing).build()
}
