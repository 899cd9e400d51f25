//! Deleting what may be deleted: never data.

use std::collections::BTreeMap;

use super::{Action, FieldChange, Plan, ResourceId, Step, build};
use crate::alarms::{ALARMS, Alarm};
use crate::aws::{
    At, Aws, AwsError, Observation, WriteAuthority, WriteClients, is_transient, retry_while,
};
use crate::cost::prices;
use crate::plan::apply::{StepOutcome, StepResult};
use crate::resources::catalogue::CATALOGUE;
use crate::resources::{Desired, Observed, StepError, ensure_unchanged, reread};
use crate::stop::{GRACE, Stop};
use crate::words::in_one_line;

/// Something that a destroy keeps, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Remains {
    /// The resource.
    pub id: ResourceId,
    /// Its name.
    pub name: String,
    /// Why it is kept.
    pub why: String,
    /// Whether it could not be read, so that it may not exist.
    pub unreadable: bool,
    /// What it costs a month in US dollars, if that does not depend on its size.
    pub usd_a_month: Option<f64>,
    /// What its cost depends on, in words.
    pub cost: String,
}

/// The steps that delete the guardrail, the trail and its alarms.
///
/// The guardrail is deleted first: if that fails, the trail continues.
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
            "it guards a trail that is deleted",
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
            "its event selectors and Insights are deleted with it",
        );
        step.depends_on = steps.iter().map(|step| step.id.clone()).collect();
        steps.push(step);
    }
    for id in ["alarms", "metric-filters"] {
        let names = existing_names(id, desired, observed);
        if names.is_empty() {
            continue;
        }
        let region = Some(desired.home_region().clone());
        let why = "the trail that they monitor is deleted";
        let mut step = delete(id, desired, region, ("names", names.join(", ")), why);
        step.depends_on = steps.iter().map(|step| step.id.clone()).collect();
        steps.push(step);
    }
    let mut unreadable_reads = vec![observed.trails.unreadable()];
    if desired.config.guardrail.enabled {
        unreadable_reads.push(observed.guardrail.unreadable());
    }
    if desired.config.alarms.is_some() {
        unreadable_reads
            .extend([observed.metric_alarms.unreadable(), observed.metric_filters.unreadable()]);
    }
    for error in unreadable_reads.into_iter().flatten() {
        let mut step = delete("unread", desired, None, ("operation", error.operation.clone()), "");
        step.action = Action::Blocked;
        step.unreadable = true;
        step.why = format!("it could not be read: {}", in_one_line(error));
        step.hint = error.hint();
        steps.push(step);
    }
    Plan::new(steps, digests)
}

/// The declared alarms, or metric filters, that exist.
fn existing_names(id: &str, desired: &Desired, observed: &Observed) -> Vec<String> {
    if desired.config.alarms.is_none() {
        return Vec::new();
    }
    let names = match id {
        "alarms" => observed.metric_alarms.present().map(|found| names_of_alarms(&found.alarms)),
        _ => observed.metric_filters.present().map(|found| names_of_alarms(&found.filters)),
    };
    names.unwrap_or_default()
}

/// Those that have the names of orgtrail's alarms.
fn names_of_alarms<T>(found: &BTreeMap<String, T>) -> Vec<String> {
    ALARMS.iter().map(Alarm::full_name).filter(|name| found.contains_key(name)).collect()
}

