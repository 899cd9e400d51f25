//! AWS Organizations.

mod state;

pub(in crate::sandbox) use state::{
    Creation, FULL_ACCESS, Member, Organization, OrganizationPolicy, SCP, Unit,
};

use super::{Call, Control, Reply, World, unknown_operation};

pub(super) fn call(_world: &World, _control: &mut Control, call: &Call<'_>) -> Reply {
    Err(unknown_operation(call))
}
