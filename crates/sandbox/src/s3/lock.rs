//! Object Lock: configuration, retention, legal holds, and what they refuse.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use s3s::{S3ErrorCode, S3Result, dto};

use super::bucket::{DefaultRetention, LockSettings, Period, Settings, Versioning};
use super::context::{ByAcl, CallContext, Keys};
use super::error::{
    absent, access_denied, invalid_argument, invalid_request, malformed_xml, refuse,
};
use super::object::{LockMode, Object, Retention};
use super::time::{from_dto, plus_days, to_dto};

/// What a write asks for in its headers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RequestedLock {
    pub(super) retention: Option<Retention>,
    pub(super) legal_hold: Option<bool>,
}

impl RequestedLock {
    pub(super) fn new(
        cx: &CallContext<'_>,
        settings: &Settings,
        mode: Option<&dto::ObjectLockMode>,
        until: Option<&dto::Timestamp>,
        hold: Option<&dto::ObjectLockLegalHoldStatus>,
    ) -> S3Result<Self> {
        let retention = match (mode, until) {
            (None, None) => None,
            (Some(mode), Some(until)) => Some(retention(cx.now, mode.as_str(), until)?),
            _ => {
                return Err(invalid_argument(
                    "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
                ));
            }
        };
        let legal_hold = match hold.map(dto::ObjectLockLegalHoldStatus::as_str) {
            None => None,
            Some("ON") => Some(true),
            Some("OFF") => Some(false),
            Some(_) => return Err(invalid_argument("Unknown wormMode directive.")),
        };
        if (retention.is_some() || legal_hold.is_some()) && settings.lock.is_none() {
            return Err(no_lock_here());
        }
        Ok(Self { retention, legal_hold })
    }

    /// The condition keys.
    pub(super) fn keys(&self, now: Timestamp, keys: &mut Keys<'_>) {
        if let Some(retention) = self.retention {
            retention_keys(retention, now, keys);
        }
        if let Some(hold) = self.legal_hold {
            keys.push(("s3:object-lock-legal-hold", if hold { "ON" } else { "OFF" }.to_owned()));
        }
    }

    /// Locks a new object, as requested or by the bucket's default.
    pub(super) fn lock(&self, object: &mut Object, settings: &Settings, now: Timestamp) {
        let default = || settings.lock.and_then(|lock| lock.default).map(|d| d.from(now));
        if let Some(retention) = self.retention.or_else(default) {
            object.details_mut().retention = Some(retention);
        }
        if let Some(hold) = self.legal_hold {
            object.details_mut().legal_hold = Some(hold);
        }
    }
}

impl DefaultRetention {
    fn from(self, now: Timestamp) -> Retention {
        let until = match self.period {
            Period::Days(days) => plus_days(now, days),
            Period::Years(years) => plus_days(now, years.saturating_mul(365)),
        };
        Retention { mode: self.mode, until }
    }
}

fn no_lock_here() -> s3s::S3Error {
    invalid_request("Bucket is missing Object Lock Configuration")
}

fn retention_keys(retention: Retention, now: Timestamp, keys: &mut Keys<'_>) {
    let remaining: SignedDuration = retention.until.duration_since(now);
    let days = (remaining.as_secs() + 86_399) / 86_400;
    keys.push(("s3:object-lock-mode", retention.mode.as_str().to_owned()));
    keys.push(("s3:object-lock-retain-until-date", retention.until.to_string()));
    keys.push(("s3:object-lock-remaining-retention-days", days.to_string()));
}

fn retention(now: Timestamp, mode: &str, until: &dto::Timestamp) -> S3Result<Retention> {
    let mode =
        LockMode::parse(mode).ok_or_else(|| invalid_argument("Unknown wormMode directive."))?;
    let until = from_dto(until).ok_or_else(|| invalid_argument("Invalid retain until date"))?;
    if until <= now {
        return Err(invalid_argument("The retain until date must be in the future!"));
    }
    Ok(Retention { mode, until })
}

impl CallContext<'_> {
    /// Refuses to destroy a locked version.
    ///
    /// # Errors
    /// `AccessDenied`, as S3 answers for every kind of lock.
    pub(super) fn check_unlocked(&self, object: &Object, may_bypass: bool) -> S3Result<()> {
        let protected = "Access Denied because object protected by object lock.";
        if object.legal_hold() {
            return Err(access_denied(protected));
        }
        match object.retention_at(self.now).map(|retention| retention.mode) {
            Some(LockMode::Compliance) => Err(access_denied(protected)),
            Some(LockMode::Governance) if !may_bypass => Err(access_denied(protected)),
            _ => Ok(()),
        }
    }
}

