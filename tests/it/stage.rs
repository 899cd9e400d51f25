//! A sandbox and the way into it, for tests that provision.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use orgtrail::aws::{
    Aws, Clients, Pacing, Propagation, Retries, Settings, WriteAuthority, WriteClients,
};
use orgtrail::config::{Config, Environment, Loaded};
use orgtrail::plan::apply::{Outcome, StepResult, apply, wait_until_converged};
use orgtrail::plan::{Action, Confirmation, Plan, plan};
use orgtrail::policy::Foreign;
use orgtrail::resources::{Desired, Observed, OrganizationFacts, observe};
use orgtrail::sandbox::{Options, Pace, Sandbox};

/// The smallest config that there is.
pub(crate) const MINIMAL: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
[archive]
bucket = "acme-log-archive"
"#;

/// Noon of a Wednesday: at night and on Sundays accounts may record nothing, and a
/// test that counts log files must not depend on when it runs.
pub(crate) fn working_day() -> jiff::Timestamp {
    "2026-03-04T12:00:00Z".parse().unwrap()
}

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) aws: Aws,
    pub(crate) desired: Desired,
}

impl Stage {
    /// A fresh organization of four accounts, and what a config declares for it.
    pub(crate) async fn new(config: &str) -> Self {
        Self::beginning(config, "2026-01-01T00:00:00Z".parse().unwrap()).await
    }

    /// The same at another time.
    pub(crate) async fn beginning(config: &str, start: jiff::Timestamp) -> Self {
        let mut options = Options::new("us-east-1".parse().unwrap());
        options.accounts = 4;
        options.start = Some(start);
        options.pace = Pace::Frozen;
        let sandbox = Sandbox::start(options).await.unwrap();
        let keys = sandbox.administrator().unwrap();
        let aws = sign_in(&sandbox, keys.access_key_id, keys.secret_access_key).await;
        Self::of(sandbox, aws, config).await
    }

    /// The same organization, where what was created is waited for at most so long,
    /// and looked at every millisecond.
    pub(crate) async fn waiting(self, config: &str, at_most: Duration) -> Self {
        let keys = self.sandbox.administrator().unwrap();
        let wait = Duration::from_millis(1);
        let propagation = Propagation { first_wait: wait, longest_wait: wait, at_most };
        let settings = Settings { propagation, ..settings() };
        let base = base(&self.sandbox, keys.access_key_id, keys.secret_access_key);
        let aws = Aws::with_base(settings, base).await.unwrap();
        Self::of(self.sandbox, aws, config).await
    }

    async fn of(sandbox: Sandbox, aws: Aws, config: &str) -> Self {
        let config = parse(config);
        let organization = OrganizationFacts::read(&aws, &config).await.unwrap();
        let desired = Desired::new(config, organization, Foreign::Keep);
        Self { sandbox, aws, desired }
    }

    /// The same organization under another config.
    pub(crate) fn declare(&mut self, config: &str) {
        let organization = self.desired.organization.clone();
        self.desired = Desired::new(parse(config), organization, self.desired.foreign);
    }

    pub(crate) async fn observe(&self) -> Observed {
        Box::pin(observe(&self.aws, &self.desired)).await
    }

    pub(crate) async fn plan(&self) -> Plan {
        plan(&self.desired, &self.observe().await)
    }

    /// Applies a fresh plan, and tells how each step went.
    pub(crate) async fn apply(&self) -> Vec<StepResult> {
        self.apply_confirmed(&[]).await
    }

    pub(crate) async fn apply_confirmed(&self, given: &[Confirmation]) -> Vec<StepResult> {
        let observed = self.observe().await;
        let plan = plan(&self.desired, &observed);
        let given: BTreeSet<Confirmation> = given.iter().copied().collect();
        apply(&self.aws, &self.desired, &observed, &plan, &given, &|_| {}).await.unwrap()
    }

    /// Applies, and demands that every step is done and nothing is left.
    pub(crate) async fn converge(&self) {
        let results = self.apply().await;
        for result in &results {
            assert_eq!(result.outcome, Outcome::Done, "{}", result.id);
        }
        let (_, left) = wait_until_converged(&self.aws, &self.desired, &results).await;
        assert!(left.is_empty(), "{}", left.to_text());
    }

    pub(crate) fn management(&self) -> WriteClients {
        writer(&self.aws.clients(self.desired.management(), &"us-east-1".parse().unwrap()))
    }

    pub(crate) fn archive(&self) -> WriteClients {
        writer(&self.aws.clients(self.desired.archive(), &self.desired.config.archive.region))
    }

    /// Clients of an account's root user.
    pub(crate) async fn root(&self, account: &str) -> WriteClients {
        let account = account.parse().unwrap();
        let keys = self.sandbox.root(&account).unwrap();
        let aws = sign_in(&self.sandbox, keys.access_key_id, keys.secret_access_key).await;
        writer(&aws.clients(&account, &"us-east-1".parse().unwrap()))
    }
}

/// Clients that write, as a test does behind orgtrail's back.
pub(crate) trait Writing {
    fn writing(&self) -> WriteClients;
}

impl Writing for Clients {
    fn writing(&self) -> WriteClients {
        writer(self)
    }
}

/// The same as a function.
pub(crate) fn writer(clients: &Clients) -> WriteClients {
    WriteClients::new(clients, &WriteAuthority::granted())
}

/// The actions of a plan that are not nothing, by resource.
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

pub(crate) async fn sign_in(sandbox: &Sandbox, key: String, secret: String) -> Aws {
    Aws::with_base(settings(), base(sandbox, key, secret)).await.unwrap()
}

fn base(sandbox: &Sandbox, key: String, secret: String) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(sandbox.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys(
            key, secret, None,
        )))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

fn settings() -> Settings {
    Settings {
        home_region: Some("us-east-1".parse().unwrap()),
        pacing: Pacing::Off,
        retries: Retries { attempts: 2, first_wait: Duration::from_millis(1) },
        ..Settings::default()
    }
}
