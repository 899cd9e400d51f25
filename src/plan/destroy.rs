//! Taking away what may be taken away: never data.

use std::collections::BTreeMap;

use super::{Action, FieldChange, Plan, ResourceId, Step, build};
use crate::alarms::{ALARMS, Alarm};
use crate::aws::{
    At, Aws, AwsError, Seen, WriteAuthority, WriteClients, is_transient, retry_while,
};
use crate::cost::prices;
use crate::plan::apply::{Outcome, StepResult};
use crate::resources::catalogue::CATALOGUE;
use crate::resources::{Desired, Observed, StepError, ensure_unchanged, reread};
use crate::stop::{GRACE, Stop};
use crate::words::in_one_line;

/// Something that a destroy leaves, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Remains {
    /// The resource.
    pub id: ResourceId,
    /// Its name.
    pub name: String,
    /// Why it stays.
    pub why: String,
    /// Whether it was not even possible to look, so that it may not be there.
    pub unreadable: bool,
    /// What it costs a month in US dollars, where that does not depend on its
    /// size.
    pub usd_a_month: Option<f64>,
    /// What its cost depends on, in words.
    pub cost: String,
}

/// The steps that take the guardrail, the trail and its alarms away.
///
/// The guardrail goes first: a trail must not end while its bucket is guarded
/// less than it was.
#[must_use]
pub fn plan_destroy(desired: &Desired, observed: &Observed) -> Plan {
    let digests = build::plan(desired, observed).observed;
    let mut steps = Vec::new();
    if let Some(guardrail) = observed.guardrail.present()
        && guardrail.id.is_some()
        && desired.config.guardrail.enabled
    {
        let name = desired.config.guardrail.name.clone();
        steps.push(delete(
            "guardrail",
            desired,
            None,
            ("name", name),
            "it guards a trail that ends",
        ));
    }
    let trail = observed.trails.present().and_then(|trails| trails.own.as_ref());
    if let Some(trail) = trail {
        let region = Some(desired.home_region().clone());
        let arn = trail.arn.clone();
        let mut step = delete(
            "trail",
            desired,
            region,
            ("arn", arn),
            "its selectors and Insights end with it",
        );
        step.depends_on = steps.iter().map(|step| step.id.clone()).collect();
        steps.push(step);
    }
    for id in ["alarms", "metric-filters"] {
        let names = own_alarm_names(id, desired, observed);
        if names.is_empty() {
            continue;
        }
        let region = Some(desired.home_region().clone());
        let why = "the trail that they watch ends";
        let mut step = delete(id, desired, region, ("names", names.join(", ")), why);
        step.depends_on = steps.iter().map(|step| step.id.clone()).collect();
        steps.push(step);
    }
    let mut unread = vec![observed.trails.unreadable()];
    if desired.config.guardrail.enabled {
        unread.push(observed.guardrail.unreadable());
    }
    if desired.config.alarms.is_some() {
        unread.extend([observed.metric_alarms.unreadable(), observed.metric_filters.unreadable()]);
    }
    for error in unread.into_iter().flatten() {
        let mut step = delete("unread", desired, None, ("operation", error.operation.clone()), "");
        step.action = Action::Blocked;
        step.unreadable = true;
        step.why = format!("it could not be read: {}", in_one_line(error));
        step.hint = error.hint();
        steps.push(step);
    }
    Plan::new(steps, digests)
}

/// The declared alarms, or metric filters, that are there.
fn own_alarm_names(id: &str, desired: &Desired, observed: &Observed) -> Vec<String> {
    if desired.config.alarms.is_none() {
        return Vec::new();
    }
    let names = match id {
        "alarms" => observed.metric_alarms.present().map(|found| named(&found.alarms)),
        _ => observed.metric_filters.present().map(|found| named(&found.filters)),
    };
    names.unwrap_or_default()
}

/// Those that have the names of orgtrail's alarms.
fn named<T>(found: &BTreeMap<String, T>) -> Vec<String> {
    ALARMS.iter().map(Alarm::full_name).filter(|name| found.contains_key(name)).collect()
}

