//! Governance checks, pure over the observed facts.
//!
//! A check with a rule of its own is a `const CHECK: Check` in a file of its own.
//! Those that only compare resources with the configuration are rows of
//! `declared.rs`, and those of the alarms are rows of `alarms.rs`. Each has its line
//! in [`CATALOGUE`] and its row in `table/rows.rs`. A check returns a verdict for every
//! scope that it has: passed, failed, unknown, or not configured. What could not be read
//! is unknown, never passed.

mod alarms;
mod bucket_cross_account;
mod bucket_mfa_delete;
mod bucket_object_lock;
mod bucket_policy_digest_safe;
mod bucket_policy_source_arn;
mod bucket_public_access;
mod bucket_retention_conflict;
mod bucket_tls_only;
mod catalogue;
mod causes;
mod chains;
mod check;
mod coverage;
mod declared;
mod facts;
mod finding;
mod gather;
mod guardrail_scp;
mod judge;
mod key_not_public;
mod key_policy_scope;
mod key_single_region;
mod log_group_encrypted;
mod log_group_retention;
mod neighbors;
mod newest;
mod org_coverage;
mod org_delivery_freshness;
mod org_digest_chain;
mod org_new_accounts;
mod org_root_access;
mod org_trail_identity;
mod org_unmanaged_trails;
mod plan_empty;
mod principals;
mod rcp_archive;
mod run;
#[cfg(test)]
pub(crate) mod table;
mod trail_cloudwatch_logs;
mod trail_data_events;
mod trail_duplicates;
mod trail_is_logging;
mod trail_kms;
mod trail_log_validation;
mod trail_multi_region;
mod trail_notifies;
mod trail_selectors_named;
mod undeclared;

pub use catalogue::CATALOGUE;
pub use causes::Cause;
pub use check::{Check, Framework, Mapping, Rule, Severity};
pub use coverage::{Cell, Coverage, CoveredAccount};
pub use declared::{Optional, Subject};
pub use facts::{AccountFacts, Facts, Inside, OtherTrail, TrailStatus};
pub use finding::{CheckResult, Finding, Scope, Suppression, Verdict};
pub(crate) use gather::resource_policies;
pub use gather::{Progress, Silent, read_accounts};
pub use neighbors::{NeighborStatus, read_neighbor};
pub(crate) use org_root_access::ROOT_SESSIONS;
pub use plan_empty::PLAN_EMPTY;
pub use run::{Compared, Run};
