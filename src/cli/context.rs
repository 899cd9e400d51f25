use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;

use super::watch::Watcher;
use super::{OpError, Output};
use crate::aws::{Pacing, Propagation};
use crate::config::{Config, ConfigError, Environment, Loaded};
use crate::ops::{Connection, Env, Session, config_findings};
use crate::report::contract::Document;
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
    /// For code scanning (`drift`, `events detect`).
    Sarif,
    /// For security lakes: findings (`drift`, `events detect`), events (`events export`).
    Ocsf,
    /// One page for people (`drift`).
    Html,
    /// For spreadsheets (`drift`, `events search`).
    Csv,
    /// One record a line (`events search`).
    Jsonl,
    /// The files that are written: a table (`events export`).
    Parquet,
    /// The files that are written: records, one a line (`events export`).
    Ndjson,
}

impl Rendering {
    /// What a command prints that knows text and JSON only.
    #[must_use]
    pub fn format(self) -> Format {
        if self == Self::Json { Format::Json } else { Format::Text }
    }
}

/// The global options, and where to print.
#[derive(Debug, Clone)]
pub struct Context {
    /// The path of the configuration file.
    pub config_path: PathBuf,
    /// How results are printed.
    pub format: Format,
    /// The same, for commands that know more than text and JSON.
    pub rendering: Rendering,
    /// Whether calls to endpoints on other machines may be unencrypted.
    pub allow_plain_http: bool,
    /// Whether questions are answered with yes.
    pub yes: bool,
    /// Where to print.
    pub out: Output,
    /// The environment variables, read once.
    pub environment: Environment,
    /// Requests to stop the command early.
    pub(crate) stop: Stop,
    /// Whether the command changes nothing in AWS: after a stop, what it has not
    /// read is unreadable.
    pub(crate) reads_only: bool,
    /// Who the command is signed in as.
    pub(super) session: Session,
    /// The environment of operations with the configuration, once it was loaded.
    pub(super) env: OnceLock<Env>,
}

impl Context {
    /// The configuration with its warnings and origins.
    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        Loaded::from_file(&self.config_path, &self.environment)
    }

    /// What operations are given. Loads the configuration once, and prints its warnings.
    pub(super) fn env(&self) -> Result<Env, OpError> {
        if let Some(env) = self.env.get() {
            return Ok(env.clone());
        }
        let config = self.load().map(|loaded| {
            self.note_warnings(&loaded);
            loaded.config
        });
        let env = self.env_of_caller()?.with_config(config);
        Ok(self.env.get_or_init(|| env).clone())
    }

    /// The same without a configuration.
    pub(super) fn env_of_caller(&self) -> Result<Env, OpError> {
        let connection = Connection {
            pacing: self.pacing()?,
            propagation: self.propagation()?,
            allow_plain_http: self.allow_plain_http,
            base: None,
        };
        let env = Env::new(connection, local_now)
            .with_stop(self.stop.clone())
            .with_progress(Arc::new(Watcher::new(self.out)))
            .in_session(self.session.clone());
        Ok(if self.reads_only { env.read_only() } else { env })
    }

    /// The configuration, whose warnings are printed.
    pub(super) fn config(&self) -> Result<Config, OpError> {
        self.env()?.config().cloned()
    }

    /// Prints the warnings of a configuration, and notes for reports what the environment set.
    pub(super) fn note_warnings(&self, loaded: &Loaded) {
        self.session.set_overrides(&loaded.origins, &self.environment, &self.config_path);
        if !loaded.warnings.is_empty() {
            self.out.note(config_findings(&self.config_path, &loaded.warnings));
        }
    }

    /// The first lines of a text report: the identity and endpoint it was made with.
    pub(crate) fn head(&self) -> Result<(), OpError> {
        match self.session.head_lines() {
            lines if lines.is_empty() => Ok(()),
            lines => self.out.data(lines.join("\n")),
        }
    }

    /// Prints a document of the contract, with the session that made it.
    pub(crate) fn document<T: Document>(&self, body: T) -> Result<(), OpError> {
        self.out.json(&self.session.emitted(body))
    }

    /// The same as text.
    pub(super) fn document_text<T: Document>(&self, body: T) -> Result<String, OpError> {
        serde_json::to_string_pretty(&self.session.emitted(body)).map_err(OpError::unexpected)
    }

    /// How long to wait until a new resource takes effect:
    /// `ORGTRAIL_PROPAGATION_SECONDS`, or two minutes.
    fn propagation(&self) -> Result<Propagation, OpError> {
        let name = "ORGTRAIL_PROPAGATION_SECONDS";
        let Some(text) = self.environment.var(name).filter(|text| !text.is_empty()) else {
            return Ok(Propagation::default());
        };
        match text.parse::<u32>() {
            Ok(seconds) if seconds <= 3600 => {
                Ok(Propagation::at_most(Duration::from_secs(seconds.into())))
            }
            _ => Err(OpError::usage(format!(
                "{name} is `{text}`, expected a whole number from 0 to 3600"
            ))),
        }
    }

    /// Whether calls are paced. `ORGTRAIL_PACING=off` lifts the documented rates, for
    /// endpoints that have none.
    fn pacing(&self) -> Result<Pacing, OpError> {
        match self.environment.var("ORGTRAIL_PACING") {
            None | Some("" | "documented") => Ok(Pacing::Documented),
            Some("off") => Ok(Pacing::Off),
            Some(other) => Err(OpError::usage(format!(
                "ORGTRAIL_PACING is `{other}`, expected `documented` or `off`"
            ))),
        }
    }
}

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "the command line is where time comes in")]
fn local_now() -> Timestamp {
    Timestamp::now()
}
