//! What the state of the service needs where it is a bucket: what `serve` and `status` call.

use super::grant::{Grant, Scope};
use crate::config::{Config, Place, StatePlace};
use crate::names::AccountId;

/// The declared owner of the state bucket, whose role reads and writes it. Without one, the
/// credentials that orgtrail starts with do.
pub(super) fn owner(config: &Config) -> Option<&AccountId> {
    let is_bucket = config.service.state.as_ref().and_then(StatePlace::bucket).is_some();
    config.service.state_account.as_ref().filter(|_| is_bucket)
}

/// Reading and writing the state; nothing where it is a directory.
pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let Some(Place::Bucket { bucket, prefix }) =
        scope.config.service.state.as_ref().map(StatePlace::place)
    else {
        return Vec::new();
    };
    let objects = match prefix {
        Some(prefix) => format!("{bucket}/{prefix}/*"),
        None => format!("{bucket}/*"),
    };
    vec![
        Grant::new(
            "ListState",
            ["s3:GetBucketLocation", "s3:ListBucket"],
            [scope.s3(bucket.as_str())],
            "Finds the state bucket's Region and lists its rounds and claims. A condition on the \
             prefix would make a missing object look like a denied one.",
        ),
        Grant::new(
            "WriteState",
            ["s3:GetObject", "s3:PutObject"],
            [scope.s3(objects)],
            "Reads the state, creates its objects, and replaces heartbeats. It deletes nothing.",
        ),
    ]
}
