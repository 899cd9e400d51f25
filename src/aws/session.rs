use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::clients::Parts;
use super::clock::ServiceClock;
use super::connector::PacedClient;
use super::endpoint::Endpoint;
use super::pacing::{Monotonic, Pacer, RuntimeClock};
use super::role::RoleSession;
use super::stopping::Gate;
use super::transport::http_client;
use super::{At, AwsError, Clients, Propagation, Settings};
use crate::config::Roles;
use crate::names::{AccountId, Arn, Partition, Region};
use crate::stop::Stop;

/// Access to every account of the organization.
///
/// It starts from the SDK's default credential chain, and assumes the role of each
/// account directly or through a hub. Sessions are shared and renewed; all use one
/// HTTP client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: SdkConfig,
    settings: Arc<Settings>,
    region: Region,
    partition: Partition,
    caller: Caller,
    http: SharedHttpClient,
    pacer: Arc<Pacer>,
    clock: Arc<ServiceClock>,
    gate: Arc<Gate>,
    endpoint: Endpoint,
    access: Mutex<HashMap<AccountId, AccountAccess>>,
    /// The clients of the hub's session, once it was used.
    hub: Mutex<Option<Clients>>,
    clients: Mutex<HashMap<(AccountId, Region), Clients>>,
}

/// The caller: the principal that signs the requests.
///
/// Source: STS `GetCallerIdentity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account that the credentials belong to.
    pub account: AccountId,
    /// The user's, role session's or root's ARN.
    pub arn: Arn,
}

/// The credentials for an account.
#[derive(Debug, Clone)]
struct AccountAccess {
    config: SdkConfig,
    principal: Arc<str>,
    session: Option<Arc<RoleSession>>,
}

impl Aws {
    /// Signs in with the SDK's default credential chain (environment, profile,
    /// SSO, web identity, container, instance) and reads the caller identity.
    ///
    /// # Errors
    /// No credentials, dead ones, no way to STS, or an endpoint that is neither
    /// encrypted nor on this machine.
    pub async fn connect(settings: Settings) -> Result<Self, AwsError> {
        let base = Self::base(&settings).await?;
        Self::with_base(settings, base).await
    }

