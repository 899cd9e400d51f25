//! The simulated history of a new sandbox: `--history` and `--legacy`.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::config_of;
use crate::aws::{At as _, Aws, Pacing, Retries, Settings, WriteAuthority, WriteClients};
use crate::cli::OpError;
use crate::config::{Environment, Loaded};
use crate::names::{AccountId, Partition};
use crate::plan::apply::{StepOutcome, apply, wait_until_converged};
use crate::plan::plan;
use crate::policy::Unmanaged;
use crate::resources::{Desired, OrganizationFacts, observe};
use crate::sandbox::Sandbox;

/// How long legacy trails have logged by default.
const LEGACY: SignedDuration = SignedDuration::from_hours(24);
/// The longest history, which is as far back as `LookupEvents` reaches.
const LONGEST_HOURS: i64 = 90 * 24;
/// How far the clock advances in one step.
const STEP: SignedDuration = SignedDuration::from_hours(24);
/// Accounts that never have a trail of their own: management, log archive, audit.
const CENTRAL: usize = 3;
/// From this number of accounts on, the last one is suspended.
const SUSPENDED_FROM: u16 = 5;
/// The name of every legacy trail.
const TRAIL: &str = "legacy";

/// A time span as in `7d` or `36h`.
pub(super) fn span(text: &str) -> Result<SignedDuration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let hours = match &text[number.len()..] {
        "d" => 24,
        "h" => 1,
        _ => return Err("expected days or hours, as in `7d` or `36h`".to_owned()),
    };
    let number: i64 = number.parse().map_err(|_| "expected a whole number".to_owned())?;
    match number.checked_mul(hours) {
        Some(hours @ 1..=LONGEST_HOURS) => Ok(SignedDuration::from_hours(hours)),
        _ => Err("expected between `1h` and `90d`".to_owned()),
    }
}

/// A history to simulate.
#[derive(Debug)]
pub(super) struct History {
    starts_at: Timestamp,
    duration: SignedDuration,
    /// Whether the organization has its trail.
    organization: bool,
    legacy: usize,
}

impl History {
    /// The history that the options describe, if any.
    ///
    /// # Errors
    /// There are fewer members than legacy trails.
    pub(super) fn new(
        history: Option<SignedDuration>,
        legacy: u16,
        accounts: u16,
        start: Option<Timestamp>,
    ) -> Result<Option<Self>, OpError> {
        if history.is_none() && legacy == 0 {
            return Ok(None);
        }
        let suspended = u16::from(accounts >= SUSPENDED_FROM);
        let members = usize::from(accounts - suspended) - CENTRAL;
        if usize::from(legacy) > members {
            let message = format!(
                "`--legacy {legacy}`: an organization of {accounts} accounts has {members} active members other than the log-archive and audit accounts"
            );
            return Err(OpError::usage(message).with_hint("raise `--accounts`"));
        }
        let ends = start.unwrap_or_else(crate::sandbox::real_now);
        let duration = history.unwrap_or(LEGACY);
        let starts_at =
            ends.checked_sub(duration).map_err(|error| OpError::usage(error.to_string()))?;
        let organization = history.is_some();
        Ok(Some(Self { starts_at, duration, organization, legacy: legacy.into() }))
    }

    /// The time at which the history starts, and the sandbox's clock with it.
    pub(super) fn starts_at(&self) -> Timestamp {
        self.starts_at
    }

    /// Simulates it.
    pub(super) async fn simulate(&self, sandbox: &Sandbox) -> Result<(), OpError> {
        let aws = aws_of(sandbox).await?;
        for account in sandbox.accounts().iter().skip(CENTRAL).take(self.legacy) {
            let member = aws.clients(account, sandbox.home_region());
            let member = WriteClients::new(&member, &WriteAuthority::granted());
            legacy_trail(&member, account).await?;
        }
        if self.organization {
            Box::pin(organization_trail(&aws, sandbox)).await?;
        }
        let mut left = self.duration;
        while left.is_positive() {
            let step = left.min(STEP);
            sandbox.tick(step);
            left -= step;
        }
        Ok(())
    }
}

/// The way into a sandbox's accounts that orgtrail's commands take: the
/// administrator, and the role that every member has.
pub(in crate::cli) async fn aws_of(sandbox: &Sandbox) -> Result<Aws, OpError> {
    let keys = sandbox
        .administrator()
        .ok_or_else(|| OpError::unexpected("the sandbox's organization has no administrator"))?;
    let credentials = aws_credential_types::Credentials::from_keys(
        keys.access_key_id,
        keys.secret_access_key,
        None,
    );
    let base = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new(sandbox.home_region().to_string()))
        .endpoint_url(sandbox.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // The usual one would go by way of a proxy that the environment names.
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let settings = Settings {
        home_region: Some(sandbox.home_region().clone()),
        pacing: Pacing::Off,
        // What is refused here is to be refused at once.
        retries: Retries { attempts: 1, ..Retries::default() },
        ..Settings::default()
    };
    Ok(Aws::with_base(settings, base).await?)
}

