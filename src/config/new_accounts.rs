use super::section::section;
use crate::names::QueueName;

section! {
    /// Accounts that join the organization. The service reads the list of accounts every hour,
    /// and sooner with a queue of events.
    pub struct NewAccounts {
        /// The name of an SQS queue, and of the EventBridge rule that sends it the events of
        /// accounts that join, leave or move, in the management account and the Region of AWS
        /// Organizations (`us-east-1`). At most 64 characters, as names of rules. Without it,
        /// orgtrail creates neither.
        queue: Option<QueueName> = default(None::<QueueName>),
        /// How long after joining an account must be covered: its role can be assumed, the trail
        /// logs in every Region, and the first log file was delivered. Units: minutes, from 10.
        covered_within_minutes: u32 = default(120_u32),
    }
}
