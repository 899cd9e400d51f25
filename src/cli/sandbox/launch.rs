//! Starting a sandbox, for `up` and `exec`.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::process::Signals;
use super::{config_of, history};
use crate::cli::output_path::replace;
use crate::cli::{Context, OpError};
use crate::names::Region;
use crate::sandbox::{DigestEncryption, Options, Pace, Sandbox};

/// The options of a new sandbox.
#[derive(Debug, clap::Args)]
pub(super) struct LaunchOptions {
    /// Accounts of the organization, including the management account.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=10_000))]
    accounts: u16,

    /// Start with accounts that are in no organization, to try `orgtrail bootstrap`.
    #[arg(long, conflicts_with_all = ["history", "legacy"])]
    no_organization: bool,

    /// The port on 127.0.0.1. Default: a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// The home Region.
    #[arg(long, default_value = "us-east-1")]
    region: Region,

    /// Keep the state in this directory across restarts.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Write a configuration that matches the sandbox. An existing file is replaced only with
    /// --yes.
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,

    /// The time of the simulated clock at the start. Default: now.
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,

    /// Advance the clock only by ticks, so that every run has the same times.
    #[arg(long)]
    frozen: bool,

    /// The seed for random ids and keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Start this long ago (`7d`, `36h`), with the organization trail of the configuration that
    /// `--write-config` writes and everything it has delivered since.
    #[arg(long, value_name = "TIME", value_parser = history::span)]
    history: Option<SignedDuration>,

    /// Give this many members a trail and a bucket of their own, with logs for the time in
    /// `--history` or for one day.
    #[arg(long, value_name = "N", default_value_t = 0)]
    legacy: u16,

    /// How digests of trails with a key are encrypted: with `trail-key`, as in AWS today, or
    /// with `sse-s3`, as for older trails. Kept with `--data`.
    #[arg(long, value_name = "HOW", value_enum)]
    digest_encryption: Option<DigestKey>,
}

/// The values of `--digest-encryption`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DigestKey {
    /// With the trail's key, like its log files.
    TrailKey,
    /// With SSE-S3, as CloudTrail did earlier for every trail.
    SseS3,
}

impl From<DigestKey> for DigestEncryption {
    fn from(key: DigestKey) -> Self {
        match key {
            DigestKey::TrailKey => Self::TrailKey,
            DigestKey::SseS3 => Self::SseS3,
        }
    }
}

/// A running sandbox, and the configuration for it.
pub(super) struct Launched {
    pub(super) sandbox: Sandbox,
    /// The configuration that `--write-config` wrote.
    pub(super) config: Option<PathBuf>,
}

impl LaunchOptions {
    /// Starts the sandbox.
    ///
    /// # Errors
    /// The sandbox cannot start, or the configuration cannot be written.
    pub(super) async fn start(&self, context: &Context) -> Result<Launched, OpError> {
        if let Some(path) = &self.write_config
            && path.exists()
            && !context.yes
        {
            return Err(OpError::usage(format!("{} already exists", path.display()))
                .with_hint("name another file, or replace it with `--yes`"));
        }
        let history = history::History::new(self.history, self.legacy, self.accounts, self.start)?;
        let options = Options {
            accounts: self.accounts.into(),
            port: self.port,
            data: self.data.clone(),
            start: history.as_ref().map(history::History::starts_at).or(self.start),
            pace: if self.frozen { Pace::Frozen } else { Pace::Flowing },
            seed: self.seed,
            // If it is killed before its history is simulated, the next run starts anew.
            save_later: true,
            organization: !self.no_organization,
            ..Options::new(self.region.clone())
        };
        let sandbox = Sandbox::start(options).await?;
        if let Some(with) = self.digest_encryption {
            sandbox.encrypt_digests(with.into());
        }
        match history {
            Some(history) if !sandbox.is_resumed() => Box::pin(history.simulate(&sandbox)).await?,
            Some(_) => context.out.warn(
                "--history and --legacy are ignored: the organization in --data already exists",
            ),
            None => {}
        }
        sandbox.begin_saving();
        if let Some(path) = &self.write_config {
            write_config(&sandbox, path)?;
            context.out.note(format_args!("wrote {}", path.display()));
        }
        Ok(Launched { sandbox, config: self.write_config.clone() })
    }
}

/// Writes the configuration that matches a sandbox.
pub(super) fn write_config(sandbox: &Sandbox, path: &Path) -> Result<(), OpError> {
    Ok(replace(path, config_of(sandbox).as_bytes())?)
}

/// Stops a sandbox, which saves its state. A signal meanwhile ends the program
/// immediately, and keeps the previously saved state.
pub(super) async fn stop(sandbox: Sandbox, signals: &mut Signals) -> Result<(), OpError> {
    tokio::select! {
        stopped = sandbox.stop() => stopped.map_err(OpError::unexpected),
        _ = signals.next() => {
            let message = "stopped before the state was saved; the previously saved state is kept";
            Err(OpError::unexpected(message))
        }
    }
}
