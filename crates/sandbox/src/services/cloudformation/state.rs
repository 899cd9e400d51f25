//! Stacks, stack sets and their operations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use orgtrail_base::names::{AccountId, Region, UnitId};
use serde::{Deserialize, Serialize};

/// Whether `StackSets` may work in the organization.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OrganizationsAccess {
    #[default]
    Disabled,
    Enabled,
    DisabledPermanently,
}

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By Region and name.
    pub(super) stacks: BTreeMap<String, Stack>,
    /// Those that the account administers, by Region and name.
    pub(super) stack_sets: BTreeMap<String, StackSet>,
    /// The role with which `StackSets` works in the account.
    pub(super) execution_role: Option<String>,
}

/// The key of something that a Region has once by its name.
pub(super) fn key(region: &Region, name: &str) -> String {
    format!("{region}/{name}")
}

/// A stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stack {
    /// Its ARN.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) template: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    /// What the status is at the first look, while the change is under way.
    pub(super) under_way: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Option<Timestamp>,
    /// The newest first: resource, status, reason.
    pub(super) events: VecDeque<StackEvent>,
    /// Its roles: logical ids and names.
    pub(super) roles: BTreeMap<String, String>,
    pub(super) outputs: BTreeMap<String, String>,
}

/// What happened to a resource of a stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StackEvent {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) resource: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
}

/// A stack set with service-managed permissions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StackSet {
    /// `name:uuid`.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) region: Region,
    pub(super) description: Option<String>,
    pub(super) template: String,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) capabilities: Vec<String>,
    pub(super) auto_deploys: bool,
    /// `RetainStacksOnAccountRemoval`.
    pub(super) retains: bool,
    /// `ManagedExecution`.
    pub(super) queues: bool,
    /// Grows with the template.
    pub(super) version: u64,
    /// The units that it is deployed to.
    pub(super) units: BTreeSet<UnitId>,
    /// The Regions that it is deployed to.
    pub(super) regions: BTreeSet<Region>,
    /// By account and Region: `111111111111/us-east-1`.
    pub(super) instances: BTreeMap<String, Instance>,
    /// The oldest first.
    pub(super) operations: Vec<Operation>,
}

/// A stack of a stack set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Instance {
    pub(super) account: AccountId,
    pub(super) region: Region,
    /// The unit through which it was targeted.
    pub(super) unit: UnitId,
    /// The version of the template that it has; 0 for none.
    pub(super) version: u64,
    /// `CURRENT`, `OUTDATED` or `INOPERABLE`.
    pub(super) status: String,
    /// `PENDING`, `RUNNING`, `SUCCEEDED`, `FAILED`, `CANCELLED`, `INOPERABLE` or
    /// `SKIPPED_SUSPENDED_ACCOUNT`.
    pub(super) detailed: String,
    pub(super) reason: Option<String>,
    /// The ARN of its stack.
    pub(super) stack: Option<String>,
    pub(super) last_operation: String,
}

/// What an operation does with instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Action {
    Create,
    Update,
    Delete,
}

impl Action {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// An operation of a stack set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) action: Action,
    /// `QUEUED`, `RUNNING`, `SUCCEEDED` or `FAILED`.
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    /// Until when its progress is counted.
    pub(super) continued_at: Timestamp,
    pub(super) preferences: Preferences,
    /// The instances that it has not reached, by their keys, in order.
    pub(super) pending: VecDeque<String>,
    /// How many instances it began with.
    pub(super) total: usize,
    /// By the instances' keys: account, Region, unit, status and reason.
    pub(super) results: BTreeMap<String, OperationResult>,
    pub(super) retains_stacks: bool,
    pub(super) units: Vec<UnitId>,
    pub(super) accounts: Vec<AccountId>,
    pub(super) filter: Option<String>,
}

/// How an operation went in one account and Region.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OperationResult {
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) unit: UnitId,
    pub(super) status: String,
    pub(super) reason: Option<String>,
}

/// How fast an operation goes, and when it gives up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Preferences {
    pub(super) tolerated: Share,
    pub(super) concurrent: Share,
    /// Whether failures do not reduce the concurrency.
    pub(super) is_soft: bool,
    pub(super) region_order: Vec<Region>,
}

/// A number, or a percentage of the instances.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) enum Share {
    #[default]
    Default,
    Count(i64),
    Percentage(i64),
}

impl Share {
    /// Of how many; `usual` if it is not given.
    pub(super) fn of(self, total: usize, usual: usize) -> usize {
        match self {
            Self::Default => usual,
            Self::Count(count) => usize::try_from(count).unwrap_or_default(),
            Self::Percentage(share) => total * usize::try_from(share).unwrap_or_default() / 100,
        }
    }
}

impl Operation {
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.status.as_str(), "QUEUED" | "RUNNING")
    }
}

impl StackSet {
    /// Whether an operation is running or queued.
    pub(super) fn is_busy(&self) -> bool {
        self.operations.iter().any(|operation| !operation.is_over())
    }
}

/// The key of an instance.
pub(super) fn instance_key(account: &AccountId, region: &Region) -> String {
    format!("{account}/{region}")
}