/// What stays after a destroy, with why and what it costs. What could not be read
/// is told as well: it may be there.
#[must_use]
pub fn remains(desired: &Desired, observed: &Observed) -> Vec<Remains> {
    let config = &desired.config;
    let nothing = || (Some(0.0), "nothing".to_owned());
    let quiet = || (Some(0.0), "nothing while nothing is published".to_owned());
    let key = || {
        let month = prices::KMS_KEY_MONTH;
        let more = format!("${month} for the key, and ${month} more for each of its first two");
        (Some(month), format!("{more} rotations"))
    };
    let mut all = vec![
        stays(
            observed.archive_bucket.as_ref(),
            "archive-bucket",
            config.archive.bucket.to_string(),
            "it holds the logs; locked ones nobody can delete",
            (None, prices::gb_month_in(&["STANDARD", "STANDARD_IA", "GLACIER_IR"])),
        ),
        stays(
            observed.access_log_bucket.as_ref(),
            "access-log-bucket",
            config.archive.access_logging.bucket.to_string(),
            "it holds who read the logs",
            (None, format!("{}; its own rule empties it", prices::gb_month_in(&["STANDARD"]))),
        ),
        stays(
            observed.kms_key.as_ref(),
            "kms-key",
            config.key.alias.to_string(),
            "without it every log is unreadable",
            key(),
        ),
        stays(
            observed.log_group.as_ref(),
            "log-group",
            config.cloudwatch_logs.group.to_string(),
            "it holds events until their retention ends",
            (None, format!("${} a GB, compressed", prices::LOGS_GB_MONTH)),
        ),
        stays(
            observed.log_group_role.as_ref(),
            "log-group/role",
            config.cloudwatch_logs.role.to_string(),
            "another trail may use it",
            nothing(),
        ),
        stays(
            observed.topic.as_ref(),
            "topic",
            desired.topic_arn().map(|arn| arn.to_string()).unwrap_or_default(),
            "others subscribe to it",
            quiet(),
        ),
        stays(
            observed.alarm_topic.as_ref(),
            "alarm-topic",
            desired.alarm_topic_arn().map(|arn| arn.to_string()).unwrap_or_default(),
            "others subscribe to it",
            quiet(),
        ),
        stays(
            observed.trusted_access.as_ref(),
            "trusted-access",
            crate::policy::CLOUDTRAIL.to_owned(),
            "other organization trails and CloudTrail Lake need it",
            nothing(),
        ),
    ];
    if let Some(vault) = &config.archive.replication {
        all.push(stays(
            observed.vault.as_ref().map(|found| found.bucket.as_ref()).flatten(),
            "vault",
            vault.bucket.to_string(),
            "it holds the replicas",
            (None, prices::gb_month_in(&[vault.storage_class.as_str()])),
        ));
        all.push(stays(
            observed.vault.as_ref().map(|found| found.key.as_ref()).flatten(),
            "vault",
            vault.key_alias.to_string(),
            "without it every replica is unreadable",
            key(),
        ));
        all.push(stays(
            observed.replication_role.as_ref(),
            "replication-role",
            vault.role.to_string(),
            "S3 goes on replicating with it",
            nothing(),
        ));
    }
    if !config.guardrail.enabled {
        all.push(stays(
            observed.guardrail.as_ref().map(|found| found.id.as_ref()).flatten(),
            "guardrail",
            config.guardrail.name.clone(),
            "the config has it switched off, so a policy of its name is not taken for orgtrail's",
            nothing(),
        ));
    }
    if config.alarms.is_none() {
        let some = |names: Vec<String>| Some(names).filter(|names| !names.is_empty());
        let alarms = observed.metric_alarms.as_ref().map(|found| some(named(&found.alarms)));
        let filters = observed.metric_filters.as_ref().map(|found| some(named(&found.filters)));
        let (alarms, filters) = (alarms.flatten(), filters.flatten());
        let names = |seen: &Seen<Vec<String>>| {
            seen.present().map_or_else(|| "orgtrail-…".to_owned(), |names| names.join(", "))
        };
        let why = "the config has no [alarms], so what has these names is not taken for orgtrail's";
        let month = alarms.present().map(|names| names.iter().map(|_| prices::ALARM_MONTH).sum());
        let cost = format!("${} for each", prices::ALARM_MONTH);
        all.push(stays(alarms.as_ref(), "alarms", names(&alarms), why, (month, cost)));
        all.push(stays(filters.as_ref(), "metric-filters", names(&filters), why, nothing()));
    }
    all.into_iter().flatten().collect()
}

fn stays<T>(
    seen: Seen<T>,
    id: &'static str,
    name: String,
    why: &str,
    (usd_a_month, cost): (Option<f64>, String),
) -> Option<Remains> {
    let one =
        Remains { id: id.into(), name, why: why.to_owned(), unreadable: false, usd_a_month, cost };
    match seen {
        Seen::Present(_) => Some(one),
        Seen::Absent => None,
        Seen::Unreadable(error) => Some(Remains {
            why: format!("if it is there, {why}; it could not be read: {}", in_one_line(&error)),
            unreadable: true,
            ..one
        }),
    }
}

/// Carries the steps of [`plan_destroy`] out, one after the other; a failed one
/// stops the rest.
pub async fn destroy(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    told: &(dyn Fn(&StepResult) + Sync),
) -> Vec<StepResult> {
    destroy_until(aws, desired, observed, plan, told, &Stop::never()).await
}

