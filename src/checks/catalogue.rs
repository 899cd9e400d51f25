use super::Check;

/// Every check, in the order in which reports show them.
pub const CATALOGUE: &[&Check] = &[];
