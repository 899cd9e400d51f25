use super::judge::{all_of, ensure, from_observation, of_trail};
use super::trail_multi_region::{NO_TRAIL, own};
use super::{Check, CheckResult, Facts, Rule, Severity};

pub(super) const CHECK: Check = Check {
    id: "org-trail-identity",
    title: "the trail is the configured organization trail",
    severity: Severity::Critical,
    why: "A trail that is not an organization trail records a single account. A trail with the same name in another account or Region records for someone else.",
    fix: "orgtrail drift --fix",
    resources: &["trail"],
    mappings: &[],
    rule: Rule::Custom(judge),
};

fn judge(facts: &Facts) -> Vec<CheckResult> {
    let desired = &facts.desired;
    let prefix = desired.config.archive.prefix.as_ref().map(ToString::to_string);
    let words = |prefix: Option<&String>| prefix.map_or("none", String::as_str).to_owned();
    let verdict = from_observation(own(facts), NO_TRAIL, |trail| {
        all_of([
            ensure(
                trail.arn == desired.trail_arn().to_string(),
                || format!("it is {}", trail.arn),
                format!("{}", desired.trail_arn()),
            ),
            ensure(
                trail.home_region == desired.config.organization.home_region.as_str(),
                || format!("its home Region is {}", trail.home_region),
                format!("the home Region {}", desired.config.organization.home_region),
            ),
            ensure(
                trail.settings.is_organization_trail,
                || {
                    let management = desired.management();
                    format!("it has become a single-account trail, which records only {management}")
                },
                "an organization trail",
            ),
            ensure(
                trail.settings.s3_bucket_name == desired.bucket().as_str(),
                || format!("it delivers to `{}`", trail.settings.s3_bucket_name),
                format!("delivery to `{}`", desired.bucket()),
            ),
            ensure(
                trail.settings.s3_key_prefix == prefix,
                || format!("its prefix is {}", words(trail.settings.s3_key_prefix.as_ref())),
                format!("the prefix {}", words(prefix.as_ref())),
            ),
        ])
    });
    of_trail(facts, verdict)
}
