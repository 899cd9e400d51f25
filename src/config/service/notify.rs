use std::str::FromStr;

use super::secret::{self, Secret, SecretError};
use super::{ScheduleName, WebUrl};
use crate::config::Environment;
use crate::config::section::{choice, section};
use crate::config::text::read_text;
use crate::names::Arn;

section! {
    /// A channel that is notified of findings that appear, change and are resolved.
    pub struct Notify {
        /// Its name, in lower-case letters, digits and hyphens.
        name: ChannelName = required,
        /// What it is.
        kind: NotifyKind = required,
        /// Where to send: the ARN of a topic, an event bus or a Security Hub hub
        /// (`arn:aws:securityhub:REGION:ACCOUNT:hub/default`), else a URL. Of `slack` and
        /// `dead_man` the URL is a secret, and can be that of `secret_file` or `secret_env`
        /// instead.
        target: Option<NotifyTarget> = default(None::<NotifyTarget>),
        /// Send only findings of this severity or higher.
        min_severity: NotifySeverity = default(NotifySeverity::Low),
        /// A file with the secret: the key that signs the requests to a `webhook`; the URL of
        /// `slack` and `dead_man`; a bearer token or `USER:PASSWORD` for `alertmanager` and
        /// `opensearch`.
        secret_file: Option<String> = default(None::<String>),
        /// The name of the environment variable with the secret, instead of a file.
        secret_env: Option<String> = default(None::<String>),
        /// Whether the URL may lead to this machine or to a private network, also without
        /// encryption.
        allow_private: bool = default(false),
        /// Of `dead_man`: the schedule whose rounds are expected. Default: every schedule that
        /// verifies.
        schedule: Option<ScheduleName> = default(None::<ScheduleName>),
    }
}

choice! {
    /// What a channel is.
    pub enum NotifyKind {
        /// An Amazon SNS topic.
        Sns = "sns",
        /// An Amazon EventBridge event bus.
        EventBridge = "event_bridge",
        /// A URL that receives signed JSON documents.
        Webhook = "webhook",
        /// A Slack-compatible incoming webhook.
        Slack = "slack",
        /// Prometheus Alertmanager, API v2.
        Alertmanager = "alertmanager",
        /// A monitor that raises an alarm if rounds stop, with the protocol of healthchecks.io.
        DeadMan = "dead_man",
        /// AWS Security Hub CSPM, in one account for the whole organization.
        SecurityHub = "security_hub",
        /// OpenSearch: the URL of an index, which receives OCSF Compliance Findings.
        Opensearch = "opensearch",
    }
}

choice! {
    /// The lowest severity that is sent.
    pub enum NotifySeverity {
        /// All findings.
        Low = "low",
        /// Medium, high and critical findings.
        Medium = "medium",
        /// High and critical findings.
        High = "high",
        /// Critical findings only.
        Critical = "critical",
    }
}

impl NotifyKind {
    /// Whether its target is an ARN, which is called with the credentials for AWS.
    #[must_use]
    pub fn is_aws(self) -> bool {
        matches!(self, Self::Sns | Self::EventBridge | Self::SecurityHub)
    }

    /// Whether its URL is a secret.
    #[must_use]
    pub fn has_secret_url(self) -> bool {
        matches!(self, Self::Slack | Self::DeadMan)
    }
}

impl Notify {
    /// Reads the secret; none if the channel has none.
    ///
    /// # Errors
    /// The file or variable is missing, empty or no text.
    pub fn secret(&self, environment: &Environment) -> Result<Option<Secret>, SecretError> {
        secret::read(self.secret_file.as_deref(), self.secret_env.as_deref(), environment)
    }
}

/// Where a channel sends.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum NotifyTarget {
    /// To a resource of AWS.
    Arn(Arn),
    /// To a URL.
    Url(WebUrl),
}

impl FromStr for NotifyTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("arn:") {
            return text.parse().map(Self::Arn).map_err(|_| "an ARN".to_owned());
        }
        text.parse().map(Self::Url)
    }
}

const TARGET: &str = "an ARN or a URL";

/// The name of a channel, which is part of keys of the state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct ChannelName(ScheduleName);

impl ChannelName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for ChannelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

const CHANNEL_NAME: &str = "1 to 64 lower-case letters, digits and hyphens";

read_text!(NotifyTarget, TARGET, "arn:aws:sns:us-east-1:111111111111:orgtrail");
read_text!(ChannelName, CHANNEL_NAME, "security-team");
