//! orgtrail itself, run as a user would run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::{OpError, Outcome};
use crate::sandbox::Credentials;

/// This program, with an environment that reaches only the sandbox.
#[derive(Debug, Clone)]
pub(super) struct Program {
    executable: PathBuf,
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// The output of one run.
#[derive(Debug)]
pub(super) struct ProgramOutput {
    /// `None` if a signal ended it.
    pub(super) exit: Option<u8>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Program {
    pub(super) fn new(
        folder: &Path,
        endpoint: &str,
        credentials: &Credentials,
    ) -> Result<Self, OpError> {
        let executable = std::env::current_exe().map_err(OpError::unexpected)?;
        let home = folder.display().to_string();
        let variables = vec![
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.clone()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            // The sandbox has no rates; the rest keeps the user's own AWS away.
            ("ORGTRAIL_PACING", "off".to_owned()),
            ("HOME", home),
            ("NO_COLOR", "1".to_owned()),
        ];
        Ok(Self { executable, folder: folder.to_owned(), variables })
    }

    /// Runs `orgtrail …` and kills it once `when` is true; whether it was still running.
    pub(super) async fn kill(
        &self,
        arguments: &[&str],
        when: impl Fn() -> bool,
    ) -> Result<bool, OpError> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(OpError::unexpected)?;
        loop {
            if child.try_wait().map_err(OpError::unexpected)?.is_some() {
                return Ok(false);
            }
            if when() {
                child.kill().map_err(OpError::unexpected)?;
                child.wait().map_err(OpError::unexpected)?;
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null());
        command
    }

    /// Runs `orgtrail …` in the demo's folder.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<ProgramOutput, OpError> {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .map_err(OpError::unexpected)?
            .map_err(OpError::unexpected)?;
        Ok(ProgramOutput {
            exit: output.status.code().and_then(|code| u8::try_from(code).ok()),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl ProgramOutput {
    /// Whether it exited with this outcome's code.
    pub(super) fn exited_with(&self, exit: Outcome) -> bool {
        self.exit == Some(crate::cli::exit::code(exit))
    }

    /// The last lines of its output, or of its errors.
    pub(super) fn summary(&self, lines: usize) -> String {
        let details = if self.stdout.trim().is_empty() { &self.stderr } else { &self.stdout };
        last_lines(details, lines)
    }

    /// Everything to show for a failed step.
    pub(super) fn in_full(&self) -> String {
        let exit =
            self.exit.map_or_else(|| "none, ended by a signal".to_owned(), |code| code.to_string());
        let (stdout, stderr) = (last_lines(&self.stdout, 30), last_lines(&self.stderr, 30));
        format!("exit code {exit}\n{stdout}\n{stderr}")
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_leave_out_empty_ones() {
        assert_eq!(last_lines("a\n\nb\n\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
