use super::section::section;
use crate::names::{Arn, LogGroupName, RoleName};

section! {
    /// The copy of the trail's events in CloudWatch Logs, in the management
    /// account and the home Region.
    pub struct CloudWatchLogs {
        /// Whether there is one.
        enabled: bool = default(true),
        /// The log group's name.
        group: LogGroupName = default(LogGroupName::default()),
        /// Days that the group keeps its events; one of the numbers that
        /// CloudWatch Logs knows.
        retention_days: u32 = default(365_u32),
        /// Keep events for ever; `retention_days` does not count then.
        keep_forever: bool = default(false),
        /// The ARN of a KMS key in the home Region that encrypts the group's
        /// events; its policy must let CloudWatch Logs use it. Without one,
        /// CloudWatch Logs encrypts with a key of its own.
        kms_key: Option<Arn> = default(None::<Arn>),
        /// The role with which CloudTrail writes into the group.
        role: RoleName = default(RoleName::cloudwatch_logs()),
    }
}
