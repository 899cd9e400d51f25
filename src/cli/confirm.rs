//! Prompts before anything is written.

use std::io::{IsTerminal, Write};

use super::output::shown;
use super::{Context, OpError, Outcome};

impl Context {
    /// Requires a confirmation: `--yes`, or an answer at a terminal. The prompt shows the
    /// identity that the command is signed in with.
    ///
    /// # Errors
    /// There is no terminal: usage. The answer is no: refused. A signal arrives:
    /// incomplete. Nothing has been written.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), OpError> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(OpError::usage(format!(
                "cannot prompt: standard input is not a terminal: {question}"
            ))
            .with_hint("`--yes` confirms without a prompt"));
        }
        if let Some(identity) = self.session.identity() {
            self.out.warn(identity);
        }
        write!(anstream::stderr().lock(), "{} [y/N] ", shown(question))
            .map_err(OpError::unexpected)?;
        let env = self.env_of_caller()?;
        // A signal ends the prompt; the thread that waits for the answer is abandoned.
        let answer = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answered_or_stopped = async { env.unless_stopped(answer).await };
        let answer = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(answered_or_stopped)
        })?;
        answered(&answer.map_err(std::io::Error::other).flatten().map_err(OpError::unexpected)?)
    }
}

fn answered(answer: &str) -> Result<(), OpError> {
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(OpError::new("declined; nothing was written", Outcome::Refused)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_confirms() {
        for answer in ["y\n", "Y\n", "yes\n", " Yes \n"] {
            assert!(answered(answer).is_ok(), "{answer:?}");
        }
        for answer in ["", "\n", "n\n", "yep\n", "ye\n"] {
            assert_eq!(answered(answer).unwrap_err().outcome(), Outcome::Refused, "{answer:?}");
        }
    }
}
