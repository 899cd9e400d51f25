//! Prometheus Alertmanager, API v2: an alert for each finding.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::SendError;
use super::message::Message;
use super::text::{short, word};
use crate::config::Secret;
use crate::report::contract::checks::Severity;
use crate::report::contract::drift::Scope;
use crate::report::contract::notification::{Change, Transition};
use crate::report::contract::service::SignalState;
use crate::serve::board::{account_of, scope_text};
use crate::serve::outgoing::{Post, Server, authorization};

/// The most alerts in a request.
const BATCH: usize = 500;
/// How long an alert stays without a reminder, which is sent after 7 days: Alertmanager ends
/// alerts that nobody sends again.
const STAYS: SignedDuration = SignedDuration::from_hours(9 * 24);

/// An Alertmanager.
#[derive(Debug)]
pub(super) struct Alertmanager {
    pub(super) server: Server,
    pub(super) secret: Option<Secret>,
}

impl Alertmanager {
    pub(super) async fn send(
        &self,
        message: &Message,
        page: Option<String>,
    ) -> Result<(), SendError> {
        let alerts: Vec<Value> = message
            .changes
            .iter()
            .flat_map(|change| alerts(message, change, page.as_deref()))
            .collect();
        for batch in alerts.chunks(BATCH) {
            let mut headers = vec![("content-type", "application/json".to_owned())];
            headers.extend(self.secret.as_ref().map(|it| ("authorization", authorization(it))));
            let url = self.server.url().join("api/v2/alerts");
            let body = serde_json::to_vec(batch)?.into();
            self.server.post(Post { url, headers, body }).await?;
        }
        Ok(())
    }
}

/// The alert of a finding, and the end of the one that its severity before identified.
fn alerts(message: &Message, change: &Change, page: Option<&str>) -> Vec<Value> {
    let severity = change.finding.severity;
    let end = match change.transition {
        Transition::Resolved => change.changed_at,
        _ => change.changed_at.checked_add(STAYS).unwrap_or(Timestamp::MAX),
    };
    let mut alerts = vec![alert(message, change, severity, end, page)];
    if let Some(before) = change.severity_before.filter(|before| *before != severity) {
        alerts.push(alert(message, change, before, change.changed_at, page));
    }
    alerts
}

fn alert(
    message: &Message,
    change: &Change,
    severity: Severity,
    end: Timestamp,
    page: Option<&str>,
) -> Value {
    let signal = &change.finding;
    // Labels identify an alert: only what never changes, and the severity.
    let mut labels = json!({
        "alertname": signal.check,
        "fingerprint": signal.fingerprint,
        "organization": message.management_account,
        "part": signal.part.name(),
        "scope": scope_text(&signal.scope),
        "service": "orgtrail",
        "severity": word(severity),
    });
    if let Some(account) = account_of(&signal.scope) {
        labels["account"] = account.as_str().into();
    }
    if let Scope::Region { region, .. } = &signal.scope {
        labels["region"] = region.as_str().into();
    }
    let mut annotations = json!({
        "summary": short(&signal.title),
        "description": short(&signal.found),
        "state": match signal.state {
            SignalState::Failing => "failing",
            SignalState::Unreadable => "unreadable",
        },
    });
    let more = [("expected", &signal.expected), ("fix", &signal.fix), ("unit", &signal.unit_path)];
    for (name, value) in more {
        if let Some(value) = value {
            annotations[name] = short(value).into();
        }
    }
    let mut alert = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": signal.since.min(end),
        "endsAt": end,
    });
    if let Some(page) = page {
        alert["generatorURL"] = page.into();
    }
    alert
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::{change, message};
    use super::*;

    #[test]
    fn an_alert_ends_when_its_finding_is_resolved_or_gets_another_severity() {
        let mut worse = change(Transition::Worse, Severity::Critical, 1, "a");
        worse.severity_before = Some(Severity::Low);
        let message = message(vec![]);
        let found = alerts(&message, &worse, Some("https://a.example"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["labels"]["severity"], "critical");
        assert_eq!(found[0]["endsAt"], "2026-01-11T03:04:05Z");
        assert_eq!(found[1]["labels"]["severity"], "low");
        assert_eq!(found[1]["endsAt"], "2026-01-02T03:04:05Z");
        let mut resolved = change(Transition::Resolved, Severity::Low, 1, "a");
        resolved.severity_before = Some(Severity::Low);
        let found = alerts(&message, &resolved, None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["endsAt"], "2026-01-02T03:04:05Z");
        insta::assert_json_snapshot!(found);
    }
}
