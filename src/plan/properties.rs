//! Properties of every configuration that `config check` accepts: it applies on the
//! sandbox, from the start and from wherever an earlier run stopped.
//!
//! The configurations are arbitrary except for what a sandbox must have first, see
//! [`ConfiguredEnv::of`].

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::apply::{StepOutcome, apply};
use super::{Action, Confirmation, Plan, ResourceId, plan};
use crate::aws::Aws;
use crate::config::arbitrary::arbitrary_config;
use crate::config::{Config, GuardrailTarget, MfaDelete, Principal};
use crate::policy::Unmanaged;
use crate::resources::catalogue::{CATALOGUE, Entry, ObservedJson};
use crate::resources::{Desired, Observed, OrganizationFacts, observe, reread};
use crate::test_env::{TestEnv, writer};

const MANAGEMENT: &str = "111111111111";
const LOG_ARCHIVE: &str = "222222222222";

/// A sandbox that has what a configuration assumes.
struct ConfiguredEnv {
    _env: TestEnv,
    aws: Aws,
    desired: Desired,
}

impl ConfiguredEnv {
    /// The sandbox is made for the config: its home Region and partition, an
    /// account for each that is named, a role for each identity that is named.
    ///
    /// What is altered of the config: account ids are those of the sandbox
    /// (different ones stay different); roles are the default ones; units,
    /// whose ids the sandbox draws itself, and the log group's key, which somebody
    /// else has to make, are left out.
    async fn of(mut config: Config) -> Self {
        config.roles = crate::config::SMALLEST.parse::<Config>().unwrap().roles;
        config.organization.excluded_units.clear();
        config.cloudwatch_logs.kms_key = None;
        config.guardrail.targets.retain(|target| matches!(target, GuardrailTarget::Account(_)));
        let (text, members) = with_known_accounts(&config.to_toml().unwrap());
        let config: Config = text.parse().unwrap_or_else(|error| panic!("{error:?}\n{text}"));

        // The last account of a larger sandbox is suspended: one to spare.
        let accounts = (members + 3).max(4);
        let home = &config.organization.home_region;
        let env = TestEnv::builder().home_region(home).accounts(accounts).start().await;
        let aws = env.sign_in().await;
        create_roles(&aws, &config).await;
        let organization = OrganizationFacts::read(&aws, &config).await.unwrap();
        let desired = Desired::new(config, organization, Unmanaged::Keep);
        Self { _env: env, aws, desired }
    }

    async fn plan(&self) -> (Observed, Plan) {
        let observed = Box::pin(observe(&self.aws, &self.desired)).await;
        let plan = plan(&self.desired, &observed);
        (observed, plan)
    }

    async fn apply(&self, observed: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
        let given = BTreeSet::from([
            Confirmation::ComplianceLock,
            Confirmation::ReplacedKey,
            Confirmation::WeakenedGuard,
        ]);
        let results = apply(&self.aws, &self.desired, observed, plan, &given, &|_| {})
            .await
            .map_err(|refused| TestCaseError::fail(format!("{refused}\n{}", plan.to_text())))?;
        for result in results {
            prop_assert_eq!(&result.outcome, &StepOutcome::Done, "{}", result.id);
        }
        Ok(())
    }

    /// That nothing is left but what waits for root.
    fn ensure_converged(&self, left: &Plan) -> Result<(), TestCaseError> {
        let waits = match self.desired.config.archive.mfa_delete {
            MfaDelete::Root => Some("archive-bucket/mfa-delete"),
            MfaDelete::Vault => Some("vault/mfa-delete"),
            MfaDelete::Policy | MfaDelete::Off => None,
        };
        let found: Vec<(&str, Action)> = left
            .steps
            .iter()
            .filter(|step| step.action != Action::Nothing)
            .map(|step| (step.id.as_ref(), step.action))
            .collect();
        let wanted: Vec<(&str, Action)> =
            waits.map(|id| (id, Action::Blocked)).into_iter().collect();
        prop_assert_eq!(found, wanted, "{}", left.to_text());
        if let Some(step) = waits.and_then(|id| left.step(id)) {
            prop_assert!(!step.unreadable, "{}", step.why);
            let hint = step.hint.as_deref().unwrap_or_default();
            prop_assert!(
                hint.contains("orgtrail mfa-delete enable")
                    || hint.contains("put-bucket-versioning"),
                "{}",
                hint
            );
        }
        Ok(())
    }
}

