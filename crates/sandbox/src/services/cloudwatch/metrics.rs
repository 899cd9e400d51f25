//! Which metrics there are.

use serde_json::{Value, json};

use super::{Call, Control, Reply, input, invalid};
use crate::services::input::{account, account_mut};

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let namespace = call.required("Namespace")?;
    if namespace.starts_with("AWS/") {
        return Err(invalid("The value AWS/ for parameter Namespace is reserved."));
    }
    let metrics = &mut account_mut(control, &call.caller.account)?.cloudwatch.metrics;
    for datum in input::list(call.input, "MetricData") {
        let Some(name) = input::text(datum, "MetricName") else {
            return Err(invalid("The parameter MetricData.member.1.MetricName is required."));
        };
        let dimensions = datum.get("Dimensions").cloned().unwrap_or_else(|| json!([]));
        metrics.insert((
            call.region.to_string(),
            namespace.to_owned(),
            name.to_owned(),
            dimensions.to_string(),
        ));
    }
    Ok(json!({}))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let wanted = |member: &str, value: &str| {
        input::text(call.input, member).is_none_or(|wanted| wanted == value)
    };
    let metrics = account(control, &call.caller.account)?
        .cloudwatch
        .metrics
        .iter()
        .filter(|(region, namespace, name, _)| {
            region == call.region.as_str()
                && wanted("Namespace", namespace)
                && wanted("MetricName", name)
        })
        .map(|(_, namespace, name, dimensions)| {
            let key = format!("{namespace}\0{name}\0{dimensions}");
            let dimensions: Value = serde_json::from_str(dimensions).unwrap_or_default();
            let item =
                json!({ "Namespace": namespace, "MetricName": name, "Dimensions": dimensions });
            (key, item)
        });
    let (metrics, next) = input::page(metrics, input::text(call.input, "NextToken"), 500)
        .ok_or_else(|| invalid("the token is not valid"))?;
    Ok(json!({ "Metrics": metrics, "NextToken": next }))
}
