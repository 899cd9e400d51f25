use super::judge::{as_declared, not_declared, of_seen, of_trail, together, whether};
use super::trail_multi_region::{NO_TRAIL, own};
use super::{Answer, Check, Facts, Framework, Mapping, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "trail-notifies",
    title: "the trail tells the declared topic of its deliveries",
    severity: Severity::Low,
    why: "Who waits for new logs hears of them by the topic.",
    fix: "orgtrail drift --fix",
    resources: &["trail", "topic", "topic/policy"],
    mappings: &[Mapping { framework: Framework::Checkov, id: "CKV_AWS_252" }],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let Some(wanted) = facts.desired.topic_arn() else {
        return of_trail(facts, not_declared("topic"));
    };
    let set = of_seen(own(facts), NO_TRAIL, |trail| {
        let found = trail.settings.sns_topic.as_deref();
        whether(
            found.is_some_and(|found| found == wanted.to_string() || *found == *wanted.resource),
            || format!("the topic is {}", found.unwrap_or("none")),
            format!("the topic {wanted}"),
        )
    });
    let parts = ["topic", "topic/policy"].map(|id| as_declared(facts, id));
    of_trail(facts, together([set].into_iter().chain(parts)))
}
