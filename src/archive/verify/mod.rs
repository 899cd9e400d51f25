//! Verification that an archive is what CloudTrail wrote.
//!
//! [`chain`] is pure: it takes digests in the order of their hours and returns verified
//! digests and findings. [`log_file`] checks what a verified digest lists, [`unlisted`]
//! finds files that no digest lists. [`run`] feeds them from a [`source`], many objects at a
//! time.

pub mod attest;
pub mod chain;
pub mod clutter;
pub mod digest_delay;
pub mod finding;
pub mod log_file;
pub mod parsed_digest;
pub mod period;
pub mod place;
pub mod public_keys;
pub mod run;
pub mod source;
pub mod unlisted;

pub use orgtrail_base::cloudtrail::{digest, gzip, signature};
