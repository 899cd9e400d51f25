use std::error::Error;

use super::Exit;
use crate::words::with_causes;

/// What an error says beyond its message, for the person at the terminal.
///
/// Every module's error type implements it; the defaults suit most variants.
/// An error that wraps another passes on what that one says.
pub trait Explain: Error {
    /// What to do about it, lowercase, no full stop.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The code to exit with.
    fn exit(&self) -> Exit {
        Exit::Unexpected
    }

    /// What to print in place of the chain and the hint, for an error that is
    /// several at once; each with its own `error: …` and `  hint: …`.
    fn report(&self) -> Option<String> {
        None
    }
}

/// Why a command failed, ready to be printed once.
///
/// `?` makes one of every error that is [`Explain`].
#[derive(Debug)]
pub struct CliError {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    report: Option<String>,
    exit: Exit,
}

impl CliError {
    /// A mistake in how the command was called.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(message.into(), Exit::Usage)
    }

    /// An error that has a code but no type of its own.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>, exit: Exit) -> Self {
        Self { error: error.into(), hint: None, report: None, exit }
    }

    /// The same, with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The code to exit with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether it is of this type.
    pub(super) fn is<E: Error + 'static>(&self) -> bool {
        self.error.is::<E>()
    }

    /// `error: …` with the whole chain of causes on one line, then `  hint: …`.
    #[must_use]
    pub fn render(&self) -> String {
        if let Some(report) = &self.report {
            return report.clone();
        }
        let mut text = format!("error: {}", with_causes(&*self.error));
        if let Some(hint) = &self.hint {
            text.push_str("\n  hint: ");
            text.push_str(hint);
        }
        text
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for CliError {
    fn from(error: E) -> Self {
        Self {
            hint: error.hint(),
            report: error.report(),
            exit: error.exit(),
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
        fn exit(&self) -> Exit {
            Exit::Incomplete
        }
    }

    #[test]
    fn the_chain_stands_on_one_line_and_the_hint_on_the_next() {
        let error = CliError::from(Outer(std::io::Error::other("no power")));
        assert_eq!(error.render(), "error: reading the thing: no power\n  hint: plug it in");
        assert_eq!(error.exit(), Exit::Incomplete);
    }

    #[test]
    fn a_library_that_reads_json_is_not_quoted() {
        #[derive(Debug, thiserror::Error)]
        #[error("the plan cannot be read")]
        struct Unread(#[source] serde_json::Error);
        let source = serde_json::from_str::<u8>("<html>").unwrap_err();
        let error = CliError::new(Unread(source), Exit::Usage);
        assert_eq!(error.render(), "error: the plan cannot be read: it is not JSON");
    }

    #[test]
    fn a_cause_that_the_message_repeats_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("it broke: {0}")]
        struct Repeating(#[source] std::io::Error);
        let error = CliError::new(Repeating(std::io::Error::other("no power")), Exit::Unexpected);
        assert_eq!(error.render(), "error: it broke: no power");
    }
}
