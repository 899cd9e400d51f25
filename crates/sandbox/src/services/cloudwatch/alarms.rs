//! Metric alarms. Nothing evaluates them: their state is what is set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input, invalid};
use crate::services::input::{account, account_mut, decimal, flag, number, seconds, text};

/// A metric alarm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Alarm {
    /// As `DescribeAlarms` answers.
    described: Value,
    tags: BTreeMap<String, String>,
}

const COMPARISONS: [&str; 7] = [
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
    "GreaterThanUpperThreshold",
];

fn place(call: &Call<'_>, name: &str) -> String {
    format!("{}/{name}", call.region)
}

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("AlarmName")?;
    let arn = call.arn(format!("alarm:{name}"));
    call.allow(control, &arn.to_string())?;
    let comparison = call.required("ComparisonOperator")?;
    if !COMPARISONS.contains(&comparison) {
        return Err(invalid(format!("ComparisonOperator {comparison} is none of {COMPARISONS:?}")));
    }
    let periods = number(call.input, "EvaluationPeriods").filter(|periods| *periods > 0);
    let Some(periods) = periods else {
        return Err(invalid("The parameter EvaluationPeriods is required and is at least 1."));
    };
    let of_metric = text(call.input, "MetricName").is_some();
    if of_metric == call.input.get("Metrics").is_some_and(|metrics| !metrics.is_null()) {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            "either MetricName or Metrics must be given",
        ));
    }
    if of_metric {
        let period = number(call.input, "Period").unwrap_or(0);
        if !(matches!(period, 10 | 20 | 30) || (period > 0 && period % 60 == 0)) {
            return Err(invalid("Period is 10, 20, 30 or a multiple of 60 seconds"));
        }
        call.required("Namespace")?;
        if text(call.input, "Statistic").is_some()
            == text(call.input, "ExtendedStatistic").is_some()
        {
            return Err(ApiError::new(
                "InvalidParameterCombination",
                "either Statistic or ExtendedStatistic must be given",
            ));
        }
    }
    let alarms = &mut account_mut(control, &call.caller.account)?.cloudwatch.alarms;
    let before = alarms.get(&place(call, name));
    let mut alarm = json!({
        "Period": number(call.input, "Period"),
        "DatapointsToAlarm": number(call.input, "DatapointsToAlarm"),
        "Threshold": decimal(call.input, "Threshold"),
        "EvaluationPeriods": periods,
        "ActionsEnabled": flag(call.input, "ActionsEnabled").unwrap_or(true),
        "AlarmArn": arn,
        "AlarmConfigurationUpdatedTimestamp": seconds(call.now),
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": seconds(call.now),
        "StateTransitionedTimestamp": seconds(call.now),
    });
    for member in [
        "AlarmName",
        "AlarmDescription",
        "MetricName",
        "Namespace",
        "Statistic",
        "ExtendedStatistic",
        "Unit",
        "ComparisonOperator",
        "TreatMissingData",
        "EvaluateLowSampleCountPercentile",
        "ThresholdMetricId",
    ] {
        alarm[member] = text(call.input, member).into();
    }
    for member in ["OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions", "Metrics"]
    {
        let list = input::list(call.input, member);
        if !list.is_empty() || member != "Metrics" {
            alarm[member] = list.into();
        }
    }
    // A changed alarm keeps its state until it is evaluated again.
    if let Some(before) = before {
        for member in
            ["StateValue", "StateReason", "StateUpdatedTimestamp", "StateTransitionedTimestamp"]
        {
            alarm[member] = before.described[member].clone();
        }
    }
    // Tags are taken at creation only.
    let tags = before.map_or_else(
        || input::tags(call.input, "Tags", "Key", "Value"),
        |before| before.tags.clone(),
    );
    alarms.insert(place(call, name), Alarm { described: alarm, tags });
    Ok(json!({}))
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, &call.arn("alarm:*").to_string())?;
    let names = input::texts(call.input, "AlarmNames");
    let prefix = text(call.input, "AlarmNamePrefix").unwrap_or_default();
    let state = text(call.input, "StateValue");
    let region = place(call, "");
    let alarms = account(control, &call.caller.account)?
        .cloudwatch
        .alarms
        .iter()
        .filter_map(|(place, alarm)| Some((place.strip_prefix(&region)?, &alarm.described)))
        .filter(|(name, alarm)| {
            (names.is_empty() || names.iter().any(|wanted| wanted == name))
                && name.starts_with(prefix)
                && state.is_none_or(|state| alarm["StateValue"] == state)
        })
        .map(|(name, alarm)| (name.to_owned(), alarm.clone()));
    let limit = input::limit(call.input, "MaxRecords", 50, 100)
        .ok_or_else(|| invalid("MaxRecords is 1 to 100"))?;
    let (alarms, next) = input::page(alarms, text(call.input, "NextToken"), limit)
        .ok_or_else(|| ApiError::new("InvalidNextToken", "the token is not valid"))?;
    Ok(json!({ "MetricAlarms": alarms, "CompositeAlarms": [], "NextToken": next }))
}

