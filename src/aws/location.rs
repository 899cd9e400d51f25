use super::{At as _, AwsError, Clients};
use crate::names::{BucketName, Partition, Region};

impl Clients {
    /// The Region in which a bucket is.
    ///
    /// Source: S3 `GetBucketLocation`.
    ///
    /// # Errors
    /// The bucket is not there or may not be asked for, or its location is no
    /// Region.
    pub async fn bucket_region(&self, bucket: &BucketName) -> Result<Region, AwsError> {
        const ACTION: &str = "s3:GetBucketLocation";
        let answer = self.s3().get_bucket_location().bucket(bucket.as_str()).send().await;
        let code = answer.at(self, ACTION)?.location_constraint;
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
            self.malformed(ACTION, &format!("the location `{code}`, which is no Region"))
        })
    }
}
