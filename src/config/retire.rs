use super::section::section;

section! {
    /// When an older trail may be taken away.
    pub struct Retire {
        /// Days up to now for which the organization trail must be proven to
        /// have delivered the account and Regions of the older trail.
        overlap_days: u32 = default(7_u32),
    }
}
