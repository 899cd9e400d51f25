//! The archive: what CloudTrail writes into a bucket, under which names, and
//! how it is proven.

pub mod bundle;
pub mod key;
pub mod verify;
