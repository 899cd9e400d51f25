//! Metric filters.

use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, group_mut, groups, input, invalid, page};

/// The most metric filters of a group.
const MAX_FILTERS: usize = 100;

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("filterName")?;
    if name.len() > 512 || name.contains([':', '*']) {
        return Err(invalid("a filter's name has at most 512 characters, and neither : nor *"));
    }
    let pattern = call.input.get("filterPattern").and_then(Value::as_str).unwrap_or_default();
    if pattern.len() > 1024 {
        return Err(invalid("a filter pattern has at most 1024 characters"));
    }
    let transformations = input::list(call.input, "metricTransformations");
    if transformations.len() != 1 {
        return Err(invalid("exactly one metric transformation is needed"));
    }
    for member in ["metricName", "metricNamespace", "metricValue"] {
        if input::text(&transformations[0], member).is_none() {
            return Err(invalid(format!("the metric transformation lacks {member}")));
        }
    }
    let group = group_mut(control, call)?;
    if group.filters.len() >= MAX_FILTERS && !group.filters.contains_key(name) {
        return Err(ApiError::new("LimitExceededException", "at most 100 metric filters a group"));
    }
    let filter = json!({
        "filterName": name,
        "filterPattern": pattern,
        "metricTransformations": transformations,
        "creationTime": call.now.as_millisecond(),
        "logGroupName": group.name,
        "applyOnTransformedLogs": false,
    });
    group.filters.insert(name.to_owned(), filter);
    Ok(json!({}))
}

pub(super) fn describe(control: &mut Control, call: &Call<'_>) -> Reply {
    let prefix = input::text(call.input, "filterNamePrefix").unwrap_or_default();
    let metric = input::text(call.input, "metricName");
    let filters: Vec<Value> = if input::text(call.input, "logGroupName").is_some() {
        group_mut(control, call)?.filters.values().cloned().collect()
    } else {
        call.allow(control, &call.arn("log-group::log-stream:*").to_string())?;
        groups(control, &call.caller.account)?
            .values()
            .filter(|group| group.arn.region.as_ref() == Some(call.region))
            .flat_map(|group| group.filters.values().cloned())
            .collect()
    };
    let filters = filters
        .into_iter()
        .filter(|filter| input::text(filter, "filterName").is_some_and(|n| n.starts_with(prefix)))
        .filter(|filter| {
            metric.is_none_or(|metric| filter["metricTransformations"][0]["metricName"] == metric)
        })
        .map(|filter| (format!("{}/{}", filter["logGroupName"], filter["filterName"]), filter));
    page(call, "metricFilters", filters, 50)
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("filterName")?;
    group_mut(control, call)?.filters.remove(name).ok_or_else(|| {
        ApiError::new("ResourceNotFoundException", "The specified metric filter does not exist.")
    })?;
    Ok(json!({}))
}
