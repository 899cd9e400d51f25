//! Governance checks: one file each, pure over what was observed.
//!
//! A check is a `const CHECK: Check` in a file of its own and has its line in
//! [`CATALOGUE`]. It answers for every scope that it has, with one of three
//! verdicts; what could not be read is never taken for fine.

mod catalogue;
mod check;
mod coverage;
mod facts;
mod finding;
mod run;

pub use catalogue::CATALOGUE;
pub use check::{Check, Framework, Mapping, Severity};
pub use coverage::{Cell, Coverage, CoveredAccount};
pub use facts::Facts;
pub use finding::{Answer, Finding, Scope, Suppression, Verdict};
pub use run::{Compared, Run};
