//! A sandbox with a configuration: what AWS shows, and what is to be there.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::time::Duration;

use orgtrail::aws::{Aws, Propagation, Settings, WriteClients};
use orgtrail::config::{Config, Environment, Loaded};
use orgtrail::names::{AccountId, Region};
use orgtrail::plan::apply::{StepOutcome, StepResult, apply, wait_until_converged};
use orgtrail::plan::{Action, Confirmation, Plan, plan};
use orgtrail::policy::Unmanaged;
use orgtrail::resources::{Desired, Observed, OrganizationFacts, observe};

use crate::env::{TestEnv, home, writer};

pub(crate) struct ConfiguredEnv {
    env: TestEnv,
    pub(crate) aws: Aws,
    pub(crate) desired: Desired,
}

impl Deref for ConfiguredEnv {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.env
    }
}

impl ConfiguredEnv {
    /// A new organization of four accounts, and what a configuration wants there.
    pub(crate) async fn new(config: &str) -> Self {
        Self::of(TestEnv::start().await, config).await
    }

    /// The same at another time.
    pub(crate) async fn at(config: &str, start: jiff::Timestamp) -> Self {
        Self::of(TestEnv::builder().at(start).start().await, config).await
    }

    async fn of(env: TestEnv, config: &str) -> Self {
        let aws = env.sign_in().await;
        Self::signed_in(env, aws, config).await
    }

    async fn signed_in(env: TestEnv, aws: Aws, config: &str) -> Self {
        let config = parse(config);
        let organization = OrganizationFacts::read(&aws, &config).await.unwrap();
        let desired = Desired::new(config, organization, Unmanaged::Keep);
        Self { env, aws, desired }
    }

    /// The same organization. What was created is waited for no longer than this, and read
    /// every millisecond.
    pub(crate) async fn waiting(self, config: &str, at_most: Duration) -> Self {
        let wait = Duration::from_millis(1);
        let propagation = Propagation { first_wait: wait, longest_wait: wait, at_most };
        let settings = Settings { propagation, ..self.env.settings() };
        let aws = self.env.sign_in_as(self.env.administrator(), settings).await;
        Self::signed_in(self.env, aws, config).await
    }

    /// Changes the configuration.
    pub(crate) fn declare(&mut self, config: &str) {
        let organization = self.desired.organization.clone();
        self.desired = Desired::new(parse(config), organization, self.desired.unmanaged);
    }

    pub(crate) async fn observe(&self) -> Observed {
        Box::pin(observe(&self.aws, &self.desired)).await
    }

    pub(crate) async fn plan(&self) -> Plan {
        plan(&self.desired, &self.observe().await)
    }

    /// Applies a new plan. Returns the result of each step.
    pub(crate) async fn apply(&self) -> Vec<StepResult> {
        self.apply_confirmed(&[]).await
    }

    pub(crate) async fn apply_confirmed(&self, given: &[Confirmation]) -> Vec<StepResult> {
        let observed = self.observe().await;
        let plan = plan(&self.desired, &observed);
        let given: BTreeSet<Confirmation> = given.iter().copied().collect();
        apply(&self.aws, &self.desired, &observed, &plan, &given, &|_| {}).await.unwrap()
    }

    /// Applies, and requires that every step is done and nothing is left.
    pub(crate) async fn converge(&self) {
        let results = self.apply().await;
        for result in &results {
            assert_eq!(result.outcome, StepOutcome::Done, "{}", result.id);
        }
        let (_, left) = wait_until_converged(&self.aws, &self.desired, &results).await;
        assert!(left.is_empty(), "{}", left.to_text());
    }

    /// Clients of an account, through orgtrail's role there.
    pub(crate) fn clients(&self, account: &AccountId, region: &Region) -> WriteClients {
        writer(&self.aws.clients(account, region))
    }

    pub(crate) fn management(&self) -> WriteClients {
        self.clients(self.desired.management(), &home())
    }

    pub(crate) fn archive(&self) -> WriteClients {
        self.clients(self.desired.archive(), &self.desired.config.archive.region)
    }
}

/// The steps of a plan that change something, by resource.
pub(crate) fn actions(plan: &Plan) -> Vec<(String, Action)> {
    plan.steps
        .iter()
        .filter(|step| step.action != Action::Nothing)
        .map(|step| (step.id.to_string(), step.action))
        .collect()
}

pub(crate) fn parse(config: &str) -> Config {
    Loaded::from_text(config, &Environment::default()).unwrap().config
}
