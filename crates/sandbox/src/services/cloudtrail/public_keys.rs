//! The keys that digests are verified with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ApiError, Call, Control, Reply, input};
use crate::services::input::seconds;

pub(super) fn list(control: &Control, call: &Call<'_>, now: Timestamp) -> Reply {
    call.allow(control, "*")?;
    let time = |name: &str| -> Option<Timestamp> {
        let seconds = input::decimal(call.input, name)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds are enough")]
        Timestamp::from_second(seconds as i64).ok()
    };
    let from = time("StartTime").unwrap_or(now);
    let until = time("EndTime").unwrap_or(now).max(from);
    if time("EndTime").is_some_and(|end| end < from) {
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
