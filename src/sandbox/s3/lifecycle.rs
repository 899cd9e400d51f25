//! Lifecycle rules: what S3 refuses of them, and what they do as time passes.

use std::sync::Arc;

use jiff::Timestamp;
use s3s::{S3ErrorCode, S3Result, dto};

use super::{
    Store,
    bucket::{Bucket, Settings, State, Versioning},
    context::Cx,
    error::{absent, invalid_argument, invalid_request, malformed_xml, refuse},
    object::{Object, Version, VersionId, Versions},
    time::{from_dto, http_date, next_midnight, plus_days},
};

/// Below this, objects stay where they are unless a rule says a size.
const SMALLEST_TRANSITION: u64 = 128 * 1024;

pub(super) fn put_bucket_lifecycle_configuration(
    cx: &Cx<'_>,
    input: dto::PutBucketLifecycleConfigurationInput,
) -> S3Result<dto::PutBucketLifecycleConfigurationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutLifecycleConfiguration")?;
    let mut configuration = input
        .lifecycle_configuration
        .ok_or_else(|| malformed_xml("the lifecycle configuration is missing"))?;
    check(&configuration)?;
    if bucket.settings().mfa_delete {
        return Err(refuse(
            S3ErrorCode::InvalidBucketState,
            "Lifecycle configuration is not allowed on a bucket with MFA delete enabled",
        ));
    }
    let number = cx.store().next_number();
    for (at, rule) in configuration.rules.iter_mut().enumerate() {
        rule.id.get_or_insert_with(|| format!("rule-{number}-{at}"));
    }
    let minimum = input.transition_default_minimum_object_size;
    let minimum = minimum.map_or("all_storage_classes_128K".to_owned(), |m| m.as_str().to_owned());
    cx.change(&bucket, |settings| {
        settings.lifecycle = Some(configuration);
        settings.transition_minimum = Some(minimum.clone());
    });
    Ok(dto::PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(minimum.into()),
    })
}

pub(super) fn get_bucket_lifecycle_configuration(
    cx: &Cx<'_>,
    input: dto::GetBucketLifecycleConfigurationInput,
) -> S3Result<dto::GetBucketLifecycleConfigurationOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:GetLifecycleConfiguration")?;
    let settings = bucket.settings();
    let configuration = settings.lifecycle.clone().ok_or_else(|| {
        absent("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
    })?;
    Ok(dto::GetBucketLifecycleConfigurationOutput {
        rules: Some(configuration.rules),
        transition_default_minimum_object_size: settings.transition_minimum.clone().map(Into::into),
    })
}

pub(super) fn delete_bucket_lifecycle(
    cx: &Cx<'_>,
    input: dto::DeleteBucketLifecycleInput,
) -> S3Result<dto::DeleteBucketLifecycleOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutLifecycleConfiguration")?;
    cx.change(&bucket, |settings| settings.lifecycle = None);
    Ok(dto::DeleteBucketLifecycleOutput {})
}

/// Checks a configuration as S3 does when it is put.
fn check(configuration: &dto::BucketLifecycleConfiguration) -> S3Result<()> {
    let rules = &configuration.rules;
    if rules.is_empty() || rules.len() > 1_000 {
        return Err(malformed_xml("between 1 and 1000 rules are expected"));
    }
    for (at, rule) in rules.iter().enumerate() {
        if let Some(id) = &rule.id {
            if id.len() > 255 {
                return Err(invalid_argument("ID length should not exceed allowed limit of 255"));
            }
            if rules[..at].iter().any(|other| other.id.as_ref() == Some(id)) {
                return Err(invalid_argument(
                    "RuleId must be unique. Found same ID for more than one rule",
                ));
            }
        }
        check_rule(rule)?;
    }
    Ok(())
}

