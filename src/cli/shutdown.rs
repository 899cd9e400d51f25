//! How commands end early: what SIGINT and SIGTERM do.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use super::{Command, Context, OpError, Outcome};
use crate::ops::Interrupted;

/// How long a round has to write its report after the second signal.
const SUMMARY_WITHIN: Duration = Duration::from_secs(2);

/// Runs a command. After the first signal, a command that stops gracefully finishes its
/// operations in flight and reports; any other is abandoned. A second signal ends both.
pub(super) async fn until_stopped(command: Command, context: &Context) -> Result<Outcome, OpError> {
    let (stop, stops_gracefully) = (&context.stop, command.stops_gracefully());
    let is_announced = Cell::new(false);
    let announce = || {
        if stops_gracefully && !is_announced.replace(true) {
            // The person who sent the signal waits, with `--quiet` too.
            context.out.warn(format_args!(
                "stopping ({}): finishing operations in flight; a second signal stops immediately",
                stop.cause()
            ));
        }
    };
    let announced = async {
        stop.requested().await;
        announce();
        std::future::pending::<Infallible>().await
    };
    let early = async {
        if stops_gracefully {
            std::future::pending::<()>().await;
        }
        stop.requested().await;
    };
    let writes_summary = matches!(command, Command::Run(_));
    let second = async {
        stop.requested_again().await;
        if writes_summary {
            // Its current part stops gracefully, and the results so far are reported.
            tokio::time::sleep(SUMMARY_WITHIN).await;
        }
    };
    tokio::select! {
        biased;
        never = announced => match never {},
        result = Box::pin(command.run(context)) => {
            // The signal may have come after `announced` was looked at, and ended the command
            // at once.
            if stop.is_requested() {
                announce();
            }
            result
        }
        () = early => Err(Interrupted::Early.into()),
        () = second => Err(Interrupted::AtOnce.into()),
    }
}
