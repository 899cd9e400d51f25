//! Starting and stopping, and how a trail fares.

use jiff::Timestamp;
use serde_json::json;

use super::trail::place;
use super::{Call, Control, Reply, find};
use crate::services::input::seconds;

pub(super) fn start(control: &mut Control, call: &Call<'_>) -> Reply {
    let trail = find::manage(control, call, call.required("Name")?)?;
    if !trail.logging {
        // The second in which it stopped was recorded to its end.
        let begins = trail.stopped_at.map_or(call.now, |stopped| {
            let recorded = Timestamp::from_second(stopped.as_second() + 1);
            recorded.map_or(call.now, |recorded| recorded.max(call.now))
        });
        trail.logging = true;
        trail.started_at = Some(begins);
        trail.settle_digests(begins);
    }
    Ok(json!({}))
}

pub(super) fn stop(control: &mut Control, call: &Call<'_>) -> Reply {
    let trail = find::manage(control, call, call.required("Name")?)?;
    if trail.logging {
        // Before settling: the last digest is due for what was logged so far.
        let before = trail.clone();
        trail.logging = false;
        trail.stopped_at = Some(call.now);
        trail.settle_digests(call.now);
        control.simulator.end(before, call.now);
    }
    Ok(json!({}))
}

pub(super) fn status(control: &Control, call: &Call<'_>) -> Reply {
    let name = call.required("Name")?;
    let trail = find::find(control, call, name)?;
    find::allow(control, call, trail)?;
    if !trail.is_visible(control, &call.caller.account, call.region, call.now) {
        return Err(find::not_found(call, name));
    }
    let delivery = trail
        .deliveries
        .get(&place(&call.caller.account, call.region))
        .cloned()
        .unwrap_or_default();
    // Empty until it happens, unlike the others, which are missing until then.
    let iso = |at: Option<Timestamp>| {
        at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
    };
    let succeeded = delivery.delivered_at.filter(|_| delivery.error.is_none());
    Ok(json!({
        "IsLogging": trail.logging,
        "StartLoggingTime": trail.started_at.map(seconds),
        "StopLoggingTime": trail.stopped_at.map(seconds),
        "LatestDeliveryTime": delivery.delivered_at.map(seconds),
        "LatestDigestDeliveryTime": delivery.digest_delivered_at.map(seconds),
        "LatestCloudWatchLogsDeliveryTime": delivery.logs_delivered_at.map(seconds),
        "LatestNotificationTime": delivery.notified_at.map(seconds),
        "LatestDeliveryError": delivery.error,
        "LatestDigestDeliveryError": delivery.digest_error,
        "LatestCloudWatchLogsDeliveryError": delivery.logs_error,
        "LatestNotificationError": delivery.notification_error,
        "TimeLoggingStarted": iso(trail.started_at),
        "TimeLoggingStopped": iso(trail.stopped_at),
        "LatestDeliveryAttemptTime": iso(delivery.attempted_at),
        "LatestDeliveryAttemptSucceeded": iso(succeeded),
        "LatestNotificationAttemptTime": iso(delivery.notified_at),
        "LatestNotificationAttemptSucceeded": iso(delivery.notified_at),
    }))
}
