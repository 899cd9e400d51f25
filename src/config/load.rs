use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::document::Value;
use super::finding::{Finding, Origin, Severity};
use super::read::{Read, Reader};
use super::{Config, Environment, check, derived, document};

/// A config that can be used, and what else is known of it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What deserves a second thought; no errors among them.
    pub warnings: Vec<Finding>,
    /// Where each value came from, by the key's path.
    pub origins: BTreeMap<String, Origin>,
}

/// A config that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("reading the config {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no text.
    #[error("the config {} is not UTF-8 text: found byte 0x{byte:02x} in line {line}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first byte that is no UTF-8.
        byte: u8,
        /// Its line, from 1.
        line: usize,
    },
    /// The file is too large to be a config.
    #[error("the config {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The file was read, and is not right.
    #[error("the config {} has {}", path.display(), count(findings))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything found: at least one error, and the warnings.
        findings: Vec<Finding>,
    },
}

fn count(findings: &[Finding]) -> String {
    match findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
        1 => "an error".to_owned(),
        many => format!("{many} errors"),
    }
}

/// The most bytes of a config that are read.
const LIMIT: u64 = 1024 * 1024;

impl Loaded {
    /// Reads and checks a config file, under the environment's overrides.
    ///
    /// Errors: the file cannot be read, is no text, is larger than 1 MiB, or
    /// holds what orgtrail or AWS would refuse; then with every finding.
    pub fn from_file(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > LIMIT {
            return Err(ConfigError::TooLarge { path: path.to_owned(), limit: LIMIT });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(offset).copied().unwrap_or_default();
            let before = error.as_bytes().iter().take(offset);
            let line = before.filter(|byte| **byte == b'\n').count() + 1;
            ConfigError::NotText { path: path.to_owned(), byte, line }
        })?;
        Self::from_text(&text, environment)
            .map_err(|findings| ConfigError::Invalid { path: path.to_owned(), findings })
    }

    /// Reads and checks a config's text, under the environment's overrides.
    ///
    /// Errors: every finding, at least one of them an error.
    pub fn from_text(text: &str, environment: &Environment) -> Result<Self, Vec<Finding>> {
        let mut root = document::parse(text)?;
        let misplaced = environment.overlay(&mut root);
        if matches!(&root.value, Value::Table(entries) if entries.is_empty()) {
            let message = "found nothing, expected at least `[organization]` and `[archive]`";
            let finding = Finding::error("", root.origin, message);
            return Err(vec![finding.with_hint("`orgtrail init` writes a config")]);
        }
        derived::fill_in(&mut root);
        let mut reader = Reader::default();
        let config = Config::read(&root, "", &mut reader);
        let Reader { mut findings, origins } = reader;
        findings.extend(misplaced);
        findings.extend(environment.refused(&origins));
        let Some(config) = config else { return Err(findings) };
        derived::explain(&mut findings, &origins);
        findings = check::check(&config, &origins, findings);
        findings.sort_by_key(|finding| finding.origin.rank());
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(findings);
        }
        Ok(Self { config, warnings: findings, origins })
    }
}

impl std::str::FromStr for Config {
    type Err = InvalidConfig;

    /// Reads and checks a config's text, without any environment.
    fn from_str(text: &str) -> Result<Self, InvalidConfig> {
        Loaded::from_text(text, &Environment::default())
            .map(|loaded| loaded.config)
            .map_err(|findings| InvalidConfig { findings })
    }
}

/// A config's text that is not right.
#[derive(Debug, thiserror::Error)]
#[error("the config has {}", count(findings))]
pub struct InvalidConfig {
    /// Everything found.
    pub findings: Vec<Finding>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_lines_are_a_complete_config() {
        let config: Config = r#"
            [organization]
            management_account = "111111111111"
            log_archive_account = "222222222222"
            home_region = "us-east-1"
            [archive]
            bucket = "acme-log-archive"
        "#
        .parse()
        .unwrap();
        assert_eq!(config.archive.region.as_str(), "us-east-1");
        assert_eq!(config.archive.access_logging.bucket.as_str(), "acme-log-archive-access-logs");
    }
}
