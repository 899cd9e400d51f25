//! Proof that an archive is what CloudTrail wrote.

pub mod digest;
pub mod public_keys;
pub mod signature;
