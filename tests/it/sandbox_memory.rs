//! What a sandbox takes in memory, as its user sees it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A sandbox in a process of its own, which ends with the test.
struct Running {
    child: Child,
    /// What it said about itself.
    told: serde_json::Value,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Running {
    fn up(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_orgtrail"))
            .args(["--format", "json", "sandbox", "up", "--frozen"])
            .args(["--start", "2026-01-05T00:00:00Z"])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, told: serde_json::from_str(&line).unwrap() }
    }

    /// Runs orgtrail on it, and demands that it ends well.
    fn orgtrail(&self, folder: &std::path::Path, arguments: &[&str]) {
        let text = |name: &str| self.told[name].as_str().unwrap().to_owned();
        let output = Command::new(env!("CARGO_BIN_EXE_orgtrail"))
            .current_dir(folder)
            .args(arguments)
            .env_clear()
            .env("AWS_ENDPOINT_URL", text("endpoint"))
            .env("AWS_ACCESS_KEY_ID", text("access_key_id"))
            .env("AWS_SECRET_ACCESS_KEY", text("secret_access_key"))
            .env("AWS_REGION", "us-east-1")
            .env("ORGTRAIL_PACING", "off")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
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
    let config = crate::stage::MINIMAL;
    std::fs::write(folder.path().join("orgtrail.toml"), config).unwrap();
    let sandbox = Running::up(&["--accounts", "30"]);
    sandbox.orgtrail(folder.path(), &["apply", "--yes"]);
    let before = sandbox.peak_mib();
    sandbox.orgtrail(folder.path(), &["sandbox", "tick", "--hours", "30"]);
    let after = sandbox.peak_mib();
    assert!(after <= 200, "{before} MiB before the tick, {after} MiB after it");
}
