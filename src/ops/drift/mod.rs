//! Checking the organization for drift, and fixing it.

mod baseline;

use std::collections::BTreeSet;

pub use self::baseline::{BaselineError, read_baseline};
use super::provision::Planned;
use super::{Env, OpError, Outcome, Phase};
use crate::aws::Aws;
use crate::checks::{
    CATALOGUE, Check, Facts, Finding, PLAN_EMPTY, Progress, Run, Severity, Verdict,
};
use crate::config::nearest;
use crate::policy::Unmanaged;
use crate::resources::{Desired, OrganizationFacts};

/// What is checked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The checks.
    pub checks: Vec<&'static Check>,
    /// An earlier run to compare with.
    pub baseline: Option<Run>,
    /// What becomes of what orgtrail does not manage, where drift is fixed.
    pub unmanaged: Unmanaged,
}

impl Request {
    /// Every check, compared with nothing.
    #[must_use]
    pub fn everything() -> Self {
        Self { checks: CATALOGUE.to_vec(), baseline: None, unmanaged: Unmanaged::Keep }
    }
}

/// The result of the checks, with what they were judged from.
#[derive(Debug)]
pub struct Drift {
    /// The result.
    pub run: Run,
    checks: Vec<&'static Check>,
    baseline: Option<Run>,
    aws: Aws,
    facts: Facts,
}

/// Runs checks over the whole organization, and changes nothing.
///
/// # Errors
/// The baseline is another organization's, or there is no way into AWS.
/// What else is unreadable is in the result.
pub async fn check(env: &Env, request: Request) -> Result<Drift, OpError> {
    let Request { checks, baseline, unmanaged } = request;
    let (aws, desired) = declared(env, unmanaged).await?;
    if let Some(earlier) = baseline.as_ref().filter(|it| it.organization != *desired.org_id()) {
        let (found, expected) = (&earlier.organization, desired.org_id());
        let message = format!("the baseline is of organization {found}, expected {expected}");
        return Err(OpError::usage(message).with_hint("name a report of this organization"));
    }
    let facts = gather(env, &aws, desired, baseline.as_ref()).await;
    let run = judged(&facts, &checks, baseline.as_ref());
    Ok(Drift { run, checks, baseline, aws, facts })
}

impl Drift {
    /// The plan that fixes what failed, limited to it where not every check ran; none if
    /// orgtrail manages nothing of it.
    #[must_use]
    pub fn fix(&self) -> Option<Planned> {
        let is_limited = self.checks.len() < CATALOGUE.len();
        let only = if is_limited { failed_resources(&self.run.findings) } else { None };
        let (desired, observed) = (self.facts.desired.clone(), self.facts.observed.clone());
        let planned = Planned::new(&self.aws, desired, observed, only);
        let mut steps = planned.plan().steps.iter();
        steps.any(|step| step.action.stops() || step.action.writes()).then_some(planned)
    }

    /// The same checks once more.
    pub async fn check_again(mut self, env: &Env) -> Self {
        self.facts = gather(env, &self.aws, self.facts.desired, self.baseline.as_ref()).await;
        self.run = judged(&self.facts, &self.checks, self.baseline.as_ref());
        self
    }

    /// How it ended, by the findings of this severity or higher. One that was stopped is
    /// incomplete, whatever it found.
    #[must_use]
    pub fn outcome(&self, env: &Env, at_least: Severity) -> Outcome {
        if env.stop().is_requested() {
            Outcome::Incomplete
        } else if self.run.has_drift(at_least) {
            Outcome::Drift
        } else if self.run.has_unknown(at_least) {
            Outcome::Incomplete
        } else {
            Outcome::Clean
        }
    }
}

