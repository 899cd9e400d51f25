use jiff::civil::Date;

use super::s3_location::S3Location;
use super::section::{choice, section};
use crate::names::{AccountId, Arn, DatabaseName, Region, WorkgroupName};

section! {
    /// Tables and queries over the archive for Amazon Athena. Off without this section.
    pub struct Athena {
        /// The first day that the tables have, in UTC: `2024-01-31`. Athena does not see older
        /// log files, and a query without a condition on `day` lists every day from then on.
        first_day: Date = required,
        /// The account of the tables, the workgroup and the results. Queries read the archive
        /// with the permissions of the person who runs them.
        account: AccountId = derived("`organization.log_archive_account`"),
        /// Their Region. Another one than the archive's costs data transfer for every query.
        region: Region = derived("`archive.region`"),
        /// The database of the AWS Glue Data Catalog with the tables.
        database: DatabaseName = default(DatabaseName::default()),
        /// The workgroup in which queries run.
        workgroup: WorkgroupName = default(WorkgroupName::default()),
        /// Where Athena writes results: `s3://BUCKET/PREFIX`. orgtrail creates the bucket and
        /// configures it. Results contain log data.
        results: S3Location = derived("`archive.bucket` with `-athena-results`"),
        /// After how many days results are deleted.
        results_days: u32 = default(30_u32),
        /// The ARN of a KMS key in `region` that encrypts results; the person who runs queries needs
        /// `kms:GenerateDataKey` and `kms:Decrypt` on it. By default, S3 encrypts them with its
        /// own keys (SSE-S3).
        kms_key: Option<Arn> = default(None::<Arn>),
        /// The most that one query may scan before Athena cancels it. Units: bytes, from
        /// 10,000,000. The default costs $5 in most Regions.
        scan_limit_bytes: u64 = default(1_000_000_000_000_u64),
        /// How Athena knows the accounts that have log files.
        projection: AccountProjection = default(AccountProjection::Injected),
        /// Where `orgtrail events export --format parquet` writes: `s3://BUCKET/PREFIX`, in
        /// `account`. With it, there is a second table over the exported events.
        export: Option<S3Location> = default(None::<S3Location>),
        /// Whether there are named queries in the workgroup, and query definitions of CloudWatch
        /// Logs Insights for the trail's log group.
        named_queries: bool = default(true),
    }
}

choice! {
    /// How Athena knows the accounts that have log files.
    ///
    /// Source: Athena User Guide, "Supported types for partition projection".
    pub enum AccountProjection {
        /// From the query, which must name its accounts: `account IN ('111111111111')`. For any
        /// number of accounts.
        Injected = "injected",
        /// From a list in the table, which `apply` keeps up to date. A query that names no
        /// account searches all of them. For at most a few dozen accounts.
        Enum = "enum",
    }
}
