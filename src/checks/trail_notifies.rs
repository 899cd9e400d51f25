use super::Framework::Checkov;
use super::judge::{
    all_of, ensure, from_observation, matches_configuration, not_configured, of_trail,
};
use super::trail_multi_region::{NO_TRAIL, own};
use super::{Check, CheckResult, Facts, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "trail-notifies",
    title: "the trail notifies the configured topic of its deliveries",
    severity: Severity::Low,
    why: "Subscribers of the topic depend on it to learn about new log files.",
    fix: "orgtrail drift --fix",
    resources: &["trail", "topic", "topic/policy"],
    mappings: &[Checkov.rule("CKV_AWS_252")],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let Some(expected) = facts.desired.topic_arn() else {
        return of_trail(facts, not_configured("topic"));
    };
    let set = from_observation(own(facts), NO_TRAIL, |trail| {
        let found = trail.settings.sns_topic.as_deref();
        ensure(
            found
                .is_some_and(|found| found == expected.to_string() || *found == *expected.resource),
            || format!("the topic is {}", found.unwrap_or("none")),
            format!("the topic {expected}"),
        )
    });
    let parts = ["topic", "topic/policy"].map(|id| matches_configuration(facts, id));
    of_trail(facts, all_of([set].into_iter().chain(parts)))
}
