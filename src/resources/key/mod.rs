//! The key that encrypts the logs, its alias, policy and rotation.

mod alias;
mod kms_key;
mod policy;
mod rotation;

pub(crate) use alias::Alias;
pub use kms_key::KmsKey;
pub(crate) use kms_key::is_key;
pub(super) use kms_key::{FoundBy, describe, find_without_alias};
pub use policy::KeyPolicy;
pub use rotation::Rotation;
