use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::retries::classifiers::SharedRetryClassifier;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::bucket_owner::StateBucketOwner;
use super::connector::{MarkOperation, PacedClient};
use super::endpoint::endpoint_of;
use super::error::Place;
use super::role::{RenewEnded, RoleSession};
use super::{AwsError, Settings, WriteClients, read};
use crate::names::{AccountId, Partition, Region};

/// The clients of one account and Region.
///
/// Cheap to clone; each service's client is built at its first use.
/// No call is made and no role assumed before the first call.
#[derive(Debug, Clone)]
pub struct Clients(Arc<Set>);

#[derive(Debug)]
struct Set {
    /// Absent only while the caller is not known yet.
    account: Option<AccountId>,
    /// The account that must own every bucket that a call names.
    bucket_owner: Option<AccountId>,
    region: Region,
    principal: Option<Arc<str>>,
    config: SdkConfig,
    http: PacedClient,
    settings: Arc<Settings>,
    session: Option<Arc<RoleSession>>,
    account_management: OnceLock<aws_sdk_account::Client>,
    cloudtrail: OnceLock<aws_sdk_cloudtrail::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    iam: OnceLock<aws_sdk_iam::Client>,
    kms: OnceLock<aws_sdk_kms::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    organizations: OnceLock<aws_sdk_organizations::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

/// What all clients of an account and Region are built from.
pub(super) struct Parts {
    pub(super) account: Option<AccountId>,
    pub(super) region: Region,
    pub(super) principal: Option<Arc<str>>,
    /// With the account's credentials.
    pub(super) config: SdkConfig,
    pub(super) http: PacedClient,
    pub(super) settings: Arc<Settings>,
    pub(super) session: Option<Arc<RoleSession>>,
}

/// What calls without an SDK client are made with.
pub(super) struct SignedParts {
    pub(super) config: SdkConfig,
    pub(super) http: PacedClient,
    pub(super) session: Option<Arc<RoleSession>>,
}

/// Where a service is called.
#[derive(Debug, Clone, Copy)]
enum Home {
    /// In the clients' Region.
    Here,
    /// In the Region that the partition's global services live in.
    Leading,
    /// In the Region that IAM signs for.
    Iam,
}

macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident: $sdk:ident, $read:ident, $home:ident;)*) => {
        impl Set {
            $(
                fn $name(&self) -> &$sdk::Client {
                    self.$name.get_or_init(|| {
                        let config = self.service_config(Home::$home);
                        let mut builder = $sdk::config::Builder::from(&config);
                        builder.push_interceptor(SharedInterceptor::new(MarkOperation));
                        if let Some(session) = &self.session {
                            builder.push_retry_classifier(SharedRetryClassifier::new(RenewEnded(
                                Arc::clone(session),
                            )));
                        }
                        $sdk::Client::from_conf(builder.build())
                    })
                }
            )*
        }

        impl Clients {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> read::$read<'_> {
                    read::$read(self.0.$name())
                }
            )*
        }

        impl WriteClients {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> &$sdk::Client {
                    self.0.0.$name()
                }
            )*
        }
    };
}

clients! {
    /// AWS Account Management, in the partition's leading Region.
    account_management: aws_sdk_account, ReadAccount, Leading;
    /// AWS CloudTrail.
    cloudtrail: aws_sdk_cloudtrail, ReadCloudTrail, Here;
    /// Amazon CloudWatch.
    cloudwatch: aws_sdk_cloudwatch, ReadCloudWatch, Here;
    /// IAM, in the partition's Region for it.
    iam: aws_sdk_iam, ReadIam, Iam;
    /// AWS KMS.
    kms: aws_sdk_kms, ReadKms, Here;
    /// Amazon CloudWatch Logs.
    logs: aws_sdk_cloudwatchlogs, ReadLogs, Here;
    /// AWS Organizations, in the partition's leading Region.
    organizations: aws_sdk_organizations, ReadOrganizations, Leading;
    /// Amazon SNS.
    sns: aws_sdk_sns, ReadSns, Here;
    /// AWS STS, by its Regional endpoint.
    sts: aws_sdk_sts, ReadSts, Here;
}

impl WriteClients {
    /// Amazon S3, as of [`Clients::s3`].
    #[must_use]
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        self.0.0.s3()
    }
}

impl Clients {
    pub(super) fn new(parts: Parts) -> Self {
        let bucket_owner = parts.account.clone();
        Self::with_bucket_owner(parts, bucket_owner)
    }

    fn with_bucket_owner(parts: Parts, bucket_owner: Option<AccountId>) -> Self {
        let Parts { account, region, principal, config, http, settings, session } = parts;
        Self(Arc::new(Set {
            account,
            bucket_owner,
            region,
            principal,
            config,
            http,
            settings,
            session,
            account_management: OnceLock::new(),
            cloudtrail: OnceLock::new(),
            cloudwatch: OnceLock::new(),
            iam: OnceLock::new(),
            kms: OnceLock::new(),
            logs: OnceLock::new(),
            organizations: OnceLock::new(),
            s3: OnceLock::new(),
            sns: OnceLock::new(),
            sts: OnceLock::new(),
        }))
    }

