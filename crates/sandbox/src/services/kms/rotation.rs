//! The yearly change of a key's material.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::require_enabled;
use super::{ApiError, Call, Control, KeyState, Reply, input, key};
use crate::services::input::seconds;

/// Automatic rotation that is on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Rotation {
    period_days: i64,
    enabled_at: Timestamp,
}

impl Rotation {
    fn next(self, now: Timestamp) -> Timestamp {
        let day = 24 * 3600;
        let period = self.period_days * day;
        let passed = now.as_second() - self.enabled_at.as_second();
        self.enabled_at + SignedDuration::from_secs((passed.div_euclid(period) + 1) * period)
    }
}

pub(super) fn enable(control: &mut Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    let wanted = input::number(call.input, "RotationPeriodInDays");
    if wanted.is_some_and(|days| !(90..=2560).contains(&days)) {
        return Err(ApiError::validation("RotationPeriodInDays must be between 90 and 2560"));
    }
    key::update(control, call, |key| {
        usable(key)?;
        // Saying nothing keeps the period of a rotation that is on.
        let before = key.rotation;
        let period_days = wanted.or(before.map(|rotation| rotation.period_days)).unwrap_or(365);
        let enabled_at = match before {
            Some(before) if before.period_days == period_days => before.enabled_at,
            _ => call.now,
        };
        key.rotation = Some(Rotation { period_days, enabled_at });
        Ok(json!({}))
    })
}

pub(super) fn disable(control: &mut Control, call: &Call<'_>) -> Reply {
    call.key(control)?;
    key::update(control, call, |key| {
        usable(key)?;
        key.rotation = None;
        Ok(json!({}))
    })
}

/// Whether KMS can rotate a key at all.
fn rotates(key: &super::Key) -> Result<(), ApiError> {
    let unsupported = |what: String| {
        let message = format!("{} {what} which is not valid for this operation.", key.arn);
        Err(ApiError::new("UnsupportedOperationException", message))
    };
    if key.spec != "SYMMETRIC_DEFAULT" {
        return unsupported(format!("key spec is {}", key.spec));
    }
    if key.origin != "AWS_KMS" {
        return unsupported(format!("origin is {}", key.origin));
    }
    Ok(())
}

fn usable(key: &super::Key) -> Result<(), ApiError> {
    rotates(key)?;
    require_enabled(key)
}

/// A disabled key keeps its rotation; of one that is pending deletion it is off until the
/// deletion is cancelled.
///
/// Source: KMS API Reference, `GetKeyRotationStatus`.
pub(super) fn status(control: &Control, call: &Call<'_>) -> Reply {
    let key = call.key(control)?;
    rotates(key)?;
    Ok(json!({
        "KeyId": key.arn,
        "KeyRotationEnabled": key.rotation.is_some() && !matches!(key.state, KeyState::PendingDeletion(_)),
        "RotationPeriodInDays": key.rotation.map(|rotation| rotation.period_days),
        "NextRotationDate": key.rotation.map(|rotation| seconds(rotation.next(call.now))),
    }))
}
