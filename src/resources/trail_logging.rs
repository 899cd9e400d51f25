use serde::Serialize;

use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::resources::change::{Change, FieldChange};

/// Whether the trail records: a new one does not until it is started.
///
/// Source: CloudTrail `GetTrailStatus`, `IsLogging`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrailLogging {
    /// Whether it does.
    pub is_logging: bool,
}

impl TrailLogging {
    pub(super) async fn observe(management: &Clients, desired: &Desired) -> Seen<Self> {
        let arn = desired.trail_arn().to_string();
        let answer = management.cloudtrail().get_trail_status().name(arn).send().await;
        Seen::from_result(
            answer.at(management, "cloudtrail:GetTrailStatus"),
            AwsError::is_not_found,
        )
        .map(|answer| Self { is_logging: answer.is_logging == Some(true) })
    }
}

impl Resource for TrailLogging {
    type State = Self;
    const ID: &'static str = "trail/logging";
    const AFTER: &'static [&'static str] = &["trail", "trail/event-selectors"];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] =
        &["cloudtrail:GetTrailStatus", "cloudtrail:StartLogging"];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.trail_logging
    }

    fn diff(_: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        match found {
            Some(found) if found.is_logging => Change::nothing(),
            Some(_) => Change::update(
                "the trail was stopped: nothing is recorded",
                vec![FieldChange::new("is_logging", Some(false), Some(true))],
            ),
            None => Change::create(
                "a new trail records nothing until it is started",
                vec![FieldChange::new("is_logging", None::<bool>, Some(true))],
            ),
        }
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let clients = hands.management();
        clients
            .cloudtrail()
            .start_logging()
            .name(hands.desired.trail_arn().to_string())
            .send()
            .await
            .at(&clients, "cloudtrail:StartLogging")?;
        Ok(())
    }
}
