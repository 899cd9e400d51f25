use std::marker::PhantomData;

use serde::Serialize;

use crate::aws::{At, AwsError, Clients, Observation};
use crate::names::{Arn, TopicName};
use crate::policy::{PolicyDocument, PolicyKind, Statement, merge};
use crate::resources::change::{Change, FieldChange};
use crate::resources::destroy::{Kept, KeptCost};
use crate::resources::policy_change::{DeclaredPolicy, policy_change};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// A topic: the one that CloudTrail notifies of each log file, or the one that the alarms
/// notify.
///
/// Source: SNS `GetTopicAttributes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Its ARN.
    pub arn: String,
    /// Its policy.
    pub policy: Option<PolicyDocument>,
}

/// What differs between the topics.
pub(crate) trait TopicKind: 'static {
    /// The id of the topic.
    const ID: &'static str;
    /// The id of its policy.
    const POLICY: &'static str;
    /// Why it is created.
    const WHY: &'static str;
    /// Why its policy changes.
    const WHY_POLICY: &'static str;

    fn name(desired: &Desired) -> Option<&TopicName>;
    fn arn(desired: &Desired) -> Option<Arn>;
    /// The statement that its policy must have, without action and resource.
    fn statement(desired: &Desired) -> Statement;
}

/// A topic.
#[derive(Debug)]
pub(crate) struct SnsTopic<P>(PhantomData<P>);

/// A topic's policy. It shares its state with the topic.
#[derive(Debug)]
pub(crate) struct SnsTopicPolicy<P>(PhantomData<P>);

impl Topic {
    async fn read(management: &Clients, arn: Option<Arn>) -> Observation<Self> {
        const ACTION: &str = "sns:GetTopicAttributes";
        let Some(arn) = arn.map(|arn| arn.to_string()) else { return Observation::Absent };
        let answer = management.sns().get_topic_attributes().topic_arn(&arn).send().await;
        let read = answer.at(management, ACTION).and_then(|answer| {
            let attributes = answer.attributes.unwrap_or_default();
            let policy = attributes
                .get("Policy")
                .map(|text| {
                    text.parse().map_err(|_| {
                        management.malformed(ACTION, "a policy that is not a policy document")
                    })
                })
                .transpose()?;
            Ok(Self { arn, policy })
        });
        Observation::from_result(read, AwsError::is_not_found)
    }
}

/// The policy that the config declares.
fn declared<P: TopicKind>(desired: &Desired) -> PolicyDocument {
    let topic = P::arn(desired).map(|arn| arn.to_string());
    PolicyDocument::new(vec![P::statement(desired).actions(["sns:Publish"]).resources(topic)])
}

impl<P: TopicKind> Resource for SnsTopic<P> {
    type State = Topic;
    const ID: &'static str = P::ID;
    const DEPENDS_ON: &'static [&'static str] = &[];
    const ACTIONS: &'static [&'static str] = &["sns:CreateTopic", "sns:GetTopicAttributes"];

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        P::name(desired).is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Topic> {
        Topic::read(&context.management(), P::arn(context.desired)).await
    }

    fn diff(desired: &Desired, found: Option<&Topic>, _: &Observed) -> Change {
        if found.is_some() {
            return Change::nothing();
        }
        let arn = P::arn(desired).map(|arn| arn.to_string());
        Change::create(P::WHY, vec![FieldChange::new("arn", None::<String>, arn)])
    }

    fn kept(desired: &Desired, _: Option<&Topic>) -> Vec<Kept> {
        let arn = P::arn(desired).map(|arn| arn.to_string()).unwrap_or_default();
        vec![Kept::new(arn, "others subscribe to it", KeptCost::NothingWhileIdle)]
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let Some(name) = P::name(context.desired) else { return Ok(()) };
        let clients = context.management();
        let made = clients.sns().create_topic().name(name.as_str()).send().await;
        made.at(&clients, "sns:CreateTopic")?;
        Ok(())
    }
}

impl<P: TopicKind> Resource for SnsTopicPolicy<P> {
    type State = Topic;
    const ID: &'static str = P::POLICY;
    const DEPENDS_ON: &'static [&'static str] = &[P::ID];
    const ACTIONS: &'static [&'static str] = &["sns:GetTopicAttributes", "sns:SetTopicAttributes"];

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        P::name(desired).is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Topic> {
        Topic::read(&context.management(), P::arn(context.desired)).await
    }

    fn diff(desired: &Desired, found: Option<&Topic>, _: &Observed) -> Change {
        policy_change(
            found.and_then(|found| found.policy.as_ref()),
            &DeclaredPolicy {
                document: &declared::<P>(desired),
                unmanaged: desired.unmanaged,
                kind: PolicyKind::Topic,
                why: P::WHY_POLICY,
                context: &desired.service_context(),
            },
        )
    }

    /// Merges the declaration into the policy that the topic has now: one that was just
    /// created has AWS's default.
    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let Some(arn) = P::arn(context.desired) else { return Ok(()) };
        let clients = context.management();
        let topic = Topic::read(&clients, Some(arn.clone())).await.into_result()?;
        let found = topic.and_then(|topic| topic.policy);
        let merged =
            merge(found.as_ref(), &declared::<P>(context.desired), context.desired.unmanaged);
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
