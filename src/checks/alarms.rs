use std::collections::BTreeSet;

use super::Framework::{Cis, Prowler, SecurityHub};
use super::judge::{
    all_of, ensure, fail, matches_configuration, not_configured, of_log_group, unknown,
};
use super::{Check, CheckResult, Facts, Mapping, Rule, Severity, Verdict};
use crate::alarms::{ALARMS, Alarm, Shortfall};
use crate::aws::Observation;
use crate::filter_pattern::FilterPattern;
use crate::resources::{AlarmSubscriptions, Metric, MetricAlarm, MetricFilters};

/// The rules that a check of CIS covers.
macro_rules! rules {
    ($cis:literal, $hub:literal, $prowler:literal) => {
        [Cis.rule($cis), SecurityHub.rule($hub), Prowler.rule($prowler)]
    };
}
/// The checks of the alarms, in the order of [`ALARMS`]: they differ in the
/// events, and in the rules of other frameworks that they cover.
pub(super) const CHECKS: &[Check] = &[
    cis(
        "alarm-4.1",
        "denied API calls raise an alarm",
        &rules!("4.1", "CloudWatch.2", "cloudwatch_log_metric_filter_unauthorized_api_calls"),
    ),
    cis(
        "alarm-4.2",
        "console sign-ins without MFA raise an alarm",
        &rules!("4.2", "CloudWatch.3", "cloudwatch_log_metric_filter_sign_in_without_mfa"),
    ),
    cis(
        "alarm-4.3",
        "use of the root user raises an alarm",
        &rules!("4.3", "CloudWatch.1", "cloudwatch_log_metric_filter_root_usage"),
    ),
    cis(
        "alarm-4.4",
        "changes to IAM policies raise an alarm",
        &rules!("4.4", "CloudWatch.4", "cloudwatch_log_metric_filter_policy_changes"),
    ),
    cis(
        "alarm-4.5",
        "changes to trails raise an alarm",
        &rules!(
            "4.5",
            "CloudWatch.5",
            "cloudwatch_log_metric_filter_and_alarm_for_cloudtrail_configuration_changes_enabled"
        ),
    ),
    cis(
        "alarm-4.6",
        "failed console sign-ins raise an alarm",
        &rules!("4.6", "CloudWatch.6", "cloudwatch_log_metric_filter_authentication_failures"),
    ),
    cis(
        "alarm-4.7",
        "disabling a key or scheduling its deletion raises an alarm",
        &rules!(
            "4.7",
            "CloudWatch.7",
            "cloudwatch_log_metric_filter_disable_or_scheduled_deletion_of_kms_cmk"
        ),
    ),
    cis(
        "alarm-4.8",
        "changes to S3 bucket policies raise an alarm",
        &rules!("4.8", "CloudWatch.8", "cloudwatch_log_metric_filter_for_s3_bucket_policy_changes"),
    ),
    cis(
        "alarm-4.9",
        "changes to AWS Config raise an alarm",
        &rules!(
            "4.9",
            "CloudWatch.9",
            "cloudwatch_log_metric_filter_and_alarm_for_aws_config_configuration_changes_enabled"
        ),
    ),
    cis(
        "alarm-4.10",
        "changes to security groups raise an alarm",
        &rules!("4.10", "CloudWatch.10", "cloudwatch_log_metric_filter_security_group_changes"),
    ),
    cis(
        "alarm-4.11",
        "changes to network ACLs raise an alarm",
        &rules!("4.11", "CloudWatch.11", "cloudwatch_changes_to_network_acls_alarm_configured"),
    ),
    cis(
        "alarm-4.12",
        "changes to network gateways raise an alarm",
        &rules!("4.12", "CloudWatch.12", "cloudwatch_changes_to_network_gateways_alarm_configured"),
    ),
    cis(
        "alarm-4.13",
        "changes to route tables raise an alarm",
        &rules!(
            "4.13",
            "CloudWatch.13",
            "cloudwatch_changes_to_network_route_tables_alarm_configured"
        ),
    ),
    cis(
        "alarm-4.14",
        "changes to VPCs raise an alarm",
        &rules!("4.14", "CloudWatch.14", "cloudwatch_changes_to_vpcs_alarm_configured"),
    ),
    cis(
        "alarm-4.15",
        "changes to the organization raise an alarm",
        &[Cis.rule("4.15"), Prowler.rule("cloudwatch_log_metric_filter_aws_organizations_changes")],
    ),
    Check {
        severity: Severity::High,
        why: "The alarm of CIS 4.5 misses calls that leave the trail logging but record less.",
        ..cis(
            "alarm-selector-changes",
            "changes to event selectors and to delegated administrators raise an alarm",
            &[],
        )
    },
    Check {
        severity: Severity::High,
        why: "A session of the log-archive account's root user deletes the archive's bucket policy without MFA. The event is recorded in the account that assumes the root user.",
        ..cis(
            "alarm-root-sessions",
            "sessions of members' root users (sts:AssumeRoot) raise an alarm",
            &[],
        )
    },
];