/// The text with the sandbox's account ids, and how many members it names.
fn with_known_accounts(text: &str) -> (String, usize) {
    let mut members: Vec<&str> = Vec::new();
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (found, after) = rest.split_at(word);
        if found.len() == 12 && found.bytes().all(|byte| byte.is_ascii_digit()) {
            match found.as_bytes().first() {
                Some(b'1') => out.push_str(MANAGEMENT),
                Some(b'2') => out.push_str(LOG_ARCHIVE),
                _ => {
                    let known = members.iter().position(|member| *member == found);
                    let index = known.unwrap_or_else(|| {
                        members.push(found);
                        members.len() - 1
                    });
                    // As the sandbox numbers the accounts behind the first two.
                    let id = match index {
                        0 => "333333333333".to_owned(),
                        _ => format!("1{:011}", index + 3),
                    };
                    out.push_str(&id);
                }
            }
        } else {
            out.push_str(found);
        }
        let other = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..other]);
        rest = &after[other..];
    }
    (out, members.len())
}

/// Creates the roles that policies name.
async fn create_roles(aws: &Aws, config: &Config) {
    let named = config.archive.readers.iter();
    let named = named.chain(&config.key.readers).chain(&config.key.administrators);
    let identities: BTreeSet<_> = named
        .filter_map(|principal| match principal {
            Principal::Identity(arn) => Some(arn.clone()),
            Principal::Account(_) => None,
        })
        .collect();
    for arn in identities {
        let account = arn.account.as_ref().unwrap();
        let name = arn.resource.rsplit('/').next().unwrap();
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{account}"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        let clients = aws.clients(account, &config.organization.home_region);
        writer(&clients)
            .iam()
            .create_role()
            .role_name(name)
            .assume_role_policy_document(trust)
            .send()
            .await
            .unwrap();
    }
}

/// Steps of a plan that could have been done when a run stopped: some of them,
/// and never one without those it needs.
fn cut(plan: &Plan, mask: u64) -> Plan {
    let mut part = plan.clone();
    let mut left_out: BTreeSet<ResourceId> = BTreeSet::new();
    let mut place = 0;
    part.steps.retain(|step| {
        if !step.action.writes() {
            return true;
        }
        let chosen = mask >> (place % 64) & 1 == 1;
        place += 1;
        let kept = chosen && step.depends_on.iter().all(|id| !left_out.contains(id));
        if !kept {
            left_out.insert(step.id.clone());
        }
        kept
    });
    part
}

/// A few cases, the same in every run.
fn check<S: Strategy>(
    cases: u32,
    of: &S,
    holds: impl AsyncFn(S::Value) -> Result<(), TestCaseError>,
) {
    let runs = Runs { cases, failure_persistence: None, max_shrink_iters: 8, ..Runs::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    TestRunner::new_with_rng(runs, rng)
        .run(of, |value| runtime.block_on(Box::pin(holds(value))))
        .unwrap();
}

#[test]
fn every_config_that_check_accepts_applies_and_leaves_nothing_to_do() {
    check(16, &arbitrary_config(), async |config| {
        let env = ConfiguredEnv::of(config).await;
        let (observed, first) = env.plan().await;
        prop_assert!(first.steps.iter().filter(|step| step.action.writes()).count() > 10);
        env.apply(&observed, &first).await?;
        let (_, left) = env.plan().await;
        env.ensure_converged(&left)
    });
}

#[test]
fn wherever_runs_stopped_the_next_one_completes() {
    // Half of the steps, and three quarters: few leave room for many cuts.
    let masks = prop_oneof![any::<u64>(), any::<(u64, u64)>().prop_map(|(a, b)| a | b)];
    let stops = (arbitrary_config(), proptest::collection::vec(masks, 1..=3));
    check(12, &stops, async |(config, masks)| {
        let env = ConfiguredEnv::of(config).await;
        for mask in masks {
            let (observed, whole) = env.plan().await;
            let part = cut(&whole, mask);
            env.apply(&observed, &part).await?;
        }
        let (observed, rest) = env.plan().await;
        env.apply(&observed, &rest).await?;
        let (_, left) = env.plan().await;
        env.ensure_converged(&left)
    });
}

#[test]
fn reading_every_resource_again_gives_what_observing_everything_gives() {
    check(8, &arbitrary_config(), async |config| {
        let env = ConfiguredEnv::of(config).await;
        let (mut reread_one_by_one, plan) = env.plan().await;
        env.apply(&reread_one_by_one, &plan).await?;
        let (observed, _) = env.plan().await;
        for entry in CATALOGUE {
            let before = &reread_one_by_one;
            reread_one_by_one = Box::pin(reread(&env.aws, &env.desired, before, entry)).await;
        }
        let json = |entry: &Entry, observed: &Observed| match (entry.observed_json)(observed) {
            ObservedJson::Known(json) => json,
            ObservedJson::Unreadable(error) => panic!("{}: {error}", entry.id),
        };
        for entry in CATALOGUE {
            let (found, wanted) = (json(entry, &reread_one_by_one), json(entry, &observed));
            prop_assert_eq!(found, wanted, "{}", entry.id);
        }
        Ok(())
    });
}
