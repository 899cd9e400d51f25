//! The one place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where printing happens")]

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::{CliError, Exit, Explain};

/// Standard output for data, standard error for people.
///
/// Colours are dropped where the stream is no terminal or `NO_COLOR` is set.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    quiet: bool,
}

impl Output {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    pub(super) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Data, with a newline at its end. A reader that has gone away is no
    /// error: the command goes on and its exit code stands.
    pub fn data(self, text: impl Display) -> Result<(), CliError> {
        let mut text = text.to_string();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let mut stdout = anstream::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(OutputError(error).into()),
            _ => Ok(()),
        }
    }

    /// Data as indented JSON.
    pub fn json(self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CliError::new(error, Exit::Unexpected))?;
        self.data(text)
    }

    /// A line for people, not printed under `--quiet`.
    pub fn note(self, text: impl Display) {
        if !self.quiet {
            Self::person(text);
        }
    }

    /// A line for people that `--quiet` does not silence.
    pub fn warn(self, text: impl Display) {
        Self::person(text);
    }

    pub(super) fn error(error: &CliError) {
        Self::person(error.render());
    }

    fn person(text: impl Display) {
        // When standard error is gone, nobody is left to be told.
        let _ = writeln!(anstream::stderr().lock(), "{}", paint(&text.to_string()));
    }
}

/// Colours the words that errors, warnings and hints begin with.
pub(super) fn paint(text: &str) -> String {
    let paint_line = |line: &str| {
        if let Some(rest) = line.strip_prefix("error:") {
            format!("{}{rest}", "error:".red().bold())
        } else if let Some(rest) = line.strip_prefix("warning:") {
            format!("{}{rest}", "warning:".yellow().bold())
        } else if let Some(rest) = line.strip_prefix("  hint:") {
            format!("  {}{rest}", "hint:".cyan())
        } else {
            line.to_owned()
        }
    };
    text.split('\n').map(paint_line).collect::<Vec<_>>().join("\n")
}

#[derive(Debug, thiserror::Error)]
#[error("writing to standard output")]
struct OutputError(#[source] std::io::Error);

impl Explain for OutputError {}
