use super::section::{choice, section};

section! {
    /// What S3 does with logs as they age. Nothing here frees a locked object
    /// before its time.
    pub struct Lifecycle {
        /// Whether the bucket has lifecycle rules. Without them logs are kept forever, in
        /// `STANDARD`; `mfa_delete = "root"` requires that.
        enabled: bool = default(true),
        /// The storage tiers, by age. The default keeps every log readable without a restore,
        /// so it can be verified at any time. S3 moves only objects of 128 KB and more, because
        /// smaller ones would cost more there.
        tiers: Vec<Tier> = default(Tier::readable_at_once()),
        /// The size below which S3 does not move objects between classes. Default: the bucket's
        /// current setting.
        minimum_transition_size: Option<MinimumTransitionSize> =
            default(None::<MinimumTransitionSize>),
        /// How many days to keep a version after it was overwritten or deleted.
        noncurrent_days: u32 = default(365_u32),
        /// How many days after which incomplete uploads are deleted.
        abort_multipart_days: u32 = default(7_u32),
    }
}

choice! {
    /// The default size below which objects stay in their storage class.
    ///
    /// Source: S3 `TransitionDefaultMinimumObjectSize`.
    pub enum MinimumTransitionSize {
        /// 128 KB for every class.
        Every128K = "all_storage_classes_128K",
        /// 128 KB, except for the Glacier classes, which also take smaller objects.
        VariesByClass = "varies_by_storage_class",
    }
}

section! {
    /// One storage tier.
    pub struct Tier {
        /// The object's age, in days.
        days: u32 = required,
        /// The storage class that it moves to.
        storage_class: StorageClass = required,
    }
}

impl Tier {
    fn readable_at_once() -> Vec<Self> {
        vec![
            Self { days: 90, storage_class: StorageClass::StandardIa },
            Self { days: 365, storage_class: StorageClass::GlacierIr },
        ]
    }
}

choice! {
    /// A storage class that objects can be moved to.
    ///
    /// Source: S3 `Transition.StorageClass`, in the order in which a lifecycle
    /// can pass through them.
    pub enum StorageClass {
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
