use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, Statistic};
use serde::Serialize;

use super::metric_filters::{Metric, MetricFilters, deletion, kept, own_names, undeclared};
use crate::alarms::ALARMS;
use crate::aws::{At, AwsError, Observation};
use crate::resources::change::{Change, Confirmation, named_change};
use crate::resources::destroy::{Deletion, Kept, KeptCost, ignore_missing};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The alarms on the metrics of the log group's metric filters, including unmanaged ones.
///
/// Source: CloudWatch `DescribeAlarms`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct MetricAlarms {
    /// By name.
    pub alarms: BTreeMap<String, MetricAlarm>,
}

/// A metric alarm. Whether it is raised is not a setting, and not read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricAlarm {
    /// The metric that it evaluates.
    pub metric: Metric,
    /// How the values of a period are combined: `Sum`.
    pub statistic: Option<String>,
    /// How it compares: `GreaterThanOrEqualToThreshold`.
    pub comparison: Option<String>,
    /// What it compares with.
    pub threshold: Option<f64>,
    /// The length of a period.
    pub period_seconds: Option<i32>,
    /// How many periods it evaluates.
    pub periods: Option<i32>,
    /// The dimensions of the metric. Metrics of metric filters have none, so an alarm
    /// with dimensions is never raised.
    pub dimensions: BTreeMap<String, String>,
    /// The unit of the metric; metrics of metric filters have none.
    pub unit: Option<String>,
    /// How it treats a period without events.
    pub missing_data: Option<String>,
    /// Whether its actions are enabled.
    pub actions_enabled: bool,
    /// The ARNs that are notified when it is raised.
    pub alarm_actions: BTreeSet<String>,
    /// The ARNs that are notified when it ends.
    pub ok_actions: BTreeSet<String>,
}

impl MetricAlarm {
    /// Whether a single event raises it.
    #[must_use]
    pub fn is_raised_by_one(&self) -> bool {
        let summed = matches!(self.statistic.as_deref(), Some("Sum" | "SampleCount" | "Maximum"));
        let threshold = self.threshold.unwrap_or(f64::INFINITY);
        let reached = match self.comparison.as_deref() {
            Some("GreaterThanOrEqualToThreshold") => threshold <= 1.0,
            Some("GreaterThanThreshold") => threshold < 1.0,
            _ => false,
        };
        let sees =
            self.dimensions.is_empty() && self.unit.as_deref().is_none_or(|unit| unit == "None");
        sees && summed && reached && self.periods == Some(1)
    }
}

/// The declared alarms, by name.
fn declared(desired: &Desired) -> BTreeMap<String, MetricAlarm> {
    let (Some(alarms), Some(topic)) = (&desired.config.alarms, desired.alarm_topic_arn()) else {
        return BTreeMap::new();
    };
    let topic = BTreeSet::from([topic.to_string()]);
    ALARMS
        .iter()
        .map(|alarm| {
            let name = alarm.full_name();
            let declared = MetricAlarm {
                metric: Metric { namespace: alarms.namespace.clone(), name: name.clone() },
                statistic: Some(Statistic::Sum.as_str().to_owned()),
                comparison: Some(
                    ComparisonOperator::GreaterThanOrEqualToThreshold.as_str().to_owned(),
                ),
                threshold: Some(1.0),
                period_seconds: Some(300),
                periods: Some(1),
                dimensions: BTreeMap::new(),
                unit: None,
                missing_data: Some("notBreaching".to_owned()),
                actions_enabled: true,
                alarm_actions: topic.clone(),
                ok_actions: if alarms.ok_actions { topic.clone() } else { BTreeSet::new() },
            };
            (name, declared)
        })
        .collect()
}

/// The ARNs that the alarms notify now and would no longer notify.
fn lost_actions(
    found: Option<&MetricAlarms>,
    declared: &BTreeMap<String, MetricAlarm>,
) -> BTreeSet<String> {
    let mut lost = BTreeSet::new();
    for (name, wanted) in declared {
        let Some(is) = found.and_then(|found| found.alarms.get(name)) else { continue };
        if is.actions_enabled {
            lost.extend(is.alarm_actions.difference(&wanted.alarm_actions).cloned());
            lost.extend(is.ok_actions.difference(&wanted.ok_actions).cloned());
        }
    }
    lost
}

/// The declared alarms that are missing or different.
fn missing(desired: &Desired, found: Option<&MetricAlarms>) -> BTreeMap<String, MetricAlarm> {
    let mut declared = declared(desired);
    declared.retain(|name, alarm| found.and_then(|f| f.alarms.get(name)) != Some(alarm));
    declared
}

