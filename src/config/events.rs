use super::section::section;

section! {
    /// Settings of `orgtrail events`.
    pub struct Events {
        /// Detection in rounds.
        detect: Detect = section,
    }
}

section! {
    /// Detection in rounds (`orgtrail run detect`) and in the service.
    pub struct Detect {
        /// A directory with Sigma rules that are evaluated too, on the machine that runs orgtrail.
        rules: Option<String> = default(None::<String>),
        /// How far back a round looks. Units: hours. Longer than the time between two rounds,
        /// since log files arrive late.
        since_hours: u32 = default(26_u32),
        /// How many days before that are read to know which Regions accounts use; 0 detects no
        /// first uses of Regions.
        baseline_days: u32 = default(0_u32),
    }
}
