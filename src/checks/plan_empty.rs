use super::judge::{as_declared, by_scope, of_organization};
use super::{Answer, Check, Facts, Severity};
use super::{CATALOGUE, Scope, Verdict};
use crate::plan::{Action, plan};

/// nothing else is to be done.
pub(super) const CHECK: Check = Check {
    id: "plan-empty",
    title: "nothing else is to be done",
    severity: Severity::Medium,
    why: "What orgtrail would change is not as declared, also where no other check speaks of it.",
    fix: "orgtrail drift --fix",
    resources: &[],
    mappings: &[],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let plan = plan(&facts.desired, &facts.observed);
    let open = plan.steps.iter().filter(|step| step.action != Action::Nothing);
    let answers = open
        .filter(|step| !told_by_another(facts, &step.id))
        .map(|step| {
            let scope = match &step.region {
                Some(region) => {
                    Scope::Region { account: step.account.clone(), region: region.clone() }
                }
                None => Scope::Account { account: step.account.clone() },
            };
            let verdict = match as_declared(facts, &step.id) {
                Verdict::Broken { found, wanted } => Verdict::Broken {
                    found: format!("{}: {found}", step.id),
                    wanted: format!("{}: {wanted}", step.id),
                },
                other => other,
            };
            Answer { scope, verdict }
        })
        .filter(|answer| answer.verdict.is_open());
    let answers = by_scope(answers);
    if answers.is_empty() { of_organization(Verdict::Holds) } else { answers }
}

/// Whether a check whose plan mends this resource does not hold.
fn told_by_another(facts: &Facts, id: &str) -> bool {
    let others = CATALOGUE.iter().filter(|check| check.id != CHECK.id);
    others
        .filter(|check| check.resources.contains(&id))
        .any(|check| (check.judge)(facts).iter().any(|answer| answer.verdict.is_open()))
}
