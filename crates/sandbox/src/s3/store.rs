//! All buckets, under one global namespace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::RwLock;
use s3s::S3Result;

use super::bucket::{Bucket, State};
use super::error::no_such_bucket;
use super::object::{EntityTag, VersionId, scramble};

/// All buckets and their objects.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(super) buckets: RwLock<BTreeMap<Box<str>, Arc<Bucket>>>,
    /// The last number given out, to versions, uploads and opaque tags.
    pub(super) last_number: AtomicU64,
}

impl Store {
    /// The bucket of that name, with any owner.
    pub(crate) fn bucket(&self, name: &str) -> S3Result<Arc<Bucket>> {
        self.buckets.read().get(name).map(Arc::clone).ok_or_else(no_such_bucket)
    }

    /// The Region of a bucket.
    pub(crate) fn region_of(&self, name: &str) -> Option<orgtrail_base::names::Region> {
        self.buckets.read().get(name).map(|bucket| bucket.region.clone())
    }

    /// Changes the text of bucket policies, where `change` gives another one.
    pub(crate) fn change_policies(&self, change: impl Fn(&str) -> Option<String>) {
        for bucket in self.all() {
            let settings = bucket.settings();
            let text = settings.policy.as_ref().and_then(|policy| change(policy.document.text()));
            if let Some(policy) = text.and_then(|text| super::bucket_policy::parse(text).ok()) {
                bucket.change(|settings| settings.policy = Some(policy));
            }
        }
    }

    /// Every bucket, by name.
    pub(super) fn all(&self) -> Vec<Arc<Bucket>> {
        self.buckets.read().values().map(Arc::clone).collect()
    }

    pub(super) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn new_version_id(&self) -> VersionId {
        VersionId(self.next_number())
    }

    /// An entity tag that says nothing about the content, as under SSE-KMS.
    pub(super) fn opaque_tag(&self) -> EntityTag {
        let number = self.next_number();
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&scramble(number).to_be_bytes());
        digest[8..].copy_from_slice(&scramble(!number).to_be_bytes());
        EntityTag { digest, parts: None }
    }

    /// The number of versions and delete markers in a bucket, or 0.
    #[cfg(test)]
    pub(crate) fn version_count(&self, bucket: &str) -> usize {
        let Ok(bucket) = self.bucket(bucket) else { return 0 };
        let state = bucket.state.read();
        state.objects.values().map(super::object::Versions::len).sum()
    }

    /// Puts an empty bucket.
    #[cfg(test)]
    pub(crate) fn make_raw(&self, name: &str) {
        let (owner, region) = ("111111111111".parse().unwrap(), "us-east-1".parse().unwrap());
        let bucket = Bucket::new(name.parse().unwrap(), owner, region, Timestamp::UNIX_EPOCH);
        self.insert(bucket).unwrap();
    }

    /// Puts a bucket where none of that name is.
    pub(super) fn insert(&self, bucket: Bucket) -> Result<Arc<Bucket>, Arc<Bucket>> {
        use std::collections::btree_map::Entry;
        match self.buckets.write().entry(bucket.name.as_str().into()) {
            Entry::Occupied(there) => Err(Arc::clone(there.get())),
            Entry::Vacant(free) => Ok(Arc::clone(free.insert(Arc::new(bucket)))),
        }
    }
}

impl Bucket {
    pub(super) fn new(
        name: orgtrail_base::names::BucketName,
        owner: orgtrail_base::names::AccountId,
        region: orgtrail_base::names::Region,
        created: Timestamp,
    ) -> Self {
        let settings = super::bucket::Settings::of_new_bucket();
        let state = State { settings: Arc::new(settings), ..State::default() };
        Self { name, owner, region, created, state: RwLock::new(state) }
    }
}
