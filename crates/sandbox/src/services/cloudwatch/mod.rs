//! Amazon CloudWatch: metrics and the alarms on them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ApiError, Call, Control, Reply, input, unknown_operation};

mod alarms;
mod metrics;

/// The state of one account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By Region and name: `eu-central-1/name`.
    alarms: BTreeMap<String, alarms::Alarm>,
    /// `Region, namespace, name, dimensions as JSON` of what was put.
    metrics: BTreeSet<(String, String, String, String)>,
}

pub(super) fn call(control: &mut Control, call: &Call<'_>) -> Reply {
    match call.operation {
        "PutMetricAlarm" => alarms::put(control, call),
        "DescribeAlarms" => alarms::describe(control, call),
        "DeleteAlarms" => alarms::delete(control, call),
        "SetAlarmState" => alarms::set_state(control, call),
        "EnableAlarmActions" => alarms::set_actions(control, call, true),
        "DisableAlarmActions" => alarms::set_actions(control, call, false),
        "ListTagsForResource" => alarms::list_tags(control, call),
        "TagResource" => alarms::tag(control, call),
        "UntagResource" => alarms::untag(control, call),
        "PutMetricData" => metrics::put(control, call),
        "ListMetrics" => metrics::list(control, call),
        _ => Err(unknown_operation(call)),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}
