//! A sandbox, and the ways into it. The library's own tests include this file too.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each crate that includes it uses a part, and tests stop where they fail"
)]

pub(crate) mod receiver;

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use orgtrail::aws::{Aws, Clients, Pacing, Retries, Settings, WriteAuthority, WriteClients};
use orgtrail::names::{AccountId, Region};
use orgtrail_sandbox::{Options, Pace, Sandbox};

/// The smallest configuration.
pub(crate) const MINIMAL: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
[archive]
bucket = "acme-log-archive"
"#;

/// The home Region, if a test names no other.
pub(crate) const HOME: &str = "us-east-1";

/// The home Region, parsed.
pub(crate) fn home() -> Region {
    HOME.parse().unwrap()
}

/// Noon of a Wednesday: at night and on Sundays accounts may record nothing, and a test
/// that counts log files must not depend on when it runs.
pub(crate) fn working_day() -> jiff::Timestamp {
    "2026-03-04T12:00:00Z".parse().unwrap()
}

/// A sandbox with the credentials and clients of its accounts.
#[derive(Debug)]
pub(crate) struct TestEnv {
    pub(crate) sandbox: Sandbox,
}

/// How a sandbox starts.
#[derive(Debug)]
pub(crate) struct Builder(Options);

impl Builder {
    /// Accounts in the organization. The last one of more than four is suspended.
    pub(crate) fn accounts(mut self, accounts: usize) -> Self {
        self.0.accounts = accounts;
        self
    }

    /// The accounts are in no organization, and have no role that Organizations made.
    pub(crate) fn without_organization(mut self) -> Self {
        self.0.organization = false;
        self
    }

    /// What its clock shows at first.
    pub(crate) fn at(mut self, start: jiff::Timestamp) -> Self {
        self.0.start = Some(start);
        self
    }

    /// Lets its clock run on.
    pub(crate) fn running_clock(mut self) -> Self {
        self.0.pace = Pace::Flowing;
        self
    }

    pub(crate) fn home_region(mut self, region: &Region) -> Self {
        self.0.home_region = region.clone();
        self
    }

    /// Goes on with the state that is saved in a folder, and saves its own there.
    pub(crate) fn data(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.0.data = Some(folder.into());
        self
    }

    pub(crate) async fn start(self) -> TestEnv {
        TestEnv { sandbox: Sandbox::start(self.0).await.unwrap() }
    }
}

impl TestEnv {
    /// Four accounts at the beginning of 2026, and a clock that tests move.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// The same with variations.
    pub(crate) fn builder() -> Builder {
        let mut options = Options::new(home());
        options.accounts = 4;
        options.start = Some("2026-01-01T00:00:00Z".parse().unwrap());
        options.pace = Pace::Frozen;
        Builder(options)
    }

    /// Waits until a condition of the sandbox is met.
    pub(crate) async fn until(&self, is_met: impl Fn(&Sandbox) -> bool) {
        let met = self.sandbox.until(is_met);
        tokio::time::timeout(Duration::from_mins(2), met).await.expect("the condition is not met");
    }

    /// Waits until a fault has struck.
    pub(crate) async fn until_struck(&self) {
        self.until(|sandbox| sandbox.faults().triggered().iter().any(|(_, times)| *times > 0))
            .await;
    }

    /// An account: 0 is the management account, 1 the log archive.
    pub(crate) fn account(&self, index: usize) -> AccountId {
        self.sandbox.accounts()[index].clone()
    }

    /// The keys of the management account's administrator.
    pub(crate) fn administrator(&self) -> Credentials {
        credentials(self.sandbox.administrator())
    }

    /// The keys of an account's root user.
    pub(crate) fn root_user(&self, account: &AccountId) -> Credentials {
        credentials(self.sandbox.root(account))
    }

    /// What an SDK client needs to sign with these credentials, in a Region.
    pub(crate) fn sdk_config(&self, credentials: Credentials, region: &str) -> SdkConfig {
        let http = aws_smithy_http_client::Builder::new().build_http();
        self.without_transport(credentials, region).http_client(http).build()
    }

    /// The same without an HTTP client: [`Aws`] then uses its own.
    pub(crate) fn without_transport(
        &self,
        credentials: Credentials,
        region: &str,
    ) -> aws_types::sdk_config::Builder {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(aws_config::Region::new(region.to_owned()))
            .endpoint_url(self.sandbox.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
    }

    /// An S3 client that signs with these credentials.
    pub(crate) fn s3_client(&self, credentials: Credentials, region: &str) -> aws_sdk_s3::Client {
        let config = self.sdk_config(credentials, region);
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Signs in as the administrator.
    pub(crate) async fn sign_in(&self) -> Aws {
        self.sign_in_as(self.administrator(), self.settings()).await
    }

    pub(crate) async fn sign_in_as(&self, credentials: Credentials, settings: Settings) -> Aws {
        let region = self.sandbox.home_region().clone();
        let config = self.sdk_config(credentials, region.as_str());
        Aws::with_base(settings, config).await.unwrap()
    }

    /// Clients of an account's root user, in the home Region.
    pub(crate) async fn root(&self, account: &str) -> WriteClients {
        self.root_in(account, self.sandbox.home_region()).await
    }

    /// Clients of an account's root user.
    pub(crate) async fn root_in(&self, account: &str, region: &Region) -> WriteClients {
        let account = account.parse().unwrap();
        let aws = self.sign_in_as(self.root_user(&account), self.settings()).await;
        writer(&aws.clients(&account, region))
    }

    /// Settings that neither pace calls nor wait long before they repeat one.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            home_region: Some(self.sandbox.home_region().clone()),
            pacing: Pacing::Off,
            retries: Retries { attempts: 2, first_wait: Duration::from_millis(1) },
            ..Settings::default()
        }
    }
}

/// Clients that write, as a test does without orgtrail.
pub(crate) fn writer(clients: &Clients) -> WriteClients {
    WriteClients::new(clients, &WriteAuthority::granted())
}

fn credentials(keys: Option<orgtrail_sandbox::Credentials>) -> Credentials {
    let keys = keys.unwrap();
    Credentials::from_keys(keys.access_key_id, keys.secret_access_key, None)
}

/// The keys of a session.
pub(crate) fn session_keys(session: aws_sdk_sts::types::Credentials) -> Credentials {
    Credentials::from_keys(
        session.access_key_id,
        session.secret_access_key,
        Some(session.session_token),
    )
}