/// Creates a member's own trail with its bucket, and starts it.
async fn legacy_trail(member: &WriteClients, account: &AccountId) -> Result<(), OpError> {
    let bucket = format!("{TRAIL}-{account}");
    let region = member.region();
    let (partition, service) = (Partition::of(region), "cloudtrail.amazonaws.com");
    let arn = format!("arn:{partition}:s3:::{bucket}");
    let place = (region.as_str() != "us-east-1").then(|| {
        let constraint = BucketLocationConstraint::from(region.as_str());
        CreateBucketConfiguration::builder().location_constraint(constraint).build()
    });
    let create = member.s3().create_bucket().bucket(&bucket).set_create_bucket_configuration(place);
    create.send().await.at(member, "s3:CreateBucket")?;
    let statement = |action: &str, resource: String, condition: serde_json::Value| {
        json!({
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": action,
            "Resource": resource,
            "Condition": condition,
        })
    };
    let source = format!("arn:{partition}:cloudtrail:{region}:{account}:trail/{TRAIL}");
    let objects = format!("{arn}/AWSLogs/{account}/*");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            statement("s3:GetBucketAcl", arn, json!({
                "StringEquals": { "aws:SourceArn": source },
            })),
            statement("s3:PutObject", objects, json!({
                "StringEquals": {
                    "aws:SourceArn": source,
                    "s3:x-amz-acl": "bucket-owner-full-control",
                },
            })),
        ],
    });
    let put = member.s3().put_bucket_policy().bucket(&bucket).policy(policy.to_string());
    put.send().await.at(member, "s3:PutBucketPolicy")?;
    let cloudtrail = member.cloudtrail();
    let create = cloudtrail.create_trail().name(TRAIL).s3_bucket_name(&bucket);
    let create = create.is_multi_region_trail(true).enable_log_file_validation(true);
    create.send().await.at(member, "cloudtrail:CreateTrail")?;
    let start = cloudtrail.start_logging().name(TRAIL).send().await;
    start.at(member, "cloudtrail:StartLogging")?;
    Ok(())
}

/// Provisions what the sandbox's config declares, as `apply` does.
async fn organization_trail(aws: &Aws, sandbox: &Sandbox) -> Result<(), OpError> {
    let loaded = Loaded::from_text(&config_of(sandbox), &Environment::default());
    let config = loaded.map_err(|findings| OpError::unexpected(format!("{findings:?}")))?.config;
    let organization = OrganizationFacts::read(aws, &config).await?;
    let desired = Desired::new(config, organization, Unmanaged::Keep);
    let observed = observe(aws, &desired).await;
    let steps = plan(&desired, &observed);
    let results = apply(aws, &desired, &observed, &steps, &[].into(), &|_| {}).await?;
    for result in &results {
        if let StepOutcome::Failed { error, .. } = &result.outcome {
            return Err(OpError::unexpected(format!(
                "provisioning the organization trail: {}: {error}",
                result.id
            )));
        }
    }
    let (_, left) = wait_until_converged(aws, &desired, &results).await;
    if left.is_empty() {
        return Ok(());
    }
    Err(OpError::unexpected(format!(
        "the organization trail does not match the configuration:\n{}",
        left.to_text()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Outcome;

    #[test]
    fn a_span_is_days_or_hours() {
        assert_eq!(span("7d").unwrap(), SignedDuration::from_hours(168));
        assert_eq!(span("36h").unwrap(), SignedDuration::from_hours(36));
        for wrong in ["", "7", "d", "0d", "-1d", "91d", "7w", "1.5d", "9223372036854775807d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn more_legacy_trails_than_members_are_refused() {
        assert!(History::new(None, 0, 5, None).unwrap().is_none());
        // The fifth account is suspended.
        assert!(History::new(None, 1, 5, None).unwrap().is_some());
        assert_eq!(History::new(None, 2, 5, None).unwrap_err().outcome(), Outcome::Usage);
        assert!(History::new(None, 1, 4, None).unwrap().is_some());
        assert_eq!(History::new(None, 1, 3, None).unwrap_err().outcome(), Outcome::Usage);
    }
}