    /// The configuration of [`Aws::connect`].
    ///
    /// # Errors
    /// An endpoint that is neither encrypted nor on this machine.
    pub(crate) async fn base(settings: &Settings) -> Result<SdkConfig, AwsError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client(settings.allow_plain_http))
            .identity_cache(IdentityCache::lazy().load_timeout(Duration::from_secs(30)).build());
        if let Some(region) = &settings.home_region {
            loader = loader.region(aws_config::Region::new(region.to_string()));
        }
        let base = loader.load().await;
        // Before any call: the first response may already do harm.
        if let Some(refused) = Endpoint::of(&base).plain_http()
            && !settings.allow_plain_http
        {
            return Err(AwsError::refused(refused));
        }
        Ok(base)
    }

    /// The same from a configuration that is loaded already: its credentials,
    /// endpoint, clock and HTTP client are used.
    ///
    /// # Errors
    /// As [`Aws::connect`].
    pub async fn with_base(settings: Settings, base: SdkConfig) -> Result<Self, AwsError> {
        let connecting = Self::with_base_and(settings, base, |_| std::future::ready(()));
        Ok(Box::pin(connecting).await?.0)
    }

    /// The same, with calls that need no account, made while the caller is read. Their errors
    /// lack the caller.
    ///
    /// # Errors
    /// As [`Aws::connect`].
    pub(crate) async fn with_base_and<T, W: Future<Output = T>>(
        settings: Settings,
        base: SdkConfig,
        meanwhile: impl FnOnce(Clients) -> W,
    ) -> Result<(Self, T), AwsError> {
        Self::with_clock(settings, base, Arc::new(RuntimeClock::start()), meanwhile).await
    }

    async fn with_clock<T, W: Future<Output = T>>(
        settings: Settings,
        base: SdkConfig,
        clock: Arc<dyn Monotonic>,
        meanwhile: impl FnOnce(Clients) -> W,
    ) -> Result<(Self, T), AwsError> {
        let region = settings
            .home_region
            .clone()
            .or_else(|| base.region().and_then(|region| region.as_ref().parse().ok()))
            .map_or_else(|| "us-east-1".parse().map_err(AwsError::from_name), Ok)?;
        let http = base.http_client().unwrap_or_else(|| http_client(settings.allow_plain_http));
        let base = patient(&base, &settings, http.clone());
        let pacer = Arc::new(Pacer::new(settings.pacing, clock));
        let settings = Arc::new(settings);
        let (endpoint, gate) = (Endpoint::of(&base), Arc::new(Gate::default()));
        let clock = Arc::new(ServiceClock::new(base.time_source().unwrap_or_default()));
        let nobody = Clients::new(Parts {
            account: None,
            region: region.clone(),
            principal: None,
            config: base.clone(),
            http: PacedClient {
                inner: http.clone(),
                pacer: Arc::clone(&pacer),
                account: "".into(),
                region: region.as_str().into(),
                attempt_timeout: settings.timeouts.attempt,
                clock: Arc::clone(&clock),
                gate: Arc::clone(&gate),
            },
            settings: Arc::clone(&settings),
            session: None,
        });
        let meanwhile = async { Ok(meanwhile(nobody.clone()).await) };
        let (caller, done) = futures::try_join!(caller_identity(&nobody), meanwhile)?;
        let aws = Self(Arc::new(Inner {
            base,
            settings,
            region,
            partition: caller.arn.partition,
            caller,
            http,
            pacer,
            clock,
            gate,
            endpoint,
            access: Mutex::default(),
            hub: Mutex::default(),
            clients: Mutex::default(),
        }));
        Ok((aws, done))
    }

    /// How long what was just created or written is waited for.
    pub(crate) fn propagation(&self) -> Propagation {
        self.0.settings.propagation
    }

    /// AWS's time, as its answers state it (their `Date`); on a sandbox, what its
    /// simulated clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// How far AWS is ahead of this machine's clock; negative where it is behind.
    #[must_use]
    pub fn ahead(&self) -> SignedDuration {
        self.0.clock.ahead()
    }

    /// When the credentials at the start end; none where they are long-term ones, or the
    /// credential chain does not say.
    pub async fn credentials_end_at(&self) -> Option<Timestamp> {
        let provider = self.0.base.credentials_provider()?;
        let expiry = provider.provide_credentials().await.ok()?.expiry()?;
        Timestamp::try_from(expiry).ok()
    }

    /// Whether an orgtrail sandbox answers, and nothing leaves this machine.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.0.clock.is_sandbox() && self.0.endpoint.is_local()
    }

    /// Where the calls go.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// The same caller with other roles to assume. Rates, clock and HTTP client are shared;
    /// sessions are not.
    #[must_use]
    pub fn assuming(&self, roles: Roles) -> Self {
        let Inner {
            base,
            settings,
            region,
            partition,
            caller,
            http,
            pacer,
            clock,
            gate,
            endpoint,
            ..
        } = &*self.0;
        Self(Arc::new(Inner {
            base: base.clone(),
            settings: Arc::new(Settings { roles, ..(**settings).clone() }),
            region: region.clone(),
            partition: *partition,
            caller: caller.clone(),
            http: http.clone(),
            pacer: Arc::clone(pacer),
            clock: Arc::clone(clock),
            gate: Arc::clone(gate),
            endpoint: endpoint.clone(),
            access: Mutex::default(),
            hub: Mutex::default(),
            clients: Mutex::default(),
        }))
    }

    /// Refuses further calls once a stop is requested, for commands that only
    /// read: what was not read by then is unreadable.
    pub fn end_on(&self, stop: Stop) {
        self.0.gate.close_on(stop);
    }

    /// Who the credentials at the start belong to.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// The partition of the organization.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.0.partition
    }

    /// The Region of calls that need no other.
    #[must_use]
    pub fn home_region(&self) -> &Region {
        &self.0.region
    }

    /// The clients of an account and Region. Makes no call: the account's role
    /// is assumed at the first call, once however many ask.
    ///
    /// The account that the credentials at the start belong to is not assumed
    /// into.
    #[must_use]
    pub fn clients(&self, account: &AccountId, region: &Region) -> Clients {
        let key = (account.clone(), region.clone());
        if let Some(clients) = self.0.clients.lock().get(&key) {
            return clients.clone();
        }
        let clients = self.0.build(account, region, self.0.access(account));
        self.0.clients.lock().entry(key).or_insert(clients).clone()
    }

    /// Drops an account's clients to save memory: 17 Regions of 1,000 accounts are 17,000
    /// sets. They are rebuilt when needed; the account's session stays.
    pub fn release(&self, account: &AccountId) {
        self.0.clients.lock().retain(|(of, _), _| of != account);
    }

    /// The clients of the caller's own account, in the home Region.
    #[must_use]
    pub fn own_clients(&self) -> Clients {
        self.clients(&self.0.caller.account, &self.0.region)
    }

    /// The principal in an account: its role's ARN, or the caller's own if no role is
    /// assumed.
    #[must_use]
    pub fn principal_in(&self, account: &AccountId) -> Arn {
        if *account == self.0.caller.account {
            return self.0.caller.arn.clone();
        }
        self.0.member_role(account)
    }

    /// Assumes the role in an account, and reads the caller identity there.
    ///
    /// # Errors
    /// The role could not be assumed, or belongs to another account.
    pub async fn assume_role_in(&self, account: &AccountId) -> Result<Caller, AwsError> {
        let clients = self.clients(account, &self.0.region);
        let caller = caller_identity(&clients).await?;
        if caller.account != *account {
            let found = format!("the caller in account {}", caller.account);
            return Err(clients.malformed(CALLER_IDENTITY, &found));
        }
        Ok(caller)
    }

    /// The same without a call of its own: whom a new session belongs to is in the response
    /// that begins it.
    ///
    /// # Errors
    /// As [`Aws::assume_role_in`].
    pub async fn begin_session_in(&self, account: &AccountId) -> Result<Caller, AwsError> {
        let Some(session) = self.0.access(account).session else {
            return Ok(self.0.caller.clone());
        };
        match session.begin().await {
            Ok(Some(arn)) if arn.account.as_ref() == Some(account) => {
                Ok(Caller { account: account.clone(), arn })
            }
            Ok(_) => self.assume_role_in(account).await,
            Err(error) => {
                let cause = ConnectorError::other(error.into(), None);
                let error: SdkError<GetCallerIdentityError, HttpResponse> =
                    SdkError::dispatch_failure(cause);
                Err(self.clients(account, &self.0.region).error(CALLER_IDENTITY, error))
            }
        }
    }
}

