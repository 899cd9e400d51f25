use std::path::PathBuf;

use super::config::lines;
use super::sign_in::SignedIn;
use super::{CliError, Exit, Explain, Output};
use crate::config::{Config, ConfigError, Environment, Loaded};
use crate::local_file::is_writable_by_others;
use crate::stop::Stop;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: a documented, versioned contract.
    Json,
}

/// The values of `--format`: those of every command, and those of some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Rendering {
    /// For people.
    #[default]
    Text,
    /// For programs: a documented, versioned contract.
    Json,
    /// For test dashboards (`verify`, `drift`).
    Junit,
    /// The lines of `aws cloudtrail validate-logs` (`verify`).
    AwsCli,
    /// For code scanning (`drift`).
    Sarif,
    /// For security lakes: compliance findings (`drift`).
    Ocsf,
    /// One page for people (`drift`).
    Html,
    /// For spreadsheets (`drift`).
    Csv,
}

impl Rendering {
    /// What a command prints that knows text and JSON only.
    #[must_use]
    pub fn format(self) -> Format {
        if self == Self::Json { Format::Json } else { Format::Text }
    }
}

/// What every command is handed: the global options, and where to print.
#[derive(Debug, Clone)]
pub struct Context {
    /// The config file's path.
    pub config_path: PathBuf,
    /// How results are printed.
    pub format: Format,
    /// The same, for commands that know more than text and JSON.
    pub rendering: Rendering,
    /// Whether calls may go unencrypted to endpoints that are not on this machine.
    pub allow_plain_http: bool,
    /// Whether questions are answered with yes.
    pub yes: bool,
    /// Where to print.
    pub out: Output,
    /// The environment variables, read once.
    pub environment: Environment,
    /// Tells when the command is to stop early.
    pub(crate) stop: Stop,
    /// Whether the command changes nothing in AWS: after a stop, what it has not
    /// read is unreadable.
    pub(crate) reads_only: bool,
    /// Who the command is signed in as.
    pub(super) signed_in: SignedIn,
}

impl Context {
    /// Warns where others than its owner can change a file that decides what is done or
    /// proven.
    pub(super) fn warn_of_others(&self, path: &std::path::Path) {
        if is_writable_by_others(path) {
            self.out.warn(format_args!(
                "warning: others can change `{}`: take their right to write (chmod go-w)",
                path.display()
            ));
        }
    }

    /// The config, checked; its warnings go to the person.
    pub fn config(&self) -> Result<Config, CliError> {
        Ok(self.load_warning()?.config)
    }

    /// The config with its warnings and origins.
    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        Loaded::from_file(&self.config_path, &self.environment)
    }

    pub(super) fn load_warning(&self) -> Result<Loaded, CliError> {
        let loaded = self.load()?;
        self.set_overrides(&loaded.origins);
        if !loaded.warnings.is_empty() {
            self.out.note(lines(&self.config_path, &loaded.warnings));
        }
        Ok(loaded)
    }
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { source, .. } => Some(match source.kind() {
                std::io::ErrorKind::NotFound => {
                    "`orgtrail init` writes one; `--config FILE` names another".to_owned()
                }
                std::io::ErrorKind::IsADirectory => {
                    "`--config` takes the file itself, not its directory".to_owned()
                }
                _ => "check the file's owner and mode".to_owned(),
            }),
            Self::NotText { .. } => Some("save the file as UTF-8".to_owned()),
            Self::TooLarge { .. } => Some("`--config` may name the wrong file".to_owned()),
            Self::Invalid { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn report(&self) -> Option<String> {
        match self {
            Self::Invalid { path, findings } => Some(lines(path, findings)),
            _ => None,
        }
    }
}
