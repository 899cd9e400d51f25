//! How commands get into AWS.

use std::time::Duration;

use super::{CliError, Context, Exit, Explain};
use crate::{
    aws::{Aws, AwsError, Pacing, Propagation, Settings},
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
            propagation: self.propagation()?,
            ..Settings::default()
        };
        Ok(Aws::connect(settings).await?)
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

impl Explain for AwsError {
    fn hint(&self) -> Option<String> {
        Self::hint(self)
    }

    fn exit(&self) -> Exit {
        Exit::Unexpected
    }
}
