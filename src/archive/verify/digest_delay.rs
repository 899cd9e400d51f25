//! How long after the end of its hour CloudTrail delivers a digest.

use jiff::{SignedDuration, Timestamp};

/// After this time a digest counts as missing.
const DUE_AFTER: SignedDuration = SignedDuration::from_hours(2);

/// A delivery that CloudTrail reports this much later than the end of a digest's hour is
/// that of a newer digest. It is not `DUE_AFTER`: this asks which digest arrived, not
/// whether one may still arrive.
pub const NEWER_AFTER: SignedDuration = SignedDuration::from_mins(90);

/// Up to when all digests must be there.
#[must_use]
pub fn digests_due(now: Timestamp) -> Timestamp {
    now.saturating_sub(DUE_AFTER).unwrap_or(now)
}
