//! The one place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where printing happens")]

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::ops::ControlFlow;

use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::{Explain, OpError};
use crate::printable;

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

    /// Data, with a newline at its end and with characters that act on a terminal
    /// escaped, as JSON escapes them: all formats are text. A reader that has gone away is no
    /// error: the command goes on and its exit code stands.
    pub fn data(self, text: impl Display) -> Result<(), OpError> {
        write(printable::lines(&text.to_string()).into_owned())
    }

    /// A row of data. Breaks if the reader has gone away: nothing more needs to be read.
    pub(super) fn row(text: impl Display) -> Result<ControlFlow<()>, OpError> {
        let row = printable::lines(&text.to_string()).into_owned();
        let is_gone = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
        // The row is escaped: it contains no color codes that would have to be removed.
        match print_to(std::io::stdout().lock(), row) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if is_gone(&error) => Ok(ControlFlow::Break(())),
            Err(error) => Err(OutputError(error).into()),
        }
    }

    /// The width of the terminal that standard output is. Units: columns.
    pub(super) fn width() -> Option<usize> {
        let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(width.0.into())
    }

    /// Data for people, with the colours of errors, warnings and hints.
    pub(super) fn data_in_color(text: impl Display) -> Result<(), OpError> {
        write(shown(&text.to_string()))
    }

    /// Data as indented JSON.
    pub fn json(self, value: &impl Serialize) -> Result<(), OpError> {
        let text = serde_json::to_string_pretty(value).map_err(OpError::unexpected)?;
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

    pub(super) fn error(error: &OpError) {
        Self::person(error.render());
    }

    fn person(text: impl Display) {
        // If standard error is closed, there is nowhere to report that.
        let _ = writeln!(anstream::stderr().lock(), "{}", shown(&text.to_string()));
    }
}

/// Writes to standard output, with a newline at the end.
fn print(text: String) -> std::io::Result<()> {
    print_to(anstream::stdout().lock(), text)
}

fn print_to(mut stdout: impl Write, mut text: String) -> std::io::Result<()> {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// The same, where a reader that has gone away is no error.
fn write(text: String) -> Result<(), OpError> {
    match print(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(OutputError(error).into()),
        _ => Ok(()),
    }
}

/// A text for people as a terminal shows it: nothing that others wrote acts on it, and
/// the only sequences are the colours that are added here.
pub(super) fn shown(text: &str) -> String {
    paint(&printable::lines(text))
}

/// Colours the words that errors, warnings and hints begin with.
fn paint(text: &str) -> String {
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

/// A writer of logs, each event in one write, that escapes as [`Output`] does.
#[derive(Debug)]
pub(super) struct Printed<W>(pub(super) W);

impl<W: Write> Write for Printed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(printable::lines(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_wrote_acts_on_a_terminal() {
        let hostile = "error: a\u{1b}[2Jb\n\u{9d}0;title\u{7}\nwarning:\u{1b}c";
        let said = anstream::adapter::strip_str(&shown(hostile)).to_string();
        assert_eq!(said, "error: a\\u001b[2Jb\n\\u009d0;title\\u0007\nwarning:\\u001bc");
        let mut log = Vec::new();
        Printed(&mut log).write_all(hostile.as_bytes()).unwrap();
        assert!(!log.contains(&0x1b) && log.contains(&b'\n'));
    }
}
