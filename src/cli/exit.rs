use std::process::ExitCode;

/// What a command's exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and nothing is wrong.
    Clean = 0,
    /// Something failed that has no code of its own: AWS, the network, a bug.
    Unexpected = 1,
    /// The command line or the config is not right; nothing was done.
    Usage = 2,
    /// The plan has changes that are not applied.
    ChangesPending = 10,
    /// AWS is no longer as declared.
    Drift = 11,
    /// A guard refused what would have been dangerous, or whoever was asked said
    /// no; nothing was done.
    Refused = 12,
    /// A digest, signature or log file does not hold.
    IntegrityFailure = 13,
    /// Done in part: something could not be read or reached.
    Incomplete = 14,
}

impl Exit {
    /// Every code, in order.
    pub const ALL: [Self; 8] = [
        Self::Clean,
        Self::Unexpected,
        Self::Usage,
        Self::ChangesPending,
        Self::Drift,
        Self::Refused,
        Self::IntegrityFailure,
        Self::Incomplete,
    ];

    /// The code as the shell sees it.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it says, for the help text.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "clean: done, no problems found",
            Self::Unexpected => "unexpected: a failure that has no code of its own",
            Self::Usage => "usage: the command line or the configuration is invalid",
            Self::ChangesPending => "changes pending: the plan is not empty",
            Self::Drift => "drift: AWS does not match the configuration",
            Self::Refused => "refused: by a guard, or at a prompt",
            Self::IntegrityFailure => "integrity failure: a digest, signature or log is invalid",
            Self::Incomplete => "incomplete: something was unreadable or unreachable",
        }
    }

    /// The same in a word or two.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.meaning().split(':').next().unwrap_or_default()
    }

    /// The gravest of several; clean where there are none. What is known to be
    /// wrong comes before what could not be told.
    #[must_use]
    pub fn gravest(exits: impl IntoIterator<Item = Self>) -> Self {
        const FROM_THE_GRAVEST: [Exit; 8] = [
            Exit::IntegrityFailure,
            Exit::Drift,
            Exit::Unexpected,
            Exit::Usage,
            Exit::Refused,
            Exit::Incomplete,
            Exit::ChangesPending,
            Exit::Clean,
        ];
        let rank = |exit: &Self| FROM_THE_GRAVEST.iter().position(|known| known == exit);
        exits.into_iter().min_by_key(rank).unwrap_or(Self::Clean)
    }

    /// Every code and its meaning, a line each.
    #[must_use]
    pub fn table() -> String {
        let lines = Self::ALL.map(|exit| format!("  {:>2}  {}", exit.code(), exit.meaning()));
        lines.join("\n")
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_to_be_wrong_is_gravest() {
        use Exit::{Clean, Drift, Incomplete, IntegrityFailure, Unexpected};
        for (exits, gravest) in [
            (&[][..], Clean),
            (&[Clean, Incomplete], Incomplete),
            (&[Unexpected, Incomplete], Unexpected),
            (&[Incomplete, Drift, Unexpected], Drift),
            (&[Drift, IntegrityFailure, Clean], IntegrityFailure),
        ] {
            assert_eq!(Exit::gravest(exits.iter().copied()), gravest, "{exits:?}");
        }
        for exit in Exit::ALL {
            assert_eq!(Exit::gravest([exit, Clean]), exit);
            assert!(!exit.word().is_empty());
        }
    }

    #[test]
    fn every_code_is_in_the_readme() {
        let readme = include_str!("../../README.md");
        for exit in Exit::ALL {
            let row = format!("| {} | ", exit.code());
            assert!(readme.lines().any(|line| line.starts_with(&row)), "{exit:?}");
        }
    }
}
