//! The channels of a configuration, ready to send.

use super::alertmanager::Alertmanager;
use super::dead_man::DeadMan;
use super::event_bridge::EventBridge;
use super::message::Message;
use super::opensearch::Opensearch;
use super::security_hub::SecurityHub;
use super::slack::Slack;
use super::sns::Sns;
use super::webhook::Webhook;
use super::{Connection, SendError};
use crate::config::{Environment, Notify, NotifyKind, NotifyTarget, Secret, SecretError, WebUrl};
use crate::ops::{Explain, Outcome};
use crate::report::contract::checks::Severity;
use crate::serve::outgoing::{HttpError, Limits, Server};

/// A channel that is notified of findings.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) min_severity: Severity,
    sender: Sender,
}

#[derive(Debug)]
enum Sender {
    Sns(Sns),
    EventBridge(EventBridge),
    Webhook(Webhook),
    Slack(Slack),
    Alertmanager(Alertmanager),
    SecurityHub(SecurityHub),
    Opensearch(Opensearch),
}

/// A channel, or a monitor of rounds.
#[derive(Debug)]
pub(super) enum Built {
    Channel(Channel),
    DeadMan(DeadMan),
}

/// A channel that cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the channel `{channel}` cannot be used")]
pub struct ChannelError {
    /// Its name.
    pub channel: String,
    #[source]
    fault: ChannelFault,
}

impl Explain for ChannelError {
    fn outcome(&self) -> Outcome {
        Outcome::Usage
    }
}

#[derive(Debug, thiserror::Error)]
enum ChannelFault {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the secret is no URL: expected {0}")]
    SecretUrl(String),
    #[error("`target` is not what a channel of this kind needs")]
    Target,
    #[error("the secret is missing")]
    NoSecret,
}

/// Makes a channel ready: reads its secret, and checks its address.
pub(super) fn build(
    notify: &Notify,
    environment: &Environment,
    limits: Limits,
) -> Result<Built, ChannelError> {
    built(notify, environment, limits)
        .map_err(|fault| ChannelError { channel: notify.name.as_str().to_owned(), fault })
}

fn built(
    notify: &Notify,
    environment: &Environment,
    limits: Limits,
) -> Result<Built, ChannelFault> {
    let secret = notify.secret(environment)?;
    let server = |url: WebUrl| {
        let server = Server::new(url, notify.allow_private, limits)?;
        Ok::<_, ChannelFault>(server.with_secret(secret.clone()))
    };
    let url = || match &notify.target {
        Some(NotifyTarget::Url(url)) => Ok(url.clone()),
        None if notify.kind.has_secret_url() => of_secret(secret.as_ref()),
        Some(NotifyTarget::Arn(_)) | None => Err(ChannelFault::Target),
    };
    let arn = || match &notify.target {
        Some(NotifyTarget::Arn(arn)) => Ok(arn.clone()),
        _ => Err(ChannelFault::Target),
    };
    let sender = match notify.kind {
        NotifyKind::Sns => Sender::Sns(Sns { topic: arn()? }),
        NotifyKind::EventBridge => Sender::EventBridge(EventBridge { bus: arn()? }),
        NotifyKind::SecurityHub => Sender::SecurityHub(SecurityHub { hub: arn()? }),
        NotifyKind::Webhook => {
            let key = secret.clone().ok_or(ChannelFault::NoSecret)?;
            Sender::Webhook(Webhook { server: server(url()?)?, key })
        }
        NotifyKind::Slack => Sender::Slack(Slack { server: server(url()?)? }),
        NotifyKind::Alertmanager => {
            Sender::Alertmanager(Alertmanager { server: server(url()?)?, secret: secret.clone() })
        }
        NotifyKind::Opensearch => {
            Sender::Opensearch(Opensearch { server: server(url()?)?, secret: secret.clone() })
        }
        NotifyKind::DeadMan => {
            let name = notify.name.as_str().to_owned();
            let schedule = notify.schedule.clone();
            return Ok(Built::DeadMan(DeadMan { name, server: server(url()?)?, schedule }));
        }
    };
    let name = notify.name.as_str().to_owned();
    Ok(Built::Channel(Channel { name, min_severity: notify.min_severity.into(), sender }))
}

/// The URL that a secret is.
fn of_secret(secret: Option<&Secret>) -> Result<WebUrl, ChannelFault> {
    let secret = secret.ok_or(ChannelFault::NoSecret)?;
    secret.expose().parse().map_err(ChannelFault::SecretUrl)
}

impl Channel {
    /// Sends a message, less what the channel does not want.
    pub(super) async fn send(
        &self,
        message: &Message,
        attempt: usize,
        connection: &Connection<'_>,
    ) -> Result<(), SendError> {
        let message = &message.at_least(self.min_severity);
        let page = connection.page(message);
        match &self.sender {
            Sender::Sns(sns) => sns.send(connection.aws().await?, message, page).await,
            Sender::EventBridge(bus) => bus.send(connection.aws().await?, message, page).await,
            Sender::SecurityHub(hub) => {
                hub.send(connection.aws().await?, message, page, attempt).await
            }
            Sender::Webhook(webhook) => webhook.send(message, page, connection.now()).await,
            Sender::Slack(slack) => slack.send(message, page).await,
            Sender::Alertmanager(alertmanager) => alertmanager.send(message, page).await,
            Sender::Opensearch(opensearch) => opensearch.send(message, page).await,
        }
    }
}