/// What is asked first with any credentials.
const CALLER_IDENTITY: &str = "sts:GetCallerIdentity";

impl Inner {
    fn member_role(&self, account: &AccountId) -> Arn {
        self.settings.roles.arn_in(self.partition, account)
    }

    fn access(&self, account: &AccountId) -> AccountAccess {
        if *account == self.caller.account {
            return self.own();
        }
        if let Some(access) = self.access.lock().get(account) {
            return access.clone();
        }
        let parent = self.hub();
        let access = self.assumed(&parent, self.member_role(account), account);
        self.access.lock().entry(account.clone()).or_insert(access).clone()
    }

    fn own(&self) -> AccountAccess {
        AccountAccess {
            config: self.base.clone(),
            principal: self.caller.arn.to_string().into(),
            session: None,
        }
    }

    /// What members' roles are assumed from: the clients of the hub's session,
    /// or the caller's own.
    fn hub(&self) -> Clients {
        let own = || {
            let (account, region) = (&self.caller.account, &self.region);
            let mut clients = self.clients.lock();
            let one = clients.entry((account.clone(), region.clone()));
            one.or_insert_with(|| self.build(account, region, self.own())).clone()
        };
        let Some(role) = &self.settings.roles.hub else { return own() };
        if is_session_of(&self.caller.arn, role) {
            return own();
        }
        let Some(account) = &role.account else { return own() };
        let assume = || {
            let access = self.assumed(&own(), role.clone(), account);
            self.build(account, &self.region, access)
        };
        self.hub.lock().get_or_insert_with(assume).clone()
    }