pub(super) fn put_object_lock_configuration(
    cx: &CallContext<'_>,
    input: dto::PutObjectLockConfigurationInput,
) -> S3Result<dto::PutObjectLockConfigurationOutput> {
    let bucket = cx.bucket_to_set(
        &input.bucket,
        input.expected_bucket_owner.as_deref(),
        "s3:PutBucketObjectLockConfiguration",
    )?;
    let configuration = input
        .object_lock_configuration
        .ok_or_else(|| malformed_xml("the object lock configuration is missing"))?;
    if configuration.object_lock_enabled.as_ref().map(dto::ObjectLockEnabled::as_str)
        != Some("Enabled")
    {
        return Err(malformed_xml("ObjectLockEnabled must be Enabled"));
    }
    let default = match configuration.rule {
        None => None,
        Some(rule) => {
            let rule = rule
                .default_retention
                .ok_or_else(|| malformed_xml("a rule needs a default retention"))?;
            Some(default_retention(&rule)?)
        }
    };
    if bucket.settings().versioning != Versioning::Enabled {
        return Err(refuse(
            S3ErrorCode::InvalidBucketState,
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ));
    }
    bucket.change(|settings| settings.lock = Some(LockSettings { default }));
    Ok(dto::PutObjectLockConfigurationOutput::default())
}

fn default_retention(rule: &dto::DefaultRetention) -> S3Result<DefaultRetention> {
    let mode = rule.mode.as_ref().and_then(|mode| LockMode::parse(mode.as_str()));
    let mode = mode.ok_or_else(|| malformed_xml("the default retention needs a mode"))?;
    let period = match (rule.days, rule.years) {
        (Some(days), None) => Period::Days(days),
        (None, Some(years)) => Period::Years(years),
        _ => return Err(malformed_xml("either days or years, and not both")),
    };
    let (length, most) = match period {
        Period::Days(days) => (days, 36_500),
        Period::Years(years) => (years, 100),
    };
    if length <= 0 {
        return Err(invalid_argument("Default retention period must be a positive integer value."));
    }
    if length > most {
        return Err(invalid_argument("Default retention period too large."));
    }
    Ok(DefaultRetention { mode, period })
}

pub(super) fn get_object_lock_configuration(
    cx: &CallContext<'_>,
    input: dto::GetObjectLockConfigurationInput,
) -> S3Result<dto::GetObjectLockConfigurationOutput> {
    let bucket = cx.bucket_to_set(
        &input.bucket,
        input.expected_bucket_owner.as_deref(),
        "s3:GetBucketObjectLockConfiguration",
    )?;
    let Some(lock) = bucket.settings().lock else {
        return Err(absent(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ));
    };
    let rule = lock.default.map(|default| {
        let (days, years) = match default.period {
            Period::Days(days) => (Some(days), None),
            Period::Years(years) => (None, Some(years)),
        };
        let mode = Some(dto::ObjectLockRetentionMode::from_static(default.mode.as_str()));
        dto::ObjectLockRule { default_retention: Some(dto::DefaultRetention { days, mode, years }) }
    });
    let configuration = dto::ObjectLockConfiguration {
        object_lock_enabled: Some(dto::ObjectLockEnabled::from_static("Enabled")),
        rule,
    };
    Ok(dto::GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) })
}

pub(super) fn put_object_retention(
    cx: &CallContext<'_>,
    input: dto::PutObjectRetentionInput,
) -> S3Result<dto::PutObjectRetentionOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    let wanted = match input.retention {
        None => None,
        Some(retention) => match (retention.mode, retention.retain_until_date) {
            (None, None) => None,
            (Some(mode), Some(until)) => Some(self::retention(cx.now, mode.as_str(), &until)?),
            _ => return Err(malformed_xml("mode and retain until date go together")),
        },
    };
    let mut keys = Keys::new();
    if let Some(retention) = wanted {
        retention_keys(retention, cx.now, &mut keys);
    }
    version_key(input.version_id.as_ref(), &mut keys);
    cx.allow_object(
        &bucket,
        &settings,
        &input.key,
        "s3:PutObjectRetention",
        keys.clone(),
        ByAcl::No,
    )?;
    if settings.lock.is_none() {
        return Err(no_lock_here());
    }
    let bypass = input.bypass_governance_retention.unwrap_or(false)
        && cx
            .allow_object(
                &bucket,
                &settings,
                &input.key,
                "s3:BypassGovernanceRetention",
                keys,
                ByAcl::No,
            )
            .is_ok();
    bucket.edit(&input.key, input.version_id.as_deref(), |object| {
        if let Some(held) = object.retention_at(cx.now) {
            let eases = match wanted {
                None => true,
                Some(wanted) => wanted.until < held.until || weakens(held.mode, wanted.mode),
            };
            let firm = held.mode == LockMode::Compliance || !bypass;
            if eases && firm {
                return Err(access_denied(
                    "Access Denied because object protected by object lock.",
                ));
            }
        }
        object.details_mut().retention = wanted;
        Ok(())
    })?;
    Ok(dto::PutObjectRetentionOutput::default())
}

