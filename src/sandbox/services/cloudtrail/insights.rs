//! Insights: unusual rates of calls and of errors.

use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, Trail, find, input};

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
    let selectors: Vec<Value> =
        trail.insights.iter().map(|kind| json!({ "InsightType": kind })).collect();
    json!({ "TrailARN": trail.arn, "InsightSelectors": selectors })
}

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    let mut kinds = Vec::new();
    let invalid = |message: String| Err(ApiError::new("InvalidInsightSelectorsException", message));
    for selector in input::list(call.input, "InsightSelectors") {
        match input::text(selector, "InsightType") {
            Some(kind @ ("ApiCallRateInsight" | "ApiErrorRateInsight"))
                if !kinds.iter().any(|known| known == kind) =>
            {
                kinds.push(kind.to_owned());
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
    if !kinds.is_empty() {
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
