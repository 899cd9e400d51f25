use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudtrail::types::{InsightSelector, InsightType, SourceEventCategory};
use serde::Serialize;

use super::read_part;
use crate::aws::{At, AwsError, Clients, Observation};
use crate::config::InsightEvents;
use crate::names::Arn;
use crate::resources::change::{Change, Confirmation, FieldChange};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError,
};

/// Which Insights the trail records.
///
/// Source: CloudTrail `GetInsightSelectors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Insights {
    /// `ApiCallRateInsight`, `ApiErrorRateInsight` → the categories of the analyzed
    /// events: `Management`, `Data`.
    pub types: BTreeMap<String, BTreeSet<String>>,
}

/// The category of a selector without categories.
///
/// Source: CloudTrail `InsightSelector.EventCategories`.
const DEFAULT_CATEGORY: &str = "Management";

impl Insights {
    /// Reads those of any trail, in its home Region.
    pub(crate) async fn read(clients: &Clients, trail: &Arn) -> Observation<Self> {
        let arn = trail.to_string();
        let answer = clients.cloudtrail().get_insight_selectors().trail_name(arn).send().await;
        let is_absent =
            |error: &AwsError| error.is_not_found() || error.is_code("InsightNotEnabledException");
        Observation::from_result(answer.at(clients, "cloudtrail:GetInsightSelectors"), is_absent)
            .map(|answer| {
                let selectors = answer.insight_selectors.unwrap_or_default();
                let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
                for selector in &selectors {
                    let Some(kind) = selector.insight_type() else { continue };
                    let categories = types.entry(kind.as_str().to_owned()).or_default();
                    let named = selector.event_categories();
                    categories.extend(named.iter().map(|one| one.as_str().to_owned()));
                    if named.is_empty() {
                        categories.insert(DEFAULT_CATEGORY.to_owned());
                    }
                }
                Self { types }
            })
    }

    fn declared(desired: &Desired) -> BTreeMap<String, BTreeSet<String>> {
        let insights = &desired.config.trail.insights;
        let of = |on: bool, kind: InsightType, events: &[InsightEvents]| {
            let events = events.iter().map(|one| one.as_str().to_owned()).collect();
            on.then(|| (kind.as_str().to_owned(), events))
        };
        let call =
            of(insights.call_rate, InsightType::ApiCallRateInsight, &insights.call_rate_events);
        let error =
            of(insights.error_rate, InsightType::ApiErrorRateInsight, &insights.error_rate_events);
        call.into_iter().chain(error).collect()
    }
}

/// Whether `more` analyzes at least the same events with each kind of Insights.
fn no_fewer(
    more: &BTreeMap<String, BTreeSet<String>>,
    than: &BTreeMap<String, BTreeSet<String>>,
) -> bool {
    than.iter()
        .all(|(kind, categories)| more.get(kind).is_some_and(|found| found.is_superset(categories)))
}

impl Resource for Insights {
    type State = Self;
    const ID: &'static str = "trail/insights";
    const DEPENDS_ON: &'static [&'static str] = &["trail", "trail/event-selectors"];
    const ACTIONS: &'static [&'static str] = &[
        "cloudtrail:GetInsightSelectors",
        "cloudtrail:PutInsightSelectors",
        // CloudTrail creates the role of Insights on behalf of its caller.
        "iam:CreateServiceLinkedRole",
    ];

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_part(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let none = BTreeMap::new();
        let found = found.map_or(&none, |found| &found.types);
        let wanted = Self::declared(desired);
        if *found == wanted {
            return Change::nothing();
        }
        let list = |types: &BTreeMap<String, BTreeSet<String>>| {
            let one = |(kind, categories): (&String, &BTreeSet<String>)| {
                let categories: Vec<&str> = categories.iter().map(String::as_str).collect();
                format!("{kind} of {}", categories.join(" and "))
            };
            (!types.is_empty()).then(|| types.iter().map(one).collect::<Vec<_>>())
        };
        let change = Change::update(
            "Insights are recorded as configured",
            vec![FieldChange::new("types", list(found), list(&wanted))],
        );
        if no_fewer(&wanted, found) {
            return change;
        }
        change.irreversible(
            Confirmation::WeakenedGuard,
            "Insights that are recorded now are no longer recorded",
        )
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let selectors = Self::declared(context.desired)
            .iter()
            .map(|(kind, categories)| {
                let categories =
                    categories.iter().map(|one| SourceEventCategory::from(one.as_str())).collect();
                InsightSelector::builder()
                    .insight_type(InsightType::from(kind.as_str()))
                    .set_event_categories(Some(categories))
                    .build()
            })
            .collect();
        clients
            .cloudtrail()
            .put_insight_selectors()
            .trail_name(context.desired.trail_arn().to_string())
            .set_insight_selectors(Some(selectors))
            .send()
            .await
            .at(&clients, "cloudtrail:PutInsightSelectors")?;
        Ok(())
    }
}
