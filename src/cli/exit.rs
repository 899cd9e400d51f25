//! Exit codes.

use std::process::ExitCode;

use crate::ops::Outcome;
use crate::report::contract::round;

/// The exit codes in the order of the help, with what they mean.
const MEANINGS: [(Outcome, &str); 8] = [
    (Outcome::Clean, "clean: done, no problems found"),
    (Outcome::Unexpected, "unexpected: a failure that has no code of its own"),
    (Outcome::Usage, "usage: the command line or the configuration is invalid"),
    (Outcome::ChangesPending, "changes pending: the plan is not empty"),
    (Outcome::Drift, "drift: AWS does not match the configuration"),
    (Outcome::Refused, "refused: by a guard, or at a prompt"),
    (Outcome::IntegrityFailure, "integrity failure: a digest, signature or log is invalid"),
    (Outcome::Incomplete, "incomplete: something was unreadable or unreachable"),
];

/// The code that the shell sees.
pub(super) fn code(outcome: Outcome) -> u8 {
    round::Outcome::from(outcome).exit_code()
}

/// An outcome in a word or two.
pub(super) fn word(outcome: Outcome) -> &'static str {
    let meaning = MEANINGS.iter().find(|(known, _)| *known == outcome);
    meaning.and_then(|(_, meaning)| meaning.split(':').next()).unwrap_or_default()
}

/// Every code and its meaning, a line each.
pub(super) fn table() -> String {
    let lines = MEANINGS.map(|(outcome, meaning)| format!("  {:>2}  {meaning}", code(outcome)));
    lines.join("\n")
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(code(outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_one_word_and_is_in_the_readme() {
        let readme = include_str!("../../README.md");
        for outcome in Outcome::BY_SEVERITY {
            assert!(!word(outcome).is_empty(), "{outcome:?}");
            let row = format!("| {} | ", code(outcome));
            assert!(readme.lines().any(|line| line.starts_with(&row)), "{outcome:?}");
        }
        let codes: std::collections::BTreeSet<u8> =
            Outcome::BY_SEVERITY.into_iter().map(code).collect();
        assert_eq!(codes.len(), MEANINGS.len());
    }
}