/// The same until a stop is requested: then no further step begins, and the one
/// under way has [`GRACE`] to finish.
pub async fn destroy_until(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    told: &(dyn Fn(&StepResult) + Sync),
    stop: &Stop,
) -> Vec<StepResult> {
    let clients = aws.clients(desired.management(), desired.home_region());
    let clients = WriteClients::new(&clients, &WriteAuthority::granted());
    let mut results: Vec<StepResult> = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action.writes()) {
        let failed: Vec<ResourceId> = results
            .iter()
            .filter(|result| result.outcome != Outcome::Done)
            .map(|result| result.id.clone())
            .collect();
        let outcome = if stop.is_requested() {
            Outcome::NotBegun
        } else if failed.is_empty() {
            // What is gone already is done, so each can be tried again.
            let again = |error: &AwsError| is_transient(error, false);
            let delete = || take_away(&clients, &step.id, desired, observed);
            let checked = async {
                Box::pin(check_unchanged(aws, desired, observed, &step.id)).await?;
                Ok::<_, StepError>(retry_while(aws.propagation(), again, delete).await?)
            };
            tokio::select! {
                ended = checked => match ended {
                    Ok(()) => Outcome::Done,
                    Err(error @ StepError::Changed(_)) => {
                        Outcome::Refused { error: in_one_line(&error), hint: Some(AGAIN.to_owned()) }
                    }
                    Err(error) => Outcome::Failed { error: in_one_line(&error), hint: error.hint() },
                },
                () = stop.over(GRACE) => Outcome::CutOff,
            }
        } else {
            Outcome::Stopped { because: failed }
        };
        let result = StepResult { id: step.id.clone(), action: step.action, outcome };
        told(&result);
        results.push(result);
    }
    results
}

/// Reads a resource again immediately before it goes: what goes is what was shown.
/// What somebody else took away meanwhile is no change.
async fn check_unchanged(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    id: &str,
) -> Result<(), StepError> {
    let Some(entry) = CATALOGUE.iter().find(|entry| entry.id == id) else { return Ok(()) };
    let now = reread(aws, desired, observed, entry).await;
    let is_gone = match id {
        "trail" => now.trails.present().is_some_and(|trails| trails.own.is_none()),
        "guardrail" => now.guardrail.present().is_some_and(|found| found.id.is_none()),
        "alarms" | "metric-filters" => {
            let read = [now.metric_alarms.unreadable(), now.metric_filters.unreadable()];
            read.iter().all(Option::is_none) && own_alarm_names(id, desired, &now).is_empty()
        }
        _ => false,
    };
    if is_gone { Ok(()) } else { ensure_unchanged(entry, observed, &now) }
}

async fn take_away(
    clients: &WriteClients,
    id: &str,
    desired: &Desired,
    observed: &Observed,
) -> Result<(), AwsError> {
    if id == "guardrail" {
        let Some(found) = observed.guardrail.present() else { return Ok(()) };
        let Some(policy) = &found.id else { return Ok(()) };
        for target in &found.targets {
            let call = clients.organizations().detach_policy().policy_id(policy).target_id(target);
            gone(call.send().await.at(clients, "organizations:DetachPolicy"))?;
        }
        let call = clients.organizations().delete_policy().policy_id(policy);
        gone(call.send().await.at(clients, "organizations:DeletePolicy"))
    } else if id == "alarms" {
        let names = own_alarm_names(id, desired, observed);
        let delete = async |names: Vec<String>| {
            let call = clients.cloudwatch().delete_alarms().set_alarm_names(Some(names));
            call.send().await.at(clients, "cloudwatch:DeleteAlarms").map(|_| ())
        };
        match delete(names.clone()).await {
            // Of several, those that are there may have been left.
            Err(error) if error.is_not_found() => {
                for name in names {
                    gone(delete(vec![name]).await)?;
                }
                Ok(())
            }
            other => other,
        }
    } else if id == "metric-filters" {
        let group = desired.config.cloudwatch_logs.group.as_str();
        for name in own_alarm_names(id, desired, observed) {
            let call = clients.logs().delete_metric_filter().log_group_name(group);
            let call = call.filter_name(name).send().await;
            gone(call.at(clients, "logs:DeleteMetricFilter"))?;
        }
        Ok(())
    } else {
        let call = clients.cloudtrail().delete_trail().name(desired.trail_arn().to_string());
        gone(call.send().await.at(clients, "cloudtrail:DeleteTrail"))
    }
}

/// What is no longer there was taken away: by somebody else, or by a call whose
/// answer got lost.
fn gone<T>(deleted: Result<T, AwsError>) -> Result<(), AwsError> {
    match deleted {
        Err(error) if !error.is_not_found() && !error.is_code("PolicyNotAttachedException") => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// What to do where a resource changed after it was shown.
const AGAIN: &str = "run `orgtrail destroy --dry-run`, read it, then destroy again";

fn delete(
    id: &'static str,
    desired: &Desired,
    region: Option<crate::names::Region>,
    (field, value): (&str, String),
    why: &str,
) -> Step {
    Step {
        id: id.into(),
        account: desired.management().clone(),
        region,
        action: Action::Delete,
        changes: vec![FieldChange::new(field, Some(value), None::<String>)],
        why: why.to_owned(),
        hint: None,
        unreadable: false,
        irreversible: None,
        notes: Vec::new(),
        depends_on: Vec::new(),
    }
}
