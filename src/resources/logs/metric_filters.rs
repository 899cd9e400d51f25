use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatchlogs::types::MetricTransformation;
use serde::Serialize;

use crate::alarms::{ALARMS, Alarm};
use crate::aws::{At, AwsError, Observation};
use crate::resources::change::{Change, Confirmation, named_change};
use crate::resources::destroy::{Deletion, Kept, KeptCost, ignore_missing};
use crate::resources::{
    ApplyContext, Desired, Location, ObserveContext, Observed, Resource, StepError, Undeclared,
};

/// The metric filters of the trail's log group, including unmanaged ones.
///
/// Source: CloudWatch Logs `DescribeMetricFilters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MetricFilters {
    /// By name.
    pub filters: BTreeMap<String, MetricFilter>,
}

/// A metric filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricFilter {
    /// Which events it counts.
    pub pattern: String,
    /// The metric of its counts.
    pub metric: Metric,
    /// What it adds for each event.
    pub value: String,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Metric {
    /// Its namespace.
    pub namespace: String,
    /// Its name in the namespace.
    pub name: String,
}

/// The declared filters, by name.
pub(super) fn declared(desired: &Desired) -> BTreeMap<String, MetricFilter> {
    let Some(alarms) = &desired.config.alarms else { return BTreeMap::new() };
    ALARMS
        .iter()
        .map(|alarm| {
            let name = alarm.full_name();
            let metric = Metric { namespace: alarms.namespace.clone(), name: name.clone() };
            (name, MetricFilter { pattern: alarm.pattern(), metric, value: "1".to_owned() })
        })
        .collect()
}

/// The declared filters that are missing or different.
fn missing(desired: &Desired, found: Option<&MetricFilters>) -> BTreeMap<String, MetricFilter> {
    let mut declared = declared(desired);
    declared.retain(|name, filter| found.and_then(|f| f.filters.get(name)) != Some(filter));
    declared
}

/// The names of those that orgtrail declares: nobody else's are deleted.
pub(super) fn own_names<T>(found: &BTreeMap<String, T>) -> Vec<String> {
    ALARMS.iter().map(Alarm::full_name).filter(|name| found.contains_key(name)).collect()
}

/// The deletion of those that orgtrail declares.
pub(super) fn deletion<T>(found: &BTreeMap<String, T>) -> Option<Deletion> {
    let value = own_names(found).join(", ");
    let why = "the trail that they monitor is deleted";
    (!value.is_empty()).then_some(Deletion { field: "names", value, why })
}

/// Those that are kept, because the configuration no longer declares them.
pub(super) fn kept<T>(
    desired: &Desired,
    found: Option<&BTreeMap<String, T>>,
    cost: impl Fn(Option<usize>) -> KeptCost,
) -> Vec<Kept> {
    let names = found.map(own_names);
    if desired.config.alarms.is_some() || names.as_ref().is_some_and(Vec::is_empty) {
        return Vec::new();
    }
    let cost = cost(names.as_ref().map(Vec::len));
    let name = names.map_or_else(|| "orgtrail-…".to_owned(), |names| names.join(", "));
    let why = "the configuration has no [alarms], so orgtrail does not treat what has these names as its own";
    vec![Kept::new(name, why, cost)]
}

/// What is active without being declared.
pub(super) fn undeclared<T>(
    id: &'static str,
    desired: &Desired,
    found: &BTreeMap<String, T>,
    what: &str,
) -> Vec<Undeclared> {
    let names = own_names(found);
    if desired.config.alarms.is_some() || names.is_empty() {
        return Vec::new();
    }
    vec![Undeclared::turned_off(id, "alarms", format!("{what}: {}", names.join(", ")))]
}

impl Resource for MetricFilters {
    type State = Self;
    const ID: &'static str = "metric-filters";
    const DEPENDS_ON: &'static [&'static str] = &["log-group"];
    const ACTIONS: &'static [&'static str] =
        &["logs:DescribeMetricFilters", "logs:PutMetricFilter"];
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
        let read = management
            .logs()
            .describe_metric_filters()
            .log_group_name(desired.config.cloudwatch_logs.group.as_str())
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .at(management, "logs:DescribeMetricFilters");
        Observation::from_result(read, AwsError::is_not_found).map(|filters| {
            let filters = filters.into_iter().filter_map(|filter| {
                let transformation = filter.metric_transformations?.into_iter().next()?;
                let metric = Metric {
                    namespace: transformation.metric_namespace,
                    name: transformation.metric_name,
                };
                let pattern = filter.filter_pattern.unwrap_or_default();
                let value = transformation.metric_value;
                Some((filter.filter_name?, MetricFilter { pattern, metric, value }))
            });
            Self { filters: filters.collect() }
        })
    }

    fn diff(desired: &Desired, found: Option<&Self>, _: &Observed) -> Change {
        let why = "the alarms evaluate their counts";
        let found = found.map(|found| &found.filters);
        let declared = declared(desired);
        let change = named_change(found, &declared, |filter| filter.pattern.clone(), why);
        let lost: BTreeSet<&str> = declared
            .iter()
            .filter_map(|(name, wanted)| {
                let namespace = &found?.get(name)?.metric.namespace;
                (*namespace != wanted.metric.namespace).then_some(namespace.as_str())
            })
            .collect();
        if lost.is_empty() {
            return change;
        }
        let lost = lost.into_iter().collect::<Vec<_>>().join(", ");
        change.irreversible(
            Confirmation::WeakenedGuard,
            format!(
                "events are no longer counted in the namespace {lost}, and other alarms on it are \
                 no longer raised (to keep it: alarms.namespace)"
            ),
        )
    }

    fn undeclared(desired: &Desired, found: &Self) -> Vec<Undeclared> {
        undeclared(Self::ID, desired, &found.filters, "these metric filters count events")
    }

    fn deletion(_: &Desired, found: &Self) -> Option<Deletion> {
        deletion(&found.filters)
    }

    fn kept(desired: &Desired, found: Option<&Self>) -> Vec<Kept> {
        kept(desired, found.map(|found| &found.filters), |_| KeptCost::Nothing)
    }

    async fn delete(context: &ApplyContext<'_>) -> Result<(), AwsError> {
        let clients = context.management();
        let group = context.desired.config.cloudwatch_logs.group.as_str();
        let found = context.observed.metric_filters.present();
        for name in found.map(|found| own_names(&found.filters)).unwrap_or_default() {
            let call = clients.logs().delete_metric_filter().log_group_name(group);
            let call = call.filter_name(name).send().await;
            ignore_missing(call.at(&clients, "logs:DeleteMetricFilter"))?;
        }
        Ok(())
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = context.management();
        for (name, filter) in missing(context.desired, context.observed.metric_filters.present()) {
            let transformation = MetricTransformation::builder()
                .metric_namespace(filter.metric.namespace)
                .metric_name(filter.metric.name)
                .metric_value(filter.value)
                .build()?;
            clients
                .logs()
                .put_metric_filter()
                .log_group_name(context.desired.config.cloudwatch_logs.group.as_str())
                .filter_name(name)
                .filter_pattern(filter.pattern)
                .metric_transformations(transformation)
                .send()
                .await
                .at(&clients, "logs:PutMetricFilter")?;
        }
        Ok(())
    }
}