const fn cis(id: &'static str, title: &'static str, mappings: &'static [Mapping]) -> Check {
    Check {
        id,
        title,
        severity: Severity::Medium,
        why: "Without an alarm, nobody notices in time.",
        fix: "orgtrail drift --fix, with [alarms] and subscribers in the configuration; each subscriber must confirm the message from SNS",
        resources: &[
            "alarm-topic",
            "alarm-topic/policy",
            "alarm-topic/subscriptions",
            "metric-filters",
            "alarms",
        ],
        mappings,
        rule: Rule::Alarm(alarm(id)),
    }
}

/// The alarm of a check; if it has none, this does not compile.
const fn alarm(check: &str) -> &'static Alarm {
    let mut at = 0;
    while !is_same(ALARMS[at].check.as_bytes(), check.as_bytes()) {
        at += 1;
    }
    &ALARMS[at]
}

/// `==`, which constants cannot use.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

pub(super) fn judge(facts: &Facts, alarm: &Alarm) -> Vec<CheckResult> {
    let verdict = match raised(facts, alarm) {
        Verdict::Pass => Verdict::Pass,
        // The organization may use other alarms, which are not checked.
        _ if facts.desired.config.alarms.is_none() => not_configured("alarms"),
        open => open,
    };
    of_log_group(facts, verdict)
}

/// Whether a metric filter counts the events, an alarm is raised by them, and a subscriber
/// is notified; any filter and alarm will do.
fn raised(facts: &Facts, alarm: &Alarm) -> Verdict {
    let filters = match &facts.observed.metric_filters {
        Observation::Present(filters) => filters,
        Observation::Absent => {
            return fail("the log group does not exist", "a log group with a metric filter");
        }
        Observation::Unreadable(error) => return unknown(error),
    };
    let counted = match counted(filters, alarm) {
        Ok(counted) => counted,
        Err(verdict) => return verdict,
    };
    let alarms = match &facts.observed.metric_alarms {
        Observation::Present(alarms) => alarms,
        Observation::Absent => return fail("no alarm exists", "an alarm on the metric"),
        Observation::Unreadable(error) => return unknown(error),
    };
    let on_it = alarms.alarms.iter().filter(|(_, one)| counted.contains(&one.metric));
    best(on_it.map(|(name, one)| notifies(facts, name, one))).unwrap_or_else(|| {
        let metrics: Vec<String> =
            counted.iter().map(|metric| format!("{}/{}", metric.namespace, metric.name)).collect();
        fail(
            format!("no alarm uses the metric {}", metrics.join(", ")),
            "an alarm that is raised by one event",
        )
    })
}

