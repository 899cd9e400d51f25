//! Amazon S3: buckets, objects, versions, locks.

/// All buckets and their objects.
#[derive(Debug, Default)]
pub(super) struct Store {}
