//! How commands end early: what SIGINT and SIGTERM do.

use std::time::Duration;

use super::{Command, Context, OpError, Outcome};
use crate::ops::Interrupted;

/// How long a round has to write its report after the second signal.
const SUMMARY_WITHIN: Duration = Duration::from_secs(2);

/// Runs a command. After the first signal, one that ends by itself finishes what
/// is in flight and reports; any other is left. A second signal ends at once.
pub(super) async fn until_stopped(command: Command, context: &Context) -> Result<Outcome, OpError> {
    let (stop, stops_gracefully) = (&context.stop, command.stops_gracefully());
    let first = async {
        stop.requested().await;
        if !stops_gracefully {
            return;
        }
        // Whoever sends it waits for it, `--quiet` or not.
        context.out.warn(format_args!(
            "stopping ({}): finishing operations in flight; a second signal stops immediately",
            stop.cause()
        ));
        std::future::pending::<()>().await;
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
        result = Box::pin(command.run(context)) => result,
        () = first => Err(Interrupted::Early.into()),
        () = second => Err(Interrupted::AtOnce.into()),
    }
}