/// The metrics that count all events of the alarm.
fn counted<'f>(filters: &'f MetricFilters, alarm: &Alarm) -> Result<BTreeSet<&'f Metric>, Verdict> {
    let mut metrics = BTreeSet::new();
    let (mut short, mut unread) = (None, None);
    for (name, filter) in &filters.filters {
        let pattern: FilterPattern = match filter.pattern.parse() {
            Ok(pattern) => pattern,
            Err(error) => {
                unread = unread.or_else(|| Some(format!("the metric filter {name}: {error}")));
                continue;
            }
        };
        match alarm.judge(&pattern) {
            Ok(()) if filter.value.parse::<f64>().is_ok_and(|value| value >= 1.0) => {
                metrics.insert(&filter.metric);
            }
            Ok(()) => {
                short = Some(format!("the metric filter {name} counts {}", filter.value));
            }
            Err(shortfall) if *name == alarm.full_name() => {
                let lacks = match shortfall {
                    Shortfall::Misses(event) => format!("misses {event}"),
                    Shortfall::TakesEverything => "also counts everyday events".to_owned(),
                };
                short = short.or_else(|| Some(format!("the metric filter {name} {lacks}")));
            }
            Err(_) => {}
        }
    }
    if !metrics.is_empty() {
        return Ok(metrics);
    }
    let expected = format!("a metric filter for {}, such as {}", alarm.about, alarm.pattern());
    match (short, unread) {
        (Some(short), _) => Err(fail(short, expected)),
        (None, Some(unread)) => Err(Verdict::Unknown {
            reason: format!("cannot evaluate a pattern: {unread}"),
            permission: None,
        }),
        (None, None) => {
            Err(fail("no metric filter of the log group counts these events", expected))
        }
    }
}

/// Whether one event raises the alarm, and a subscriber is notified.
fn notifies(facts: &Facts, name: &str, alarm: &MetricAlarm) -> Verdict {
    let topics = alarm.alarm_actions.iter().filter(|arn| arn.split(':').nth(2) == Some("sns"));
    let received = best(topics.map(|topic| is_received(facts, topic)));
    all_of([
        ensure(
            alarm.is_raised_by_one(),
            || format!("one event does not raise the alarm {name}"),
            "an alarm that is raised by one event",
        ),
        ensure(
            alarm.actions_enabled,
            || format!("the actions of the alarm {name} are disabled"),
            "actions enabled",
        ),
        received.unwrap_or_else(|| {
            fail(format!("the alarm {name} notifies no SNS topic"), "an SNS topic as its action")
        }),
    ])
}

/// Whether a topic has a confirmed subscription.
fn is_received(facts: &Facts, topic: &str) -> Verdict {
    let own = facts.desired.alarm_topic_arn().is_some_and(|arn| arn.to_string() == topic);
    let subscriptions = if own {
        Some(&facts.observed.alarm_subscriptions)
    } else {
        facts.observed.alarm_listeners.get(topic)
    };
    let expected = "at least one confirmed subscription";
    let confirmed = match subscriptions {
        Some(Observation::Present(AlarmSubscriptions { subscriptions })) => ensure(
            subscriptions.iter().any(|one| one.confirmed),
            || match subscriptions.len() {
                0 => format!("{topic} has no subscription"),
                pending => format!("none of {pending} subscriptions of {topic} is confirmed"),
            },
            expected,
        ),
        Some(Observation::Unreadable(error)) => unknown(error),
        Some(Observation::Absent) | None => {
            fail(format!("the topic {topic} does not exist"), expected)
        }
    };
    // Whether CloudWatch may publish to an unmanaged topic is not checked.
    let permitted = own.then(|| matches_configuration(facts, "alarm-topic/policy"));
    all_of([confirmed].into_iter().chain(permitted))
}

/// The best verdict: one that passed is enough, or else one that is unknown.
fn best(verdicts: impl Iterator<Item = Verdict>) -> Option<Verdict> {
    let rank = |verdict: &Verdict| match verdict {
        Verdict::Pass => 0,
        Verdict::Unknown { .. } => 1,
        Verdict::Fail { .. } | Verdict::NotConfigured { .. } => 2,
    };
    verdicts.min_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_has_its_check_in_the_same_order() {
        let checks: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        let alarms: Vec<&str> = ALARMS.iter().map(|alarm| alarm.check).collect();
        assert_eq!(checks, alarms);
        for check in CHECKS {
            let is_its_own = matches!(check.rule, Rule::Alarm(alarm) if alarm.check == check.id);
            assert!(is_its_own, "{}", check.id);
        }
    }
}
