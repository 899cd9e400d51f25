use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::OpError;
use super::progress::{NoProgress, Progress};
use crate::aws::{Aws, Pacing, Propagation};
use crate::config::{Config, ConfigError, Environment, Origin};
use crate::local_file::is_writable_by_others;
use crate::org::Identity;
use crate::report::contract::{self, Document, Emitted, EnvironmentOverride};
use crate::stop::Stop;

/// What every operation is given: the configuration, how to connect to AWS, the clock,
/// cancellation, and who watches the progress. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Env {
    configuration: Configuration,
    pub(super) connection: Connection,
    pub(super) session: Session,
    clock: fn() -> Timestamp,
    stop: Stop,
    progress: Arc<dyn Progress>,
    pub(super) reads_only: bool,
}

/// How calls to AWS are made.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// Whether calls are paced.
    pub pacing: Pacing,
    /// How long to wait until a new resource takes effect.
    pub propagation: Propagation,
    /// Whether calls to endpoints on other machines may be unencrypted.
    pub allow_plain_http: bool,
    /// Credentials, Region and endpoint; those of the environment variables and of the AWS
    /// configuration files if absent.
    pub base: Option<SdkConfig>,
}

#[derive(Debug, Clone)]
enum Configuration {
    /// The operation needs none.
    NotLoaded,
    Valid(Arc<Config>),
    Invalid(Arc<ConfigError>),
}

impl Env {
    /// An environment without a configuration, without requests to stop and without progress.
    /// `clock` is the time of this machine, for operations that are not signed in.
    #[must_use]
    pub fn new(connection: Connection, clock: fn() -> Timestamp) -> Self {
        Self {
            configuration: Configuration::NotLoaded,
            connection,
            session: Session::default(),
            clock,
            stop: Stop::never(),
            progress: Arc::new(NoProgress),
            reads_only: false,
        }
    }

    /// The same with a configuration. An invalid one fails the operations that need it.
    #[must_use]
    pub fn with_config(mut self, config: Result<Config, ConfigError>) -> Self {
        self.configuration = match config {
            Ok(config) => Configuration::Valid(Arc::new(config)),
            Err(error) => Configuration::Invalid(Arc::new(error)),
        };
        self
    }

    /// The same, cancelled by `stop`.
    #[must_use]
    pub fn with_stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// The same, watched by `progress`.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// The same in a session that others can look at.
    #[must_use]
    pub fn in_session(mut self, session: Session) -> Self {
        self.session = session;
        self
    }

    /// The same for an operation that changes nothing in AWS: a stop ends its calls, and
    /// what it has not read by then is unreadable.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.reads_only = true;
        self
    }

    /// The configuration.
    ///
    /// # Errors
    /// There is none, or it is invalid: usage.
    pub fn config(&self) -> Result<&Config, OpError> {
        match &self.configuration {
            Configuration::Valid(config) => Ok(config),
            Configuration::Invalid(error) => Err(Arc::clone(error).into()),
            Configuration::NotLoaded => Err(OpError::unexpected("no configuration was loaded")),
        }
    }

    /// The configuration, for operations that can do without; an invalid one is none.
    #[must_use]
    pub fn valid_config(&self) -> Option<&Config> {
        match &self.configuration {
            Configuration::Valid(config) => Some(config),
            _ => None,
        }
    }

    /// The configuration, for operations that can do without: none if there is no file.
    ///
    /// # Errors
    /// There is one, and it is invalid: usage.
    pub(super) fn config_if_present(&self) -> Result<Option<&Config>, OpError> {
        match &self.configuration {
            Configuration::NotLoaded => Ok(None),
            Configuration::Invalid(error) if is_missing(error) => Ok(None),
            _ => self.config().map(Some),
        }
    }

    /// Requests to stop the operation early.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Who watches.
    #[must_use]
    pub fn progress(&self) -> &Arc<dyn Progress> {
        &self.progress
    }

    /// Who the operation is signed in as.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The time: AWS's once signed in, else this machine's.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.session.now().unwrap_or_else(self.clock)
    }

    /// Warns about a file that decides what is done or proven, and that others than its
    /// owner can change.
    pub(crate) fn warn_if_others_can_write(&self, path: &Path) {
        if is_writable_by_others(path) {
            self.progress.warn(&format!(
                "warning: others can change `{}`: remove their write permission (chmod go-w)",
                path.display()
            ));
        }
    }
}

fn is_missing(error: &ConfigError) -> bool {
    matches!(error, ConfigError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Who an operation is signed in as, and what the environment set. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Session(Arc<SessionState>);

#[derive(Debug, Default)]
struct SessionState {
    identity: OnceLock<Identity>,
    /// The settings that environment variables changed.
    overrides: OnceLock<Vec<EnvironmentOverride>>,
    /// The newest connection, which knows AWS's time best.
    aws: Mutex<Option<Aws>>,
}

/// The variable that names the configuration, and the option that it stands for.
const CONFIG_VARIABLE: (&str, &str) = ("ORGTRAIL_CONFIG", "--config");

impl Session {
    /// Who the operation is signed in as, once it is.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.0.identity.get()
    }

    pub(super) fn set_identity(&self, identity: Identity) {
        // An operation that signs in twice does so with the same credentials.
        let _ = self.0.identity.set(identity);
    }

    pub(super) fn set_aws(&self, aws: &Aws) {
        *self.0.aws.lock() = Some(aws.clone());
    }

    /// AWS's time, once signed in.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        self.0.aws.lock().as_ref().map(Aws::now)
    }

    /// Notes which settings of the configuration at `path` the environment changed.
    pub(crate) fn set_overrides(
        &self,
        origins: &BTreeMap<String, Origin>,
        environment: &Environment,
        path: &Path,
    ) {
        let overrides = origins.iter().filter_map(|(key, origin)| match origin {
            Origin::Environment { variable } => Some(EnvironmentOverride {
                setting: key.clone(),
                variable: variable.clone(),
                file: None,
            }),
            _ => None,
        });
        let (variable, option) = CONFIG_VARIABLE;
        let named = environment.var(variable).filter(|named| !named.is_empty());
        let named = named.filter(|named| Path::new(named) == path);
        let of_file = named.map(|named| EnvironmentOverride {
            setting: option.to_owned(),
            variable: variable.to_owned(),
            file: Some(named.to_owned()),
        });
        let _ = self.0.overrides.set(overrides.chain(of_file).collect());
    }

    /// The settings that the environment changed, a line each.
    #[must_use]
    pub fn override_lines(&self) -> Vec<String> {
        self.overrides().iter().map(in_words).collect()
    }

    /// Who made a report, and which settings the environment changed, a line each.
    #[must_use]
    pub fn head_lines(&self) -> Vec<String> {
        self.identity().map(ToString::to_string).into_iter().chain(self.override_lines()).collect()
    }

    /// A document of the contract with this session.
    #[must_use]
    pub fn emitted<T: Document>(&self, body: T) -> Emitted<T> {
        Emitted::new(body).with_session(contract::Session {
            identity: self.identity().map(contract::Identity::from),
            environment_overrides: self.overrides().to_vec(),
        })
    }

    fn overrides(&self) -> &[EnvironmentOverride] {
        self.0.overrides.get().map_or(&[], Vec::as_slice)
    }
}

fn in_words(changed: &EnvironmentOverride) -> String {
    let EnvironmentOverride { setting, variable, file } = changed;
    let file = file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
    format!("{setting} is set by the environment: ${variable}{file}")
}