    fn assumed(&self, parent: &Clients, role: Arn, account: &AccountId) -> AccountAccess {
        let roles = &self.settings.roles;
        let session = Arc::new(RoleSession {
            principal: role.to_string().into(),
            role,
            account: account.clone(),
            external_id: roles.external_id_for(account).cloned(),
            session_name: roles.session_name.to_string(),
            parent: parent.clone(),
            time: self.base.time_source().unwrap_or_default(),
            cached: tokio::sync::Mutex::default(),
            ended: parking_lot::Mutex::default(),
        });
        let provider: Arc<dyn ProvideCredentials> = Arc::clone(&session) as _;
        let config = self
            .base
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(provider))
            // The session keeps its credentials itself, and can drop them.
            .identity_cache(IdentityCache::no_cache())
            .build();
        AccountAccess { config, principal: Arc::clone(&session.principal), session: Some(session) }
    }

    fn build(&self, account: &AccountId, region: &Region, access: AccountAccess) -> Clients {
        Clients::new(Parts {
            account: Some(account.clone()),
            region: region.clone(),
            principal: Some(access.principal),
            config: access.config,
            http: PacedClient {
                inner: self.http.clone(),
                pacer: Arc::clone(&self.pacer),
                account: account.as_str().into(),
                region: region.as_str().into(),
                attempt_timeout: self.settings.timeouts.attempt,
                clock: Arc::clone(&self.clock),
                gate: Arc::clone(&self.gate),
            },
            settings: Arc::clone(&self.settings),
            session: access.session,
        })
    }
}

async fn caller_identity(clients: &Clients) -> Result<Caller, AwsError> {
    let answer = clients.sts().get_caller_identity().send().await.at(clients, CALLER_IDENTITY)?;
    let malformed = |found: &str| clients.malformed(CALLER_IDENTITY, found);
    let arn = answer.arn.ok_or_else(|| malformed("a response without an ARN"))?;
    let account = answer.account.ok_or_else(|| malformed("a response without an account"))?;
    Ok(Caller {
        account: account.parse().map_err(|_| malformed(&format!("the account `{account}`")))?,
        arn: arn.parse().map_err(|_| malformed(&format!("the ARN `{arn}`")))?,
    })
}

/// Whether a caller's ARN is a session of a role. A session's ARN leaves out
/// the role's path.
fn is_session_of(caller: &Arn, role: &Arn) -> bool {
    caller.account == role.account
        && caller.resource_type() == "assumed-role"
        && caller.resource.split('/').nth(1) == Some(role.resource_name())
}

/// The same configuration with our time-outs, retries and protections.
fn patient(base: &SdkConfig, settings: &Settings, http: SharedHttpClient) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.timeouts.connect)
        .read_timeout(settings.timeouts.attempt)
        // An attempt is bounded by the connector: here, the wait for its turn
        // would count.
        .disable_operation_attempt_timeout()
        .operation_timeout(settings.timeouts.operation)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(settings.retries.attempts)
        .with_initial_backoff(settings.retries.first_wait)
        .with_max_backoff(Duration::from_secs(20));
    base.to_builder()
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries)
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(20)).build(),
        )
        .build()
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;

    use super::super::pacing::tests::JumpingClock;
    use super::*;

    /// Answers everything with the caller's identity, or an empty object.
    #[derive(Debug)]
    struct AnswersEverything;

    impl HttpConnector for AnswersEverything {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let body = if request.headers().get("x-amz-target").is_some() {
                "{}"
            } else {
                "<GetCallerIdentityResponse><GetCallerIdentityResult>\
                 <Arn>arn:aws:iam::111111111111:root</Arn><Account>111111111111</Account>\
                 </GetCallerIdentityResult></GetCallerIdentityResponse>"
            };
            let status = 200.try_into().unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
        }
    }

    #[tokio::test]
    async fn every_call_of_every_client_keeps_to_its_rate() {
        let clock = Arc::new(JumpingClock::default());
        let keys = Credentials::new("key", "secret", None, None, "test");
        let base = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http_client_fn(|_, _| SharedHttpConnector::new(AnswersEverything)))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build();
        let idle = |_| std::future::ready(());
        let aws = Aws::with_clock(Settings::default(), base, clock.clone(), idle).await;
        let (aws, ()) = aws.unwrap();
        let region: Region = "us-east-1".parse().unwrap();
        for _ in 0..10 {
            // New clients share the rate.
            let clients = aws.0.build(&aws.caller().account, &region, aws.0.own());
            clients.cloudtrail().lookup_events().send().await.unwrap();
        }
        assert!((clock.now().as_secs_f64() - 4.0).abs() < 0.01, "{:?}", clock.now());
        let elsewhere = aws.clients(&aws.caller().account, &"eu-west-1".parse().unwrap());
        elsewhere.cloudtrail().lookup_events().send().await.unwrap();
        assert!((clock.now().as_secs_f64() - 4.0).abs() < 0.01, "{:?}", clock.now());
        assert_eq!(aws.home_region().as_str(), "us-east-1");
    }
}
