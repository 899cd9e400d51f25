use super::Framework::{Checkov, Cis, Config, Prowler, SecurityHub};
use super::judge::{all_of, ensure, fail, from_observation, of_trail};
use super::{Check, CheckResult, Facts, Rule, Severity};
use crate::resources::EventSelectors;

pub(super) const CHECK: Check = Check {
    id: "trail-multi-region",
    title: "the trail records every management event in every Region",
    severity: Severity::High,
    why: "Nothing else records what the trail leaves out: an intruder can work unseen in a Region, or with a kind of call, that is not recorded.",
    fix: "orgtrail drift --fix",
    resources: &["trail", "trail/event-selectors"],
    mappings: &[
        Cis.rule("3.1"),
        SecurityHub.rule("CloudTrail.1"),
        Config.rule("multi-region-cloudtrail-enabled"),
        Prowler.rule("cloudtrail_multi_region_enabled"),
        Prowler.rule("cloudtrail_multi_region_enabled_logging_management_events"),
        Checkov.rule("CKV_AWS_67"),
    ],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let trail = from_observation(own(facts), NO_TRAIL, |trail| {
        let settings = &trail.settings;
        all_of([
            ensure(
                settings.is_multi_region_trail,
                || "it records only its home Region".to_owned(),
                "every Region",
            ),
            ensure(
                settings.include_global_service_events,
                || "it does not record IAM, STS and other global services".to_owned(),
                "global service events",
            ),
        ])
    });
    let selectors =
        from_observation(facts.observed.event_selectors.as_ref(), NO_TRAIL, |selectors| {
            let missing: Vec<String> = EventSelectors::all_management_kinds()
                .difference(&selectors.management_kinds())
                .map(|(kind, source)| match *source {
                    "" => format!("{kind} events"),
                    source => format!("{kind} events of {source}"),
                })
                .collect();
            if missing.is_empty() {
                return super::Verdict::Pass;
            }
            fail(
                format!("not recorded completely: {}", missing.join(", ")),
                "every management event",
            )
        });
    of_trail(facts, all_of([trail, selectors]))
}

/// Found and expected, if the trail does not exist.
pub(super) const NO_TRAIL: (&str, &str) = ("the trail does not exist", "the configured trail");

/// The configured trail.
pub(super) fn own(facts: &Facts) -> crate::aws::Observation<&crate::resources::OrganizationTrail> {
    facts.observed.trails.as_ref().map(|trails| trails.own.as_ref()).flatten()
}
