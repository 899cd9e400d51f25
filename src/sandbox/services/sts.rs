//!

use super::{Call, Control, Reply, World, unknown_operation};

pub(super) fn call(_world: &World, _control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        _ => Err(unknown_operation(call)),
    }
}
