use serde::Serialize;

use super::policy_change::policy_change;
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::names::{Arn, TopicName};
use crate::plan::{Change, FieldChange};
use crate::policy::{CLOUDTRAIL, PolicyDocument, PolicyKind, Statement, merge};

/// A topic: the one that hears of every delivered log file, or the one that
/// alarms tell.
///
/// Source: SNS `GetTopicAttributes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Its ARN.
    pub arn: String,
    /// Its policy.
    pub policy: Option<PolicyDocument>,
}

/// The topic's policy. It shares its state with the topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicPolicy;

impl Topic {
    pub(super) async fn observe(management: &Clients, arn: Option<Arn>) -> Seen<Self> {
        const ACTION: &str = "sns:GetTopicAttributes";
        let Some(arn) = arn.map(|arn| arn.to_string()) else { return Seen::Absent };
        let answer = management.sns().get_topic_attributes().topic_arn(&arn).send().await;
        let read = answer.at(management, ACTION).and_then(|answer| {
            let attributes = answer.attributes.unwrap_or_default();
            let policy = attributes
                .get("Policy")
                .map(|text| {
                    text.parse().map_err(|error| {
                        let found = format!("a policy that cannot be read ({error:?})");
                        management.malformed(ACTION, &found)
                    })
                })
                .transpose()?;
            Ok(Self { arn, policy })
        });
        Seen::from_result(read, AwsError::is_not_found)
    }

    /// What is to be done about a topic itself.
    pub(super) fn made(found: Option<&Self>, arn: Option<Arn>, why: &str) -> Change {
        if found.is_some() {
            return Change::nothing();
        }
        let arn = arn.map(|arn| arn.to_string());
        Change::create(why, vec![FieldChange::new("arn", None::<String>, arn)])
    }

    pub(super) async fn make(hands: &Hands<'_>, name: &TopicName) -> Result<(), StepError> {
        let clients = hands.management();
        let made = clients.sns().create_topic().name(name.as_str()).send().await;
        made.at(&clients, "sns:CreateTopic")?;
        Ok(())
    }

    /// Joins what is declared with the policy that a topic has by now: one that
    /// was just made has AWS's default.
    pub(super) async fn permit(
        hands: &Hands<'_>,
        arn: Arn,
        declared: &PolicyDocument,
    ) -> Result<(), StepError> {
        let clients = hands.management();
        let found = match Self::observe(&clients, Some(arn.clone())).await {
            Seen::Present(topic) => topic.policy,
            Seen::Absent => None,
            Seen::Unreadable(error) => return Err(error.into()),
        };
        let merged = merge(found.as_ref(), declared, hands.desired.foreign);
        clients
            .sns()
            .set_topic_attributes()
            .topic_arn(arn.to_string())
            .attribute_name("Policy")
            .attribute_value(merged.document.to_json())
            .send()
            .await
            .at(&clients, "sns:SetTopicAttributes")?;
        Ok(())
    }
}

fn declared(desired: &Desired) -> PolicyDocument {
    let topic = desired.topic_arn().map(|arn| arn.to_string()).unwrap_or_default();
    PolicyDocument::new(vec![
        Statement::allow("OrgTrailPublish")
            .service(CLOUDTRAIL)
            .actions(["sns:Publish"])
            .resources([topic])
            .when("StringEquals", "aws:SourceArn", [desired.trail_arn().to_string()]),
    ])
}

impl Resource for Topic {
    type State = Self;
    const ID: &'static str = "topic";
    const AFTER: &'static [&'static str] = &[];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &["sns:CreateTopic", "sns:GetTopicAttributes"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn wanted(desired: &Desired) -> bool {
        desired.config.topic.is_some()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.topic
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        Self::made(found, desired.topic_arn(), "others hear of new logs by it")
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let Some(topic) = &hands.desired.config.topic else { return Ok(()) };
        Self::make(hands, &topic.name).await
    }
}

impl Resource for TopicPolicy {
    type State = Topic;
    const ID: &'static str = "topic/policy";
    const AFTER: &'static [&'static str] = &["topic"];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &["sns:GetTopicAttributes", "sns:SetTopicAttributes"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn wanted(desired: &Desired) -> bool {
        desired.config.topic.is_some()
    }

    fn seen(observed: &Observed) -> &Seen<Topic> {
        &observed.topic
    }

    fn diff(desired: &Desired, found: Option<&Topic>, _: &Observed) -> Change {
        policy_change(
            found.and_then(|found| found.policy.as_ref()),
            &declared(desired),
            desired.foreign,
            PolicyKind::Topic,
            "CloudTrail publishes for this trail alone",
        )
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let Some(arn) = hands.desired.topic_arn() else { return Ok(()) };
        Topic::permit(hands, arn, &declared(hands.desired)).await
    }
}
