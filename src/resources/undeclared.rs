//! What is active in AWS but not in the configuration.
//!
//! orgtrail never turns such a thing off. It reports it: without that, nothing would
//! compare an option that somebody removed from the configuration.

use serde::Serialize;

use crate::alarms::{ALARMS, Alarm};
use crate::aws::{AwsError, Seen};
use crate::config::MfaDelete;
use crate::resources::change::ResourceId;
use crate::resources::{Desired, Observed};

/// Something that is active in AWS but not in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undeclared {
    /// The resource.
    pub id: ResourceId,
    /// The configuration key that declares such a thing.
    pub key: String,
    /// What is active, in a sentence without its full stop.
    pub what: String,
    /// Whether it is orgtrail's own, so that the configuration turned it off; what others
    /// may have created is only listed.
    pub turned_off: bool,
}

impl Undeclared {
    fn turned_off(id: &'static str, key: &str, what: String) -> Self {
        Self { id: id.into(), key: key.to_owned(), what, turned_off: true }
    }

    fn by_others(id: &'static str, key: &str, what: String) -> Self {
        Self { turned_off: false, ..Self::turned_off(id, key, what) }
    }
}

/// Everything that is active in AWS but not in the configuration.
pub(crate) fn undeclared(desired: &Desired, observed: &Observed) -> Vec<Undeclared> {
    let mut found = of_bucket(desired, observed);
    found.extend(of_vault(desired, observed));
    found.extend(of_alarms(desired, observed));
    let config = &desired.config;
    if let Some(guardrail) = observed.guardrail.present().filter(|_| !config.guardrail.enabled)
        && guardrail.id.is_some()
    {
        let targets: Vec<&str> = guardrail.targets.iter().map(String::as_str).collect();
        let attached = if targets.is_empty() {
            "to nothing".to_owned()
        } else {
            format!("to {}", targets.join(", "))
        };
        let what = format!(
            "the service control policy `{}` is attached {attached}",
            config.guardrail.name
        );
        found.push(Undeclared::turned_off("guardrail", "guardrail.enabled", what));
    }
    for name in observed.guardrail.present().into_iter().flat_map(|found| &found.renamed) {
        let what = format!("the service control policy `{name}` is an earlier guardrail");
        found.push(Undeclared::turned_off("guardrail", "guardrail.name", what));
    }
    if let Some(key) = observed.log_group.present().and_then(|group| group.kms_key.as_ref())
        && config.cloudwatch_logs.enabled
        && config.cloudwatch_logs.kms_key.is_none()
    {
        let what = format!("the log group encrypts its events with {key}");
        found.push(Undeclared::by_others("log-group", "cloudwatch_logs.kms_key", what));
    }
    found
}

/// What is not declared and could not be read: it may be active.
pub(crate) fn unreadable<'o>(
    desired: &Desired,
    observed: &'o Observed,
) -> Vec<(&'static str, &'o AwsError)> {
    let config = &desired.config;
    let reads = [
        (
            "archive-bucket/access-logging",
            config.archive.access_logging.enabled,
            observed.access_logging.unreadable(),
        ),
        (
            "archive-bucket/replication",
            config.archive.replication.is_some(),
            observed.replication.unreadable(),
        ),
        ("guardrail", config.guardrail.enabled, observed.guardrail.unreadable()),
        ("metric-filters", config.alarms.is_some(), observed.metric_filters.unreadable()),
        ("alarms", config.alarms.is_some(), observed.metric_alarms.unreadable()),
    ];
    let unread = reads.into_iter().filter(|(_, is_declared, _)| !is_declared);
    unread.filter_map(|(id, _, error)| Some((id, error?))).collect()
}

fn of_bucket(desired: &Desired, observed: &Observed) -> Vec<Undeclared> {
    let archive = &desired.config.archive;
    let mut found = Vec::new();
    if let Some(logging) =
        observed.access_logging.present().filter(|_| !archive.access_logging.enabled)
    {
        let what =
            format!("access logs go to s3://{}/{}", logging.target_bucket, logging.target_prefix);
        let key = "archive.access_logging.enabled";
        found.push(Undeclared::turned_off("archive-bucket/access-logging", key, what));
    }
    if let Some(replication) =
        observed.replication.present().filter(|_| archive.replication.is_none())
    {
        for (id, is_own, destination) in replication.enabled() {
            found.push(Undeclared {
                turned_off: is_own,
                ..Undeclared::by_others(
                    "archive-bucket/replication",
                    "archive.replication",
                    format!("the rule `{id}` replicates into {destination}"),
                )
            });
        }
    }
    let notified = observed.notifications.present().map(|found| found.undeclared(desired));
    found.extend(notified.into_iter().flatten().map(|what| {
        Undeclared::by_others("archive-bucket/notifications", "archive.notifications", what)
    }));
    let versioning = observed.versioning.present();
    if archive.mfa_delete == MfaDelete::Off
        && versioning.is_some_and(|versioning| versioning.mfa_delete)
    {
        let what = "S3's MFA delete is on".to_owned();
        found.push(Undeclared::by_others("archive-bucket/mfa-delete", "archive.mfa_delete", what));
    }
    found
}

fn of_vault(desired: &Desired, observed: &Observed) -> Vec<Undeclared> {
    let archive = &desired.config.archive;
    let (Some(vault), Some(declared)) = (observed.vault.present(), &archive.replication) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let lock = vault.object_lock.as_ref().and_then(|lock| lock.mode.as_ref());
    if let Some(mode) =
        lock.filter(|_| super::bucket::ObjectLock::declared(&archive.object_lock).is_none())
    {
        let what = format!("new replicas in `{}` are locked, mode {mode}", declared.bucket);
        found.push(Undeclared::by_others("vault", "archive.object_lock", what));
    }
    if archive.mfa_delete != MfaDelete::Vault
        && vault.versioning.as_ref().is_some_and(|versioning| versioning.mfa_delete)
    {
        let what = format!("S3's MFA delete of `{}` is on", declared.bucket);
        found.push(Undeclared::by_others("vault/mfa-delete", "archive.mfa_delete", what));
    }
    found
}

fn of_alarms(desired: &Desired, observed: &Observed) -> Vec<Undeclared> {
    let mut found = Vec::new();
    let Some(alarms) = &desired.config.alarms else {
        let own = |exists: &dyn Fn(&str) -> bool| -> Vec<String> {
            ALARMS.iter().map(Alarm::full_name).filter(|name| exists(name)).collect()
        };
        if let Seen::Present(live) = &observed.metric_filters {
            let names = own(&|name| live.filters.contains_key(name));
            if !names.is_empty() {
                let what = format!("these metric filters count events: {}", names.join(", "));
                found.push(Undeclared::turned_off("metric-filters", "alarms", what));
            }
        }
        if let Seen::Present(live) = &observed.metric_alarms {
            let names = own(&|name| live.alarms.contains_key(name));
            if !names.is_empty() {
                let what = format!("these alarms exist: {}", names.join(", "));
                found.push(Undeclared::turned_off("alarms", "alarms", what));
            }
        }
        return found;
    };
    let listeners = observed.alarm_subscriptions.present();
    for one in listeners.into_iter().flat_map(|listeners| &listeners.subscriptions) {
        let is_declared = one.protocol.starts_with("email")
            && alarms.subscribers.iter().any(|it| it.eq_ignore_ascii_case(&one.endpoint));
        if !is_declared {
            let what = format!("{} ({}) is subscribed to the alarms", one.endpoint, one.protocol);
            let id = "alarm-topic/subscriptions";
            found.push(Undeclared::by_others(id, "alarms.subscribers", what));
        }
    }
    found
}
