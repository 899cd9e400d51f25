use super::bucket_owner::AnyOwner;
use super::{At as _, AwsError, Clients};
use crate::names::{AccountId, BucketName, Partition, Region};

impl Clients {
    /// The Region in which a bucket is that these clients are for
    /// ([`Clients::bucket_owner`]).
    ///
    /// Source: S3 `GetBucketLocation`.
    ///
    /// # Errors
    /// The bucket does not exist or its location may not be read, or the location is not a
    /// Region.
    pub async fn bucket_region(&self, bucket: &BucketName) -> Result<Region, AwsError> {
        self.bucket_region_of(bucket, self.bucket_owner()).await
    }

    /// The same, where the bucket is `owner`'s: S3 denies it where it is
    /// another's. Without an owner, any owner is accepted, to find out who owns it.
    ///
    /// # Errors
    /// As [`Clients::bucket_region`], or another account owns the bucket.
    pub async fn bucket_region_of(
        &self,
        bucket: &BucketName,
        owner: Option<&AccountId>,
    ) -> Result<Region, AwsError> {
        const ACTION: &str = "s3:GetBucketLocation";
        let request = self.s3().get_bucket_location().bucket(bucket.as_str());
        let request = request.set_expected_bucket_owner(owner.map(ToString::to_string));
        let mut request = request.customize();
        if owner.is_none() {
            request = request.interceptor(AnyOwner);
        }
        let code = request.send().await.at(self, ACTION)?.location_constraint;
        let code = match code.as_ref().map(aws_sdk_s3::types::BucketLocationConstraint::as_str) {
            // The Regions of before 2010 have names of their own here: the first
            // one of the partition has none.
            None | Some("" | "null") => match Partition::of(self.region()) {
                Partition::Aws => "us-east-1",
                _ => self.region().as_str(),
            },
            Some("EU") => "eu-west-1",
            Some(code) => code,
        };
        code.parse().map_err(|_| {
            self.malformed(ACTION, &format!("the location `{code}`, which is not a Region"))
        })
    }

    /// Whether a bucket in these clients' Region may be listed; the Region as S3
    /// names it, where it does. Without an owner, whoever owns it: to find out
    /// whose it is.
    ///
    /// Source: S3 `HeadBucket`, `x-amz-bucket-region`.
    ///
    /// # Errors
    /// The bucket does not exist, may not be listed, is in another Region (the
    /// error then names it) or is not `owner`'s.
    pub async fn head_bucket(
        &self,
        bucket: &BucketName,
        owner: Option<&AccountId>,
    ) -> Result<Option<Region>, AwsError> {
        let request = self.s3().head_bucket().bucket(bucket.as_str());
        let request = request.set_expected_bucket_owner(owner.map(ToString::to_string));
        let mut request = request.customize();
        if owner.is_none() {
            request = request.interceptor(AnyOwner);
        }
        let head = request.send().await.at(self, "s3:ListBucket")?;
        Ok(head.bucket_region.and_then(|region| region.parse().ok()))
    }
}
