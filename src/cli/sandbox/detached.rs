//! A sandbox in the background: `sandbox up --detach` and `sandbox down`.

use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::launch::{self, LaunchOptions, Launched};
use super::process::{self, Signal, Signals};
use super::variables::{Variables, absolute};
use super::{admin, line, running};
use crate::cli::{Context, Format, OpError, Outcome, exit};
use crate::local_file;
use crate::report::contract::sandbox::Background;
use crate::report::contract::{self};
use crate::words::counted;

/// The directory of a sandbox in the background.
#[derive(Debug, clap::Args)]
pub(super) struct SandboxDir {
    /// The directory of a sandbox in the background.
    #[arg(long, value_name = "DIR", env = "ORGTRAIL_SANDBOX_DIR")]
    #[arg(default_value = ".orgtrail-sandbox")]
    dir: PathBuf,
}

/// Stop the sandbox started by `sandbox up --detach`
///
/// Waits until the sandbox has saved its state, if `--data` is set.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail sandbox down")]
pub(super) struct Down {
    #[command(flatten)]
    place: SandboxDir,
}

/// What is known of a sandbox in the background.
#[derive(Debug)]
pub(super) struct Detached {
    /// How to reach it.
    pub(super) sandbox: contract::sandbox::Sandbox,
    /// Its process and files.
    pub(super) process: Background,
}

/// How long `down` waits for the state to be saved.
const SAVED_WITHIN: Duration = Duration::from_mins(2);
/// How often it checks.
const POLL_EVERY: Duration = Duration::from_millis(20);

fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> OpError {
    let what = format!("{doing} {}", path.display());
    move |error| OpError::unexpected(format!("{what}: {error}"))
}

impl SandboxDir {
    fn state(&self) -> PathBuf {
        self.dir.join("sandbox.json")
    }

    fn environment(&self) -> PathBuf {
        self.dir.join("env")
    }

