use super::section::{choice, section};
use crate::names::{AccountId, BucketName, KeyPrefix, Region};

section! {
    /// What is brought into the archive besides what the organization trail
    /// writes, and how.
    pub struct Consolidate {
        /// Buckets with logs that no trail tells of any more, besides those
        /// that are found.
        sources: Vec<DeclaredSource> = default(Vec::<DeclaredSource>::new()),
        /// Sources that are left where they are, by name, as `sources` prints
        /// it: `s3://<bucket>[/<prefix>]`, with `*` for anything.
        exclude: Vec<String> = default(Vec::<String>::new()),
        /// For how many days after its end late files are expected for a day.
        overlap_days: u32 = default(2_u32),
        /// The storage class that copies are written in.
        storage_class: CopyStorageClass = default(CopyStorageClass::Standard),
    }
}

section! {
    /// A bucket, or a prefix of one, that holds logs of CloudTrail.
    pub struct DeclaredSource {
        /// The bucket.
        bucket: BucketName = required,
        /// What stands before `AWSLogs/` in its keys.
        prefix: Option<KeyPrefix> = default(None::<KeyPrefix>),
        /// The account with whose role it is read; `[roles.accounts]` may name
        /// another role for it.
        account: AccountId = required,
        /// The account that owns the bucket, where that is not `account` or another
        /// account of the organization.
        owner: Option<AccountId> = default(None::<AccountId>),
        /// The bucket's Region; without it, S3 is asked.
        region: Option<Region> = default(None::<Region>),
    }
}

choice! {
    /// A storage class that can be read at once, as verification does.
    pub enum CopyStorageClass {
        /// Frequent access.
        Standard = "STANDARD",
        /// Infrequent access.
        StandardIa = "STANDARD_IA",
        /// S3 moves objects by itself as they are used.
        IntelligentTiering = "INTELLIGENT_TIERING",
        /// Infrequent access, in one Availability Zone: lost with it.
        OneZoneIa = "ONEZONE_IA",
        /// Archive that is read at once.
        GlacierIr = "GLACIER_IR",
    }
}

impl Consolidate {
    /// Whether a source of that name is left where it is.
    #[must_use]
    pub fn excludes(&self, name: &str) -> bool {
        matches_any(&self.exclude, name)
    }
}

/// Whether a name matches one of the patterns, with `*` for anything.
#[must_use]
pub fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| iam_rs::Arn::wildcard_match(name, pattern))
}

impl DeclaredSource {
    /// How reports name it, and patterns mean it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("s3://{}/{prefix}", self.bucket),
            None => format!("s3://{}", self.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, holds) in [
            ("s3://legacy-a", "s3://legacy-a", true),
            ("s3://legacy-a", "s3://legacy-ab", false),
            ("s3://legacy-*", "s3://legacy-ab", true),
            ("*-ab", "s3://legacy-ab", true),
            ("s3://*-a*b", "s3://legacy-ab", true),
            ("s3://x*", "s3://legacy-ab", false),
            ("*", "anything", true),
        ] {
            assert_eq!(matches_any(&[pattern.to_owned()], name), holds, "{pattern} {name}");
        }
    }
}