fn check_rule(rule: &dto::LifecycleRule) -> S3Result<()> {
    if rule.filter.is_some() == rule.prefix.is_some() {
        return Err(malformed_xml("a rule has either a filter or a prefix"));
    }
    if !matches!(rule.status.as_str(), "Enabled" | "Disabled") {
        return Err(malformed_xml("the status is either Enabled or Disabled"));
    }
    let tagged = rule.filter.as_ref().is_some_and(|filter| {
        filter.tag.is_some() || filter.and.as_ref().is_some_and(|and| and.tags.is_some())
    });
    let transitions = rule.transitions.as_deref().unwrap_or_default();
    let noncurrent = rule.noncurrent_version_transitions.as_deref().unwrap_or_default();
    let acts = rule.expiration.is_some()
        || !transitions.is_empty()
        || !noncurrent.is_empty()
        || rule.noncurrent_version_expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some();
    if !acts {
        return Err(invalid_request("At least one action needs to be specified in a rule"));
    }
    if let Some(expiration) = &rule.expiration {
        check_expiration(expiration, tagged)?;
    }
    let steps: Vec<_> = transitions.iter().map(|t| (t.days, t.storage_class.as_ref())).collect();
    for transition in transitions {
        if transition.days.is_some() == transition.date.is_some() {
            return Err(malformed_xml("a transition has either days or a date"));
        }
        check_midnight(transition.date.as_ref())?;
    }
    check_steps(&steps, rule.expiration.as_ref().and_then(|e| e.days), "Days")?;
    let steps: Vec<_> =
        noncurrent.iter().map(|t| (t.noncurrent_days, t.storage_class.as_ref())).collect();
    let ends = rule.noncurrent_version_expiration.as_ref();
    check_steps(&steps, ends.and_then(|e| e.noncurrent_days), "NoncurrentDays")?;
    if let Some(expiration) = ends {
        if expiration.noncurrent_days.is_none_or(|days| days <= 0) {
            return Err(invalid_argument(
                "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
            ));
        }
        if expiration.newer_noncurrent_versions.is_some_and(|kept| !(1..=100).contains(&kept)) {
            return Err(invalid_argument("'NewerNoncurrentVersions' must be between 1 and 100"));
        }
    }
    if let Some(abort) = &rule.abort_incomplete_multipart_upload {
        if abort.days_after_initiation.is_none_or(|days| days <= 0) {
            return Err(invalid_argument(
                "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
            ));
        }
        if tagged {
            return Err(invalid_request(
                "AbortIncompleteMultipartUpload cannot be specified with Tags",
            ));
        }
    }
    Ok(())
}

fn check_expiration(expiration: &dto::LifecycleExpiration, tagged: bool) -> S3Result<()> {
    let given = [
        expiration.days.is_some(),
        expiration.date.is_some(),
        expiration.expired_object_delete_marker.is_some(),
    ];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(malformed_xml(
            "an expiration has one of days, a date, and ExpiredObjectDeleteMarker",
        ));
    }
    if expiration.days.is_some_and(|days| days <= 0) {
        return Err(invalid_argument("'Days' for Expiration action must be a positive integer"));
    }
    if expiration.expired_object_delete_marker.is_some() && tagged {
        return Err(invalid_request("ExpiredObjectDeleteMarker cannot be specified with Tags"));
    }
    check_midnight(expiration.date.as_ref())
}

fn check_midnight(date: Option<&dto::Timestamp>) -> S3Result<()> {
    let Some(time) = date else { return Ok(()) };
    match from_dto(time) {
        Some(time) if next_midnight(time) == time => Ok(()),
        _ => Err(invalid_argument("'Date' must be at midnight GMT")),
    }
}

/// The order in which objects may move, coldest last.
fn coldness(class: &str) -> Option<u8> {
    Some(match class {
        "STANDARD_IA" => 1,
        "INTELLIGENT_TIERING" => 2,
        "ONEZONE_IA" => 3,
        "GLACIER_IR" => 4,
        "GLACIER" => 5,
        "DEEP_ARCHIVE" => 6,
        _ => return None,
    })
}

fn check_steps(
    steps: &[(Option<i32>, Option<&dto::TransitionStorageClass>)],
    expiration: Option<i32>,
    unit: &str,
) -> S3Result<()> {
    let mut seen: Vec<(u8, i32)> = Vec::new();
    for (days, class) in steps {
        let class = class.map(dto::TransitionStorageClass::as_str).unwrap_or_default();
        let cold = coldness(class).ok_or_else(|| malformed_xml("unknown storage class"))?;
        let Some(days) = *days else { continue };
        if days < 0 {
            return Err(invalid_argument(format!(
                "'{unit}' for Transition action must be nonnegative"
            )));
        }
        if matches!(class, "STANDARD_IA" | "ONEZONE_IA") && days < 30 {
            return Err(invalid_argument(format!(
                "'{unit}' in Transition action must be greater than or equal to 30 for storageClass '{class}'"
            )));
        }
        if seen.iter().any(|(other, _)| *other == cold) {
            return Err(invalid_request(format!("found two transitions to '{class}'")));
        }
        if expiration.is_some_and(|end| end <= days) {
            return Err(invalid_argument(format!(
                "'{unit}' in the Expiration action must be greater than '{unit}' in the Transition action"
            )));
        }
        seen.push((cold, days));
    }
    seen.sort_unstable();
    for pair in seen.windows(2) {
        let ((warm, earlier), (_, later)) = (pair[0], pair[1]);
        let least = if matches!(warm, 1 | 3) { earlier + 30 } else { earlier + 1 };
        if later < least {
            return Err(invalid_argument(format!(
                "'{unit}' in the Transition action to a colder storage class must be at least {least}, found {later}"
            )));
        }
    }
    Ok(())
}

