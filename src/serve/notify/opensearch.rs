//! OpenSearch: OCSF Compliance Findings as NDJSON for `_bulk`.

use serde::Deserialize;
use serde_json::json;

use super::message::Message;
use super::{SendError, ocsf};
use crate::config::Secret;
use crate::serve::outgoing::{Post, Server, authorization};

/// The most findings in a request.
const BATCH: usize = 500;

/// An index.
#[derive(Debug)]
pub(super) struct Opensearch {
    pub(super) server: Server,
    pub(super) secret: Option<Secret>,
}

/// What `_bulk` responds, as far as it is asked for.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    errors: bool,
}

impl Opensearch {
    pub(super) async fn send(
        &self,
        message: &Message,
        page: Option<String>,
    ) -> Result<(), SendError> {
        for changes in message.changes.chunks(BATCH) {
            let mut body = String::new();
            for change in changes {
                // The same event sent twice is one document.
                let id = format!("{}-{}", message.id, change.finding.fingerprint);
                body.push_str(&json!({ "index": { "_id": id } }).to_string());
                body.push('\n');
                body.push_str(&ocsf::event(message, change, page.as_deref()).to_string());
                body.push('\n');
            }
            let mut headers = vec![("content-type", "application/x-ndjson".to_owned())];
            headers.extend(self.secret.as_ref().map(|it| ("authorization", authorization(it))));
            let url = self.server.url().join("_bulk");
            let separator = if url.contains('?') { '&' } else { '?' };
            let url = format!("{url}{separator}filter_path=errors,items.*.error.type");
            let answer = self.server.post(Post { url, headers, body: body.into() }).await?;
            let answer: Answer = serde_json::from_slice(&answer)?;
            if answer.errors {
                return Err(SendError::Refused(
                    "OpenSearch did not index every finding".to_owned(),
                ));
            }
        }
        Ok(())
    }
}
