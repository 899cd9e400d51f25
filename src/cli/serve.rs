//! `orgtrail serve`

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::{Context, OpError, Outcome};
use crate::config::{Config, Place, StatePlace};
use crate::serve::accounts::AccountWatcher;
use crate::serve::app::{App, Setup};
use crate::serve::evidence::Bundles;
use crate::serve::scheduler::Scheduler;
use crate::serve::slots::Timetable;
use crate::serve::{http, open};
use crate::words::with_causes;

/// How often the rounds of other replicas are looked for.
const REFRESH_EVERY: Duration = Duration::from_secs(30);

/// Run the rounds of the schedules, and show their results
///
/// Runs until SIGINT or SIGTERM, which stops the running round and stores what it found.
/// SIGHUP reads the configuration again. Several replicas with the same state share the work.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail serve
  orgtrail serve --run-now nightly
  orgtrail serve --log-json --config /etc/orgtrail.toml
  orgtrail status

Without `[service]` in the configuration, it keeps its state below
$XDG_STATE_HOME/orgtrail or ~/.local/state/orgtrail, checks for drift and verifies the
last day hourly, and does everything nightly.")]
pub(crate) struct Args {
    /// Also run a round of this schedule now.
    #[arg(long, value_name = "SCHEDULE")]
    run_now: Option<String>,

    /// Log as JSON lines.
    #[arg(long)]
    pub(super) log_json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let Args { run_now, log_json: _ } = args;
    let env = context.env()?;
    let store = open::open(&env, || default_state(context)).await?;
    let app = App::new(Setup {
        env,
        environment: context.environment.clone(),
        store,
        replica: replica(context),
    })?;
    let bound = http::bind(&app.config()).await?;
    open::check(&app).await?;
    if let Err(error) = app.sign_in().await {
        if error.outcome() == Outcome::Usage {
            return Err(error);
        }
        context.out.warn(format!("no round can run until this is fixed:\n{}", error.render()));
    }
    if let Some(schedule) = run_now {
        app.request(&schedule).map_err(|error| OpError::usage(error.to_string()))?;
    }
    let bundles = Bundles::open(&local_folder(&app, context)?).map_err(|error| {
        OpError::usage(format!("the folder of evidence bundles: {error}"))
            .with_hint("set XDG_STATE_HOME to a folder that this user can write to")
    })?;
    let reloads = reload(app.clone(), context.clone());
    announce(&app, bound.url(), context);
    let server = http::serve(app.clone(), bound, bundles, context.stop.clone());
    let server = tokio::spawn(server);
    let background = [tokio::spawn(refresh(app.clone())), reloads, tokio::spawn(supervised())];
    let watcher = AccountWatcher::new(app.clone()).run(context.stop.clone());
    let rounds = Scheduler::new(app).run(context.stop.clone());
    // The server ends before a stop only if it cannot go on: then the round ends too.
    let answers = async { server.await.map_err(|error| OpError::new(error, Outcome::Unexpected))? };
    let ended = tokio::try_join!(answers, async {
        // Boxed: what runs a round is large.
        tokio::join!(Box::pin(rounds), Box::pin(watcher));
        Ok(())
    });
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    background.iter().for_each(JoinHandle::abort);
    ended.map(|_| Outcome::Clean)
}

/// The directory of the state without `service.state`.
pub(super) fn default_state(context: &Context) -> Result<PathBuf, OpError> {
    let directory = |variable: &str| {
        let value = context.environment.var(variable).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let base = directory("XDG_STATE_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/state")));
    base.map(|base| base.join("orgtrail")).ok_or_else(|| {
        OpError::usage("there is no place for the state: neither HOME nor XDG_STATE_HOME is set")
            .with_hint("set `service.state` in the configuration")
    })
}

/// Where this process keeps files of its own.
fn local_folder(app: &App, context: &Context) -> Result<PathBuf, OpError> {
    match app.config().service.state.as_ref().map(StatePlace::place) {
        Some(Place::Directory(path)) => Ok(path.clone()),
        _ => default_state(context).map_err(|_| {
            OpError::usage("no folder for evidence bundles: neither HOME nor XDG_STATE_HOME is set")
                .with_hint("set XDG_STATE_HOME to a folder that this user can write to")
        }),
    }
}

/// A name that no other replica has.
fn replica(context: &Context) -> String {
    let host = context.environment.var("HOSTNAME").filter(|name| !name.is_empty());
    format!("{}-{:08x}", host.unwrap_or("orgtrail"), fastrand::u32(..))
}

fn announce(app: &App, url: &str, context: &Context) {
    let (config, now) = (app.config(), app.now());
    let state = config.service.state.as_ref().map(|state| state.as_str().to_owned());
    let state = state.unwrap_or_else(|| "this user's state directory".to_owned());
    context.out.note(format!("SERVICE: {url}, until SIGTERM or Ctrl-C"));
    context.out.note(format!("replica {}, state: {state}", app.replica()));
    for schedule in &config.service.schedule {
        let timetable = Timetable::new(schedule, &config.organization.management_account);
        let next = match timetable.next_after(now) {
            _ if schedule.paused => "paused".to_owned(),
            Some(slot) => format!("next round at {:.0}", slot.due_at),
            None => "its time never comes".to_owned(),
        };
        context.out.note(format!("schedule {}: {next}", schedule.name.as_str()));
    }
}

/// Looks for rounds of other replicas.
async fn refresh(app: App) {
    loop {
        tokio::time::sleep(REFRESH_EVERY).await;
        if let Err(error) = app.refresh().await {
            tracing::warn!(error = with_causes(&error), "the state is unreachable");
        }
    }
}

/// Reads the configuration again at each SIGHUP, and keeps the old one if it is invalid.
#[cfg(unix)]
fn reload(app: App, context: Context) -> JoinHandle<()> {
    use tokio::signal::unix::{SignalKind, signal};

    // Registered before the task runs: a signal that comes meanwhile does not end the process.
    let hangups = signal(SignalKind::hangup());
    tokio::spawn(async move {
        let Ok(mut hangups) = hangups else {
            return tracing::warn!("cannot listen for SIGHUP");
        };
        while hangups.recv().await.is_some() {
            match context.load() {
                Ok(loaded) if loaded.config.service.state != app.config().service.state => {
                    keep(&app, "`service.state` changed: restart the service to use it".to_owned());
                }
                Ok(loaded) if !has_same_server(&loaded.config, &app.config()) => keep(
                    &app,
                    "`service.listen` or `service.access` changed: restart the service to use it"
                        .to_owned(),
                ),
                Ok(loaded) => match app.reload(loaded.config) {
                    Ok(()) => tracing::info!("uses the new configuration from the next round on"),
                    Err(error) => keep(&app, error.message()),
                },
                Err(error) => keep(&app, with_causes(&error)),
            }
        }
    })
}

/// Whether the server need not start anew.
#[cfg(unix)]
fn has_same_server(one: &Config, other: &Config) -> bool {
    let (one, other) = (&one.service, &other.service);
    one.listen == other.listen && one.access == other.access && one.public_url == other.public_url
}

/// Keeps the configuration that is in use, and says why.
#[cfg(unix)]
fn keep(app: &App, reason: String) {
    tracing::error!("the old configuration stays in use: {reason}");
    app.keep_configuration(reason);
}

#[cfg(not(unix))]
fn reload(_app: App, _context: Context) -> JoinHandle<()> {
    tokio::spawn(std::future::pending())
}

/// Notifies systemd that the service is ready, and then that it is alive.
async fn supervised() {
    // Where no systemd waits, these do nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    loop {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        tokio::time::sleep(limit / 3).await;
    }
}
