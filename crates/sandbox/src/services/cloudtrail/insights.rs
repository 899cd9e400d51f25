//! Insights: unusual rates of calls and of errors.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, Trail, find, input};

/// One kind of Insights of a trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Saved")]
pub(crate) struct Insight {
    /// `ApiCallRateInsight` or `ApiErrorRateInsight`.
    pub(crate) kind: String,
    /// The categories of the events that it looks at.
    categories: BTreeSet<String>,
}

/// How a state is saved: before there were categories, by the kind alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Saved {
    Kind(String),
    Whole { kind: String, categories: BTreeSet<String> },
}

impl From<Saved> for Insight {
    fn from(saved: Saved) -> Self {
        match saved {
            Saved::Kind(kind) => Self { kind, categories: [MANAGEMENT.to_owned()].into() },
            Saved::Whole { kind, categories } => Self { kind, categories },
        }
    }
}

const MANAGEMENT: &str = "Management";
const DATA: &str = "Data";

fn trail_name<'a>(call: &'a Call<'_>) -> Result<&'a str, ApiError> {
    if input::text(call.input, "EventDataStore").is_some() {
        return Err(ApiError::new(
            "UnsupportedOperationException",
            "the sandbox has no event data stores",
        ));
    }
    call.required("TrailName")
}

fn answer(trail: &Trail) -> Value {
    let selectors: Vec<Value> = trail
        .insights
        .iter()
        .map(|one| json!({ "InsightType": one.kind, "EventCategories": one.categories }))
        .collect();
    json!({ "TrailARN": trail.arn, "InsightSelectors": selectors })
}

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    let mut kinds: Vec<Insight> = Vec::new();
    let invalid = |message: String| Err(ApiError::new("InvalidInsightSelectorsException", message));
    for selector in input::list(call.input, "InsightSelectors") {
        match input::text(selector, "InsightType") {
            Some(kind @ ("ApiCallRateInsight" | "ApiErrorRateInsight"))
                if !kinds.iter().any(|known| known.kind == kind) =>
            {
                let mut categories: BTreeSet<String> =
                    input::texts(selector, "EventCategories").into_iter().collect();
                if let Some(other) =
                    categories.iter().find(|one| ![MANAGEMENT, DATA].contains(&one.as_str()))
                {
                    return invalid(format!(
                        "EventCategories {other} is unknown; it is Management or Data"
                    ));
                }
                if categories.is_empty() {
                    categories.insert(MANAGEMENT.to_owned());
                }
                kinds.push(Insight { kind: kind.to_owned(), categories });
            }
            kind => {
                return invalid(format!(
                    "InsightType {} is unknown or given twice; it is ApiCallRateInsight or ApiErrorRateInsight",
                    kind.unwrap_or("null")
                ));
            }
        }
    }
    let trail = find::manage(control, call, trail_name(call)?)?;
    let looks_at = |category| kinds.iter().any(|one| one.categories.contains(category));
    if looks_at(DATA)
        && !trail.selectors.as_ref().is_some_and(super::selectors::Selectors::logs_data)
    {
        return invalid(format!(
            "Trail {} must log data events before Insights on them can be enabled",
            trail.arn
        ));
    }
    if looks_at(MANAGEMENT) {
        let logs =
            trail.selectors.as_ref().is_none_or(super::selectors::Selectors::logs_management);
        if !logs {
            return invalid(format!(
                "Trail {} must log management events before Insights can be enabled",
                trail.arn
            ));
        }
    }
    trail.insights = kinds;
    Ok(answer(trail))
}

pub(super) fn get(control: &Control, call: &Call<'_>) -> Reply {
    let name = trail_name(call)?;
    let trail = find::find(control, call, name)?;
    find::allow(control, call, trail)?;
    if trail.owner != call.caller.account
        && !super::organization::administers(control, &call.caller.account)
    {
        return Err(find::not_found(call, name));
    }
    if trail.insights.is_empty() {
        return Err(ApiError::new(
            "InsightNotEnabledException",
            format!(
                "Trail {} does not have Insights enabled. Edit the trail settings to enable Insights, and then try the operation again.",
                trail.arn
            ),
        ));
    }
    Ok(answer(trail))
}
