use super::{CLOUD_LOG, call_rules};
use crate::detection::facts::Kind;
use crate::detection::rule::{About, Calls};

const LOG_GROUP: About = About::Resource(Kind::LogGroup);
const ALARM: About = About::Resource(Kind::Alarm);
const TOPIC: About = About::Resource(Kind::Topic);

pub(super) const CALLS: &[Calls] = call_rules! {
    "log-group-deleted" High "logs.amazonaws.com" ["DeleteLogGroup", "DeleteLogStream"]
        about LOG_GROUP;
        techniques CLOUD_LOG;
        title "The trail's log group, or a stream of it, was deleted";
        why "The alarms no longer see events, and the copy of the events is lost.";
        fix "Create the log group again (`orgtrail apply`); the archive has the events.";
    "log-retention-changed" Medium "logs.amazonaws.com"
        ["PutRetentionPolicy", "DeleteRetentionPolicy"] applied true
        about LOG_GROUP;
        techniques CLOUD_LOG;
        title "The retention of the trail's log group was changed";
        why "Events are deleted from CloudWatch Logs sooner.";
        fix "Compare the log group with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "log-group-key-changed" Medium "logs.amazonaws.com" ["AssociateKmsKey", "DisassociateKmsKey"] applied true
        about LOG_GROUP;
        techniques CLOUD_LOG;
        title "The key of the trail's log group was changed";
        why "The owner of the key decides who reads the events, and can make them unreadable.";
        fix "Compare the log group with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "metric-filter-deleted" High "logs.amazonaws.com" ["DeleteMetricFilter"]
        about LOG_GROUP;
        techniques CLOUD_LOG;
        title "A metric filter of the trail's log group was deleted";
        why "The alarm on it no longer sees any event.";
        fix "Create the filter again (`orgtrail apply`).";
    "metric-filter-changed" Medium "logs.amazonaws.com" ["PutMetricFilter"] applied true
        about LOG_GROUP;
        techniques CLOUD_LOG;
        title "A metric filter of the trail's log group was changed";
        why "With another pattern, the alarm on it misses events.";
        fix "Compare the filters with the configuration (`orgtrail drift`), and restore them (`orgtrail apply`).";
    "alarms-deleted" High "monitoring.amazonaws.com" ["DeleteAlarms", "DisableAlarmActions"]
        about ALARM;
        techniques &["T1685.002", "T1562.008", "T1685"];
        title "Alarms on the trail's events were deleted or silenced";
        why "The alarms' events no longer notify anyone.";
        fix "Create the alarms again (`orgtrail apply`), and enable their actions.";
    "alarm-changed" Medium "monitoring.amazonaws.com" ["PutMetricAlarm"] applied true
        about ALARM;
        techniques &["T1685.002", "T1562.008", "T1685"];
        title "An alarm on the trail's events was changed";
        why "With another metric, threshold or action, it notifies nobody.";
        fix "Compare the alarms with the configuration (`orgtrail drift`), and restore them (`orgtrail apply`).";
    "topic-deleted" High "sns.amazonaws.com" ["DeleteTopic"]
        about TOPIC;
        techniques CLOUD_LOG;
        title "A topic of the trail or of its alarms was deleted";
        why "Subscribers are no longer notified, and the trail's deliveries report errors.";
        fix "Create the topic again (`orgtrail apply`), and subscribe again.";
    "subscription-removed" High "sns.amazonaws.com" ["Unsubscribe"]
        about TOPIC;
        techniques CLOUD_LOG;
        title "A subscription of a topic of the trail or of its alarms was removed";
        why "Who subscribed is no longer notified. A link in each of SNS's e-mails does this without signing in.";
        fix "Subscribe again (`orgtrail apply`), and ask the subscriber.";
    "topic-changed" Medium "sns.amazonaws.com"
        ["SetTopicAttributes", "AddPermission", "RemovePermission"] applied true
        about TOPIC;
        techniques CLOUD_LOG;
        title "A topic of the trail or of its alarms was changed";
        why "With another policy, CloudTrail or CloudWatch cannot publish, or someone else can.";
        fix "Compare the topic with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
};
