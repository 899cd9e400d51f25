use super::section::section;
use crate::names::Arn;

section! {
    /// What authenticates the records that orgtrail writes below `orgtrail/` in the
    /// archive: everyone with write access there can write one.
    pub struct Records {
        /// The ARN of a KMS key (`HMAC_256`, `GENERATE_VERIFY_MAC`) of any account and
        /// Region. With it, run records, acceptances and retirements get a message authentication
        /// code (`HMAC_SHA_256`), and those without a valid one are not used. Its policy
        /// should let only the role that runs orgtrail generate codes. Without it,
        /// nothing authenticates run records.
        mac_key: Option<Arn> = default(None::<Arn>),
        /// The SHA-256 of acceptances (`orgtrail/accepted/…json`) and of retirements
        /// (`orgtrail/retired/…json`) that count, in hexadecimal: `orgtrail accept` and
        /// `orgtrail retire` print them. Without `mac_key` no other counts.
        acceptances: Vec<String> = default(Vec::<String>::new()),
    }
}
