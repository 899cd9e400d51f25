//!

use super::{Call, Control, Reply, World, unknown_operation};

/// What one account holds.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::sandbox) struct State {}

pub(super) fn call(_world: &World, _control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        _ => Err(unknown_operation(call)),
    }
}
