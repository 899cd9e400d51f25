//! The keys that digests are verified with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, time};
use crate::services::input::seconds;

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let from = time(call, "StartTime").unwrap_or(call.now);
    let until = time(call, "EndTime").unwrap_or(call.now).max(from);
    if time(call, "EndTime").is_some_and(|end| end < from) {
        return Err(ApiError::new("InvalidTimeRangeException", "EndTime is before StartTime"));
    }
    let keys: Vec<Value> = control
        .simulator
        .keys
        .published(call.region, from, until)
        .map(|key| {
            json!({
                "Value": STANDARD.encode(&key.der),
                "ValidityStartTime": seconds(key.from),
                "ValidityEndTime": seconds(key.until),
                "Fingerprint": key.fingerprint,
            })
        })
        .collect();
    Ok(json!({ "PublicKeyList": keys }))
}