/// What a destroy keeps, with why and what it costs. What could not be read is listed
/// too: it may exist.
#[must_use]
pub fn remains(desired: &Desired, observed: &Observed) -> Vec<Remains> {
    let config = &desired.config;
    let nothing = || (Some(0.0), "nothing".to_owned());
    let quiet = || (Some(0.0), "nothing while no message is published".to_owned());
    let key = || {
        let month = prices::KMS_KEY_MONTH;
        let more = format!("${month} for the key, and ${month} more for each of its first two");
        (Some(month), format!("{more} rotations"))
    };
    let mut all = vec![
        kept_resource(
            observed.archive_bucket.as_ref(),
            "archive-bucket",
            config.archive.bucket.to_string(),
            "it contains the logs; nobody can delete locked ones",
            (None, prices::gb_month_in(&["STANDARD", "STANDARD_IA", "GLACIER_IR"])),
        ),
        kept_resource(
            observed.access_log_bucket.as_ref(),
            "access-log-bucket",
            config.archive.access_logging.bucket.to_string(),
            "it records who read the logs",
            (
                None,
                format!("{}; its lifecycle rule empties it", prices::gb_month_in(&["STANDARD"])),
            ),
        ),
        kept_resource(
            observed.kms_key.as_ref(),
            "kms-key",
            config.key.alias.to_string(),
            "without it no log can be decrypted",
            key(),
        ),
        kept_resource(
            observed.log_group.as_ref(),
            "log-group",
            config.cloudwatch_logs.group.to_string(),
            "it keeps events until their retention ends",
            (None, format!("${} a GB, compressed", prices::LOGS_GB_MONTH)),
        ),
        kept_resource(
            observed.log_group_role.as_ref(),
            "log-group/role",
            config.cloudwatch_logs.role.to_string(),
            "another trail may use it",
            nothing(),
        ),
        kept_resource(
            observed.topic.as_ref(),
            "topic",
            desired.topic_arn().map(|arn| arn.to_string()).unwrap_or_default(),
            "others subscribe to it",
            quiet(),
        ),
        kept_resource(
            observed.alarm_topic.as_ref(),
            "alarm-topic",
            desired.alarm_topic_arn().map(|arn| arn.to_string()).unwrap_or_default(),
            "others subscribe to it",
            quiet(),
        ),
        kept_resource(
            observed.trusted_access.as_ref(),
            "trusted-access",
            crate::policy::CLOUDTRAIL.to_owned(),
            "other organization trails and CloudTrail Lake need it",
            nothing(),
        ),
    ];
    if let Some(vault) = &config.archive.replication {
        all.push(kept_resource(
            observed.vault.as_ref().map(|found| found.bucket.as_ref()).flatten(),
            "vault",
            vault.bucket.to_string(),
            "it contains the replicas",
            (None, prices::gb_month_in(&[vault.storage_class.as_str()])),
        ));
        all.push(kept_resource(
            observed.vault.as_ref().map(|found| found.key.as_ref()).flatten(),
            "vault",
            vault.key_alias.to_string(),
            "without it no replica can be decrypted",
            key(),
        ));
        all.push(kept_resource(
            observed.replication_role.as_ref(),
            "replication-role",
            vault.role.to_string(),
            "S3 continues to replicate with it",
            nothing(),
        ));
    }
    if !config.guardrail.enabled {
        all.push(kept_resource(
            observed.guardrail.as_ref().map(|found| found.id.as_ref()).flatten(),
            "guardrail",
            config.guardrail.name.clone(),
            "the configuration disables it, so orgtrail does not treat a policy with its name as its own",
            nothing(),
        ));
    }
    if config.alarms.is_none() {
        let some = |names: Vec<String>| Some(names).filter(|names| !names.is_empty());
        let alarms =
            observed.metric_alarms.as_ref().map(|found| some(names_of_alarms(&found.alarms)));
        let filters =
            observed.metric_filters.as_ref().map(|found| some(names_of_alarms(&found.filters)));
        let (alarms, filters) = (alarms.flatten(), filters.flatten());
        let names = |seen: &Observation<Vec<String>>| {
            seen.present().map_or_else(|| "orgtrail-…".to_owned(), |names| names.join(", "))
        };
        let why = "the configuration has no [alarms], so orgtrail does not treat what has these names as its own";
        let month = alarms.present().map(|names| names.iter().map(|_| prices::ALARM_MONTH).sum());
        let cost = format!("${} for each", prices::ALARM_MONTH);
        all.push(kept_resource(alarms.as_ref(), "alarms", names(&alarms), why, (month, cost)));
        all.push(kept_resource(
            filters.as_ref(),
            "metric-filters",
            names(&filters),
            why,
            nothing(),
        ));
    }
    all.into_iter().flatten().collect()
}

fn kept_resource<T>(
    seen: Observation<T>,
    id: &'static str,
    name: String,
    why: &str,
    (usd_a_month, cost): (Option<f64>, String),
) -> Option<Remains> {
    let one =
        Remains { id: id.into(), name, why: why.to_owned(), unreadable: false, usd_a_month, cost };
    match seen {
        Observation::Present(_) => Some(one),
        Observation::Absent => None,
        Observation::Unreadable(error) => Some(Remains {
            why: format!("if it exists, {why}; it could not be read: {}", in_one_line(&error)),
            unreadable: true,
            ..one
        }),
    }
}

