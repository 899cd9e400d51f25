use super::Framework::Prowler;
use super::judge::{ensure, from_observation, not_configured, of_trail};
use super::trail_multi_region::NO_TRAIL;
use super::{Check, CheckResult, Facts, Rule, Severity};
use crate::config::Selectors;

pub(super) const CHECK: Check = Check {
    id: "trail-selectors-named",
    title: "the selector of management events has the name that scanners expect",
    severity: Severity::Low,
    why: "Some scanners recognize an advanced selector of management events only by its name, and report a trail without it.",
    fix: "aws cloudtrail put-event-selectors --trail-name ARN --advanced-event-selectors file://selectors.json, with Name \"Management events selector\"",
    resources: &[],
    mappings: &[Prowler.rule("cloudtrail_multi_region_enabled_logging_management_events")],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    const NAME: &str = "Management events selector";
    let verdict =
        from_observation(facts.observed.event_selectors.as_ref(), NO_TRAIL, |selectors| {
            // Classic selectors have no names, and scanners do not need one.
            let names = &selectors.management_names;
            ensure(
                selectors.advanced.is_empty()
                    || selectors.management_kinds().is_empty()
                    || names.contains(NAME),
                || match names.iter().next() {
                    Some(name) => format!("it is named `{name}`"),
                    None => "it has no name".to_owned(),
                },
                format!("the name `{NAME}`"),
            )
        });
    // Selectors that record the same match the configuration, whatever their names. The
    // name is checked only if the configuration has a selector of this name.
    let declared = match facts.desired.config.trail.selectors() {
        Selectors::Advanced(selectors) => {
            selectors.iter().any(|selector| selector.name.as_deref() == Some(NAME))
        }
        Selectors::Classic(_) => false,
    };
    if !declared {
        return of_trail(facts, not_configured("trail.advanced_event_selectors"));
    }
    of_trail(facts, verdict)
}
