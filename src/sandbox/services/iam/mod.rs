//! AWS Identity and Access Management.

mod state;

pub(in crate::sandbox) use state::{
    Grants, Group, Holder, ManagedPolicy, MfaDevice, Role, State, User, arn, bare,
};

use super::{Call, Control, Reply, World, unknown_operation};

pub(super) fn call(_world: &World, _control: &mut Control, call: &Call<'_>) -> Reply {
    Err(unknown_operation(call))
}
