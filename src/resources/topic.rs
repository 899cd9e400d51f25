use std::marker::PhantomData;

use serde::Serialize;

use super::policy_change::{WantedPolicy, policy_change};
use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::names::{Arn, TopicName};
use crate::policy::{CLOUDTRAIL, PolicyDocument, PolicyKind, Statement, merge};
use crate::resources::change::{Change, FieldChange};

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

/// What a topic is for: all in which one differs from another.
pub(super) trait Purpose: 'static {
    /// The id of the topic.
    const ID: &'static str;
    /// The id of its policy.
    const POLICY: &'static str;
    /// Why there is one.
    const WHY: &'static str;
    /// Why its policy is as it is.
    const WHY_POLICY: &'static str;

    fn name(desired: &Desired) -> Option<&TopicName>;
    fn arn(desired: &Desired) -> Option<Arn>;
    fn seen(observed: &Observed) -> &Seen<Topic>;
    /// What its policy must say.
    fn statement(desired: &Desired) -> Statement;
}

/// The topic that hears of new logs.
#[derive(Debug)]
pub(super) struct Deliveries;

/// A topic itself.
#[derive(Debug)]
pub(super) struct Made<P>(PhantomData<P>);

/// A topic's policy. It shares its state with the topic.
#[derive(Debug)]
pub(super) struct Permitted<P>(PhantomData<P>);

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
                    text.parse().map_err(|_| {
                        management.malformed(ACTION, "a policy that is no policy document")
                    })
                })
                .transpose()?;
            Ok(Self { arn, policy })
        });
        Seen::from_result(read, AwsError::is_not_found)
    }
}

/// The policy that the config declares.
fn declared<P: Purpose>(desired: &Desired) -> PolicyDocument {
    let topic = P::arn(desired).map(|arn| arn.to_string());
    PolicyDocument::new(vec![P::statement(desired).actions(["sns:Publish"]).resources(topic)])
}

impl Purpose for Deliveries {
    const ID: &'static str = "topic";
    const POLICY: &'static str = "topic/policy";
    const WHY: &'static str = "others hear of new logs by it";
    const WHY_POLICY: &'static str = "CloudTrail publishes for this trail alone";

    fn name(desired: &Desired) -> Option<&TopicName> {
        desired.config.topic.as_ref().filter(|topic| topic.arn.is_none()).map(|topic| &topic.name)
    }

    fn arn(desired: &Desired) -> Option<Arn> {
        desired.own_topic_arn()
    }

    fn seen(observed: &Observed) -> &Seen<Topic> {
        &observed.topic
    }

    fn statement(desired: &Desired) -> Statement {
        Statement::allow("OrgTrailPublish").service(CLOUDTRAIL).when(
            "StringEquals",
            "aws:SourceArn",
            [desired.trail_arn().to_string()],
        )
    }
}

/// What the policy of somebody else's topic needs, in words.
pub(super) fn note_on_needed(desired: &Desired, topic: &Arn) -> String {
    let needed =
        Deliveries::statement(desired).actions(["sns:Publish"]).resources([topic.to_string()]);
    let needed = serde_json::to_string(&needed).unwrap_or_default();
    format!("the policy of {topic} is its owner's and must have this statement: {needed}")
}

impl<P: Purpose> Resource for Made<P> {
    type State = Topic;
    const ID: &'static str = P::ID;
    const AFTER: &'static [&'static str] = &[];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &["sns:CreateTopic", "sns:GetTopicAttributes"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn wanted(desired: &Desired) -> bool {
        P::name(desired).is_some()
    }

    fn seen(observed: &Observed) -> &Seen<Topic> {
        P::seen(observed)
    }

    fn diff(desired: &Desired, found: Option<&Topic>, _: &Observed) -> Change {
        if found.is_some() {
            return Change::nothing();
        }
        let arn = P::arn(desired).map(|arn| arn.to_string());
        Change::create(P::WHY, vec![FieldChange::new("arn", None::<String>, arn)])
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let Some(name) = P::name(hands.desired) else { return Ok(()) };
        let clients = hands.management();
        let made = clients.sns().create_topic().name(name.as_str()).send().await;
        made.at(&clients, "sns:CreateTopic")?;
        Ok(())
    }
}

impl<P: Purpose> Resource for Permitted<P> {
    type State = Topic;
    const ID: &'static str = P::POLICY;
    const AFTER: &'static [&'static str] = &[P::ID];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &["sns:GetTopicAttributes", "sns:SetTopicAttributes"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn wanted(desired: &Desired) -> bool {
        P::name(desired).is_some()
    }

    fn seen(observed: &Observed) -> &Seen<Topic> {
        P::seen(observed)
    }

    fn diff(desired: &Desired, found: Option<&Topic>, _: &Observed) -> Change {
        policy_change(
            found.and_then(|found| found.policy.as_ref()),
            &WantedPolicy {
                document: &declared::<P>(desired),
                foreign: desired.foreign,
                kind: PolicyKind::Topic,
                why: P::WHY_POLICY,
                context: &desired.service_context(),
            },
        )
    }

    /// Joins what is declared with the policy that the topic has by now: one that
    /// was just made has AWS's default.
    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let Some(arn) = P::arn(hands.desired) else { return Ok(()) };
        let clients = hands.management();
        let found = match Topic::observe(&clients, Some(arn.clone())).await {
            Seen::Present(topic) => topic.policy,
            Seen::Absent => None,
            Seen::Unreadable(error) => return Err(error.into()),
        };
        let merged = merge(found.as_ref(), &declared::<P>(hands.desired), hands.desired.foreign);
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
