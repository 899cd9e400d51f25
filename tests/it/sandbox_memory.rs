//! What a sandbox takes in memory, as its user sees it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use aws_credential_types::Credentials;

use crate::env::MINIMAL;
use crate::program::{finish, orgtrail, orgtrail_at, sign};

/// A sandbox in a process of its own, which ends with the test.
struct Running {
    child: Child,
    /// What it said about itself.
    printed: serde_json::Value,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Running {
    fn up(arguments: &[&str]) -> Self {
        let up = ["--format", "json", "sandbox", "up", "--frozen"];
        let mut child = orgtrail(Path::new("."), &up)
            .args(["--start", "2026-01-05T00:00:00Z"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, printed: serde_json::from_str(&line).unwrap() }
    }

    /// Runs orgtrail on it, and demands that it ends well.
    fn run(&self, folder: &Path, arguments: &[&str]) {
        let text = |name: &str| self.printed[name].as_str().unwrap().to_owned();
        let mut command = orgtrail_at(&text("endpoint"), folder, arguments);
        let keys = [text("access_key_id"), text("secret_access_key")];
        sign(&mut command, &Credentials::from_keys(&keys[0], &keys[1], None));
        let output = finish(command.env("AWS_REGION", "us-east-1").env("ORGTRAIL_PACING", "off"));
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.stderr);
    }

    /// The most memory that it ever had, in MiB.
    fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

#[cfg(target_os = "linux")]
#[test]
fn thirty_accounts_and_thirty_hours_take_at_most_200_mib() {
    let folder = tempfile::tempdir().unwrap();
    let config = MINIMAL;
    std::fs::write(folder.path().join("orgtrail.toml"), config).unwrap();
    let sandbox = Running::up(&["--accounts", "30"]);
    sandbox.run(folder.path(), &["apply", "--yes"]);
    let before = sandbox.peak_mib();
    sandbox.run(folder.path(), &["sandbox", "tick", "--hours", "30"]);
    let after = sandbox.peak_mib();
    assert!(after <= 200, "{before} MiB before the tick, {after} MiB after it");
}
