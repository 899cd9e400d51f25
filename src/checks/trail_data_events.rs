use super::judge::{fail, from_observation, if_configured, of_trail};
use super::trail_multi_region::NO_TRAIL;
use super::{Check, CheckResult, Facts, Framework, Mapping, Rule, Severity};
use crate::resources::EventSelectors;

pub(super) const CHECK: Check = Check {
    id: "trail-data-events",
    title: "the configured data events are recorded",
    severity: Severity::Medium,
    why: "Only data events record reads and writes of objects. A selector that was narrowed looks like one that records everything.",
    fix: "orgtrail drift --fix",
    resources: &["trail/event-selectors"],
    mappings: &[
        Mapping { framework: Framework::Cis, id: "3.8" },
        Mapping { framework: Framework::Cis, id: "3.9" },
        Mapping { framework: Framework::SecurityHub, id: "S3.22" },
        Mapping { framework: Framework::SecurityHub, id: "S3.23" },
        Mapping { framework: Framework::Prowler, id: "cloudtrail_s3_dataevents_read_enabled" },
        Mapping { framework: Framework::Prowler, id: "cloudtrail_s3_dataevents_write_enabled" },
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
