use crate::names::{AccountId, Region};
use crate::resources::change::{Action, FieldChange, Irreversible, ResourceId};

/// One step of a plan: what happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The resource.
    pub id: ResourceId,
    /// The account it is in.
    pub account: AccountId,
    /// The Region it is in; absent for what an account has once.
    pub region: Option<Region>,
    /// What is done.
    pub action: Action,
    /// Field by field, before and after.
    pub changes: Vec<FieldChange>,
    /// Why; empty if nothing is done.
    pub why: String,
    /// What to do about it, if the step is blocked or refused.
    pub hint: Option<String>,
    /// Whether the resource could not be read.
    pub unreadable: bool,
    /// What cannot be undone.
    pub irreversible: Option<Irreversible>,
    /// Further information, such as unmanaged statements that are kept.
    pub notes: Vec<String>,
    /// The resources that must match the configuration first.
    pub depends_on: Vec<ResourceId>,
}
