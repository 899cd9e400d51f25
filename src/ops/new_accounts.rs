//! Reading what the service follows about accounts: the list of accounts, how far one that
//! joined is, and the queue of events that announce changes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::role_stacks::RoleStacks;
use super::{Env, OpError};
use crate::aws::{At as _, Aws, AwsError, Observation, SignedCall, WriteAuthority, WriteClients};
use crate::config::{Config, Regions};
use crate::names::{AccountId, Arn, Region};
use crate::org::{Organization, own_regions};
use crate::resources::queue_url;

/// The most batches of messages that are received in one go: what is left is received the next
/// time, and says nothing else.
const BATCHES: usize = 20;

/// A connection that reads about accounts.
#[derive(Debug, Clone)]
pub struct AccountReader {
    aws: Aws,
    config: Config,
}

/// How far an account is that joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountProgress {
    /// Whether its role was assumed.
    pub role_assumed: bool,
    /// Whether the trail logs in all its Regions.
    pub trail_logging: bool,
    /// Whether a log file or digest was delivered since it joined.
    pub delivered: bool,
    /// What is missing, or why it could not be read.
    pub reason: Option<String>,
}

/// The queue of events that announce changes.
#[derive(Debug, Clone)]
pub struct AccountQueue {
    clients: WriteClients,
    url: String,
}

impl AccountReader {
    /// Signs in.
    ///
    /// # Errors
    /// No credentials, or other ones than the configuration needs.
    pub async fn sign_in(env: &Env) -> Result<Self, OpError> {
        let config = env.config()?.clone();
        Ok(Self { aws: env.aws_to_plan().await?, config })
    }

