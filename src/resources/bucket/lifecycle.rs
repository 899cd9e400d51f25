use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus,
    LifecycleExpiration, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter,
    NoncurrentVersionExpiration, Transition, TransitionDefaultMinimumObjectSize,
    TransitionStorageClass,
};
use serde::Serialize;

use super::{BUCKET, read_setting};
use crate::aws::{At, AwsError, Clients, Observation, WriteClients};
use crate::config::Archive;
use crate::names::BucketName;
use crate::policy::Unmanaged;
use crate::resources::change::{Change, Confirmation, FieldChange, field_changes};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// What S3 does with objects as they age.
///
/// Source: S3 `GetBucketLifecycleConfiguration`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lifecycle {
    /// The rules, by their ids.
    pub rules: BTreeMap<String, Rule>,
    /// The size below which objects stay in their class if a rule sets none:
    /// `all_storage_classes_128K` or `varies_by_storage_class`; absent if the server does
    /// not return it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_transition_size: Option<String>,
    /// The rules as S3 returned them, so that unmanaged ones can be kept.
    #[serde(skip)]
    raw: Vec<LifecycleRule>,
}

/// What one rule does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Whether it is enabled.
    pub enabled: bool,
    /// Which objects it applies to: the prefix of their keys and other conditions; empty
    /// for all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// Whether it has other conditions than a prefix.
    #[serde(skip)]
    pub has_conditions: bool,
    /// Storage class by the object's age in days.
    pub transitions: BTreeMap<i32, String>,
    /// Days after which an object expires.
    pub expiration_days: Option<i32>,
    /// A date at which objects expire.
    pub expiration_date: Option<String>,
    /// Whether delete markers without versions are removed.
    pub expired_delete_markers: bool,
    /// Days that a version is kept after it is replaced.
    pub noncurrent_days: Option<i32>,
    /// How many such versions are kept regardless of their age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_versions_kept: Option<i32>,
    /// What else happens to such versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub noncurrent_other: String,
    /// Days after which an incomplete upload is aborted.
    pub abort_multipart_days: Option<i32>,
}

/// The prefix of the ids of orgtrail's own rules.
const OWN: &str = "orgtrail-";

impl Lifecycle {
    pub(crate) async fn read(clients: &Clients, bucket: &BucketName) -> Observation<Self> {
        let answer =
            clients.s3().get_bucket_lifecycle_configuration().bucket(bucket.as_str()).send().await;
        let answer = answer.at(clients, "s3:GetLifecycleConfiguration");
        Observation::from_result(answer, AwsError::is_not_found)
            .map(|answer| {
                let minimum = answer.transition_default_minimum_object_size;
                let minimum = minimum.map(|minimum| minimum.as_str().to_owned());
                answer.rules.map(|rules| Self::of(rules, minimum))
            })
            .flatten()
    }

    fn of(raw: Vec<LifecycleRule>, minimum_transition_size: Option<String>) -> Self {
        let rules = raw
            .iter()
            .enumerate()
            .map(|(at, rule)| {
                let id = rule.id.clone().unwrap_or_else(|| format!("unnamed-{at}"));
                (id, Rule::of(rule))
            })
            .collect();
        Self { rules, minimum_transition_size, raw }
    }

    /// The same configuration with a rule that replaces the one with its id.
    pub(super) fn with(found: Option<Self>, rule: LifecycleRule) -> Self {
        let minimum = found.as_ref().and_then(|found| found.minimum_transition_size.clone());
        let raw = found.map(|found| found.raw).unwrap_or_default();
        let others = raw.into_iter().filter(|other| other.id != rule.id);
        Self::of(others.chain([rule.clone()]).collect(), minimum)
    }

