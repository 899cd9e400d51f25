//! The archive: what CloudTrail writes into a bucket, under which names, and
//! how it is proven.

pub mod accept;
pub mod authenticity;
pub mod batches;
pub(crate) mod blocking;
pub mod bundle;
pub mod consolidate;
pub mod contention;
pub mod inventory;
pub mod proofs;
pub mod retire;
pub mod retired;
pub mod sequence;
pub mod shard;
mod stored;
pub mod verify;

pub use orgtrail_base::cloudtrail::key;
