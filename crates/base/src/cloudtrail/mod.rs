//! CloudTrail's formats: object keys, digests, their signatures, and gzip.

pub mod digest;
pub mod gzip;
pub mod key;
pub mod signature;