    /// Writes the configuration to a bucket: the rules and the minimum size, which S3
    /// resets to its default if the call omits it.
    pub(super) async fn put(
        self,
        clients: &WriteClients,
        bucket: &BucketName,
    ) -> Result<(), StepError> {
        let minimum = self.minimum_transition_size.as_deref();
        clients
            .s3()
            .put_bucket_lifecycle_configuration()
            .bucket(bucket.as_str())
            .set_transition_default_minimum_object_size(
                minimum.map(TransitionDefaultMinimumObjectSize::from),
            )
            .lifecycle_configuration(
                BucketLifecycleConfiguration::builder().set_rules(Some(self.raw)).build()?,
            )
            .send()
            .await
            .at(clients, "s3:PutLifecycleConfiguration")?;
        Ok(())
    }

    /// The rules to configure: orgtrail's, and unmanaged ones unless they are removed.
    fn target(desired: &Desired, found: Option<&Self>) -> Result<Self, StepError> {
        let own = own_rules(&desired.config.archive)?;
        let said: Vec<Rule> = own.iter().map(Rule::of).collect();
        let mut raw: Vec<LifecycleRule> = Vec::new();
        for rule in found.map(|found| found.raw.as_slice()).unwrap_or_default() {
            let is_own = rule.id.as_deref().is_some_and(|id| id.starts_with(OWN));
            // An unmanaged rule that does the same is adopted.
            if said.contains(&Rule::of(rule)) || (!is_own && desired.unmanaged != Unmanaged::Remove)
            {
                raw.push(rule.clone());
            }
        }
        let there: Vec<Rule> = raw.iter().map(Rule::of).collect();
        raw.extend(own.into_iter().filter(|rule| !there.contains(&Rule::of(rule))));
        let declared = desired.config.archive.lifecycle.minimum_transition_size;
        let declared = declared.map(|minimum| minimum.as_str().to_owned());
        let found = found.and_then(|found| found.minimum_transition_size.clone());
        let minimum = declared.or(found).filter(|_| !raw.is_empty());
        Ok(Self::of(raw, minimum))
    }
}

impl Rule {
    fn of(rule: &LifecycleRule) -> Self {
        let expiration = rule.expiration.as_ref();
        let noncurrent = rule.noncurrent_version_expiration.as_ref();
        let moves = rule.noncurrent_version_transitions().iter().map(|moved| {
            let class = moved.storage_class.as_ref().map_or("", |class| class.as_str());
            let days = moved.noncurrent_days.unwrap_or_default();
            let kept = moved.newer_noncurrent_versions;
            let kept = kept.map(|kept| format!(", {kept} newer ones kept")).unwrap_or_default();
            format!("{class} after {days} days{kept}")
        });
        let noncurrent_other = moves.collect::<Vec<_>>().join("; ");
        let (filter, has_conditions) = filter_text(rule);
        Self {
            enabled: rule.status == ExpirationStatus::Enabled,
            filter,
            has_conditions,
            transitions: rule
                .transitions()
                .iter()
                .map(|transition| {
                    let class = transition.storage_class.as_ref().map_or("", |c| c.as_str());
                    (transition.days.unwrap_or(-1), class.to_owned())
                })
                .collect(),
            expiration_days: expiration.and_then(|expiration| expiration.days),
            expiration_date: expiration
                .and_then(|expiration| expiration.date.as_ref())
                .map(ToString::to_string),
            expired_delete_markers: expiration
                .is_some_and(|expiration| expiration.expired_object_delete_marker == Some(true)),
            noncurrent_days: noncurrent.and_then(|expiration| expiration.noncurrent_days),
            newer_versions_kept: noncurrent
                .and_then(|expiration| expiration.newer_noncurrent_versions),
            noncurrent_other,
            abort_multipart_days: rule
                .abort_incomplete_multipart_upload
                .as_ref()
                .and_then(|abort| abort.days_after_initiation),
        }
    }

    /// After how many days it expires objects, if it does.
    fn expires_after(&self) -> Option<i32> {
        self.expiration_days.filter(|_| self.enabled)
    }

    /// After how many days it expires replaced versions, if it expires all of them.
    fn expires_versions_after(&self) -> Option<i32> {
        self.noncurrent_days.filter(|_| self.enabled && self.newer_versions_kept.is_none())
    }
}

