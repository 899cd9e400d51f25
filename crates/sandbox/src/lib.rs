//! The embedded AWS: an organization on a loopback socket, with nothing but
//! this binary.
//!
//! It exists so that every promise can be tried without an AWS account, by
//! people (`orgtrail demo`, `orgtrail sandbox up`) and by the tests. It is true
//! to AWS where orgtrail's correctness rests on AWS: accounts kept apart by
//! their credentials, policies really evaluated, versions and locks really
//! held, digests really signed. `docs/sandbox.md` lists its limits.
//!
//! A request goes `http` → `auth` (who is it) → one of `services` or `s3`
//! (which asks `policy` whether it may) and back.

mod api;
mod auth;
mod bootstrap;
mod clock;
mod faults;
mod http;
mod missing;
mod persist;
mod policy;
mod principals;
mod received;
mod recorder;
mod s3;
mod services;
mod simulation;
mod simulator;
mod start;
mod totp;
mod transient;

pub use clock::{Pace, real_now};
pub use faults::{Effect, Fault, Faults, Propagation};
pub use missing::{NoSuchAccount, NoSuchObject, NoSuchUser};
pub use persist::{DataError, keep_from_saving};
pub use policy::AuthorizationRecord;
pub use recorder::S3Request;
pub use simulator::{DigestEncryption, Legacy, LegacyError, Person, SignIn, TrueHop, TrueSession};
pub use start::{Credentials, MfaDevice, Options, Sandbox, StartError};
pub use transient::transient;
