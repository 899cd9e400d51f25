//! How commands sign in to AWS.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use std::time::Duration;

use super::{CliError, Context, Exit, Explain};
use crate::{
    aws::{Aws, AwsError, ErrorKind, Pacing, Propagation, Settings},
    config::{Config, Origin, Roles},
    names::{AccountId, BucketName, Region},
    org::{Identity, Needs, enter_archive},
    report::contract::{self, Document, Emitted, EnvironmentOverride},
    resources::bucket::{ArchiveBucket, taken_name},
};

/// A clock that differs more from AWS's is worth a warning.
const MAX_DIFFERENCE: SignedDuration = SignedDuration::from_mins(1);

/// Who a command is signed in as, and the way into AWS, once it is.
#[derive(Debug, Clone, Default)]
pub(super) struct SignedIn(Arc<Session>);

#[derive(Debug, Default)]
struct Session {
    identity: OnceLock<Identity>,
    /// The keys of the config that environment variables set.
    overrides: OnceLock<Vec<EnvironmentOverride>>,
    /// The newest one, which knows AWS's time best.
    aws: Mutex<Option<Aws>>,
}

/// The variable that names the configuration, and the option that it stands for.
const CONFIG_VARIABLE: (&str, &str) = ("ORGTRAIL_CONFIG", "--config");

/// A setting that an environment variable changed, for people.
fn in_words(changed: &EnvironmentOverride) -> String {
    let EnvironmentOverride { setting, variable, file } = changed;
    let file = file.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
    format!("{setting} is set by the environment: ${variable}{file}")
}

impl Context {
    /// Signs in for a command that needs the management account, and checks that
    /// the caller and the organization fit the configuration.
    ///
    /// `ORGTRAIL_PACING=off` lifts the documented rates, for endpoints that
    /// have none.
    pub(crate) async fn aws(&self, config: &Config) -> Result<Aws, CliError> {
        let aws = self.aws_of_plan(config).await?;
        refuse_taken_archive(&aws, config).await?;
        Ok(aws)
    }

    /// The same for a command that plans: its plan says whether the archive's name is
    /// another account's, with all else that is refused.
    pub(crate) async fn aws_of_plan(&self, config: &Config) -> Result<Aws, CliError> {
        self.aws_with(config, Needs::Management).await
    }

    /// The same for a command that reads the archive alone, which an auditor may
    /// do from any account of the organization that is let into it.
    pub(crate) async fn aws_of_member(&self, config: &Config) -> Result<Aws, CliError> {
        let aws = self.aws_with(config, Needs::Member).await?;
        enter_archive(&aws, config).await?;
        refuse_taken_archive(&aws, config).await?;
        Ok(aws)
    }

    async fn aws_with(&self, config: &Config, needs: Needs) -> Result<Aws, CliError> {
        let home = Some(config.organization.home_region.clone());
        let aws = self.connect(home, config.roles.clone()).await?;
        self.set_identity(Identity::validate(&aws, config, needs).await?);
        Ok(aws)
    }

    /// Signs in for what only root of one account may do, in a bucket's Region. An
    /// organization that cannot be read is no reason against it; another one is.
    pub(crate) async fn aws_of_root(
        &self,
        config: &Config,
        region: &Region,
    ) -> Result<Aws, CliError> {
        let aws = self.connect(Some(region.clone()), config.roles.clone()).await?;
        match Identity::validate(&aws, config, Needs::Member).await {
            Ok(identity) => self.set_identity(identity),
            Err(error) if error.exit() == Exit::Usage => return Err(error.into()),
            Err(_) => self.set_identity(Identity::of_caller(&aws).await),
        }
        Ok(aws)
    }

    /// Signs in where there is no configuration that says as whom.
    pub(crate) async fn aws_of_caller(
        &self,
        home_region: Option<Region>,
        roles: Roles,
    ) -> Result<Aws, CliError> {
        let aws = self.connect(home_region, roles).await?;
        self.set_identity(Identity::of_caller(&aws).await);
        Ok(aws)
    }

    async fn connect(&self, home_region: Option<Region>, roles: Roles) -> Result<Aws, CliError> {
        let settings = Settings {
            home_region,
            roles,
            pacing: self.pacing()?,
            propagation: self.propagation()?,
            allow_plain_http: self.allow_plain_http,
            ..Settings::default()
        };
        let aws = Aws::connect(settings).await.map_err(NotSignedIn)?;
        if self.reads_only {
            aws.end_on(self.stop.clone());
        }
        self.compare_clocks(&aws);
        *self.signed_in.0.aws.lock() = Some(aws.clone());
        Ok(aws)
    }

    /// Says where AWS's time differs from this machine's: AWS's is used.
    fn compare_clocks(&self, aws: &Aws) {
        let ahead = aws.ahead();
        if ahead.abs() <= MAX_DIFFERENCE || self.identity().is_some() {
            return;
        }
        if aws.is_sandbox() {
            self.out.note(format_args!("the sandbox's clock shows {:.0}", aws.now()));
            return;
        }
        let side = if ahead.is_negative() { "ahead of" } else { "behind" };
        self.out.warn(format_args!(
            "warning: this machine's clock is {:#} {side} AWS's; AWS's time is used",
            SignedDuration::from_secs(ahead.abs().as_secs()),
        ));
    }

    fn set_identity(&self, identity: Identity) {
        // A command that signs in twice does so with the same credentials.
        let _ = self.signed_in.0.identity.set(identity);
    }

