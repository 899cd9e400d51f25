//! The environment variables that lead to a sandbox and nowhere else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::Environment;
use crate::report::contract::sandbox::Sandbox;

/// Names the sandbox's endpoint to `sandbox tick` and `sandbox confirm`.
pub(super) const ENDPOINT: &str = "ORGTRAIL_SANDBOX_ENDPOINT";
/// Where AWS's clients look for profiles: nowhere.
const NO_FILE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };
/// What the names of variables begin with that may lead elsewhere.
const ELSEWHERE: [&str; 2] = ["AWS_", "ORGTRAIL_"];
/// What may lead elsewhere in a shell; a child has none of `ELSEWHERE` at all.
const UNSET: &str = "AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ROLE_ARN \
                     AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_RELATIVE_URI \
                     AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";

/// The variables that point the AWS CLI, the SDKs and orgtrail at a sandbox.
#[derive(Debug, Clone)]
pub(super) struct Variables(Vec<(&'static str, String)>);

impl Variables {
    /// Those of a sandbox; `config` is the config that matches it, where one was
    /// written.
    pub(super) fn of(sandbox: &Sandbox, config: Option<&Path>) -> Self {
        let region = sandbox.region.to_string();
        let mut variables = vec![
            ("AWS_ENDPOINT_URL", sandbox.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", sandbox.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", sandbox.secret_access_key.clone()),
            ("AWS_REGION", region.clone()),
            ("AWS_DEFAULT_REGION", region),
            // No profile, and no credentials of the machine.
            ("AWS_CONFIG_FILE", NO_FILE.to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", NO_FILE.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            // The sandbox has no rates.
            ("ORGTRAIL_PACING", "off".to_owned()),
            (ENDPOINT, sandbox.endpoint.clone()),
        ];
        variables.extend(config.map(|path| ("ORGTRAIL_CONFIG", path.display().to_string())));
        Self(variables)
    }

    /// Gives a command these variables, and none of its own that could lead
    /// elsewhere: credentials, profiles, endpoints of single services.
    pub(super) fn give(&self, command: &mut Command, environment: &Environment) {
        for name in Environment::names_of_process() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if ELSEWHERE.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.envs(self.0.iter().map(|(name, value)| (*name, value.as_str())));
        // A proxy has no way to this machine's loopback.
        for name in ["NO_PROXY", "no_proxy"] {
            let before = environment.var(name).filter(|list| !list.is_empty());
            let list = before.map_or_else(String::new, |list| format!("{list},"));
            command.env(name, format!("{list}127.0.0.1"));
        }
    }

    /// The same as lines for a POSIX shell.
    pub(super) fn exports(&self) -> String {
        let mut lines = String::new();
        for (name, value) in &self.0 {
            // Writing to a String does not fail.
            let _ = writeln!(lines, "export {name}={}", quoted(value));
        }
        let _ = write!(lines, "unset {UNSET}");
        lines
    }
}

/// A word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-+=@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A path that is valid from any directory.
pub(super) fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    std::path::absolute(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("http://127.0.0.1:4566"), "http://127.0.0.1:4566");
        assert_eq!(quoted("/tmp/my sandbox"), "'/tmp/my sandbox'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
