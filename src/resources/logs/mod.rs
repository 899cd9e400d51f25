//! The trail's log group, and the alarms on its events.

mod alarm_subscriptions;
mod alarm_topic;
mod log_group;
mod log_group_role;
mod metric_alarms;
mod metric_filters;

pub use alarm_subscriptions::{AlarmSubscriptions, Subscription};
pub(crate) use alarm_topic::AlarmTopic;
pub use log_group::LogGroup;
pub(crate) use log_group_role::LogGroupRole;
pub use metric_alarms::{MetricAlarm, MetricAlarms};
pub use metric_filters::{Metric, MetricFilter, MetricFilters};