    /// Exists if a sandbox could not save its state.
    fn failed(&self) -> PathBuf {
        self.dir.join("failed")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The sandbox that the directory describes, whether it is running or not.
    fn find(&self) -> Result<Option<Detached>, OpError> {
        let path = self.state();
        match fs::read(&path) {
            Ok(bytes) => Detached::read(&bytes).map(Some).map_err(|error| {
                OpError::usage(format!("{} is not a sandbox's file: {error}", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("reading", &path)(error)),
        }
    }

    /// The sandbox that the directory describes.
    ///
    /// # Errors
    /// No sandbox was started there.
    pub(super) fn read(&self) -> Result<Detached, OpError> {
        self.find()?.ok_or_else(|| self.no_sandbox())
    }

    fn no_sandbox(&self) -> OpError {
        OpError::usage(format!("no sandbox is running in {}", self.dir.display()))
            .with_hint("start one with `orgtrail sandbox up --detach`")
    }

    /// The sandbox that runs.
    ///
    /// # Errors
    /// When none does.
    pub(super) async fn running(&self) -> Result<Detached, OpError> {
        let found = self.read()?;
        if found.answers().await { Ok(found) } else { Err(self.no_sandbox()) }
    }

    /// Removes the files of a sandbox that has stopped.
    fn clear(&self) -> Result<(), OpError> {
        for path in [self.environment(), self.state()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("removing", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn prepare(&self) -> Result<(), OpError> {
        let made = local_file::create_folder(&self.dir);
        made.map_err(failed("creating", &self.dir))?;
        // Keys of a sandbox are worth nothing, and still are nothing to commit.
        let ignore = self.dir.join(".gitignore");
        write_private(&ignore, "*\n")
    }
}

impl Detached {
    /// Reads the document of a sandbox in the background.
    fn read(text: &[u8]) -> Result<Self, contract::ReadError> {
        let sandbox = contract::read::<contract::sandbox::Sandbox>(text)?;
        if let Some(process) = sandbox.background.clone() {
            return Ok(Self { sandbox, process });
        }
        let error: serde_json::Error = serde::de::Error::missing_field("background");
        Err(error.into())
    }

    /// Whether this very sandbox listens: a port and a process id are soon
    /// another's.
    async fn answers(&self) -> bool {
        let identity = admin::identity(&self.sandbox.endpoint).await;
        identity.is_ok_and(|found| found.pid == self.process.pid)
    }
}

/// Starts a sandbox in the background, and returns when it listens.
pub(super) async fn start(place: &SandboxDir, context: &Context) -> Result<Outcome, OpError> {
    if let Some(found) = place.find()? {
        if found.answers().await {
            let (pid, endpoint) = (found.process.pid, &found.sandbox.endpoint);
            let message = format!("a sandbox is already running: process {pid} at {endpoint}");
            return Err(OpError::usage(message).with_hint(
                "stop it with `orgtrail sandbox down`, or name another directory with `--dir`",
            ));
        }
        if process::is_running(found.process.pid) {
            context.out.note("the previous sandbox ended without a message");
        }
    }
    place.prepare()?;
    place.clear()?;
    let failed_there = place.failed();
    if failed_there.exists() {
        fs::remove_file(&failed_there).map_err(failed("removing", &failed_there))?;
    }
    let log = place.log();
    let errors = local_file::create_anew(&log).map_err(failed("creating", &log))?;
    // The same call again, but for this.
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--detach");
    let mut child = Command::new(std::env::current_exe().map_err(OpError::unexpected)?)
        .args(arguments)
        .arg("--in-background")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(OpError::unexpected)?;
    let said = child.stdout.take();
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        if let Some(said) = said {
            io::BufReader::new(said).read_line(&mut line)?;
        }
        Ok::<_, io::Error>(line)
    });
    let line = line.await.map_err(OpError::unexpected)?;
    let line = line.map_err(OpError::unexpected)?;
    let Ok(found) = Detached::read(line.as_bytes()) else {
        // It says why, as it would have here.
        let status = child.wait().map_err(OpError::unexpected)?;
        let said = fs::read_to_string(&log).unwrap_or_default();
        let exit = if status.code() == Some(exit::code(Outcome::Usage).into()) {
            Outcome::Usage
        } else {
            Outcome::Unexpected
        };
        let said = said.trim().trim_start_matches("error: ").to_owned();
        return Err(OpError::new(format!("the sandbox did not start: {said}"), exit));
    };
    match context.format {
        Format::Json => context.out.data(line.trim_end())?,
        Format::Text => context.out.data(format_args!(
            "{} on {}, process {}\n\n  orgtrail sandbox exec --detached -- COMMAND   run a command against it\n  orgtrail sandbox down                         stop it\n\nIts environment variables are in {}.",
            counted(found.sandbox.accounts.len(), "account"),
            found.sandbox.endpoint,
            found.process.pid,
            found.process.environment.display(),
        ))?,
    }
    Ok(Outcome::Clean)
}

/// What runs in the background.
pub(super) async fn serve(
    launch: &LaunchOptions,
    place: &SandboxDir,
    context: &Context,
) -> Result<Outcome, OpError> {
    process::leave_terminal().map_err(OpError::unexpected)?;
    let mut signals = Signals::ending().map_err(OpError::unexpected)?;
    let Launched { sandbox, config } = launch.start(context).await?;
    let config = if let Some(path) = config {
        path
    } else {
        let path = place.dir.join("orgtrail.toml");
        launch::write_config(&sandbox, &path)?;
        path
    };
    let full = |path: &Path| absolute(path).map_err(OpError::unexpected);
    let process = Background {
        pid: std::process::id(),
        config: full(&config)?,
        environment: full(&place.environment())?,
        log: full(&place.log())?,
    };
    let mut document = running(&sandbox);
    let exports = Variables::of(&document, Some(&process.config)).exports();
    write_private(&process.environment, &format!("{exports}\n"))?;
    document.background = Some(process);
    let line = line(&document)?;
    // Last: who reads it finds the rest.
    write_private(&place.state(), &format!("{line}\n"))?;
    context.out.data(&line)?;
    signals.next().await;
    let stopped = launch::stop(sandbox, &mut signals).await;
    if stopped.is_err() {
        let failed_there = place.failed();
        write_private(&failed_there, "")?;
    }
    place.clear()?;
    stopped.map(|()| Outcome::Clean)
}

/// Ends a sandbox in the background, and waits until it has saved its state.
pub(super) async fn down(args: &Down, context: &Context) -> Result<Outcome, OpError> {
    let place = &args.place;
    let found = match place.find()? {
        Some(found) if found.answers().await => found,
        _ => {
            place.clear()?;
            context.out.note(format_args!("no sandbox is running in {}", place.dir.display()));
            return Ok(Outcome::Clean);
        }
    };
    let sent = process::send(found.process.pid, Signal::Terminate);
    sent.map_err(OpError::unexpected)?;
    // Its file shows that everything is saved, not the process: that may remain as a
    // zombie that no process waits for.
    let is_known = || {
        Ok::<_, OpError>(place.find()?.is_some_and(|left| left.process.pid == found.process.pid))
    };
    let gone = async {
        while process::is_running(found.process.pid) && is_known()? {
            tokio::time::sleep(POLL_EVERY).await;
        }
        is_known()
    };
    let Ok(left) = tokio::time::timeout(SAVED_WITHIN, gone).await else {
        let message = format!("process {} is still saving its state", found.process.pid);
        return Err(OpError::new(message, Outcome::Incomplete));
    };
    if left? || place.failed().exists() {
        place.clear()?;
        let log = found.process.log.display();
        let message = format!("the sandbox ended without saving its state: see {log}");
        return Err(OpError::unexpected(message));
    }
    context.out.note(format_args!("the sandbox at {} has stopped", found.sandbox.endpoint));
    Ok(Outcome::Clean)
}

/// Writes a file that only its owner can read, completely or not at all.
fn write_private(path: &Path, text: &str) -> Result<(), OpError> {
    local_file::replace(path, text.as_bytes()).map_err(failed("writing", path))
}