impl Resource for MetricAlarms {
    type State = Self;
    const ID: &'static str = "alarms";
    const DEPENDS_ON: &'static [&'static str] = &["alarm-topic", "metric-filters"];
    const ACTIONS: &'static [&'static str] =
        &["cloudwatch:DescribeAlarms", "cloudwatch:PutMetricAlarm"];
    const MAY_BE_UNDECLARED: bool = true;
    const IS_DELETABLE: bool = true;

    fn location(desired: &Desired) -> Location {
        desired.home_location()
    }

    fn is_enabled(desired: &Desired) -> bool {
        desired.config.alarms.is_some()
    }

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        let management = &context.management();
        let desired = context.desired;
        let filters = context.state_of::<MetricFilters>().await;
        let pages = management
            .cloudwatch()
            .describe_alarms()
            .alarm_types(AlarmType::MetricAlarm)
            .into_paginator()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "cloudwatch:DescribeAlarms");
        let counted: BTreeSet<&Metric> = filters
            .present()
            .into_iter()
            .flat_map(|filters| filters.filters.values().map(|filter| &filter.metric))
            .collect();
        let own = desired.config.alarms.as_ref().map(|alarms| alarms.namespace.as_str());
        Observation::from_result(pages, |_| false).map(|pages| {
            let alarms = pages.into_iter().flat_map(|page| page.metric_alarms.unwrap_or_default());
            let alarms = alarms.filter_map(|alarm| {
                let metric = Metric { namespace: alarm.namespace?, name: alarm.metric_name? };
                // An alarm with a declared name on another metric would be overwritten,
                // so it is part of the state.
                let is_named = || {
                    let name = alarm.alarm_name.as_deref();
                    ALARMS.iter().any(|one| Some(one.full_name().as_str()) == name)
                };
                if !counted.contains(&metric)
                    && own != Some(metric.namespace.as_str())
                    && !is_named()
                {
                    return None;
                }
                let seen = MetricAlarm {
                    metric,
                    statistic: alarm.statistic.map(|statistic| statistic.as_str().to_owned()),
                    comparison: alarm.comparison_operator.map(|how| how.as_str().to_owned()),
                    threshold: alarm.threshold,
                    period_seconds: alarm.period,
                    periods: alarm.evaluation_periods,
                    dimensions: alarm
                        .dimensions
                        .into_iter()
                        .flatten()
                        .filter_map(|one| Some((one.name?, one.value.unwrap_or_default())))
                        .collect(),
                    unit: alarm.unit.map(|unit| unit.as_str().to_owned()),
                    missing_data: alarm.treat_missing_data,
                    actions_enabled: alarm.actions_enabled.unwrap_or(true),
                    alarm_actions: alarm.alarm_actions.into_iter().flatten().collect(),
                    ok_actions: alarm.ok_actions.into_iter().flatten().collect(),
                };
                Some((alarm.alarm_name?, seen))
            });
            Self { alarms: alarms.collect() }
        })
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let in_short = |_: &MetricAlarm| "raised by one event within 5 minutes".to_owned();
        let why = "critical events raise an alarm";
        let declared = declared(desired);
        let change = named_change(found.map(|found| &found.alarms), &declared, in_short, why);
        let lost = lost_actions(found, &declared);
        if lost.is_empty() {
            return change;
        }
        let lost = lost.into_iter().collect::<Vec<_>>().join(", ");
        change.irreversible(
            Confirmation::WeakenedGuard,
            format!("no longer notified of alarms: {lost} (to keep a topic: alarms.topic)"),
        )
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        undeclared(Self::ID, desired, &found.alarms, "these alarms exist")
    }

    fn deletion(_: &Desired, found: &Self) -> Option<Deletion> {
        deletion(&found.alarms)
    }

    fn kept(desired: &Desired, found: Option<&Self>) -> Vec<Kept> {
        kept(desired, found.map(|found| &found.alarms), KeptCost::Alarms)
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let clients = context.management();
        let delete = async |names: Vec<String>| {
            let call = clients.cloudwatch().delete_alarms().set_alarm_names(Some(names));
            call.send().await.at(&clients, "cloudwatch:DeleteAlarms").map(|_| ())
        };
        let found = context.observed.metric_alarms.present();
        let names = found.map(|found| own_names(&found.alarms)).unwrap_or_default();
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
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        let missing = missing(context.desired, context.observed.metric_alarms.present());
        for alarm in ALARMS {
            let name = alarm.full_name();
            let Some(declared) = missing.get(&name) else { continue };
            clients
                .cloudwatch()
                .put_metric_alarm()
                .alarm_name(&name)
                .alarm_description(format!("orgtrail: {}", alarm.about))
                .namespace(&declared.metric.namespace)
                .metric_name(&declared.metric.name)
                .statistic(Statistic::Sum)
                .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
                .set_threshold(declared.threshold)
                .set_period(declared.period_seconds)
                .set_evaluation_periods(declared.periods)
                .set_treat_missing_data(declared.missing_data.clone())
                .actions_enabled(true)
                .set_alarm_actions(Some(declared.alarm_actions.iter().cloned().collect()))
                .set_ok_actions(Some(declared.ok_actions.iter().cloned().collect()))
                .send()
                .await
                .at(&clients, "cloudwatch:PutMetricAlarm")?;
        }
        Ok(())
    }
}
