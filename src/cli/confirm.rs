//! Asking before anything is written.

use std::io::{IsTerminal, Write};

use super::{CliError, Context, Exit};

impl Context {
    /// Goes on only with a yes: `--yes`, or the person's answer where there is
    /// a terminal to ask at.
    ///
    /// # Errors
    /// Nobody is there to ask: usage. The answer was no: refused. Nothing has been
    /// written.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(CliError::usage(format!("nobody is there to ask: {question}"))
                .with_hint("`--yes` answers every question with yes"));
        }
        let mut answer = String::new();
        let asked = write!(anstream::stderr().lock(), "{question} [y/N] ")
            .and_then(|()| std::io::stdin().read_line(&mut answer));
        match asked {
            Ok(_) => answered(&answer),
            Err(error) => Err(CliError::new(error, Exit::Unexpected)),
        }
    }
}

fn answered(answer: &str) -> Result<(), CliError> {
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::new("declined; nothing was written", Exit::Refused)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for answer in ["y\n", "Y\n", "yes\n", " Yes \n"] {
            assert!(answered(answer).is_ok(), "{answer:?}");
        }
        for answer in ["", "\n", "n\n", "yep\n", "ye\n"] {
            assert_eq!(answered(answer).unwrap_err().exit(), Exit::Refused, "{answer:?}");
        }
    }
}
