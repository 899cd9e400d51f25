//! The queue of events of accounts that join, leave or move, and the rule that fills it.

mod queue;
mod rule;

pub use queue::{AccountQueue, QueueEncryption};
pub(crate) use queue::{AccountQueuePolicy, queue_url};
pub use rule::{AccountRule, RuleTarget};

use super::{Desired, Location, ObserveContext};
use crate::aws::Clients;
use crate::names::{Arn, Region};

impl Desired {
    /// The Region of AWS Organizations, in which its events arrive.
    fn events_region(&self) -> Region {
        self.config.organization.events_region()
    }

    fn events_arn(&self, service: &str, resource: String) -> Arn {
        let region = self.events_region();
        Arn::regional(self.partition(), service, &region, self.management(), resource)
    }

    /// The ARN of the queue of account events, if one is declared.
    #[must_use]
    pub fn account_queue_arn(&self) -> Option<Arn> {
        let name = self.config.new_accounts.queue.as_ref()?;
        Some(self.events_arn("sqs", name.to_string()))
    }

    /// The ARN of the rule that fills it.
    #[must_use]
    pub fn account_rule_arn(&self) -> Option<Arn> {
        let name = self.config.new_accounts.queue.as_ref()?;
        Some(self.events_arn("events", format!("rule/{name}")))
    }

    fn events_location(&self) -> Location {
        Location { account: self.management().clone(), region: Some(self.events_region()) }
    }
}

/// The management account's clients in the Region of the events.
fn clients(context: &ObserveContext<'_>) -> Clients {
    let desired = context.desired;
    context.aws.clients(desired.management(), &desired.events_region())
}
