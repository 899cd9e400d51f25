use super::section::section;

section! {
    /// Conditions for retiring a legacy trail.
    pub struct Retire {
        /// How many days up to now the organization trail must be proven to have delivered the
        /// account and Regions of the legacy trail.
        overlap_days: u32 = default(7_u32),
    }
}
