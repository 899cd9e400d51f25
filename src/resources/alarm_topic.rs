use serde::Serialize;

use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::plan::{Change, FieldChange};

/// The topic that the alarms tell. The policy that SNS gives it lets the
/// account's own alarms publish, and nobody else.
///
/// Source: SNS `GetTopicAttributes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmTopic {
    /// Its ARN.
    pub arn: String,
}

impl AlarmTopic {
    pub(super) async fn observe(management: &Clients, desired: &Desired) -> Seen<Self> {
        let Some(arn) = desired.alarm_topic_arn() else { return Seen::Absent };
        let arn = arn.to_string();
        let answer = management.sns().get_topic_attributes().topic_arn(&arn).send().await;
        let read = answer.at(management, "sns:GetTopicAttributes");
        Seen::from_result(read, AwsError::is_not_found).map(|_| Self { arn })
    }
}

impl Resource for AlarmTopic {
    type State = Self;
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

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.alarm_topic
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        if found.is_some() {
            return Change::nothing();
        }
        let arn = desired.alarm_topic_arn().map(|arn| arn.to_string());
        Change::create("alarms tell it", vec![FieldChange::new("arn", None::<String>, arn)])
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let clients = hands.management();
        let Some(alarms) = &hands.desired.config.alarms else { return Ok(()) };
        clients
            .sns()
            .create_topic()
            .name(alarms.topic.as_str())
            .send()
            .await
            .at(&clients, "sns:CreateTopic")?;
        Ok(())
    }
}
