use super::topic::Purpose;
use super::{Desired, Observed, Topic};
use crate::aws::Seen;
use crate::names::{Arn, TopicName};
use crate::policy::{CLOUDWATCH, Statement};

/// The topic that the alarms tell.
#[derive(Debug)]
pub(super) struct Alarms;

impl Purpose for Alarms {
    const ID: &'static str = "alarm-topic";
    const POLICY: &'static str = "alarm-topic/policy";
    const WHY: &'static str = "alarms tell it";
    const WHY_POLICY: &'static str = "the account's alarms publish";

    fn name(desired: &Desired) -> Option<&TopicName> {
        desired.config.alarms.as_ref().map(|alarms| &alarms.topic)
    }

    fn arn(desired: &Desired) -> Option<Arn> {
        desired.alarm_topic_arn()
    }

    fn seen(observed: &Observed) -> &Seen<Topic> {
        &observed.alarm_topic
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
