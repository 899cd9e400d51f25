//! Amazon SNS: the notification as text, for subscribers of every protocol.

use aws_sdk_sns::types::MessageAttributeValue;

use super::SendError;
use super::message::Message;
use super::text::{headline, shortened, text, word};
use crate::aws::{At as _, Aws, WriteAuthority, WriteClients};
use crate::names::Arn;

/// The longest subject of an e-mail. Source: SNS, `Publish`: fewer than 100 characters, ASCII.
const SUBJECT: usize = 99;

/// A topic.
#[derive(Debug)]
pub(super) struct Sns {
    pub(super) topic: Arn,
}

impl Sns {
    pub(super) async fn send(
        &self,
        aws: &Aws,
        message: &Message,
        page: Option<String>,
    ) -> Result<(), SendError> {
        let clients = clients_of(aws, &self.topic)?;
        let notification = message.notification(page, 0);
        let subject: String = headline(&notification).chars().filter(char::is_ascii).collect();
        let mut publish = clients
            .sns()
            .publish()
            .topic_arn(self.topic.to_string())
            .subject(shortened_ascii(&subject))
            .message(text(&notification));
        // For filter policies of subscriptions.
        let severity = message.severity().map_or("resolved", word);
        for (name, value) in
            [("severity", severity), ("organization", message.management_account.as_str())]
        {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            if let Ok(value) = value.build() {
                publish = publish.message_attributes(name, value);
            }
        }
        if self.topic.resource.ends_with(".fifo") {
            let group = message.management_account.as_str();
            publish = publish.message_group_id(group).message_deduplication_id(&message.id);
        }
        publish.send().await.at(&clients, "sns:Publish")?;
        Ok(())
    }
}

fn shortened_ascii(subject: &str) -> String {
    shortened(subject, SUBJECT).replace('…', "")
}

/// The clients of the account and Region of a resource.
pub(super) fn clients_of(aws: &Aws, arn: &Arn) -> Result<WriteClients, SendError> {
    let (Some(account), Some(region)) = (&arn.account, &arn.region) else {
        return Err(SendError::Refused(format!("{arn} has no account or Region")));
    };
    // The configuration declares the channel: that is the permission to send to it.
    Ok(WriteClients::new(&aws.clients(account, region), &WriteAuthority::granted()))
}