    /// AWS's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.aws.now()
    }

    /// The organization with all its accounts.
    ///
    /// # Errors
    /// It is unreadable: no account is missing because of that.
    pub async fn organization(&self) -> Result<Organization, OpError> {
        let declared = &self.config.organization;
        let management = self.aws.clients(&declared.management_account, self.aws.home_region());
        Ok(Organization::read(&management).await?)
    }

    /// Whether an account is in the organization, asked for it alone: a list that was read
    /// while accounts moved may lack one.
    ///
    /// # Errors
    /// It is unreadable: the account may be a member.
    pub async fn is_member(&self, account: &AccountId) -> Result<bool, OpError> {
        let declared = &self.config.organization;
        let management = self.aws.clients(&declared.management_account, self.aws.home_region());
        let call = management.organizations().describe_account().account_id(account.as_str());
        let described = call.send().await.at(&management, "organizations:DescribeAccount");
        match Observation::from_result(described, AwsError::is_not_found) {
            Observation::Present(_) => Ok(true),
            Observation::Absent => Ok(false),
            Observation::Unreadable(error) => Err(error.into()),
        }
    }

    /// The state of the roles that `orgtrail bootstrap` creates.
    pub async fn role_stacks(&self) -> RoleStacks {
        RoleStacks::read(&self.aws, &self.config).await
    }

    /// How far an account is that joined at a time.
    pub async fn progress(&self, account: &AccountId, joined_at: Timestamp) -> AccountProgress {
        let mut progress = AccountProgress::default();
        if let Err(error) = self.aws.assume_role_in(account).await {
            progress.reason = Some(error.in_full());
            return progress;
        }
        progress.role_assumed = true;
        let enabled = own_regions(&self.aws, self.management(), account).await;
        if let Some(error) = enabled.unread {
            progress.reason = Some(format!("its Regions are unreadable: {}", error.in_full()));
            return progress;
        }
        let is_checked = |region: &Region| match &self.config.organization.regions {
            Regions::AllEnabled => true,
            Regions::Only(only) => only.contains(region),
        };
        let mut silent = Vec::new();
        for region in enabled.regions.into_iter().filter(is_checked) {
            match self.status(account, &region, joined_at).await {
                Ok(Some(delivered)) => progress.delivered |= delivered,
                Ok(None) => silent.push(region.to_string()),
                Err(error) => {
                    progress.reason = Some(error.in_full());
                    return progress;
                }
            }
        }
        progress.trail_logging = silent.is_empty();
        progress.reason = match (silent.as_slice(), progress.delivered) {
            ([], true) => None,
            ([], false) => Some("the trail has delivered nothing yet".to_owned()),
            (silent, _) => Some(format!("the trail is not logging in {}", silent.join(", "))),
        };
        progress
    }

    fn management(&self) -> &AccountId {
        &self.config.organization.management_account
    }

    /// Whether anything was delivered from an account and Region since a time; none if the
    /// trail is missing or not logging there.
    async fn status(
        &self,
        account: &AccountId,
        region: &Region,
        since: Timestamp,
    ) -> Result<Option<bool>, AwsError> {
        let organization = &self.config.organization;
        let trail = Arn::regional(
            self.config.partition(),
            "cloudtrail",
            &organization.home_region,
            &organization.management_account,
            format!("trail/{}", self.config.trail.name),
        );
        let clients = self.aws.clients(account, region);
        let read = clients.cloudtrail().get_trail_status().name(trail.to_string()).send().await;
        let read = read.at(&clients, "cloudtrail:GetTrailStatus");
        let status = match Observation::from_result(read, AwsError::is_not_found) {
            Observation::Present(status) => status,
            Observation::Absent => return Ok(None),
            Observation::Unreadable(error) => return Err(error),
        };
        let is_new = |time: Option<&aws_smithy_types::DateTime>| {
            time.is_some_and(|time| time.secs() >= since.as_second())
        };
        let delivered =
            is_new(status.latest_delivery_time()) || is_new(status.latest_digest_delivery_time());
        Ok((status.is_logging() == Some(true)).then_some(delivered))
    }

    /// Forgets the connections to an account.
    pub fn release(&self, account: &AccountId) {
        let organization = &self.config.organization;
        if ![&organization.management_account, &organization.log_archive_account].contains(&account)
        {
            self.aws.release(account);
        }
    }

    /// The configured queue; none where none is configured.
    ///
    /// # Errors
    /// It does not exist, or cannot be read.
    pub async fn queue(&self) -> Result<Option<AccountQueue>, OpError> {
        let Some(name) = &self.config.new_accounts.queue else { return Ok(None) };
        let region = self.config.organization.events_region();
        let clients = self.aws.clients(self.management(), &region);
        let url = queue_url(&clients, name.as_str()).await?;
        // The service deletes the messages that it received, and nothing else.
        let clients = WriteClients::new(&clients, &WriteAuthority::granted());
        Ok(Some(AccountQueue { clients, url }))
    }
}

impl AccountQueue {
    /// Waits up to some seconds (20 at most) for messages, and deletes those that came; how
    /// many. Their content is not read: everybody who may send to the queue could make it up.
    ///
    /// # Errors
    /// The queue is unreachable.
    pub async fn drain(&self, wait_seconds: u8) -> Result<usize, OpError> {
        let mut drained = 0;
        for batch in 0..BATCHES {
            let wait = if batch == 0 { wait_seconds.min(20) } else { 0 };
            let body = json!({
                "QueueUrl": self.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait,
            });
            let answer = self.clients.send(SignedCall::ReceiveMessages, &body).await?;
            let messages = answer.get("Messages").and_then(Value::as_array);
            let handles = messages.into_iter().flatten();
            let handles = handles.filter_map(|message| message.get("ReceiptHandle"));
            let entries: Vec<Value> = handles
                .enumerate()
                .map(|(id, handle)| json!({ "Id": id.to_string(), "ReceiptHandle": handle }))
                .collect();
            if entries.is_empty() {
                break;
            }
            drained += entries.len();
            let body = json!({ "QueueUrl": self.url, "Entries": entries });
            // What is not deleted comes again, and says nothing new.
            self.clients.send(SignedCall::DeleteMessages, &body).await?;
        }
        Ok(drained)
    }
}
