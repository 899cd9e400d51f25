use super::judge::{broken, of_seen, of_trail, where_declared};
use super::trail_multi_region::NO_TRAIL;
use super::{Answer, Check, Facts, Framework, Mapping, Rule, Severity};
use crate::resources::EventSelectors;

pub(super) const CHECK: Check = Check {
    id: "trail-data-events",
    title: "the declared data events are recorded",
    severity: Severity::Medium,
    why: "Reading and writing of objects leaves no other trace than data events; a narrowed selector looks like one that records all.",
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

fn judge(facts: &Facts) -> Vec<Answer> {
    let wanted = EventSelectors::declared(&facts.desired);
    let verdict = of_seen(facts.observed.event_selectors.as_ref(), NO_TRAIL, |selectors| {
        let missing = wanted.data_events_beyond(selectors);
        if missing.is_empty() {
            return super::Verdict::Holds;
        }
        let missing = missing.join("; ");
        broken(format!("not recorded: {missing}"), format!("recorded: {missing}"))
    });
    of_trail(facts, where_declared(wanted.records_data_events(), "trail.data_events", verdict))
}
