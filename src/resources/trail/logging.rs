use serde::Serialize;

use super::read_part;
use crate::aws::{At, AwsError, Clients, Observation};
use crate::names::Arn;
use crate::resources::change::{Change, FieldChange};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// Whether the trail records: a new one does not until it is started.
///
/// Source: CloudTrail `GetTrailStatus`, `IsLogging`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrailLogging {
    /// Whether it does.
    pub is_logging: bool,
}

impl TrailLogging {
    async fn read(management: &Clients, trail: &Arn) -> Observation<Self> {
        let arn = trail.to_string();
        let answer = management.cloudtrail().get_trail_status().name(arn).send().await;
        Observation::from_result(
            answer.at(management, "cloudtrail:GetTrailStatus"),
            AwsError::is_not_found,
        )
        .map(|answer| Self { is_logging: answer.is_logging == Some(true) })
    }
}

impl Resource for TrailLogging {
    type State = Self;
    const ID: &'static str = "trail/logging";
    const DEPENDS_ON: &'static [&'static str] = &["trail", "trail/event-selectors"];
    const ACTIONS: &'static [&'static str] =
        &["cloudtrail:GetTrailStatus", "cloudtrail:StartLogging"];

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_part(context, Self::read).await
    }

    fn diff(_: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        match found {
            Some(found) if found.is_logging => Change::nothing(),
            Some(_) => Change::update(
                "logging is stopped: nothing is recorded",
                vec![FieldChange::new("is_logging", Some(false), Some(true))],
            ),
            None => Change::create(
                "a new trail records nothing until it is started",
                vec![FieldChange::new("is_logging", None::<bool>, Some(true))],
            ),
        }
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        clients
            .cloudtrail()
            .start_logging()
            .name(context.desired.trail_arn().to_string())
            .send()
            .await
            .at(&clients, "cloudtrail:StartLogging")?;
        Ok(())
    }
}
