//! The delay of digest deliveries.

use jiff::{SignedDuration, Timestamp};

/// After this time a digest counts as missing.
const DUE_AFTER: SignedDuration = SignedDuration::from_hours(2);

/// A delivery this long after the end of a digest's hour is that of a newer digest. It
/// differs from `DUE_AFTER`: it determines which digest was delivered, not whether one may
/// still be delivered.
pub const NEWER_AFTER: SignedDuration = SignedDuration::from_mins(90);

/// The time up to which all digests must have been delivered.
#[must_use]
pub fn digests_due(now: Timestamp) -> Timestamp {
    now.saturating_sub(DUE_AFTER).unwrap_or(now)
}
