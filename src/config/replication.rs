use super::section::{choice, section};
use crate::names::{AccountId, BucketName, KeyAlias, Region, RoleName};

section! {
    /// Replication of the archive into a second bucket, the vault.
    pub struct Replication {
        /// The vault's name.
        bucket: BucketName = required,
        /// The vault's account; best one of its own.
        account: AccountId = derived("`organization.log_archive_account`"),
        /// The vault's Region; best another one.
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
        /// S3 moves objects by itself as they are used.
        IntelligentTiering = "INTELLIGENT_TIERING",
        /// Infrequent access, in one Availability Zone: lost with it.
        OneZoneIa = "ONEZONE_IA",
        /// Archive that is read at once.
        GlacierIr = "GLACIER_IR",
        /// Archive that is restored within hours before it is read.
        Glacier = "GLACIER",
        /// Archive that is restored within half a day before it is read.
        DeepArchive = "DEEP_ARCHIVE",
    }
}
