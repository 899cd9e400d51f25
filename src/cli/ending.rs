//! How commands end early: what SIGINT and SIGTERM do.

use std::future::Future;

use super::{CliError, Command, Context, Exit, Explain};

/// Runs a command. After the first signal, one that ends by itself finishes what
/// is in flight and reports; any other is left. A second signal ends at once.
pub(super) async fn until_stopped(
    command: Command,
    context: &Context,
) -> Result<Exit, CliError> {
    let (stop, ends_by_itself) = (&context.stop, command.ends_by_itself());
    // A sandbox says by itself that it stops.
    let says = !matches!(command, Command::Sandbox(_));
    let first = async {
        stop.requested().await;
        if !ends_by_itself {
            return;
        }
        if says {
            // Whoever sends it waits for it, `--quiet` or not.
            context.out.warn(format_args!(
                "{}: stopping after what is in flight; a second signal ends at once",
                stop.cause()
            ));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = Box::pin(command.run(context)) => result,
        () = first => Err(Interrupted::Early.into()),
        () = stop.requested_again() => Err(Interrupted::AtOnce.into()),
    }
}

/// What comes of some work that only reads, or that it was stopped first.
pub(super) async fn unless_stopped<T>(
    context: &Context,
    work: impl Future<Output = T>,
) -> Result<T, CliError> {
    tokio::select! {
        done = work => Ok(done),
        () = context.stop.requested() => Err(Interrupted::Early.into()),
    }
}

/// A command that a signal ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interrupted {
    /// Nothing was under way yet that would have to be finished.
    #[error("stopped before anything was written")]
    Early,
    /// Not even what was in flight was to be finished.
    #[error("ended at once, before it was done")]
    AtOnce,
}

impl Explain for Interrupted {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Early => None,
            Self::AtOnce => Some(
                "run the same command again: what was written is whole and stays, but the last \
                 steps are in no report"
                    .to_owned(),
            ),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Incomplete
    }
}
