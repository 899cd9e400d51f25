use super::Framework::{Cis, Prowler, SecurityHub};
use super::judge::{fail, from_observation, if_configured, of_trail};
use super::trail_multi_region::NO_TRAIL;
use super::{Check, CheckResult, Facts, Rule, Severity};
use crate::resources::EventSelectors;

pub(super) const CHECK: Check = Check {
    id: "trail-data-events",
    title: "the configured data events are recorded",
    severity: Severity::Medium,
    why: "Only data events record reads and writes of objects. A selector that was narrowed looks like one that records everything.",
    fix: "orgtrail drift --fix",
    resources: &["trail/event-selectors"],
    mappings: &[
        Cis.rule("3.8"),
        Cis.rule("3.9"),
        SecurityHub.rule("S3.22"),
        SecurityHub.rule("S3.23"),
        Prowler.rule("cloudtrail_s3_dataevents_read_enabled"),
        Prowler.rule("cloudtrail_s3_dataevents_write_enabled"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let expected = EventSelectors::declared(&facts.desired);
    let verdict =
        from_observation(facts.observed.event_selectors.as_ref(), NO_TRAIL, |selectors| {
            let missing = expected.data_events_beyond(selectors);
            if missing.is_empty() {
                return super::Verdict::Pass;
            }
            let missing = missing.join("; ");
            fail(format!("not recorded: {missing}"), format!("recorded: {missing}"))
        });
    of_trail(facts, if_configured(expected.records_data_events(), "trail.data_events", verdict))
}
