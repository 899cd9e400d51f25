//! How commands end early: what SIGINT and SIGTERM do.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use super::{CliError, Command, Context, Exit, Explain};

/// How long a round has to write its report after the second signal.
const SUMMARY_WITHIN: Duration = Duration::from_secs(2);

/// Runs a command. After the first signal, one that ends by itself finishes what
/// is in flight and reports; any other is left. A second signal ends at once.
pub(super) async fn until_stopped(command: Command, context: &Context) -> Result<Exit, CliError> {
    let (stop, ends_by_itself) = (&context.stop, command.ends_by_itself());
    let announced = async {
        stop.requested().await;
        if !ends_by_itself {
            return std::future::pending().await;
        }
        // Whoever sends it waits for it, `--quiet` or not.
        context.out.warn(format_args!(
            "stopping: what is in flight is finished and reported ({}); a second signal ends at \
             once",
            stop.cause()
        ));
        std::future::pending::<Infallible>().await
    };
    let early = async {
        if ends_by_itself {
            std::future::pending::<()>().await;
        }
        stop.requested().await;
    };
    let writes_summary = matches!(command, Command::Run(_));
    let second = async {
        stop.requested_again().await;
        if writes_summary {
            // Its part ends by itself, and what the parts before it found is reported.
            tokio::time::sleep(SUMMARY_WITHIN).await;
        }
    };
    tokio::select! {
        biased;
        // The first: a command that the signal ends at once has announced it too.
        never = announced => match never {},
        result = Box::pin(command.run(context)) => result,
        () = early => Err(Interrupted::Early.into()),
        () = second => Err(Interrupted::AtOnce.into()),
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

/// What comes of some work, or that a second signal ended it.
pub(super) async fn unless_ended<T>(
    context: &Context,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    tokio::select! {
        done = work => done,
        () = context.stop.requested_again() => Err(Interrupted::AtOnce.into()),
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