fn not_found() -> ApiError {
    ApiError::new("ResourceNotFound", "Unknown alarm").with_status(http::StatusCode::NOT_FOUND)
}

fn alarm<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    name: &str,
) -> Result<&'a mut Alarm, ApiError> {
    call.allow(control, &call.arn(format!("alarm:{name}")).to_string())?;
    account_mut(control, &call.caller.account)?
        .cloudwatch
        .alarms
        .get_mut(&place(call, name))
        .ok_or_else(not_found)
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let names = input::texts(call.input, "AlarmNames");
    for name in &names {
        call.allow(control, &call.arn(format!("alarm:{name}")).to_string())?;
    }
    let alarms = &mut account_mut(control, &call.caller.account)?.cloudwatch.alarms;
    // All or nothing, as AWS does if one of several is missing.
    if names.len() > 1 && names.iter().any(|name| !alarms.contains_key(&place(call, name))) {
        return Err(not_found());
    }
    for name in &names {
        alarms.remove(&place(call, name));
    }
    Ok(json!({}))
}

pub(super) fn set_state(control: &mut Control, call: &Call<'_>) -> Reply {
    let value = call.required("StateValue")?;
    if !matches!(value, "OK" | "ALARM" | "INSUFFICIENT_DATA") {
        return Err(invalid(format!("StateValue {value} is none of OK, ALARM, INSUFFICIENT_DATA")));
    }
    let reason = call.required("StateReason")?;
    let alarm = alarm(control, call, call.required("AlarmName")?)?;
    if alarm.described["StateValue"] != value {
        alarm.described["StateTransitionedTimestamp"] = seconds(call.now);
    }
    alarm.described["StateValue"] = value.into();
    alarm.described["StateReason"] = reason.into();
    alarm.described["StateUpdatedTimestamp"] = seconds(call.now);
    Ok(json!({}))
}

pub(super) fn set_actions(control: &mut Control, call: &Call<'_>, enabled: bool) -> Reply {
    for name in input::texts(call.input, "AlarmNames") {
        match alarm(control, call, &name) {
            Ok(alarm) => alarm.described["ActionsEnabled"] = enabled.into(),
            // Missing names are skipped, as in AWS.
            Err(error) if error.code == "ResourceNotFound" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(json!({}))
}

fn tagged<'a>(control: &'a mut Control, call: &Call<'_>) -> Result<&'a mut Alarm, ApiError> {
    let arn = call.required("ResourceARN")?;
    let name = arn.split_once(":alarm:").map(|(_, name)| name.to_owned());
    let name = name.ok_or_else(|| invalid(format!("{arn} is not the ARN of an alarm")))?;
    alarm(control, call, &name).map_err(|error| match error.code.as_ref() {
        "ResourceNotFound" => ApiError { code: "ResourceNotFoundException".into(), ..error },
        _ => error,
    })
}

pub(super) fn list_tags(control: &mut Control, call: &Call<'_>) -> Reply {
    let tags = input::tag_list(&tagged(control, call)?.tags, "Key", "Value");
    Ok(json!({ "Tags": tags }))
}

pub(super) fn tag(control: &mut Control, call: &Call<'_>) -> Reply {
    let tags = input::tags(call.input, "Tags", "Key", "Value");
    tagged(control, call)?.tags.extend(tags);
    Ok(json!({}))
}

pub(super) fn untag(control: &mut Control, call: &Call<'_>) -> Reply {
    let names = input::texts(call.input, "TagKeys");
    tagged(control, call)?.tags.retain(|name, _| !names.contains(name));
    Ok(json!({}))
}
