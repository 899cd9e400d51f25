use std::collections::BTreeSet;

use aws_sdk_cloudtrail::types::{InsightSelector, InsightType};
use serde::Serialize;

use super::{Desired, Duty, Hands, Observed, Place, Resource, StepError};
use crate::aws::{At, AwsError, Clients, Seen};
use crate::plan::{Change, Confirmation, FieldChange};

/// Which Insights the trail records.
///
/// Source: CloudTrail `GetInsightSelectors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Insights {
    /// `ApiCallRateInsight`, `ApiErrorRateInsight`.
    pub types: BTreeSet<String>,
}

impl Insights {
    pub(super) async fn observe(management: &Clients, desired: &Desired) -> Seen<Self> {
        let arn = desired.trail_arn().to_string();
        let answer = management.cloudtrail().get_insight_selectors().trail_name(arn).send().await;
        let is_absent =
            |error: &AwsError| error.is_not_found() || error.is_code("InsightNotEnabledException");
        Seen::from_result(answer.at(management, "cloudtrail:GetInsightSelectors"), is_absent).map(
            |answer| {
                let selectors = answer.insight_selectors.unwrap_or_default();
                let types = selectors.into_iter().filter_map(|selector| selector.insight_type);
                Self { types: types.map(|kind| kind.as_str().to_owned()).collect() }
            },
        )
    }

    fn declared(desired: &Desired) -> BTreeSet<String> {
        let insights = &desired.config.trail.insights;
        let call = insights.call_rate.then_some(InsightType::ApiCallRateInsight);
        let error = insights.error_rate.then_some(InsightType::ApiErrorRateInsight);
        call.into_iter().chain(error).map(|kind| kind.as_str().to_owned()).collect()
    }
}

impl Resource for Insights {
    type State = Self;
    const ID: &'static str = "trail/insights";
    const AFTER: &'static [&'static str] = &["trail", "trail/event-selectors"];
    const DUTY: Duty = Duty::Hub;
    const ACTIONS: &'static [&'static str] = &[
        "cloudtrail:GetInsightSelectors",
        "cloudtrail:PutInsightSelectors",
        // CloudTrail makes Insights' own role for its caller.
        "iam:CreateServiceLinkedRole",
    ];

    fn place(desired: &Desired) -> Place {
        desired.in_home_region()
    }

    fn seen(observed: &Observed) -> &Seen<Self> {
        &observed.insights
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let none = BTreeSet::new();
        let found = found.map_or(&none, |found| &found.types);
        let wanted = Self::declared(desired);
        if *found == wanted {
            return Change::nothing();
        }
        let list = |types: &BTreeSet<String>| {
            (!types.is_empty()).then(|| types.iter().cloned().collect::<Vec<_>>())
        };
        let change = Change::update(
            "unusual rates are recorded as declared",
            vec![FieldChange::new("types", list(found), list(&wanted))],
        );
        if found.is_subset(&wanted) {
            return change;
        }
        change.irreversible(Confirmation::WeakenedGuard, "Insights that are recorded now end")
    }

    async fn apply(hands: &Hands<'_>) -> Result<(), StepError> {
        let clients = hands.management();
        let selectors = Self::declared(hands.desired)
            .iter()
            .map(|kind| {
                InsightSelector::builder().insight_type(InsightType::from(kind.as_str())).build()
            })
            .collect();
        clients
            .cloudtrail()
            .put_insight_selectors()
            .trail_name(hands.desired.trail_arn().to_string())
            .set_insight_selectors(Some(selectors))
            .send()
            .await
            .at(&clients, "cloudtrail:PutInsightSelectors")?;
        Ok(())
    }
}
