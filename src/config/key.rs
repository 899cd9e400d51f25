use super::principal::Principal;
use super::section::section;
use crate::names::{Arn, KeyAlias};

section! {
    /// The KMS key that encrypts the logs: symmetric, single-Region, in the
    /// log-archive account and the archive's Region.
    pub struct Key {
        /// The key's alias, by which it is found again.
        alias: KeyAlias = default(KeyAlias::default()),
        /// The ARN of an existing key, of any account and in the archive's
        /// Region, in place of `alias`. The policy of a key outside the
        /// log-archive account is its owner's: orgtrail only checks it.
        arn: Option<Arn> = default(None::<Arn>),
        /// Whether KMS rotates the key's material by itself.
        rotation: bool = default(true),
        /// Days between two rotations.
        rotation_period_days: u32 = default(365_u32),
        /// Days between the scheduling of the key's deletion and the deletion.
        deletion_window_days: u32 = default(30_u32),
        /// Who may manage the key, besides the log-archive account's own IAM
        /// policies: account ids or IAM ARNs.
        administrators: Vec<Principal> = default(Vec::<Principal>::new()),
        /// Who may decrypt with it: account ids or IAM ARNs.
        readers: Vec<Principal> = default(Vec::<Principal>::new()),
    }
}
