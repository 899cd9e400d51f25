use super::policy_change::policy_change;
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError, Topic};
use crate::aws::Seen;
use crate::plan::Change;
use crate::policy::{CLOUDWATCH, PolicyDocument, PolicyKind, Statement};

/// The topic that the alarms tell.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlarmTopic;

/// The topic's policy. It shares its state with the topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlarmTopicPolicy;

/// Source: CloudWatch User Guide, "Notifying users on alarm changes".
fn declared(desired: &Desired) -> PolicyDocument {
    let topic = desired.alarm_topic_arn().map(|arn| arn.to_string()).unwrap_or_default();
    let alarms = desired.management_arn("cloudwatch", "alarm:*").to_string();
    PolicyDocument::new(vec![
        Statement::allow("OrgTrailAlarms")
            .service(CLOUDWATCH)
            .actions(["sns:Publish"])
            .resources([topic])
            .when("ArnLike", "aws:SourceArn", [alarms])
            .when("StringEquals", "aws:SourceAccount", [desired.management().to_string()]),
    ])
}

impl Resource for AlarmTopic {
    type State = Topic;
    const ID: &'static str = "alarm-topic";
    const AFTER: &'static [&'static str] = &[];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &["sns:CreateTopic", "sns:GetTopicAttributes"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn wanted(desired: &Desired) -> bool {
        desired.config.alarms.is_some()
    }

    fn seen(observed: &Observed) -> &Seen<Topic> {
        &observed.alarm_topic
    }

    fn diff(desired: &Desired, found: Option<&Topic>, _: &Observed) -> Change {
        Topic::made(found, desired.alarm_topic_arn(), "alarms tell it")
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let Some(alarms) = &hands.desired.config.alarms else { return Ok(()) };
        Topic::make(hands, &alarms.topic).await
    }
}

impl Resource for AlarmTopicPolicy {
    type State = Topic;
    const ID: &'static str = "alarm-topic/policy";
    const AFTER: &'static [&'static str] = &["alarm-topic"];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &["sns:GetTopicAttributes", "sns:SetTopicAttributes"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn wanted(desired: &Desired) -> bool {
        desired.config.alarms.is_some()
    }

    fn seen(observed: &Observed) -> &Seen<Topic> {
        &observed.alarm_topic
    }

    fn diff(desired: &Desired, found: Option<&Topic>, _: &Observed) -> Change {
        policy_change(
            found.and_then(|found| found.policy.as_ref()),
            &declared(desired),
            desired.foreign,
            PolicyKind::Topic,
            "the account's alarms publish",
        )
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let Some(arn) = hands.desired.alarm_topic_arn() else { return Ok(()) };
        Topic::permit(hands, arn, &declared(hands.desired)).await
    }
}
