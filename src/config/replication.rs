use super::section::{choice, section};
use crate::names::{AccountId, BucketName, KeyAlias, Region, RoleName};

section! {
    /// Replication of the archive to a second bucket, the vault.
    pub struct Replication {
        /// The vault's name.
        bucket: BucketName = required,
        /// The vault's account; preferably a separate one.
        account: AccountId = derived("`organization.log_archive_account`"),
        /// The vault's Region; preferably a different one.
        region: Region = derived("`archive.region`"),
        /// The role in the log-archive account with which S3 replicates.
        role: RoleName = default(RoleName::replication()),
        /// The alias of the key in the vault's account and Region that encrypts
        /// the replicas.
        key_alias: KeyAlias = default(KeyAlias::vault()),
        /// The replicas' storage class.
        storage_class: ReplicationStorageClass = default(ReplicationStorageClass::Standard),
    }
}

choice! {
    /// A storage class that replicas can be written in.
    ///
    /// Source: S3 `Destination.StorageClass`.
    pub enum ReplicationStorageClass {
        /// Frequent access.
        Standard = "STANDARD",
        /// Infrequent access.
        StandardIa = "STANDARD_IA",
        /// S3 moves objects between tiers by their use.
        IntelligentTiering = "INTELLIGENT_TIERING",
        /// Infrequent access in a single Availability Zone; lost if that zone is lost.
        OneZoneIa = "ONEZONE_IA",
        /// Archive with instant access.
        GlacierIr = "GLACIER_IR",
        /// Archive; objects must be restored first, which takes hours.
        Glacier = "GLACIER",
        /// Archive; objects must be restored first, which takes half a day.
        DeepArchive = "DEEP_ARCHIVE",
    }
}
