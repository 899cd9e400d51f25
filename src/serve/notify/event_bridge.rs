//! Amazon EventBridge: the notification as the detail of an event.

use serde_json::{Value, json};

use super::SendError;
use super::message::{MOST_FINDINGS, Message};
use super::sns::clients_of;
use crate::aws::{Aws, SignedCall};
use crate::names::Arn;
use crate::report::contract::Emitted;

/// The longest entry. Source: EventBridge User Guide, "`PutEvents` event entry size": 256 KB.
const LONGEST: usize = 250_000;
/// What rules match events by.
const DETAIL_TYPE: &str = "orgtrail notification";

/// An event bus.
#[derive(Debug)]
pub(super) struct EventBridge {
    pub(super) bus: Arn,
}

impl EventBridge {
    pub(super) async fn send(
        &self,
        aws: &Aws,
        message: &Message,
        page: Option<String>,
    ) -> Result<(), SendError> {
        let entry = json!({
            "Source": "orgtrail",
            "DetailType": DETAIL_TYPE,
            "Detail": detail(message, page.as_ref())?,
            "EventBusName": self.bus,
            "Time": message.created_at.as_second(),
        });
        let clients = clients_of(aws, &self.bus)?;
        let answer = clients.send(SignedCall::PutEvents, &json!({ "Entries": [entry] })).await?;
        match answer["FailedEntryCount"].as_u64() {
            Some(0) => Ok(()),
            _ => Err(SendError::Refused(refusal(&answer["Entries"][0]))),
        }
    }
}

/// The document with as many findings as fit.
fn detail(message: &Message, page: Option<&String>) -> Result<String, serde_json::Error> {
    let mut findings = MOST_FINDINGS;
    loop {
        let document = Emitted::new(message.notification(page.cloned(), findings));
        let text = serde_json::to_string(&document)?;
        if text.len() <= LONGEST || findings == 0 {
            return Ok(text);
        }
        findings /= 2;
    }
}

fn refusal(entry: &Value) -> String {
    let part = |name: &str| entry[name].as_str().unwrap_or("no reason given").to_owned();
    format!("events:PutEvents refused the event: {}: {}", part("ErrorCode"), part("ErrorMessage"))
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{change, message};
    use super::*;
    use crate::report::contract::checks::Severity;
    use crate::report::contract::notification::Transition;

    #[test]
    fn an_event_has_as_many_findings_as_fit() {
        let mut one = change(Transition::New, Severity::High, 1, "a");
        one.finding.found = "x".repeat(2_000);
        let detail = detail(&message(vec![one; 400]), None).unwrap();
        let document: Value = serde_json::from_str(&detail).unwrap();
        let listed = document["findings"].as_array().unwrap().len();
        assert!(detail.len() <= LONGEST && (50..400).contains(&listed), "{listed}");
        assert_eq!(document["findings_left_out"], 400 - listed);
        assert_eq!(document["document"], "service-notification");
    }
}