fn applies(rule: &dto::LifecycleRule, key: &str, object: Option<&Object>) -> bool {
    if rule.status.as_str() != "Enabled" {
        return false;
    }
    let Some(filter) = &rule.filter else {
        return key.starts_with(rule.prefix.as_deref().unwrap_or_default());
    };
    let and = filter.and.as_ref();
    let prefix = filter.prefix.as_deref().or(and.and_then(|and| and.prefix.as_deref()));
    if !key.starts_with(prefix.unwrap_or_default()) {
        return false;
    }
    let greater = filter.object_size_greater_than.or(and.and_then(|a| a.object_size_greater_than));
    let less = filter.object_size_less_than.or(and.and_then(|a| a.object_size_less_than));
    let mut tags =
        filter.tag.iter().chain(and.and_then(|and| and.tags.as_ref()).into_iter().flatten());
    let Some(object) = object else {
        // A delete marker has neither size nor tags.
        return greater.is_none() && less.is_none() && tags.next().is_none();
    };
    let size = i64::try_from(object.size()).unwrap_or(i64::MAX);
    greater.is_none_or(|bound| size > bound)
        && less.is_none_or(|bound| size < bound)
        && tags.all(|tag| {
            tag.key.as_ref().is_some_and(|key| {
                object.tags().get(key).map(String::as_str) == tag.value.as_deref()
            })
        })
}

fn has_size_filter(rule: &dto::LifecycleRule) -> bool {
    rule.filter.as_ref().is_some_and(|filter| {
        filter.object_size_greater_than.is_some()
            || filter.object_size_less_than.is_some()
            || filter.and.as_ref().is_some_and(|and| {
                and.object_size_greater_than.is_some() || and.object_size_less_than.is_some()
            })
    })
}

fn due(since: Timestamp, days: i32) -> Timestamp {
    next_midnight(plus_days(since, days))
}

fn due_by(since: Timestamp, days: Option<i32>, date: Option<&dto::Timestamp>) -> Option<Timestamp> {
    match (days, date) {
        (Some(days), _) => Some(due(since, days)),
        (None, Some(date)) => from_dto(date),
        (None, None) => None,
    }
}

/// `x-amz-expiration` of a current version.
pub(super) fn expiration_header(
    settings: &Settings,
    key: &str,
    object: &Object,
    modified: Timestamp,
) -> Option<String> {
    let rules = &settings.lifecycle.as_ref()?.rules;
    let (at, rule) = rules
        .iter()
        .filter(|rule| applies(rule, key, Some(object)))
        .filter_map(|rule| {
            let expiration = rule.expiration.as_ref()?;
            Some((due_by(modified, expiration.days, expiration.date.as_ref())?, rule))
        })
        .min_by_key(|(at, _)| *at)?;
    let id = super::listing::Spelling::new(Some(&dto::EncodingType::from_static("url")))
        .map(|url| url.write(rule.id.as_deref().unwrap_or_default()))
        .ok()?;
    Some(format!("expiry-date=\"{}\", rule-id=\"{id}\"", http_date(at)))
}

impl Store {
    /// Does what the lifecycle rules of all buckets demand by `now`.
    ///
    /// Locked versions stay, whatever the rules say.
    pub(in crate::sandbox) fn apply_lifecycle(&self, now: Timestamp) {
        for bucket in self.all() {
            self.apply_to(&bucket, now);
        }
    }

    fn apply_to(&self, bucket: &Bucket, now: Timestamp) {
        let mut state = bucket.state.write();
        let settings = Arc::clone(&state.settings);
        let Some(configuration) = &settings.lifecycle else { return };
        let rules = &configuration.rules;
        let State { objects, uploads, .. } = &mut *state;
        objects.retain(|key, versions| {
            move_versions(rules, &settings, key, versions, now);
            self.expire_current(rules, &settings, key, versions, now)
                && expire_noncurrent(rules, key, versions, now)
                && !is_spent_marker(rules, key, versions, now)
        });
        uploads.retain(|(key, _), upload| {
            !rules.iter().filter(|rule| applies(rule, key, None)).any(|rule| {
                let abort = rule.abort_incomplete_multipart_upload.as_ref();
                abort
                    .and_then(|abort| abort.days_after_initiation)
                    .is_some_and(|days| due(upload.initiated, days) <= now)
            })
        });
    }

    /// Whether the key stays.
    fn expire_current(
        &self,
        rules: &[dto::LifecycleRule],
        settings: &Settings,
        key: &str,
        versions: &mut Versions,
        now: Timestamp,
    ) -> bool {
        let Some(object) = &versions.current.object else { return true };
        let expired = rules.iter().filter(|rule| applies(rule, key, Some(object))).any(|rule| {
            rule.expiration.as_ref().is_some_and(|expiration| {
                due_by(versions.current.modified, expiration.days, expiration.date.as_ref())
                    .is_some_and(|at| at <= now)
            })
        });
        if !expired {
            return true;
        }
        let id = match settings.versioning {
            Versioning::Off => return false,
            Versioning::Enabled => self.new_version_id(),
            Versioning::Suspended => VersionId::NULL,
        };
        versions.push(Version { id, modified: super::time::whole_seconds(now), object: None });
        true
    }
}

