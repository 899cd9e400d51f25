//! How operations sign in to AWS.

use jiff::SignedDuration;

use super::{Connection, Env, Explain, OpError, Outcome};
use crate::aws::{Aws, AwsError, Settings};
use crate::config::{Config, Roles};
use crate::names::{AccountId, BucketName, Region};
use crate::org::{Identity, Needs, enter_archive};
use crate::resources::bucket::{ArchiveBucket, taken_name};

/// A clock that differs more from AWS's is worth a warning.
const MAX_DIFFERENCE: SignedDuration = SignedDuration::from_mins(1);

impl Env {
    /// Signs in for an operation that needs the management account, and checks that the
    /// caller and the organization match the configuration.
    ///
    /// # Errors
    /// No credentials, other ones than the configuration needs, or the archive's bucket
    /// belongs to another account.
    pub async fn aws(&self) -> Result<Aws, OpError> {
        let aws = self.aws_to_plan().await?;
        refuse_taken_archive(&aws, self.config()?).await?;
        Ok(aws)
    }

    /// The same for an operation that plans: its plan says whether the archive's name is
    /// another account's, with all else that is refused.
    pub(crate) async fn aws_to_plan(&self) -> Result<Aws, OpError> {
        self.aws_with(Needs::Management).await
    }

    /// The same for an operation that reads only the archive, which an auditor may do from
    /// any account of the organization that may assume its role.
    pub(crate) async fn aws_of_member(&self) -> Result<Aws, OpError> {
        let config = self.config()?;
        let aws = self.aws_with(Needs::Member).await?;
        enter_archive(&aws, config).await?;
        refuse_taken_archive(&aws, config).await?;
        Ok(aws)
    }

    /// The same for notifications, which must also be sent if the archive is unreadable.
    pub(crate) async fn aws_to_notify(&self) -> Result<Aws, OpError> {
        self.aws_with(Needs::Member).await
    }

    /// Signs in to create the landing zone: in the management account itself, since no role
    /// need exist yet, and whether or not there is an organization.
    pub(crate) async fn aws_to_bootstrap(&self) -> Result<Aws, OpError> {
        let config = self.config()?;
        let home = Some(config.organization.home_region.clone());
        let aws = self.connect(home, config.roles.clone()).await?;
        self.session.set_identity(Identity::validate_manager(&aws, config).await?);
        Ok(aws)
    }

    async fn aws_with(&self, needs: Needs) -> Result<Aws, OpError> {
        let config = self.config()?;
        let home = Some(config.organization.home_region.clone());
        let aws = self.connect(home, config.roles.clone()).await?;
        self.session.set_identity(Identity::validate(&aws, config, needs).await?);
        Ok(aws)
    }

    /// Signs in for what only the root user of one account may do, in a bucket's Region. An
    /// organization that cannot be read does not prevent it; another one does.
    pub(crate) async fn aws_of_root(&self, region: &Region) -> Result<Aws, OpError> {
        let config = self.config()?;
        let aws = self.connect(Some(region.clone()), config.roles.clone()).await?;
        match Identity::validate(&aws, config, Needs::Member).await {
            Ok(identity) => self.session.set_identity(identity),
            Err(error) if error.outcome() == Outcome::Usage => return Err(error.into()),
            Err(_) => self.session.set_identity(Identity::of_caller(&aws).await),
        }
        Ok(aws)
    }

    /// Signs in without a configuration.
    pub(crate) async fn aws_of_caller(
        &self,
        home_region: Option<Region>,
        roles: Roles,
    ) -> Result<Aws, OpError> {
        let aws = self.connect(home_region, roles).await?;
        self.session.set_identity(Identity::of_caller(&aws).await);
        Ok(aws)
    }

    async fn connect(&self, home_region: Option<Region>, roles: Roles) -> Result<Aws, OpError> {
        let Connection { pacing, propagation, allow_plain_http, base } = self.connection.clone();
        let settings = Settings {
            home_region,
            roles,
            allow_plain_http,
            pacing,
            propagation,
            ..Settings::default()
        };
        let aws = match base {
            Some(base) => Aws::with_base(settings, base).await,
            None => Aws::connect(settings).await,
        };
        let aws = aws.map_err(NotSignedIn)?;
        if self.reads_only {
            aws.end_on(self.stop().clone());
        }
        self.compare_clocks(&aws);
        self.session.set_aws(&aws);
        Ok(aws)
    }

    /// Says where AWS's time differs from this machine's: AWS's is used.
    fn compare_clocks(&self, aws: &Aws) {
        let ahead = aws.ahead();
        if ahead.abs() <= MAX_DIFFERENCE || self.session.identity().is_some() {
            return;
        }
        if aws.is_sandbox() {
            self.progress().note(&format!("the sandbox's clock shows {:.0}", aws.now()));
            return;
        }
        let side = if ahead.is_negative() { "ahead of" } else { "behind" };
        self.progress().warn(&format!(
            "warning: this machine's clock is {:#} {side} AWS's; using AWS's time",
            SignedDuration::from_secs(ahead.abs().as_secs()),
        ));
    }
}

/// Refuses a command whose archive belongs to another account, before it reads or
/// writes anything: who owns the bucket decides what is read there, and who reads
/// what is written.
///
/// # Errors
/// The name is another account's: refused.
async fn refuse_taken_archive(aws: &Aws, config: &Config) -> Result<(), OpError> {
    let (account, archive) = (&config.organization.log_archive_account, &config.archive);
    refuse_taken(aws, account, &archive.bucket, &archive.region, "archive.bucket").await
}

/// The same for any bucket of the configuration; `setting` is what names it.
pub(crate) async fn refuse_taken(
    aws: &Aws,
    account: &AccountId,
    bucket: &BucketName,
    region: &Region,
    setting: &str,
) -> Result<(), OpError> {
    if ArchiveBucket::is_other_account(&aws.clients(account, region), bucket).await {
        let (reason, hint) = taken_name(bucket, setting);
        let reason = format!("{reason}, expected {account}; nothing was read or written");
        return Err(OpError::new(reason, Outcome::Refused).with_hint(hint));
    }
    Ok(())
}

/// No credentials that AWS accepts, or no way to AWS.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign in")]
struct NotSignedIn(#[source] AwsError);

impl Explain for NotSignedIn {
    fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    fn outcome(&self) -> Outcome {
        if self.0.is_plain_http() { Outcome::Usage } else { Outcome::Incomplete }
    }
}
