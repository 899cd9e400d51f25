//! What is to go wrong, on demand.

use std::collections::BTreeSet;

use parking_lot::RwLock;

/// What is to go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    expired: RwLock<BTreeSet<String>>,
}

impl Faults {
    /// Whether these credentials count as expired.
    pub(super) fn credentials_expired(&self, access_key_id: &str) -> bool {
        self.expired.read().contains(access_key_id)
    }
}
