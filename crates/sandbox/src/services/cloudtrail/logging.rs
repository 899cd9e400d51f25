//! Starting and stopping, and how a trail fares.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::trail::place;
use super::{Call, Control, Reply, find};
use crate::services::input::seconds;

pub(super) fn start(control: &mut Control, call: &Call<'_>, now: Timestamp) -> Reply {
    let trail = find::manage(control, call, call.required("Name")?)?;
    if !trail.logging {
        trail.logging = true;
        trail.started_at = Some(now);
        trail.settle_digests(now);
    }
    Ok(json!({}))
}

pub(super) fn stop(control: &mut Control, call: &Call<'_>, now: Timestamp) -> Reply {
    let trail = find::manage(control, call, call.required("Name")?)?;
    if trail.logging {
        // Before settling: the last digest is due for what was logged so far.
        let before = trail.clone();
        trail.logging = false;
        trail.stopped_at = Some(now);
        trail.settle_digests(now);
        control.simulator.end(before, now);
    }
    Ok(json!({}))
}

pub(super) fn status(control: &Control, call: &Call<'_>) -> Reply {
    let name = call.required("Name")?;
    let trail = find::find(control, call, name)?;
    find::allow(control, call, trail)?;
    if !trail.is_visible(control, &call.caller.account, call.region) {
        return Err(find::not_found(call, name));
    }
    let delivery = trail
        .deliveries
        .get(&place(&call.caller.account, call.region))
        .cloned()
        .unwrap_or_default();
    let mut status = json!({ "IsLogging": trail.logging });
    let mut time = |name: &str, at: Option<Timestamp>| {
        if let Some(at) = at {
            status[name] = seconds(at);
        }
    };
    time("StartLoggingTime", trail.started_at);
    time("StopLoggingTime", trail.stopped_at);
    time("LatestDeliveryTime", delivery.delivered_at);
    time("LatestDigestDeliveryTime", delivery.digest_delivered_at);
    time("LatestCloudWatchLogsDeliveryTime", delivery.logs_delivered_at);
    time("LatestNotificationTime", delivery.notified_at);
    let mut text = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            status[name] = Value::from(value);
        }
    };
    let iso = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    text("LatestDeliveryError", delivery.error.clone());
    text("LatestDigestDeliveryError", delivery.digest_error);
    text("LatestCloudWatchLogsDeliveryError", delivery.logs_error);
    text("LatestNotificationError", delivery.notification_error);
    // These are always there, empty until something happened.
    text("TimeLoggingStarted", Some(trail.started_at.map(iso).unwrap_or_default()));
    text("TimeLoggingStopped", Some(trail.stopped_at.map(iso).unwrap_or_default()));
    text("LatestDeliveryAttemptTime", Some(delivery.attempted_at.map(iso).unwrap_or_default()));
    let succeeded = delivery.delivered_at.filter(|_| delivery.error.is_none());
    text("LatestDeliveryAttemptSucceeded", Some(succeeded.map(iso).unwrap_or_default()));
    text("LatestNotificationAttemptTime", Some(delivery.notified_at.map(iso).unwrap_or_default()));
    text(
        "LatestNotificationAttemptSucceeded",
        Some(delivery.notified_at.map(iso).unwrap_or_default()),
    );
    Ok(status)
}
