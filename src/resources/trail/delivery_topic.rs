use crate::names::{Arn, TopicName};
use crate::policy::{CLOUDTRAIL, Statement};
use crate::resources::Desired;
use crate::resources::sns_topic::TopicKind;

/// The topic that CloudTrail notifies of each log file.
#[derive(Debug)]
pub(crate) struct DeliveryTopic;

impl TopicKind for DeliveryTopic {
    const ID: &'static str = "topic";
    const POLICY: &'static str = "topic/policy";
    const WHY: &'static str = "subscribers are notified of new logs";
    const WHY_POLICY: &'static str = "CloudTrail publishes for this trail only";

    fn name(desired: &Desired) -> Option<&TopicName> {
        desired.config.topic.as_ref().filter(|topic| topic.arn.is_none()).map(|topic| &topic.name)
    }

    fn arn(desired: &Desired) -> Option<Arn> {
        desired.own_topic_arn()
    }

    fn statement(desired: &Desired) -> Statement {
        Statement::allow("OrgTrailPublish").service(CLOUDTRAIL).when(
            "StringEquals",
            "aws:SourceArn",
            [desired.trail_arn().to_string()],
        )
    }
}

/// The note on the statement that the policy of an existing topic must have.
pub(super) fn required_statement(desired: &Desired, topic: &Arn) -> String {
    let required =
        DeliveryTopic::statement(desired).actions(["sns:Publish"]).resources([topic.to_string()]);
    let required = serde_json::to_string(&required).unwrap_or_default();
    format!("orgtrail does not change the policy of {topic}; its owner must add: {required}")
}
