use super::section::section;
use crate::names::{Arn, LogGroupName, RoleName};

section! {
    /// The copy of the trail's events in CloudWatch Logs, in the management
    /// account and the home Region.
    pub struct CloudWatchLogs {
        /// Whether it is on.
        enabled: bool = default(true),
        /// The log group's name.
        group: LogGroupName = default(LogGroupName::default()),
        /// How many days the group keeps its events; one of the values that CloudWatch Logs
        /// supports.
        retention_days: u32 = default(365_u32),
        /// Keep events forever; `retention_days` is then ignored.
        keep_forever: bool = default(false),
        /// The ARN of a KMS key in the home Region that encrypts the group's events; its policy
        /// must let CloudWatch Logs use it. By default, CloudWatch Logs uses its own key.
        kms_key: Option<Arn> = default(None::<Arn>),
        /// The role with which CloudTrail writes to the group.
        role: RoleName = default(RoleName::cloudwatch_logs()),
    }
}