/// Moves versions to the storage classes that they have come due for.
fn move_versions(
    rules: &[dto::LifecycleRule],
    settings: &Settings,
    key: &str,
    versions: &mut Versions,
    now: Timestamp,
) {
    let moves: Vec<(VersionId, Box<str>)> = versions
        .iter()
        .enumerate()
        .filter_map(|(at, version)| {
            let object = version.object.as_deref()?;
            let newer = at.checked_sub(1).and_then(|newer| versions.iter().nth(newer));
            let class = class_due(rules, settings, key, (version, object), (at, newer), now)?;
            (coldness(object.storage_class()).unwrap_or(0) < coldness(class)?)
                .then(|| (version.id, class.into()))
        })
        .collect();
    for (id, class) in moves {
        let id = id.to_string();
        if let Some(object) = versions.find_mut(&id).and_then(|v| v.object.as_mut()) {
            Arc::make_mut(object).details_mut().storage_class = Some(class);
        }
    }
}

fn class_due<'r>(
    rules: &'r [dto::LifecycleRule],
    settings: &Settings,
    key: &str,
    (version, object): (&Version, &Object),
    (at, newer): (usize, Option<&Version>),
    now: Timestamp,
) -> Option<&'r str> {
    let varies = settings.transition_minimum.as_deref() == Some("varies_by_storage_class");
    let mut best: Option<&str> = None;
    for rule in rules.iter().filter(|rule| applies(rule, key, Some(object))) {
        let small = object.size() < SMALLEST_TRANSITION && !has_size_filter(rule);
        let steps: Vec<(Option<Timestamp>, Option<&dto::TransitionStorageClass>)> = match newer {
            None => rule
                .transitions
                .iter()
                .flatten()
                .map(|t| {
                    (due_by(version.modified, t.days, t.date.as_ref()), t.storage_class.as_ref())
                })
                .collect(),
            Some(newer) => rule
                .noncurrent_version_transitions
                .iter()
                .flatten()
                .filter(|t| t.newer_noncurrent_versions.is_none_or(|kept| at > size_of(kept)))
                .map(|t| {
                    (t.noncurrent_days.map(|d| due(newer.modified, d)), t.storage_class.as_ref())
                })
                .collect(),
        };
        for (when, class) in steps {
            let class = class.map(dto::TransitionStorageClass::as_str).unwrap_or_default();
            let stays = small && !(varies && matches!(class, "GLACIER" | "DEEP_ARCHIVE"));
            if !stays
                && when.is_some_and(|when| when <= now)
                && best.and_then(coldness) < coldness(class)
            {
                best = Some(class);
            }
        }
    }
    best
}

fn size_of(kept: i32) -> usize {
    usize::try_from(kept).unwrap_or(0)
}

/// Removes what has been non-current for long enough; the key always stays.
fn expire_noncurrent(
    rules: &[dto::LifecycleRule],
    key: &str,
    versions: &mut Versions,
    now: Timestamp,
) -> bool {
    let listed: Vec<&Version> = versions.iter().collect();
    let gone: Vec<VersionId> = listed
        .windows(2)
        .enumerate()
        .filter(|(at, pair)| {
            let (newer, version) = (pair[0], pair[1]);
            let object = version.object.as_deref();
            if object.is_some_and(|o| o.legal_hold() || o.retention_at(now).is_some()) {
                return false;
            }
            rules.iter().filter(|rule| applies(rule, key, object)).any(|rule| {
                let Some(expiration) = &rule.noncurrent_version_expiration else { return false };
                let kept = expiration.newer_noncurrent_versions.map_or(0, size_of);
                *at >= kept
                    && expiration
                        .noncurrent_days
                        .is_some_and(|days| due(newer.modified, days) <= now)
            })
        })
        .map(|(_, pair)| pair[1].id)
        .collect();
    for id in gone {
        // Never the current one, so that there is always something left.
        let _ = versions.remove(id);
    }
    true
}

/// A delete marker with nothing under it.
fn is_spent_marker(
    rules: &[dto::LifecycleRule],
    key: &str,
    versions: &Versions,
    now: Timestamp,
) -> bool {
    versions.len() == 1
        && versions.current.object.is_none()
        && rules.iter().filter(|rule| applies(rule, key, None)).any(|rule| {
            rule.expiration.as_ref().is_some_and(|expiration| {
                expiration.expired_object_delete_marker == Some(true)
                    || expiration
                        .days
                        .is_some_and(|days| due(versions.current.modified, days) <= now)
            })
        })
}