/// Applies the steps of [`plan_destroy`], one after the other, up to the first that
/// fails.
pub async fn destroy(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    on_step: &(dyn Fn(&StepResult) + Sync),
) -> Vec<StepResult> {
    destroy_until(aws, desired, observed, plan, on_step, &Stop::never()).await
}

/// The same until a stop is requested: then no further step starts, and the running one
/// has [`GRACE`] to finish.
pub async fn destroy_until(
    aws: &Aws,
    desired: &Desired,
    observed: &Observed,
    plan: &Plan,
    on_step: &(dyn Fn(&StepResult) + Sync),
    stop: &Stop,
) -> Vec<StepResult> {
    let clients = aws.clients(desired.management(), desired.home_region());
    let clients = WriteClients::new(&clients, &WriteAuthority::granted());
    let mut results: Vec<StepResult> = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action.writes()) {
        let failed: Vec<ResourceId> = results
            .iter()
            .filter(|result| result.outcome != StepOutcome::Done)
            .map(|result| result.id.clone())
            .collect();
        let outcome = if stop.is_requested() {
            StepOutcome::NotStarted
        } else if failed.is_empty() {
            // What does not exist is already deleted, so each step can be repeated.
            let again = |error: &AwsError| is_transient(error, false);
            let delete = || delete_resource(&clients, &step.id, desired, observed);
            let checked = async {
                Box::pin(check_unchanged(aws, desired, observed, &step.id)).await?;
                Ok::<_, StepError>(retry_while(aws.propagation(), again, delete).await?)
            };
            tokio::select! {
                ended = checked => match ended {
                    Ok(()) => StepOutcome::Done,
                    Err(error @ StepError::Changed(_)) => {
                        StepOutcome::Refused { error: in_one_line(&error), hint: Some(AGAIN.to_owned()) }
                    }
                    Err(error) => StepOutcome::Failed { error: in_one_line(&error), hint: error.hint() },
                },
                () = stop.over(GRACE) => StepOutcome::Interrupted,
            }
        } else {
            StepOutcome::Skipped { because_of: failed }
        };
        let result = StepResult { id: step.id.clone(), action: step.action, outcome };
        on_step(&result);
        results.push(result);
    }
    results
}

/// Reads a resource again immediately before it is deleted: only what was shown is
/// deleted. What somebody else deleted meanwhile is not a change.
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
            read.iter().all(Option::is_none) && existing_names(id, desired, &now).is_empty()
        }
        _ => false,
    };
    if is_gone { Ok(()) } else { ensure_unchanged(entry, observed, &now) }
}

async fn delete_resource(
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
            ignore_missing(call.send().await.at(clients, "organizations:DetachPolicy"))?;
        }
        let call = clients.organizations().delete_policy().policy_id(policy);
        ignore_missing(call.send().await.at(clients, "organizations:DeletePolicy"))
    } else if id == "alarms" {
        let names = existing_names(id, desired, observed);
        let delete = async |names: Vec<String>| {
            let call = clients.cloudwatch().delete_alarms().set_alarm_names(Some(names));
            call.send().await.at(clients, "cloudwatch:DeleteAlarms").map(|_| ())
        };
        match delete(names.clone()).await {
            // If one of several is missing, CloudWatch may have kept the others.
            Err(error) if error.is_not_found() => {
                for name in names {
                    ignore_missing(delete(vec![name]).await)?;
                }
                Ok(())
            }
            other => other,
        }
    } else if id == "metric-filters" {
        let group = desired.config.cloudwatch_logs.group.as_str();
        for name in existing_names(id, desired, observed) {
            let call = clients.logs().delete_metric_filter().log_group_name(group);
            let call = call.filter_name(name).send().await;
            ignore_missing(call.at(clients, "logs:DeleteMetricFilter"))?;
        }
        Ok(())
    } else {
        let call = clients.cloudtrail().delete_trail().name(desired.trail_arn().to_string());
        ignore_missing(call.send().await.at(clients, "cloudtrail:DeleteTrail"))
    }
}

/// What no longer exists was deleted: by somebody else, or by a call whose response was
/// lost.
fn ignore_missing<T>(deleted: Result<T, AwsError>) -> Result<(), AwsError> {
    match deleted {
        Err(error) if !error.is_not_found() && !error.is_code("PolicyNotAttachedException") => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// What to do if a resource changed after it was shown.
const AGAIN: &str = "run `orgtrail destroy --dry-run`, review it, then destroy again";

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
