//! Metric alarms. Nothing evaluates them: their state is what is set.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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

pub(super) fn put(control: &mut Control, call: &Call<'_>, now: Timestamp) -> Reply {
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
    let mut alarm = Map::new();
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
        if let Some(value) = text(call.input, member) {
            alarm.insert(member.to_owned(), value.into());
        }
    }
    for member in ["Period", "DatapointsToAlarm"] {
        if let Some(value) = number(call.input, member) {
            alarm.insert(member.to_owned(), value.into());
        }
    }
    if let Some(threshold) = decimal(call.input, "Threshold") {
        alarm.insert("Threshold".to_owned(), threshold.into());
    }
    alarm.insert("EvaluationPeriods".to_owned(), periods.into());
    for member in ["OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions", "Metrics"]
    {
        let list = input::list(call.input, member);
        if !list.is_empty() || member != "Metrics" {
            alarm.insert(member.to_owned(), list.to_vec().into());
        }
    }
    let enabled = flag(call.input, "ActionsEnabled").unwrap_or(true);
    alarm.insert("ActionsEnabled".to_owned(), enabled.into());
    alarm.insert("AlarmArn".to_owned(), arn.to_string().into());
    alarm.insert("AlarmConfigurationUpdatedTimestamp".to_owned(), seconds(now));
    // A changed alarm keeps its state until it is evaluated again.
    let state = |member: &str, first: Value| {
        before.map_or(first, |before| before.described[member].clone())
    };
    alarm.insert("StateValue".to_owned(), state("StateValue", "INSUFFICIENT_DATA".into()));
    alarm.insert(
        "StateReason".to_owned(),
        state("StateReason", "Unchecked: Initial alarm creation".into()),
    );
    for member in ["StateUpdatedTimestamp", "StateTransitionedTimestamp"] {
        alarm.insert(member.to_owned(), state(member, seconds(now)));
    }
    // Tags are taken at creation only.
    let tags = before.map_or_else(
        || input::tags(call.input, "Tags", "Key", "Value"),
        |before| before.tags.clone(),
    );
    alarms.insert(place(call, name), Alarm { described: alarm.into(), tags });
    Ok(json!({}))
}

pub(super) fn describe(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, &call.arn("alarm:*").to_string())?;
    let names = input::texts(call.input, "AlarmNames");
    let prefix = text(call.input, "AlarmNamePrefix").unwrap_or_default();
    let state = text(call.input, "StateValue");
    let region = place(call, "");
    let alarms: Vec<&Value> = account(control, &call.caller.account)?
        .cloudwatch
        .alarms
        .iter()
        .filter(|(place, _)| place.starts_with(&region))
        .map(|(_, alarm)| &alarm.described)
        .filter(|alarm| {
            let name = text(alarm, "AlarmName").unwrap_or_default();
            (names.is_empty() || names.iter().any(|wanted| wanted == name))
                && name.starts_with(prefix)
                && state.is_none_or(|state| alarm["StateValue"] == state)
        })
        .collect();
    let limit = match number(call.input, "MaxRecords") {
        None => 50,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| invalid("MaxRecords is 1 to 100"))?,
    };
    let key = |alarm: &&Value| text(alarm, "AlarmName").unwrap_or_default().to_owned();
    let (alarms, next) = input::page(alarms, key, text(call.input, "NextToken"), limit)
        .ok_or_else(|| ApiError::new("InvalidNextToken", "the token is not valid"))?;
    let mut reply = json!({ "MetricAlarms": alarms, "CompositeAlarms": [] });
    if let Some(next) = next {
        reply["NextToken"] = next.into();
    }
    Ok(reply)
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

pub(super) fn set_state(control: &mut Control, call: &Call<'_>, now: Timestamp) -> Reply {
    let value = call.required("StateValue")?;
    if !matches!(value, "OK" | "ALARM" | "INSUFFICIENT_DATA") {
        return Err(invalid(format!("StateValue {value} is none of OK, ALARM, INSUFFICIENT_DATA")));
    }
    let reason = call.required("StateReason")?;
    let alarm = alarm(control, call, call.required("AlarmName")?)?;
    if alarm.described["StateValue"] != value {
        alarm.described["StateTransitionedTimestamp"] = seconds(now);
    }
    alarm.described["StateValue"] = value.into();
    alarm.described["StateReason"] = reason.into();
    alarm.described["StateUpdatedTimestamp"] = seconds(now);
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
