//! What orgtrail and its sandbox share: AWS's names, policies and CloudTrail's
//! formats. Nothing here calls AWS, or waits.

pub mod cloudtrail;
pub mod local_file;
pub mod names;
pub mod percent;
pub mod policy;
pub mod printable;

/// The header in which an orgtrail sandbox states its simulated time.
///
/// Its `Date` is the real time, which signatures and sessions go by there: SDKs
/// correct their signing clock by `Date`, and try a denied call again where it is
/// far from theirs.
pub const SANDBOX_TIME: &str = "x-orgtrail-sandbox-time";
