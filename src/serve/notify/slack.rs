//! Slack-compatible incoming webhooks: blocks of escaped text.

use serde_json::{Value, json};

use super::SendError;
use super::message::Message;
use super::text::{fix, headline, left_out, line, shortened};
use crate::report::contract::notification::Notification;
use crate::serve::outgoing::{Post, Server};

/// The longest text of a section. Source: Slack, "Section block": 3,000 characters.
const SECTION: usize = 2_900;
/// The longest header. Source: Slack, "Header block".
const HEADER: usize = 150;

/// An incoming webhook.
#[derive(Debug)]
pub(super) struct Slack {
    pub(super) server: Server,
}

impl Slack {
    pub(super) async fn send(
        &self,
        message: &Message,
        url: Option<String>,
    ) -> Result<(), SendError> {
        let body = serde_json::to_vec(&document(&message.notification(url, 0)))?;
        let headers = vec![("content-type", "application/json".to_owned())];
        let url = self.server.url().as_str().to_owned();
        self.server.post(Post { url, headers, body: body.into() }).await?;
        Ok(())
    }
}

fn document(notification: &Notification) -> Value {
    let headline = headline(notification);
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": shortened(&headline, HEADER) } }),
        section(&escaped(&crate::printable::plain(&notification.sentence))),
    ];
    let mut lines: Vec<String> = Vec::new();
    for group in &notification.groups {
        let mut text = format!("• {}", escaped(&line(group)));
        if let Some(fix) = fix(group) {
            text.push_str("\n    fix: ");
            text.push_str(&escaped(&fix));
        }
        lines.push(text);
    }
    lines.extend(left_out(notification).map(|more| format!("• {}", escaped(&more))));
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() && text.chars().count() + line.chars().count() >= SECTION {
            blocks.push(section(&text));
            text.clear();
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    if !text.is_empty() {
        blocks.push(section(&text));
    }
    if let Some(url) = &notification.url {
        blocks.push(section(&format!("<{}|Open the round>", escaped(url))));
    }
    json!({ "text": escaped(&headline), "blocks": blocks })
}

/// Text without automatic links and names: `verbatim`.
fn section(text: &str) -> Value {
    let text = shortened(text, SECTION + 50);
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

/// Text that mentions nobody and links nowhere. Source: Slack, "Formatting text".
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{change, message};
    use super::*;
    use crate::report::contract::checks::Severity;
    use crate::report::contract::notification::Transition;

    #[test]
    fn a_message_has_blocks_that_slack_accepts() {
        let changes = (1..=60)
            .map(|number| {
                change(Transition::New, Severity::High, number, &format!("check-{number}"))
            })
            .collect();
        let url = Some("https://orgtrail.example/rounds/1?a=b&c=d".to_owned());
        let document = document(&message(changes).notification(url, 0));
        let blocks = document["blocks"].as_array().unwrap();
        assert!((4..=50).contains(&blocks.len()), "{}", blocks.len());
        for block in blocks {
            let text = block["text"]["text"].as_str().unwrap();
            assert!(!text.is_empty() && text.chars().count() <= 3000, "{text}");
        }
        assert_eq!(blocks[0]["text"]["text"], "orgtrail: 60 new");
        let last = blocks.last().unwrap()["text"]["text"].as_str().unwrap();
        assert_eq!(last, "<https://orgtrail.example/rounds/1?a=b&amp;c=d|Open the round>");
    }

    #[test]
    fn names_of_accounts_mention_nobody_and_link_nowhere() {
        let mut one = change(Transition::New, Severity::High, 1, "a");
        one.finding.found = "<!channel> <https://evil.example|fine> a&b".to_owned();
        let text = document(&message(vec![one]).notification(None, 0)).to_string();
        assert!(text.contains("&lt;!channel&gt;"), "{text}");
        assert!(!text.contains("<https://evil") && text.contains("a&amp;b"), "{text}");
    }
}