    /// Amazon S3. Every call that names a bucket states who must own it
    /// ([`Clients::bucket_owner`]), and S3 refuses it where another account does.
    ///
    /// With path-style addresses where the endpoint is an IP address
    /// or this machine, which no bucket's name can be put before.
    #[must_use]
    pub fn s3(&self) -> read::ReadS3<'_> {
        read::ReadS3(self.0.s3())
    }

    /// AWS STS with all its operations: sessions are assumed with it.
    pub(super) fn sessions(&self) -> &aws_sdk_sts::Client {
        self.0.sts()
    }

    /// The account that the clients act in; absent only while the caller is
    /// being found out.
    #[must_use]
    pub fn account(&self) -> Option<&AccountId> {
        self.0.account.as_ref()
    }

    /// The account that must own every bucket that these clients' calls name: the
    /// clients' own, unless they were made by [`Clients::for_buckets_of`].
    #[must_use]
    pub fn bucket_owner(&self) -> Option<&AccountId> {
        self.0.bucket_owner.as_ref()
    }

    /// The same clients, for the buckets of another account: S3 refuses every call
    /// that names a bucket that `owner` does not own.
    ///
    /// Sessions, pacing and the HTTP client are shared.
    #[must_use]
    pub fn for_buckets_of(&self, owner: &AccountId) -> Self {
        if self.0.bucket_owner.as_ref() == Some(owner) {
            return self.clone();
        }
        let parts = Parts {
            account: self.0.account.clone(),
            region: self.0.region.clone(),
            principal: self.0.principal.clone(),
            config: self.0.config.clone(),
            http: self.0.http.clone(),
            settings: Arc::clone(&self.0.settings),
            session: self.0.session.clone(),
        };
        Self::with_bucket_owner(parts, Some(owner.clone()))
    }

    /// What calls without an SDK client are made with, in the clients' Region.
    pub(super) fn signed_parts(&self) -> SignedParts {
        let config = self.0.service_config(Home::Here);
        let http = PacedClient { region: self.0.region.as_str().into(), ..self.0.http.clone() };
        SignedParts { config, http, session: self.0.session.clone() }
    }

    /// How patient the clients are.
    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The Region of the Regional services.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.0.region
    }

    /// Whom the calls are signed as: a role's ARN, or that of the caller who
    /// started orgtrail.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.0.principal.as_deref()
    }

    /// Reads the error of a call made with these clients; `action` is the IAM action
    /// that it needs: `s3:GetBucketPolicy`. [`At::at`] is its short form.
    pub fn error<E>(&self, action: &str, error: SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        AwsError::from_sdk(self.place(action), error)
    }

    /// An answer that lacks what AWS documents.
    #[must_use]
    pub fn malformed(&self, action: &str, found: &str) -> AwsError {
        AwsError::malformed(self.place(action), found)
    }

    fn place<'a>(&'a self, action: &'a str) -> Place<'a> {
        Place {
            action,
            account: self.account(),
            region: Some(&self.0.region),
            principal: self.principal(),
        }
    }
}

impl Set {
    fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let timeouts = self.settings.timeouts;
            let mut config = self.service_config(Home::Here).to_builder();
            config.set_http_client(Some(SharedHttpClient::new(PacedClient {
                attempt_timeout: timeouts.s3_attempt,
                ..self.http.clone()
            })));
            let waits = self
                .config
                .timeout_config()
                .map(|waits| waits.to_builder().read_timeout(timeouts.s3_attempt).build());
            config.set_timeout_config(waits);
            let config = config.build();
            let mut builder = aws_sdk_s3::config::Builder::from(&config);
            builder.push_interceptor(SharedInterceptor::new(MarkOperation));
            let owner = self.bucket_owner.clone();
            builder.push_interceptor(SharedInterceptor::new(StateBucketOwner { owner }));
            if let Some(session) = &self.session {
                builder.push_retry_classifier(SharedRetryClassifier::new(RenewEnded(Arc::clone(
                    session,
                ))));
            }
            let path_style = endpoint_of(&config, "S3").is_some_and(|url| wants_path_style(&url));
            builder.set_force_path_style(path_style.then_some(true));
            aws_sdk_s3::Client::from_conf(builder.build())
        })
    }

    fn service_config(&self, home: Home) -> SdkConfig {
        let partition = Partition::of(&self.region);
        let region = match home {
            Home::Here => self.region.as_str(),
            Home::Leading => partition.leading_region(),
            Home::Iam => iam_region(partition),
        };
        let http = PacedClient { region: region.into(), ..self.http.clone() };
        self.config
            .to_builder()
            .region(aws_config::Region::new(region.to_owned()))
            .http_client(http)
            .build()
    }
}

/// Names the place of a failed call.
pub trait At<T> {
    /// Turns an SDK's error into an [`AwsError`]; `action` is the IAM action that the
    /// call needs: `s3:GetBucketPolicy`.
    ///
    /// # Errors
    /// The call's own.
    fn at(self, clients: &Clients, action: &str) -> Result<T, AwsError>;
}

impl<T, E> At<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn at(self, clients: &Clients, action: &str) -> Result<T, AwsError> {
        self.map_err(|error| clients.error(action, error))
    }
}

/// The Region that IAM signs for: Beijing in China, else the leading one.
fn iam_region(partition: Partition) -> &'static str {
    match partition {
        Partition::AwsCn => "cn-north-1",
        other => other.leading_region(),
    }
}

fn wants_path_style(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.ends_with(".localhost") || host.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_go_into_the_path_of_an_endpoint_that_has_no_subdomains() {
        for (url, path_style) in [
            ("http://127.0.0.1:5000", true),
            ("http://[::1]:5000/", true),
            ("http://localhost:5000", true),
            ("https://bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com", false),
        ] {
            assert_eq!(wants_path_style(url), path_style, "{url}");
        }
    }

    #[test]
    fn the_leading_region_of_a_partition_lies_in_it() {
        for partition in [
            Partition::Aws,
            Partition::AwsCn,
            Partition::AwsUsGov,
            Partition::AwsEusc,
            Partition::AwsIso,
            Partition::AwsIsoB,
            Partition::AwsIsoE,
            Partition::AwsIsoF,
        ] {
            for region in [partition.leading_region(), iam_region(partition)] {
                assert_eq!(Partition::of(&region.parse().unwrap()), partition);
            }
        }
    }
}