/// The declared rules.
///
/// Expired delete markers have their own rule: S3 rejects them together with a number of
/// days.
fn own_rules(archive: &Archive) -> Result<Vec<LifecycleRule>, StepError> {
    if !archive.lifecycle.enabled {
        return Ok(Vec::new());
    }
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let whole_bucket = || LifecycleRuleFilter::builder().prefix("").build();
    let transitions = archive.lifecycle.tiers.iter().map(|tier| {
        Transition::builder()
            .days(days(tier.days))
            .storage_class(TransitionStorageClass::from(tier.storage_class.as_str()))
            .build()
    });
    let retention = LifecycleRule::builder()
        .id(format!("{OWN}retention"))
        .status(ExpirationStatus::Enabled)
        .filter(whole_bucket())
        .set_transitions(Some(transitions.collect::<Vec<_>>()).filter(|t| !t.is_empty()))
        .expiration(LifecycleExpiration::builder().days(days(archive.retention_days)).build())
        .noncurrent_version_expiration(
            NoncurrentVersionExpiration::builder()
                .noncurrent_days(days(archive.lifecycle.noncurrent_days))
                .build(),
        )
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder()
                .days_after_initiation(days(archive.lifecycle.abort_multipart_days))
                .build(),
        )
        .build()?;
    let markers = LifecycleRule::builder()
        .id(format!("{OWN}expired-delete-markers"))
        .status(ExpirationStatus::Enabled)
        .filter(whole_bucket())
        .expiration(LifecycleExpiration::builder().expired_object_delete_marker(true).build())
        .build()?;
    Ok(vec![retention, markers])
}

/// Which objects a rule applies to, and whether it has other conditions than a prefix.
fn filter_text(rule: &LifecycleRule) -> (String, bool) {
    #[expect(deprecated, reason = "rules of before 2016 have it")]
    let old_prefix = rule.prefix.as_deref().unwrap_or_default();
    let Some(filter) = &rule.filter else { return (old_prefix.to_owned(), false) };
    let and = filter.and.as_ref();
    let prefix = filter.prefix.as_deref().or(and.and_then(|and| and.prefix.as_deref()));
    let tags = filter.tag.iter().chain(and.map(LifecycleRuleAndOperator::tags).unwrap_or_default());
    let larger = filter.object_size_greater_than;
    let larger = larger.or(and.and_then(|and| and.object_size_greater_than));
    let smaller = filter.object_size_less_than;
    let smaller = smaller.or(and.and_then(|and| and.object_size_less_than));
    let more: Vec<String> = tags
        .map(|tag| format!("tag {}={}", tag.key, tag.value))
        .chain(larger.map(|bytes| format!("larger than {bytes} bytes")))
        .chain(smaller.map(|bytes| format!("smaller than {bytes} bytes")))
        .collect();
    let prefix = prefix.unwrap_or_default();
    if more.is_empty() {
        return (prefix.to_owned(), false);
    }
    let parts = Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty());
    (parts.into_iter().chain(more).collect::<Vec<_>>().join(", "), true)
}

