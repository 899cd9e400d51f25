use super::principal::Principal;
use super::section::section;
use crate::names::{Arn, KeyAlias};

section! {
    /// The KMS key that encrypts the logs: symmetric, single-Region, in the
    /// log-archive account and the archive's Region.
    pub struct Key {
        /// The key's alias, by which orgtrail finds it.
        alias: KeyAlias = default(KeyAlias::default()),
        /// The ARN of an existing key in any account and in the archive's Region, instead of
        /// `alias`. orgtrail only checks the policy of a key outside the log-archive account.
        arn: Option<Arn> = default(None::<Arn>),
        /// Whether KMS rotates the key material automatically.
        rotation: bool = default(true),
        /// Days between rotations.
        rotation_period_days: u32 = default(365_u32),
        /// Days between scheduling the key's deletion and the deletion.
        deletion_window_days: u32 = default(30_u32),
        /// Principals that can manage the key, in addition to the log-archive account's IAM
        /// policies: account ids or IAM ARNs.
        administrators: Vec<Principal> = default(Vec::<Principal>::new()),
        /// Principals that can decrypt with the key: account ids or IAM ARNs.
        readers: Vec<Principal> = default(Vec::<Principal>::new()),
    }
}
