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
    let metrics: Vec<_> = account(control, &call.caller.account)?
        .cloudwatch
        .metrics
        .iter()
        .filter(|(region, namespace, name, _)| {
            region == call.region.as_str()
                && wanted("Namespace", namespace)
                && wanted("MetricName", name)
        })
        .collect();
    let key = |metric: &&(String, String, String, String)| {
        format!("{}\0{}\0{}", metric.1, metric.2, metric.3)
    };
    let (metrics, next) = input::page(metrics, key, input::text(call.input, "NextToken"), 500)
        .ok_or_else(|| invalid("the token is not valid"))?;
    let metrics: Vec<Value> = metrics
        .iter()
        .map(|(_, namespace, name, dimensions)| {
            let dimensions: Value = serde_json::from_str(dimensions).unwrap_or_default();
            json!({ "Namespace": namespace, "MetricName": name, "Dimensions": dimensions })
        })
        .collect();
    let mut reply = json!({ "Metrics": metrics });
    if let Some(next) = next {
        reply["NextToken"] = next.into();
    }
    Ok(reply)
}
