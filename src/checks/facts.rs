use jiff::Timestamp;

use crate::resources::{Desired, Observed};

/// Everything that checks are judged from.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When it was looked at.
    pub at: Timestamp,
    /// What is declared.
    pub desired: Desired,
    /// What was seen of what orgtrail manages.
    pub observed: Observed,
}
