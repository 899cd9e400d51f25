//! How commands get into AWS.

use super::{CliError, Context, Exit, Explain};
use crate::{
    aws::{Aws, AwsError, ErrorKind, Pacing, Settings},
    config::Config,
};

impl Context {
    /// The way into the accounts that a config declares.
    ///
    /// `ORGTRAIL_PACING=off` lifts the documented rates, for endpoints that
    /// have none.
    pub(crate) async fn aws(&self, config: &Config) -> Result<Aws, CliError> {
        let settings = Settings {
            home_region: Some(config.organization.home_region.clone()),
            roles: config.roles.clone(),
            pacing: self.pacing()?,
            ..Settings::default()
        };
        Ok(Aws::connect(settings).await?)
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

impl Explain for AwsError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }

    fn exit(&self) -> Exit {
        match self.kind() {
            // What may not be read or done is left open: the same for every command.
            ErrorKind::AccessDenied => Exit::Incomplete,
            _ => Exit::Unexpected,
        }
    }
}
