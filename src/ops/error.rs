use std::error::Error;

use super::Outcome;
use crate::words::with_causes;

/// What an error says beyond its message.
///
/// The error types of the library implement it in `explain.rs`; the defaults suit most
/// variants. An error that wraps another passes on what that one says.
pub trait Explain: Error {
    /// What to do about it, lowercase, no full stop.
    fn hint(&self) -> Option<String> {
        None
    }

    /// How an operation that fails with it ends.
    fn outcome(&self) -> Outcome {
        Outcome::Unexpected
    }

    /// What to print in place of the chain and the hint, for an error that is
    /// several at once; each with its own `error: …` and `  hint: …`.
    fn report(&self) -> Option<String> {
        None
    }
}

/// Why an operation failed, with a hint and its outcome.
///
/// `?` makes one of every error that is [`Explain`].
#[derive(Debug)]
pub struct OpError {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    report: Option<String>,
    outcome: Outcome,
}

impl OpError {
    /// A request that is invalid.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(message.into(), Outcome::Usage)
    }

    /// An error that has an outcome but no type of its own.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>, outcome: Outcome) -> Self {
        Self { error: error.into(), hint: None, report: None, outcome }
    }

    /// An error that no request causes by itself.
    pub fn unexpected(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(error, Outcome::Unexpected)
    }

    /// The same, with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// How the operation ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether the error is of this type.
    pub(crate) fn is<E: Error + 'static>(&self) -> bool {
        self.error.is::<E>()
    }

    /// The error with all its causes, on one line.
    #[must_use]
    pub fn message(&self) -> String {
        with_causes(&*self.error)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The first line of it: an error that is several at once has several.
    #[must_use]
    pub fn headline(&self) -> String {
        let text = self.render();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    }

    /// `error: …` with all causes on one line, then `  hint: …`.
    #[must_use]
    pub fn render(&self) -> String {
        if let Some(report) = &self.report {
            return report.clone();
        }
        let mut text = format!("error: {}", self.message());
        if let Some(hint) = &self.hint {
            text.push_str("\n  hint: ");
            text.push_str(hint);
        }
        text
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for OpError {
    fn from(error: E) -> Self {
        Self {
            hint: error.hint(),
            report: error.report(),
            outcome: error.outcome(),
            error: Box::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading the thing")]
    struct Outer(#[source] std::io::Error);

    impl Explain for Outer {
        fn hint(&self) -> Option<String> {
            Some("plug it in".to_owned())
        }
        fn outcome(&self) -> Outcome {
            Outcome::Incomplete
        }
    }

    #[test]
    fn the_chain_stands_on_one_line_and_the_hint_on_the_next() {
        let error = OpError::from(Outer(std::io::Error::other("no power")));
        assert_eq!(error.render(), "error: reading the thing: no power\n  hint: plug it in");
        assert_eq!(error.outcome(), Outcome::Incomplete);
    }

    #[test]
    fn a_library_that_reads_json_is_not_quoted() {
        #[derive(Debug, thiserror::Error)]
        #[error("the plan cannot be read")]
        struct Unread(#[source] serde_json::Error);
        let source = serde_json::from_str::<u8>("<html>").unwrap_err();
        let error = OpError::new(Unread(source), Outcome::Usage);
        assert_eq!(error.render(), "error: the plan cannot be read: it is not JSON");
    }

    #[test]
    fn a_cause_that_the_message_repeats_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("it broke: {0}")]
        struct Repeating(#[source] std::io::Error);
        let error = OpError::new(Repeating(std::io::Error::other("no power")), Outcome::Unexpected);
        assert_eq!(error.render(), "error: it broke: no power");
    }
}
