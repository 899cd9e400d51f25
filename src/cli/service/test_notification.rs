use super::{Context, OpError, Outcome};
use crate::cli::Format;
use crate::report::contract::notification::{TestDelivery, TestReport};
use crate::serve::notify::{Delivery, send_examples};

/// Send an example to the channels of `[[service.notify]]`
///
/// Sends a finding that is new, and then its end, so that nothing stays open. A `dead_man`
/// monitor is notified of a start. Exits with 14 if a channel does not accept it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orgtrail service test-notification
  orgtrail service test-notification --channel security-team")]
pub(crate) struct Args {
    /// Send to this channel only.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Outcome, OpError> {
    let env = context.env()?;
    let deliveries = send_examples(&env, &context.environment, args.channel.as_deref()).await?;
    let has_failed = deliveries.iter().any(|delivery| delivery.error.is_some());
    match context.format {
        Format::Json => context.document(report(deliveries))?,
        Format::Text => {
            let lines: Vec<String> = deliveries.iter().map(line).collect();
            context.out.data(lines.join("\n"))?;
        }
    }
    Ok(if has_failed { Outcome::Incomplete } else { Outcome::Clean })
}

fn line(delivery: &Delivery) -> String {
    match &delivery.error {
        None => format!("{}: delivered", delivery.channel),
        Some(error) => format!("{}: not delivered: {error}", delivery.channel),
    }
}

fn report(deliveries: Vec<Delivery>) -> TestReport {
    let delivery = |it: Delivery| TestDelivery {
        channel: it.channel,
        is_delivered: it.error.is_none(),
        error: it.error,
    };
    TestReport { deliveries: deliveries.into_iter().map(delivery).collect() }
}