fn weakens(held: LockMode, wanted: LockMode) -> bool {
    held == LockMode::Compliance && wanted == LockMode::Governance
}

/// `s3:VersionId`, where a request names a version.
pub(super) fn version_key(version_id: Option<&String>, keys: &mut Keys<'_>) {
    if let Some(id) = version_id {
        keys.push(("s3:VersionId", id.clone()));
    }
}

pub(super) fn get_object_retention(
    cx: &CallContext<'_>,
    input: dto::GetObjectRetentionInput,
) -> S3Result<dto::GetObjectRetentionOutput> {
    let object = lockable(
        cx,
        &input.bucket,
        input.expected_bucket_owner.as_deref(),
        &input.key,
        input.version_id.as_ref(),
        "s3:GetObjectRetention",
    )?;
    let Some(retention) = object.details.as_ref().and_then(|details| details.retention) else {
        return Err(no_object_lock());
    };
    Ok(dto::GetObjectRetentionOutput {
        retention: Some(dto::ObjectLockRetention {
            mode: Some(dto::ObjectLockRetentionMode::from_static(retention.mode.as_str())),
            retain_until_date: Some(to_dto(retention.until)),
        }),
    })
}

fn no_object_lock() -> s3s::S3Error {
    absent(
        "NoSuchObjectLockConfiguration",
        "The specified object does not have a ObjectLock configuration",
    )
}

fn lockable(
    cx: &CallContext<'_>,
    bucket: &str,
    expected_owner: Option<&str>,
    key: &str,
    version_id: Option<&String>,
    action: &str,
) -> S3Result<Arc<Object>> {
    let bucket = cx.bucket(bucket, expected_owner)?;
    let settings = bucket.settings();
    let mut keys = Keys::new();
    version_key(version_id, &mut keys);
    cx.allow_object(&bucket, &settings, key, action, keys, ByAcl::No)?;
    if settings.lock.is_none() {
        return Err(no_lock_here());
    }
    bucket.find(key, version_id.map(String::as_str)).map(|(_, object)| object)
}

pub(super) fn put_object_legal_hold(
    cx: &CallContext<'_>,
    input: dto::PutObjectLegalHoldInput,
) -> S3Result<dto::PutObjectLegalHoldOutput> {
    let bucket = cx.bucket(&input.bucket, input.expected_bucket_owner.as_deref())?;
    let settings = bucket.settings();
    let status = input.legal_hold.and_then(|hold| hold.status);
    let on = match status.as_ref().map(dto::ObjectLockLegalHoldStatus::as_str) {
        Some("ON") => true,
        Some("OFF") => false,
        _ => return Err(malformed_xml("the legal hold must be ON or OFF")),
    };
    let mut keys = Keys::new();
    keys.push(("s3:object-lock-legal-hold", if on { "ON" } else { "OFF" }.to_owned()));
    version_key(input.version_id.as_ref(), &mut keys);
    cx.allow_object(&bucket, &settings, &input.key, "s3:PutObjectLegalHold", keys, ByAcl::No)?;
    if settings.lock.is_none() {
        return Err(no_lock_here());
    }
    bucket.edit(&input.key, input.version_id.as_deref(), |object| {
        object.details_mut().legal_hold = Some(on);
        Ok(())
    })?;
    Ok(dto::PutObjectLegalHoldOutput::default())
}

pub(super) fn get_object_legal_hold(
    cx: &CallContext<'_>,
    input: dto::GetObjectLegalHoldInput,
) -> S3Result<dto::GetObjectLegalHoldOutput> {
    let object = lockable(
        cx,
        &input.bucket,
        input.expected_bucket_owner.as_deref(),
        &input.key,
        input.version_id.as_ref(),
        "s3:GetObjectLegalHold",
    )?;
    let Some(on) = object.details.as_ref().and_then(|details| details.legal_hold) else {
        return Err(no_object_lock());
    };
    let status = dto::ObjectLockLegalHoldStatus::from_static(if on { "ON" } else { "OFF" });
    Ok(dto::GetObjectLegalHoldOutput {
        legal_hold: Some(dto::ObjectLockLegalHold { status: Some(status) }),
    })
}
