//! How operations sign in to AWS.

use std::future::ready;

use jiff::SignedDuration;
use tokio::sync::oneshot;

use super::{Connection, Env, Explain, OpError, Outcome};
use crate::aws::{Aws, AwsError, Clients, Settings};
use crate::config::{Config, Roles};
use crate::names::{AccountId, BucketName, Region};
use crate::org::{Head, Identity, Needs, enter_archive, head, missing_member};
use crate::resources::bucket::{ArchiveBucket, taken_name};

/// Ends when each account of the configuration is known to be in the organization, or may not
/// be looked up. No role is assumed before in an account that only the configuration names.
pub(crate) struct AccountsChecked(oneshot::Receiver<()>);

impl AccountsChecked {
    pub(crate) async fn wait(self) {
        if self.0.await.is_err() {
            // The check failed, and ends the work.
            std::future::pending::<()>().await;
        }
    }
}

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
        Ok(self.aws_and(|_, _, _| ready(Ok(()))).await?.0)
    }

    /// The same. `work`, which changes nothing, begins as soon as the organization is the
    /// configuration's, while the rest is checked. An error of the checks ends it and is
    /// returned instead of its own.
    ///
    /// # Errors
    /// As [`Env::aws`], or the work's own.
    pub(crate) async fn aws_and<T, W>(
        &self,
        work: impl FnOnce(Aws, Identity, AccountsChecked) -> W,
    ) -> Result<(Aws, T), OpError>
    where
        W: Future<Output = Result<T, OpError>>,
    {
        let config = self.config()?;
        let (aws, identity, ()) = self.identified(Needs::Management, |_| ready(())).await?;
        let (checked, when_checked) = oneshot::channel();
        let work = work(aws.clone(), identity.clone(), AccountsChecked(when_checked));
        let checks = async {
            self.check_members(&aws, config, identity).await?;
            // The work may not need it.
            let _ = checked.send(());
            refuse_taken_archive(&aws, config).await
        };
        let ((), done) = futures::try_join!(checks, async { Ok(work.await) })?;
        Ok((aws, done?))
    }

    /// The same for an operation that plans: its plan says whether the archive's name is
    /// another account's, with all else that is refused.
    pub(crate) async fn aws_to_plan(&self) -> Result<Aws, OpError> {
        let config = self.config()?;
        let (aws, identity, ()) = self.identified(Needs::Management, |_| ready(())).await?;
        self.check_members(&aws, config, identity).await?;
        Ok(aws)
    }

    /// The same for an operation that reads only the archive, which an auditor may do from
    /// any account of the organization that may assume its role.
    pub(crate) async fn aws_of_member(&self) -> Result<Aws, OpError> {
        Ok(self.aws_of_member_and(|_, _| ready(Ok(()))).await?.0)
    }

    /// The same. `work`, which only reads the archive, begins once its account's role is
    /// assumed, while the bucket's owner is checked: S3 compares the owner with every call. An
    /// error of the check ends it and is returned instead of its own.
    pub(crate) async fn aws_of_member_and<T, W>(
        &self,
        work: impl FnOnce(Aws, Identity) -> W,
    ) -> Result<(Aws, T), OpError>
    where
        W: Future<Output = Result<T, OpError>>,
    {
        let config = self.config()?;
        let (aws, identity) = self.identified_member().await?;
        enter_archive(&aws, config).await?;
        let work = work(aws.clone(), identity);
        let check = refuse_taken_archive(&aws, config);
        let ((), done) = futures::try_join!(check, async { Ok(work.await) })?;
        Ok((aws, done?))
    }

    /// The same for notifications, which must also be sent if the archive is unreadable.
    pub(crate) async fn aws_to_notify(&self) -> Result<Aws, OpError> {
        Ok(self.identified_member().await?.0)
    }

    /// Signs in to create the landing zone: in the management account itself, since no role
    /// need exist yet, and whether or not there is an organization.
    pub(crate) async fn aws_to_bootstrap(&self) -> Result<Aws, OpError> {
        let config = self.config()?;
        let home = Some(config.organization.home_region.clone());
        let (aws, found) = self.connect(home, config.roles.clone()).await?;
        self.session.set_identity(Identity::validate_manager(&aws, config, found).await?);
        Ok(aws)
    }

    /// Connects, and compares the caller and its organization with the configuration.
    /// `meanwhile` is asked of the caller's organization.
    async fn identified<T, W: Future<Output = T>>(
        &self,
        needs: Needs,
        meanwhile: impl FnOnce(Clients) -> W,
    ) -> Result<(Aws, Identity, T), OpError> {
        let config = self.config()?;
        let home = Some(config.organization.home_region.clone());
        let (aws, found, asked) = self.connect_and(home, config.roles.clone(), meanwhile).await?;
        let identity = Identity::in_organization(&aws, config, needs, found).await?;
        Ok((aws, identity, asked))
    }

    /// The same for a member, whose organization is also asked for the configuration's accounts.
    async fn identified_member(&self) -> Result<(Aws, Identity), OpError> {
        let config = self.config()?;
        let members = |clients: Clients| async move { missing_member(&clients, config).await };
        let (aws, identity, missing) = self.identified(Needs::Member, members).await?;
        identity.refuse(missing)?;
        self.session.set_identity(identity.clone());
        Ok((aws, identity))
    }

    /// Asks the management account for the configuration's accounts.
    async fn check_members(
        &self,
        aws: &Aws,
        config: &Config,
        identity: Identity,
    ) -> Result<(), OpError> {
        let management = &config.organization.management_account;
        let clients = aws.clients(management, aws.home_region());
        identity.refuse(missing_member(&clients, config).await)?;
        self.session.set_identity(identity);
        Ok(())
    }

    /// Signs in for what only the root user of one account may do, in a bucket's Region. An
    /// organization that cannot be read does not prevent it; another one does.
    pub(crate) async fn aws_of_root(&self, region: &Region) -> Result<Aws, OpError> {
        let config = self.config()?;
        let (aws, found) = self.connect(Some(region.clone()), config.roles.clone()).await?;
        match Identity::validate(&aws, config, Needs::Member).await {
            Ok(identity) => self.session.set_identity(identity),
            Err(error) if error.outcome() == Outcome::Usage => return Err(error.into()),
            Err(_) => self.session.set_identity(Identity::of_caller(&aws, found).await),
        }
        Ok(aws)
    }

    /// Signs in without a configuration.
    pub(crate) async fn aws_of_caller(
        &self,
        home_region: Option<Region>,
        roles: Roles,
    ) -> Result<Aws, OpError> {
        let (aws, found) = self.connect(home_region, roles).await?;
        self.session.set_identity(Identity::of_caller(&aws, found).await);
        Ok(aws)
    }

    async fn connect(
        &self,
        home_region: Option<Region>,
        roles: Roles,
    ) -> Result<(Aws, Option<Head>), OpError> {
        let (aws, found, ()) = self.connect_and(home_region, roles, |_| ready(())).await?;
        Ok((aws, found))
    }

    /// Reads the caller and, at the same time, its organization; none where that failed: who
    /// needs it reads it again, for an error that names the caller.
    async fn connect_and<T, W: Future<Output = T>>(
        &self,
        home_region: Option<Region>,
        roles: Roles,
        meanwhile: impl FnOnce(Clients) -> W,
    ) -> Result<(Aws, Option<Head>, T), OpError> {
        let Connection { pacing, propagation, allow_plain_http, base } = self.connection.clone();
        let settings = Settings {
            home_region,
            roles,
            allow_plain_http,
            pacing,
            propagation,
            ..Settings::default()
        };
        let base = match base {
            Some(base) => base,
            None => Aws::base(&settings).await.map_err(NotSignedIn)?,
        };
        let asking = |clients: Clients| async move {
            futures::join!(async { head(&clients).await.ok() }, meanwhile(clients.clone()))
        };
        let connected = Aws::with_base_and(settings, base, asking).await;
        let (aws, (found, asked)) = connected.map_err(NotSignedIn)?;
        if self.reads_only {
            aws.end_on(self.stop().clone());
        }
        self.compare_clocks(&aws);
        self.session.set_aws(&aws);
        Ok((aws, found, asked))
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
