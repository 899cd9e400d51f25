use super::section::section;
use crate::names::Arn;

section! {
    /// Authentication of the records that orgtrail writes below `orgtrail/` in the archive,
    /// where everyone with write access can add one.
    pub struct Records {
        /// The ARN of a KMS key (`HMAC_256`, `GENERATE_VERIFY_MAC`) in any account and Region.
        /// With it, run records, acceptances and retirements get a message authentication code
        /// (`HMAC_SHA_256`), and those without a valid one are not used. Its policy should let
        /// only the role that runs orgtrail generate codes. Without it, nothing authenticates
        /// run records.
        mac_key: Option<Arn> = default(None::<Arn>),
        /// The SHA-256 of each acceptance (`orgtrail/accepted/…json`) and retirement
        /// (`orgtrail/retired/…json`) that counts, in hexadecimal, as printed by `orgtrail
        /// accept` and `orgtrail retire`. Without `mac_key`, no others count.
        acceptances: Vec<String> = default(Vec::<String>::new()),
    }
}
