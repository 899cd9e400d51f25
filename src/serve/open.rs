//! Opens the state that the configuration names.

use std::path::{Path, PathBuf};

use super::accounts::AccountLedgerError;
use super::app::App;
use super::board::Board;
use super::rounds::RoundsError;
use crate::aws::{WriteAuthority, WriteClients};
use crate::config::{Config, Place, StatePlace};
use crate::ops::{Env, Explain, OpError, Outcome};
use crate::store::{DirectoryStore, S3Store, Store, StoreError};

/// Opens the state of the configuration; without one, that in the directory `default`.
///
/// # Errors
/// The directory cannot be created, or there are no credentials, or the bucket is unreachable or
/// of another account than the configuration names.
pub async fn open(
    env: &Env,
    default: impl FnOnce() -> Result<PathBuf, OpError>,
) -> Result<Store, OpError> {
    let config = env.config()?;
    let directory = |path: &Path| {
        DirectoryStore::open(path).map(Store::Directory).map_err(|error| {
            let message = format!("the state directory {}: {error}", path.display());
            OpError::new(message, Outcome::Usage)
                .with_hint("set `service.state` to a directory that this user can write to")
        })
    };
    let (bucket, prefix) = match config.service.state.as_ref().map(StatePlace::place) {
        None => return directory(&default()?),
        Some(Place::Directory(path)) => return directory(path),
        Some(Place::Bucket { bucket, prefix }) => (bucket, prefix),
    };
    let aws = env.aws_of_member().await?;
    let account = config.service.state_owner(&config.organization.log_archive_account);
    let account = account.unwrap_or(&aws.caller().account).clone();
    let region = aws.clients(&account, aws.home_region()).bucket_region(bucket).await?;
    let clients = WriteClients::new(&aws.clients(&account, &region), &WriteAuthority::granted());
    let prefix = prefix.as_ref().map(ToString::to_string);
    Ok(Store::S3(S3Store::new(clients, bucket.clone(), prefix.as_deref())))
}

/// Checks that the state refuses to create a file twice, on which the claims rely, and that
/// it is of this organization; and reads the newest rounds.
///
/// # Errors
/// It is unreachable, another organization's, or ignores conditions.
pub async fn check(app: &App) -> Result<(), OpError> {
    if !app.store().refuses_to_overwrite().await? {
        let message = "the state ignores `If-None-Match`: two replicas could run one slot";
        return Err(OpError::new(message, Outcome::Refused)
            .with_hint("use a bucket of Amazon S3, or a directory"));
    }
    app.refresh().await?;
    check_organization(&app.board(), &app.config())
}

/// Checks that the rounds of a state are those of the configured organization.
///
/// # Errors
/// They are another organization's.
pub fn check_organization(board: &Board, config: &Config) -> Result<(), OpError> {
    let expected = &config.organization.management_account;
    match board.newest() {
        Some(round) if round.management_account != *expected => {
            let found = &round.management_account;
            let message =
                format!("the state has rounds of the organization of {found}, expected {expected}");
            Err(OpError::usage(message)
                .with_hint("set `service.state` to a place of its own for each organization"))
        }
        _ => Ok(()),
    }
}

impl Explain for StoreError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Object { source, .. } => source.hint(),
            Self::File { .. } => Some("check the permissions of the state directory".to_owned()),
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::Incomplete
    }
}

impl Explain for AccountLedgerError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::Incomplete
    }
}

impl Explain for RoundsError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }

    fn outcome(&self) -> Outcome {
        Outcome::Incomplete
    }
}
