use super::section::{choice, section};

section! {
    /// What S3 does with logs as they age. Nothing here frees a locked object
    /// before its time.
    pub struct Lifecycle {
        /// Whether there are lifecycle rules. Without them logs are kept for
        /// ever, in `STANDARD`; `mfa_delete = "root"` asks for that.
        enabled: bool = default(true),
        /// The storage tiers, by age. The default keeps every log readable at
        /// once, so that it can be verified without restoring; S3 moves objects
        /// of 128 KB and more only, since smaller ones would cost more there.
        tiers: Vec<Tier> = default(Tier::readable_at_once()),
        /// The size below which S3 does not move objects between classes; without
        /// it, what the bucket has stays.
        minimum_transition_size: Option<MinimumTransitionSize> =
            default(None::<MinimumTransitionSize>),
        /// Days that a version stays after something was written or deleted
        /// over it.
        noncurrent_days: u32 = default(365_u32),
        /// Days after which an upload that was never completed is dropped.
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
        /// 128 KB, but for the Glacier classes, to which smaller objects go too.
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
