//! Lifecycle rules: what S3 refuses of them, and what they do as time passes.

use std::sync::Arc;

use jiff::Timestamp;
use s3s::{S3ErrorCode, S3Result, dto};

use super::Store;
use super::bucket::{Bucket, Settings, State, Versioning};
use super::context::CallContext;
use super::error::{absent, malformed_xml, refuse};
use super::lifecycle_check::{check, coldness};
use super::object::{Object, Version, VersionId, Versions};
use super::time::{from_dto, http_date, next_midnight, plus_days};

/// Below this, objects stay where they are unless a rule says a size.
const SMALLEST_TRANSITION: u64 = 128 * 1024;

pub(super) fn put_bucket_lifecycle_configuration(
    cx: &CallContext<'_>,
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
    bucket.change(|settings| {
        settings.lifecycle = Some(configuration);
        settings.transition_minimum = Some(minimum.clone());
    });
    Ok(dto::PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(minimum.into()),
    })
}

pub(super) fn get_bucket_lifecycle_configuration(
    cx: &CallContext<'_>,
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
    cx: &CallContext<'_>,
    input: dto::DeleteBucketLifecycleInput,
) -> S3Result<dto::DeleteBucketLifecycleOutput> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = cx.bucket_to_set(&input.bucket, owner, "s3:PutLifecycleConfiguration")?;
    bucket.change(|settings| settings.lifecycle = None);
    Ok(dto::DeleteBucketLifecycleOutput {})
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
    let id = super::key_encoding::KeyEncoding::new(Some(&dto::EncodingType::from_static("url")))
        .map(|url| url.write(rule.id.as_deref().unwrap_or_default()))
        .ok()?;
    Some(format!("expiry-date=\"{}\", rule-id=\"{id}\"", http_date(at)))
}

impl Store {
    /// Does what the lifecycle rules of all buckets demand by `now`.
    ///
    /// Locked versions stay, whatever the rules say.
    pub(crate) fn apply_lifecycle(&self, now: Timestamp) {
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
