//! The binary, with nothing in its environment but what a test gives it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_credential_types::Credentials;
use serde_json::Value;

use crate::env::TestEnv;

/// Where nothing listens.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:1";

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// stdout and stderr.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("{error}; exit code {}: {}", self.code, self.text());
        })
    }
}

/// orgtrail in a folder, without any environment.
pub(crate) fn orgtrail(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orgtrail"));
    command.current_dir(folder).args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// The same with an endpoint and credentials that mean nothing there.
pub(crate) fn orgtrail_at(endpoint: &str, folder: &Path, arguments: &[&str]) -> Command {
    let keys = Credentials::from_keys("AKIAEXAMPLE", "secret", None);
    let mut command = orgtrail(folder, arguments);
    command.env("AWS_ENDPOINT_URL", endpoint);
    sign(&mut command, &keys);
    command
}

/// Gives a command other credentials.
pub(crate) fn sign(command: &mut Command, keys: &Credentials) {
    command
        .env("AWS_ACCESS_KEY_ID", keys.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key());
    if let Some(token) = keys.session_token() {
        command.env("AWS_SESSION_TOKEN", token);
    }
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Finished {
    finished(command.output().unwrap())
}

/// The same on a thread of its own, so that a sandbox of this process can answer.
pub(crate) async fn finish_apart(mut command: Command) -> Finished {
    tokio::task::spawn_blocking(move || finish(&mut command)).await.unwrap()
}

pub(crate) fn finished(output: std::process::Output) -> Finished {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Finished {
        code: output.status.code().expect("an exit code, not a signal"),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Sends a signal to a process.
#[cfg(unix)]
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Stops a child with a signal, and with a second one once it writes that it stops. Returns
/// its exit code and what it wrote to stderr, which must be piped.
#[cfg(unix)]
pub(crate) async fn stop_twice(
    mut child: Child,
    signals: [&'static str; 2],
    within: Duration,
) -> (Option<i32>, String) {
    signal(child.id(), signals[0]);
    let ended = tokio::task::spawn_blocking(move || {
        let mut stderr = String::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap) {
            if line.starts_with("stopping:") {
                signal(child.id(), signals[1]);
            }
            stderr.push_str(&line);
        }
        (child.wait().unwrap().code(), stderr)
    });
    tokio::time::timeout(within, ended).await.expect("it does not wait for what hangs").unwrap()
}

impl TestEnv {
    /// orgtrail in a folder, with a configuration and signed in as the administrator.
    pub(crate) fn command(&self, folder: &Path, config: &str, arguments: &[&str]) -> Command {
        std::fs::write(folder.join("orgtrail.toml"), config).unwrap();
        self.signed_in(folder, arguments)
    }

    /// The same without a configuration of its own.
    pub(crate) fn signed_in(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = orgtrail_at(&self.sandbox.endpoint(), folder, arguments);
        sign(&mut command, &self.administrator());
        command.env("AWS_REGION", "us-east-1").env("ORGTRAIL_PACING", "off");
        command
    }

    /// Runs orgtrail with a configuration, in a folder of its own.
    pub(crate) async fn run(&self, config: &str, arguments: &[&str]) -> Finished {
        let folder = tempfile::tempdir().unwrap();
        self.run_in(folder.path(), config, arguments).await
    }

    /// The same in a folder.
    pub(crate) async fn run_in(&self, folder: &Path, config: &str, arguments: &[&str]) -> Finished {
        finish_apart(self.command(folder, config, arguments)).await
    }

    /// Starts a command and kills it when it writes a line that `is_awaited`. Returns its exit
    /// code if it ended by itself, and the lines so far.
    pub(crate) async fn kill_at(
        &self,
        config: &str,
        arguments: &[&str],
        mut is_awaited: impl FnMut(&str) -> bool + Send + 'static,
    ) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut command = self.command(folder.path(), config, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut lines = Vec::new();
            for line in BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap) {
                let is_last = is_awaited(&line);
                lines.push(line);
                if is_last {
                    break;
                }
            }
            child.kill().unwrap();
            (child.wait().unwrap().code(), lines.join("\n"))
        })
        .await
        .unwrap()
    }
}