impl Resource for Lifecycle {
    type State = Self;
    const ID: &'static str = "archive-bucket/lifecycle";
    const DEPENDS_ON: &'static [&'static str] = &[BUCKET, "archive-bucket/versioning"];
    const ACTIONS: &'static [&'static str] =
        &["s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        read_setting(context, Self::read).await
    }

    fn diff(desired: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        let target = match Self::target(desired, found) {
            Ok(target) => target,
            Err(error) => return Change::refused(error.to_string(), "check [archive.lifecycle]"),
        };
        let none = BTreeMap::new();
        let before = found.map_or(&none, |found| &found.rules);
        let unmanaged = before
            .iter()
            .filter(|(id, rule)| !id.starts_with(OWN) && target.rules.get(*id) == Some(*rule));
        let retention = desired.config.archive.retention_days;
        let notes: Vec<String> = unmanaged
            .map(|(id, rule)| match rule.expires_after() {
                Some(days) if i64::from(days) < i64::from(retention) => format!(
                    "the rule `{id}` is unmanaged and expires objects after {days} days, earlier than archive.retention_days ({retention}); --remove-unmanaged removes it"
                ),
                _ => format!("the rule `{id}` is unmanaged and is kept"),
            })
            .collect();
        let mut fields: Vec<FieldChange> = field_changes(Some(before), &target.rules);
        let minimum = found.and_then(|found| found.minimum_transition_size.as_ref());
        if !target.raw.is_empty() && minimum != target.minimum_transition_size.as_ref() {
            let target = target.minimum_transition_size.clone();
            fields.push(FieldChange::new("minimum_transition_size", minimum.cloned(), target));
        }
        if fields.is_empty() {
            return Change::nothing().with_notes(notes);
        }
        if observed.versioning.present().is_some_and(|versioning| versioning.mfa_delete) {
            return Change::refused(
                "S3 does not allow lifecycle rules while MFA delete is enabled",
                "set archive.lifecycle.enabled = false, or disable MFA delete as the account's root user",
            );
        }
        // A rule for some objects does not apply to the others.
        let ends = |rules: &BTreeMap<String, Rule>, after: fn(&Rule) -> Option<i32>| {
            let whole = rules.values().filter(|rule| rule.filter.is_empty());
            whole.filter_map(after).min()
        };
        let sooner = |after: fn(&Rule) -> Option<i32>| {
            let days = ends(&target.rules, after)?;
            ends(before, after).is_none_or(|now| days < now).then_some(days)
        };
        let why = "logs change storage class and expire as configured";
        let change = match found {
            None => Change::create(why, fields),
            Some(_) => Change::update(why, fields),
        }
        .with_notes(notes);
        if before.is_empty() {
            return change;
        }
        let what = [
            sooner(Rule::expires_after).map(|days| format!("logs expire after {days} days")),
            sooner(Rule::expires_versions_after)
                .map(|days| format!("replaced and deleted versions expire after {days} days")),
        ];
        let what: Vec<String> = what.into_iter().flatten().collect();
        let is_own = |rules: &BTreeMap<String, Rule>| {
            rules.iter().any(|(id, rule)| id.starts_with(OWN) && rule.enabled)
        };
        if !desired.config.archive.lifecycle.enabled && is_own(before) {
            return change.irreversible(
                Confirmation::WeakenedGuard,
                "logs no longer change storage class and expire as they do now (to keep it: archive.lifecycle)",
            );
        }
        if !what.is_empty() {
            return change.irreversible(
                Confirmation::WeakenedGuard,
                format!("{}, earlier than now", what.join(", ")),
            );
        }
        change
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.archive();
        let bucket = context.desired.bucket().as_str();
        let target = Self::target(context.desired, context.observed.lifecycle.present())?;
        if target.raw.is_empty() {
            clients
                .s3()
                .delete_bucket_lifecycle()
                .bucket(bucket)
                .send()
                .await
                .at(&clients, "s3:PutLifecycleConfiguration")?;
            return Ok(());
        }
        target.put(&clients, context.desired.bucket()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::Tag;

    use super::*;

    fn of(filter: LifecycleRuleFilter) -> (String, bool) {
        let rule = LifecycleRule::builder().status(ExpirationStatus::Enabled).filter(filter);
        filter_text(&rule.build().unwrap())
    }

    #[test]
    fn what_a_rule_asks_for_is_said_in_words() {
        let filter = LifecycleRuleFilter::builder;
        assert_eq!(of(filter().build()), (String::new(), false));
        assert_eq!(of(filter().prefix("tmp/").build()), ("tmp/".to_owned(), false));
        let tag = Tag::builder().key("team").value("audit").build().unwrap();
        assert_eq!(of(filter().tag(tag.clone()).build()), ("tag team=audit".to_owned(), true));
        let and = LifecycleRuleAndOperator::builder().prefix("tmp/").tags(tag);
        let and = and.object_size_greater_than(1024).build();
        let found = of(filter().and(and).build());
        assert_eq!(found, ("tmp/, tag team=audit, larger than 1024 bytes".to_owned(), true));
    }
}
