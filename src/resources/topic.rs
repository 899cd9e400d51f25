use serde::Serialize;

use super::policy_change::policy_change;
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::plan::{Change, FieldChange};
use crate::policy::{CLOUDTRAIL, PolicyDocument, PolicyKind, Statement, merge};

/// The topic that hears of every delivered log file.
///
/// Source: SNS `GetTopicAttributes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Its policy.
    pub policy: Option<PolicyDocument>,
}

/// The topic's policy. It shares its state with the topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicPolicy;

impl Topic {
    pub(super) async fn observe(management: &Clients, desired: &Desired) -> Seen<Self> {
        const ACTION: &str = "sns:GetTopicAttributes";
        let Some(arn) = desired.topic_arn() else { return Seen::Absent };
        let answer =
            management.sns().get_topic_attributes().topic_arn(arn.to_string()).send().await;
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
            Ok(Self { policy })
        });
        Seen::from_result(read, AwsError::is_not_found)
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
        if found.is_some() {
            return Change::nothing();
        }
        let arn = desired.topic_arn().map(|arn| arn.to_string());
        Change::create(
            "others hear of new logs by it",
            vec![FieldChange::new("arn", None::<String>, arn)],
        )
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let clients = hands.management();
        let Some(topic) = &hands.desired.config.topic else { return Ok(()) };
        clients
            .sns()
            .create_topic()
            .name(topic.name.as_str())
            .send()
            .await
            .at(&clients, "sns:CreateTopic")?;
        Ok(())
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
        let clients = hands.management();
        let Some(arn) = hands.desired.topic_arn() else { return Ok(()) };
        // A topic that was just made has a policy of its own: AWS's default.
        let found = match Topic::observe(&clients, hands.desired).await {
            Seen::Present(topic) => topic.policy,
            Seen::Absent => None,
            Seen::Unreadable(error) => return Err(error.into()),
        };
        let merged = merge(found.as_ref(), &declared(hands.desired), hands.desired.foreign);
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
