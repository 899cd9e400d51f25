//! Taking away what may be taken away: never data.

use super::{Action, FieldChange, Plan, ResourceId, Step, WriteAuthority, build};
use crate::alarms::{ALARMS, Alarm};
use crate::aws::{At, Aws, AwsError, Clients};
use crate::cost::prices;
use crate::plan::apply::{Outcome, StepResult, chain};
use crate::resources::{Desired, Observed};

/// Something that a destroy leaves, and why.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Remains {
    /// The resource.
    pub id: ResourceId,
    /// Its name.
    pub name: String,
    /// Why it stays.
    pub why: &'static str,
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
    let mut unread = vec![observed.trails.unreadable(), observed.guardrail.unreadable()];
    if desired.config.alarms.is_some() {
        unread.extend([observed.metric_alarms.unreadable(), observed.metric_filters.unreadable()]);
    }
    for error in unread.into_iter().flatten() {
        let mut step = delete("unread", desired, None, ("operation", error.operation.clone()), "");
        step.action = Action::Blocked;
        step.unreadable = true;
        step.why = format!("it could not be read: {}", chain(error));
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
    let alarms = observed.metric_alarms.present();
    let filters = observed.metric_filters.present();
    let is_there = |name: &String| match id {
        "alarms" => alarms.is_some_and(|found| found.alarms.contains_key(name)),
        _ => filters.is_some_and(|found| found.filters.contains_key(name)),
    };
    ALARMS.iter().map(Alarm::full_name).filter(is_there).collect()
}

/// What stays after a destroy, with why and what it costs.
#[must_use]
pub fn remains(desired: &Desired, observed: &Observed) -> Vec<Remains> {
    let config = &desired.config;
    let mut remains = Vec::new();
    let mut add = |is_there: bool, id: &'static str, name: String, why, usd, cost: String| {
        if is_there {
            remains.push(Remains { id: id.into(), name, why, usd_a_month: usd, cost });
        }
    };
    add(
        observed.archive_bucket.present().is_some(),
        "archive-bucket",
        config.archive.bucket.to_string(),
        "it holds the logs; locked ones nobody can delete",
        None,
        prices::gb_month_in(&["STANDARD", "STANDARD_IA", "GLACIER_IR"]),
    );
    add(
        observed.access_log_bucket.present().is_some(),
        "access-log-bucket",
        config.archive.access_logging.bucket.to_string(),
        "it holds who read the logs",
        None,
        format!("{}; its own rule empties it", prices::gb_month_in(&["STANDARD"])),
    );
    add(
        observed.kms_key.present().is_some(),
        "kms-key",
        config.key.alias.to_string(),
        "without it every log is unreadable",
        Some(prices::KMS_KEY_MONTH),
        format!(
            "${0} for the key, and ${0} more for each of its first two rotations",
            prices::KMS_KEY_MONTH
        ),
    );
    add(
        observed.log_group.present().is_some(),
        "log-group",
        config.cloudwatch_logs.group.to_string(),
        "it holds events until their retention ends",
        None,
        format!("${} a GB, compressed", prices::LOGS_GB_MONTH),
    );
    add(
        observed.log_group_role.present().is_some(),
        "log-group/role",
        config.cloudwatch_logs.role.to_string(),
        "another trail may use it",
        Some(0.0),
        "nothing".to_owned(),
    );
    add(
        observed.topic.present().is_some(),
        "topic",
        desired.topic_arn().map(|arn| arn.to_string()).unwrap_or_default(),
        "others subscribe to it",
        Some(0.0),
        "nothing while nothing is published".to_owned(),
    );
    add(
        observed.alarm_topic.present().is_some(),
        "alarm-topic",
        desired.alarm_topic_arn().map(|arn| arn.to_string()).unwrap_or_default(),
        "others subscribe to it",
        Some(0.0),
        "nothing while nothing is published".to_owned(),
    );
    add(
        observed.trusted_access.present().is_some(),
        "trusted-access",
        crate::policy::CLOUDTRAIL.to_owned(),
        "other organization trails and CloudTrail Lake need it",
        Some(0.0),
        "nothing".to_owned(),
    );
    remains
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
    let authority = WriteAuthority::granted();
    let clients = aws.clients(desired.management(), desired.home_region());
    let mut results: Vec<StepResult> = Vec::new();
    for step in plan.steps.iter().filter(|step| step.action.writes()) {
        let failed: Vec<ResourceId> = results
            .iter()
            .filter(|result| result.outcome != Outcome::Done)
            .map(|result| result.id.clone())
            .collect();
        let outcome = if failed.is_empty() {
            match take_away(&authority, &clients, &step.id, desired, observed).await {
                Ok(()) => Outcome::Done,
                Err(error) => Outcome::Failed { error: chain(&error), hint: error.hint() },
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

async fn take_away(
    _authority: &WriteAuthority,
    clients: &Clients,
    id: &str,
    desired: &Desired,
    observed: &Observed,
) -> Result<(), AwsError> {
    if id == "guardrail" {
        let Some(found) = observed.guardrail.present() else { return Ok(()) };
        let Some(policy) = &found.id else { return Ok(()) };
        for target in &found.targets {
            clients
                .organizations()
                .detach_policy()
                .policy_id(policy)
                .target_id(target)
                .send()
                .await
                .at(clients, "organizations:DetachPolicy")?;
        }
        clients
            .organizations()
            .delete_policy()
            .policy_id(policy)
            .send()
            .await
            .at(clients, "organizations:DeletePolicy")?;
    } else if id == "alarms" {
        clients
            .cloudwatch()
            .delete_alarms()
            .set_alarm_names(Some(own_alarm_names(id, desired, observed)))
            .send()
            .await
            .at(clients, "cloudwatch:DeleteAlarms")?;
    } else if id == "metric-filters" {
        for name in own_alarm_names(id, desired, observed) {
            clients
                .logs()
                .delete_metric_filter()
                .log_group_name(desired.config.cloudwatch_logs.group.as_str())
                .filter_name(name)
                .send()
                .await
                .at(clients, "logs:DeleteMetricFilter")?;
        }
    } else {
        let arn = desired.trail_arn().to_string();
        clients
            .cloudtrail()
            .delete_trail()
            .name(arn)
            .send()
            .await
            .at(clients, "cloudtrail:DeleteTrail")?;
    }
    Ok(())
}

/// The IAM actions that a destroy needs besides those of a plan.
pub(crate) const ACTIONS: &[&str] = &[
    "cloudtrail:DeleteTrail",
    "cloudwatch:DeleteAlarms",
    "logs:DeleteMetricFilter",
    "organizations:DeletePolicy",
    "organizations:DetachPolicy",
];

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
