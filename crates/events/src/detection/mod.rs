//! Detection: events that concern the trail, its bucket, key and guards, sign-ins, and the
//! user's own rules, which are Sigma rules.
//!
//! - [`TrailFacts`] says which resources are ours, [`Detector`] compares events with them by
//!   the rules of [`table`].
//! - [`FirstUses`] finds Regions that an account uses for the first time.
//! - [`sigma`] reads and evaluates Sigma rules.
//! - [`Findings`] joins what was detected into bounded groups.

mod concerns;
mod detector;
mod facts;
mod finding;
mod first_use;
mod rule;
pub mod sigma;
mod sign_in;
pub mod table;

pub use self::concerns::Certainty;
pub use self::detector::{Detected, Detector};
pub use self::facts::{Kind, OwnCalls, OwnResource, TrailFacts};
pub use self::finding::{EventRef, Finding, Findings, RuleInfo, SigmaSource};
pub use self::first_use::{FirstUse, FirstUses, FirstUsesSummary};
pub use self::rule::{About, Calls, Condition, Rule};
pub use self::sign_in::{FAILURES, WITHIN};