    /// Notes which keys of the config environment variables set, for the reports.
    pub(super) fn set_overrides(&self, origins: &BTreeMap<String, Origin>) {
        let overrides = origins.iter().filter_map(|(key, origin)| match origin {
            Origin::Environment { variable } => Some(EnvironmentOverride {
                setting: key.clone(),
                variable: variable.clone(),
                file: None,
            }),
            _ => None,
        });
        let (variable, option) = CONFIG_VARIABLE;
        let named = self.environment.var(variable).filter(|path| !path.is_empty());
        let named = named.filter(|path| Path::new(path) == self.config_path);
        let of_file = named.map(|path| EnvironmentOverride {
            setting: option.to_owned(),
            variable: variable.to_owned(),
            file: Some(path.to_owned()),
        });
        // The config is read again with the same variables.
        let _ = self.signed_in.0.overrides.set(overrides.chain(of_file).collect());
    }

    fn overrides(&self) -> &[EnvironmentOverride] {
        self.signed_in.0.overrides.get().map_or(&[], Vec::as_slice)
    }

    /// Who the command is signed in as, once it is.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.signed_in.0.identity.get()
    }

    /// The time: AWS's where the command is signed in, else this machine's.
    pub(crate) fn now(&self) -> Timestamp {
        self.signed_in.0.aws.lock().as_ref().map_or_else(local_now, Aws::now)
    }

    /// The first line of a report for people: as whom and where it was made.
    pub(crate) fn head(&self) -> Result<(), CliError> {
        match self.head_lines() {
            lines if lines.is_empty() => Ok(()),
            lines => self.out.data(lines.join("\n")),
        }
    }

    /// As whom and where a report is made, and which keys the environment sets.
    pub(super) fn head_lines(&self) -> Vec<String> {
        let overrides = self.override_lines();
        self.identity().map(ToString::to_string).into_iter().chain(overrides).collect()
    }

    /// Which keys of the configuration the environment sets, and whether it names the
    /// configuration, a line each.
    pub(super) fn override_lines(&self) -> Vec<String> {
        self.overrides().iter().map(in_words).collect()
    }

    /// Prints a document of the contract, with the session that made it.
    pub(crate) fn document<T: Document>(&self, body: T) -> Result<(), CliError> {
        self.out.json(&self.emitted(body))
    }

    /// The same as text.
    pub(super) fn document_text<T: Document>(&self, body: T) -> Result<String, CliError> {
        serde_json::to_string_pretty(&self.emitted(body))
            .map_err(|error| CliError::new(error, Exit::Unexpected))
    }

    fn emitted<T: Document>(&self, body: T) -> Emitted<T> {
        Emitted::new(body).with_session(contract::Session {
            identity: self.identity().map(contract::Identity::from),
            environment_overrides: self.overrides().to_vec(),
        })
    }

    /// How long what was just created is waited for:
    /// `ORGTRAIL_PROPAGATION_SECONDS`, two minutes where it is not set.
    fn propagation(&self) -> Result<Propagation, CliError> {
        let name = "ORGTRAIL_PROPAGATION_SECONDS";
        let Some(text) = self.environment.var(name).filter(|text| !text.is_empty()) else {
            return Ok(Propagation::default());
        };
        match text.parse::<u32>() {
            Ok(seconds) if seconds <= 3600 => {
                Ok(Propagation::at_most(Duration::from_secs(seconds.into())))
            }
            _ => Err(CliError::usage(format!(
                "{name} is `{text}`, expected a whole number from 0 to 3600"
            ))),
        }
    }

    /// Whether calls are paced.
    pub(crate) fn pacing(&self) -> Result<Pacing, CliError> {
        match self.environment.var("ORGTRAIL_PACING") {
            None | Some("" | "documented") => Ok(Pacing::Documented),
            Some("off") => Ok(Pacing::Off),
            Some(other) => Err(CliError::usage(format!(
                "ORGTRAIL_PACING is `{other}`, expected `documented` or `off`"
            ))),
        }
    }
}

/// Refuses a command whose archive belongs to another account, before it reads or
/// writes anything: who owns the bucket decides what is read there, and who reads
/// what is written.
///
/// # Errors
/// The name is another account's: refused.
async fn refuse_taken_archive(aws: &Aws, config: &Config) -> Result<(), CliError> {
    let (account, archive) = (&config.organization.log_archive_account, &config.archive);
    refuse_taken(aws, account, &archive.bucket, &archive.region, "archive.bucket").await
}

/// The same for any bucket of the configuration; `setting` is what names it.
pub(super) async fn refuse_taken(
    aws: &Aws,
    account: &AccountId,
    bucket: &BucketName,
    region: &Region,
    setting: &str,
) -> Result<(), CliError> {
    if ArchiveBucket::is_other_account(&aws.clients(account, region), bucket).await {
        let (reason, hint) = taken_name(bucket, setting);
        let reason = format!("{reason}, expected {account}; nothing was read from it or written");
        return Err(CliError::new(reason, Exit::Refused).with_hint(hint));
    }
    Ok(())
}

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "the command line is where time comes in")]
fn local_now() -> Timestamp {
    Timestamp::now()
}

/// No credentials that AWS accepts, or no way to AWS.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign in")]
struct NotSignedIn(#[source] AwsError);

impl Explain for NotSignedIn {
    fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    fn exit(&self) -> Exit {
        if self.0.is_plain_http() { Exit::Usage } else { Exit::Incomplete }
    }
}

impl Explain for AwsError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }

    /// What AWS refused or did not answer could not be read; what it answered
    /// otherwise is unexpected.
    fn exit(&self) -> Exit {
        let unread = [
            ErrorKind::AccessDenied,
            ErrorKind::Throttled,
            ErrorKind::Timeout,
            ErrorKind::Expired,
            ErrorKind::Network,
            ErrorKind::Busy,
            ErrorKind::Stopped,
        ];
        if unread.contains(&self.kind()) { Exit::Incomplete } else { Exit::Unexpected }
    }
}
