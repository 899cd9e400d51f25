//! Who was behind an event: from a session back to the person or the workload, hop by hop.
//!
//! A session of temporary credentials names its role and a text that its caller chose. Who
//! the caller was is in another record: that of the call that issued the credentials, which
//! may be in another account and Region. The links between the two, and what each proves:
//!
//! | link | strength |
//! |---|---|
//! | the access key in the issuing call's response is the session's | proven |
//! | `sharedEventID` joins the records of one call in two accounts | proven |
//! | `onBehalfOf`, `sessionIssuer` of a user, `ec2RoleDelivery`: written by AWS into the session | proven |
//! | `assumedRoleId` is the session's principal id, and the call was made within [`TOLERANCE`] of the session's creation | bounded: another session of the same name can have begun in the same seconds |
//! | a sign-in of the same principal within [`TOLERANCE`] of the session's creation | bounded |
//! | IAM Identity Center gave out the role's credentials within [`TOLERANCE`] | bounded |
//! | `assumedRoleId` alone, without the session's creation | claimed: it is the same for every session of the role and name |
//! | the session's name, `sourceIdentity`, the name of a federated user | claimed: the caller chose them |
//!
//! **Invariant**: a claimed link never resolves a session. Two principals are the same only
//! if their unique ids are, because a user that was deleted and created again has the same
//! name and ARN.
//!
//! Sources: CloudTrail User Guide, "CloudTrail userIdentity element"; IAM User Guide, "Logging
//! IAM and AWS STS API calls with AWS CloudTrail", "Monitor and control actions taken with
//! assumed roles"; IAM Identity Center User Guide, "CloudTrail use cases".

pub mod actor;
pub mod answer;
pub mod descend;
mod ends;
pub mod fact;
pub mod index;
pub mod question;
pub mod resolve;
mod step;
mod texts;

#[cfg(test)]
mod links;
#[cfg(test)]
mod world;

use jiff::SignedDuration;

pub use self::actor::Actor;
pub use self::answer::{Answer, Chain, Hop, Link, Origin, Strength, Verdict};
pub use self::ends::named_in_record;
pub use self::index::Index;
pub use self::question::Question;
pub use self::resolve::Recorded;
pub use self::texts::Word;

/// How far the creation of a session may be from the time of the call that issued it.
///
/// Both have whole seconds. In recorded pairs they are equal; the rest allows for clocks.
pub const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// The longest session of a role.
///
/// Source: STS API Reference, `AssumeRole`, `DurationSeconds`; one hour if a role's session
/// assumes the next.
pub const ROLE_SESSION: SignedDuration = SignedDuration::from_hours(12);
/// The longest session of `GetSessionToken` and `GetFederationToken`.
///
/// Source: STS API Reference, their `DurationSeconds`.
pub const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(36);
/// The most hops of a chain. A role can be assumed from a role without end.
pub const MAX_HOPS: usize = 32;
/// The most chains of an answer.
pub const MAX_CHAINS: usize = 64;
