/// How an operation ended. The command line maps it to its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and no problems were found.
    Clean,
    /// Something failed that has no class of its own: AWS, the network, a bug.
    Unexpected,
    /// The request or the configuration is invalid; nothing was done.
    Usage,
    /// The plan has changes that are not applied.
    ChangesPending,
    /// AWS does not match the configuration.
    Drift,
    /// A guard refused, or a person declined the prompt; nothing was done.
    Refused,
    /// A digest, a signature or a log file is invalid.
    IntegrityFailure,
    /// Done in part: something was unreadable or unreachable.
    Incomplete,
}

impl Outcome {
    /// Every outcome, the most severe first. Known problems rank before unknown results.
    pub const BY_SEVERITY: [Self; 8] = [
        Self::IntegrityFailure,
        Self::Drift,
        Self::Unexpected,
        Self::Usage,
        Self::Refused,
        Self::Incomplete,
        Self::ChangesPending,
        Self::Clean,
    ];

    /// The most severe of several outcomes; clean for none.
    #[must_use]
    pub fn most_severe(outcomes: impl IntoIterator<Item = Self>) -> Self {
        let rank = |outcome: &Self| Self::BY_SEVERITY.iter().position(|known| known == outcome);
        outcomes.into_iter().min_by_key(rank).unwrap_or(Self::Clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_problems_rank_before_unknown_results() {
        use Outcome::{Clean, Drift, Incomplete, IntegrityFailure, Unexpected};
        for (outcomes, expected) in [
            (&[][..], Clean),
            (&[Clean, Incomplete], Incomplete),
            (&[Unexpected, Incomplete], Unexpected),
            (&[Incomplete, Drift, Unexpected], Drift),
            (&[Drift, IntegrityFailure, Clean], IntegrityFailure),
        ] {
            assert_eq!(Outcome::most_severe(outcomes.iter().copied()), expected, "{outcomes:?}");
        }
        for outcome in Outcome::BY_SEVERITY {
            assert_eq!(Outcome::most_severe([outcome, Clean]), outcome);
        }
    }
}
