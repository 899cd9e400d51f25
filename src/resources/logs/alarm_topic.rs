use crate::names::{Arn, TopicName};
use crate::policy::{CLOUDWATCH, Statement};
use crate::resources::Desired;
use crate::resources::sns_topic::TopicKind;

/// The topic that the alarms notify.
#[derive(Debug)]
pub(crate) struct AlarmTopic;

impl TopicKind for AlarmTopic {
    const ID: &'static str = "alarm-topic";
    const POLICY: &'static str = "alarm-topic/policy";
    const WHY: &'static str = "subscribers are notified of alarms";
    const WHY_POLICY: &'static str = "CloudWatch publishes the alarms of this account only";

    fn name(desired: &Desired) -> Option<&TopicName> {
        desired.config.alarms.as_ref().map(|alarms| &alarms.topic)
    }

    fn arn(desired: &Desired) -> Option<Arn> {
        desired.alarm_topic_arn()
    }

    /// Source: CloudWatch User Guide, "Notifying users on alarm changes".
    fn statement(desired: &Desired) -> Statement {
        let alarms = desired.management_arn("cloudwatch", "alarm:*").to_string();
        Statement::allow("OrgTrailAlarms")
            .service(CLOUDWATCH)
            .when("ArnLike", "aws:SourceArn", [alarms])
            .when("StringEquals", "aws:SourceAccount", [desired.management().to_string()])
    }
}
