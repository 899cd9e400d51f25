//!

use super::{Call, Control, Reply, World, unknown_operation};

/// An organization.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::sandbox) struct Organization {}

pub(super) fn call(_world: &World, _control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        _ => Err(unknown_operation(call)),
    }
}