/// The checks of these ids; all if there are none.
///
/// # Errors
/// There is no check of an id: usage.
pub fn checks(ids: &[String]) -> Result<Vec<&'static Check>, OpError> {
    if ids.is_empty() {
        return Ok(CATALOGUE.to_vec());
    }
    ids.iter()
        .map(|id| {
            CATALOGUE.iter().copied().find(|check| check.id == id).ok_or_else(|| {
                let known: Vec<&str> = CATALOGUE.iter().map(|check| check.id).collect();
                OpError::usage(format!("there is no check `{id}`")).with_hint(
                    match nearest(id, &known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "`orgtrail explain` lists every check".to_owned(),
                    },
                )
            })
        })
        .collect()
}

/// The way into AWS, and what is configured for the organization found there.
pub(super) async fn declared(env: &Env, unmanaged: Unmanaged) -> Result<(Aws, Desired), OpError> {
    let config = env.config()?;
    let aws = env.aws().await?;
    let organization = OrganizationFacts::read(&aws, config).await?;
    Ok((aws, Desired::new(config.clone(), organization, unmanaged)))
}

async fn gather(env: &Env, aws: &Aws, desired: Desired, baseline: Option<&Run>) -> Facts {
    let phase = AccountPhase::start(env);
    let mut facts = Box::pin(Facts::gather(aws, desired, aws.now(), &phase)).await;
    facts.earlier = baseline
        .map(|run| run.coverage.accounts.iter().map(|account| account.account.clone()).collect());
    facts
}

fn judged(facts: &Facts, checks: &[&Check], baseline: Option<&Run>) -> Run {
    let run = Run::of(facts, checks);
    match baseline {
        Some(earlier) => run.since(earlier),
        None => run,
    }
}

/// The managed resources behind what failed; none where it is the plan itself.
fn failed_resources(findings: &[Finding]) -> Option<BTreeSet<&'static str>> {
    let failed = findings.iter().filter(|one| matches!(one.verdict, Verdict::Fail { .. }));
    let checks: BTreeSet<&str> = failed.map(|finding| finding.check.as_str()).collect();
    if checks.contains(PLAN_EMPTY) {
        return None;
    }
    let failed = CATALOGUE.iter().filter(|check| checks.contains(check.id));
    Some(failed.flat_map(|check| check.resources).copied().collect())
}

/// The phase in which the accounts are inspected.
pub(super) struct AccountPhase(Box<dyn Phase>);

impl AccountPhase {
    pub(super) fn start(env: &Env) -> Self {
        Self(env.progress().phase("checking accounts", 0))
    }
}

impl Progress for AccountPhase {
    fn accounts(&self, count: usize) {
        self.0.set_steps(count);
    }

    fn account_done(&self) {
        self.0.step_done();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Scope;

    fn failed(check: &str) -> Finding {
        Finding {
            check: check.to_owned(),
            severity: Severity::High,
            scope: Scope::Organization,
            verdict: Verdict::Fail { found: "no".to_owned(), expected: "yes".to_owned() },
            suppression: None,
            cause: None,
        }
    }

    #[test]
    fn a_fix_is_limited_to_the_resources_of_failed_checks() {
        let passed = Finding { verdict: Verdict::Pass, ..failed("key-rotation") };
        let resources = failed_resources(&[failed("bucket-tls-only"), passed.clone()]).unwrap();
        let check = CATALOGUE.iter().find(|check| check.id == "bucket-tls-only").unwrap();
        assert_eq!(resources, check.resources.iter().copied().collect());
        assert_eq!(failed_resources(&[passed]), Some(BTreeSet::new()));
        // Its own resources are all.
        assert_eq!(failed_resources(&[failed("bucket-tls-only"), failed(PLAN_EMPTY)]), None);
    }

    #[test]
    fn a_typing_mistake_is_answered_with_the_nearest_id() {
        let error = checks(&["trail-is-loging".to_owned()]).unwrap_err();
        assert!(error.render().contains("did you mean `trail-is-logging`?"), "{}", error.render());
        assert_eq!(error.outcome(), Outcome::Usage);
        assert_eq!(checks(&[]).unwrap().len(), CATALOGUE.len());
    }
}
