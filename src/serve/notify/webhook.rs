//! Webhooks: the notification as JSON, signed.

use aws_lc_rs::hmac;
use jiff::Timestamp;

use super::SendError;
use super::message::{MOST_FINDINGS, Message};
use crate::config::Secret;
use crate::report::contract::Emitted;
use crate::serve::outgoing::{Post, Server};

/// A receiver of signed documents.
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) server: Server,
    pub(super) key: Secret,
}

impl Webhook {
    pub(super) async fn send(
        &self,
        message: &Message,
        url: Option<String>,
        now: Timestamp,
    ) -> Result<(), SendError> {
        let document = Emitted::new(message.notification(url, MOST_FINDINGS));
        let body = serde_json::to_vec(&document)?;
        let timestamp = now.as_second().to_string();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("idempotency-key", message.id.clone()),
            ("orgtrail-signature", format!("v1={}", signature(&self.key, &timestamp, &body))),
            ("orgtrail-timestamp", timestamp),
        ];
        let url = self.server.url().as_str().to_owned();
        self.server.post(Post { url, headers, body: body.into() }).await?;
        Ok(())
    }
}

/// HMAC-SHA256 of the time, a full stop and the body, in hexadecimal.
fn signature(key: &Secret, timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    hex::encode(context.sign())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_other_implementations() {
        // printf '%s' '1767323045.{}' | openssl dgst -sha256 -hmac key
        assert_eq!(
            signature(&Secret::new("key"), "1767323045", b"{}"),
            "1d533de0941004dfdb6d222b1e197476ea94db2c6b6bca39a2ed148ff4b23910"
        );
    }
}
