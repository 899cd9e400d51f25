//! `orgtrail service test-notification`: sends an example to channels.

use futures::future::join_all;

use super::message::{Message, new_id};
use super::{Configured, Delivery, delivery_of, limited};
use crate::config::Environment;
use crate::ops::{Env, OpError};
use crate::report::contract::checks::Severity;
use crate::report::contract::drift::Scope;
use crate::report::contract::notification::{Change, Transition};
use crate::report::contract::round::{Outcome, Part};
use crate::report::contract::service::{Signal, SignalState, Verdict};
use crate::serve::outgoing::Limits;

/// Sends an example to one channel, or to all: a finding that is new, and then its end, so
/// that nothing stays open in systems that keep findings. Nothing is stored.
///
/// # Errors
/// There is no such channel, or none at all, or one cannot be used.
pub async fn send_examples(
    env: &Env,
    environment: &Environment,
    channel: Option<&str>,
) -> Result<Vec<Delivery>, OpError> {
    let configured = Configured::new(env, environment, Limits::default())?;
    let names = configured.channels.iter().map(|channel| channel.name.as_str());
    let names: Vec<&str> =
        names.chain(configured.dead_men.iter().map(|monitor| monitor.name.as_str())).collect();
    if names.is_empty() {
        let error = OpError::usage("the configuration has no channel");
        return Err(error.with_hint("add one: `[[service.notify]]`"));
    }
    if let Some(channel) = channel.filter(|channel| !names.contains(channel)) {
        let error = OpError::usage(format!("there is no channel `{channel}`"));
        return Err(error.with_hint(format!("the channels are {}", names.join(", "))));
    }
    let is_wanted = |name: &str| channel.is_none_or(|channel| channel == name);
    let messages =
        [configured.example(Transition::New)?, configured.example(Transition::Resolved)?];
    let connection = configured.connection();
    let channels = configured.channels.iter().filter(|it| is_wanted(&it.name));
    let sent = channels.map(async |channel| {
        let send = async {
            for message in &messages {
                channel.send(message, 1, &connection).await?;
            }
            Ok(())
        };
        delivery_of(&channel.name, messages[0].id.clone(), limited(Box::pin(send)).await)
    });
    // A monitor would take the end of a round for a proof: it is notified of a start.
    let monitors = configured.dead_men.iter().filter(|it| is_wanted(&it.name));
    let pinged = monitors.map(async |monitor| {
        delivery_of(&monitor.name, String::new(), limited(monitor.started()).await)
    });
    let (mut sent, pinged) = tokio::join!(join_all(sent), join_all(pinged));
    sent.extend(pinged);
    Ok(sent)
}

impl Configured {
    fn example(&self, transition: Transition) -> Result<Message, OpError> {
        let now = self.env.now();
        let is_resolved = transition == Transition::Resolved;
        let later = jiff::SignedDuration::from_millis(i64::from(is_resolved));
        let management_account = self.env.config()?.organization.management_account.clone();
        let account = management_account.clone();
        Ok(Message {
            id: new_id(),
            is_test: true,
            management_account,
            round: "test".to_owned(),
            schedule: "test".to_owned(),
            created_at: now,
            exit_code: 0,
            outcome: Outcome::Clean,
            verdict: Verdict::Fine,
            sentence: "This is a test of the channel. Nothing is wrong.".to_owned(),
            not_followed: 0,
            changes: vec![Change {
                transition,
                changed_at: now.checked_add(later).unwrap_or(now),
                severity_before: is_resolved.then_some(Severity::Critical),
                finding: Signal {
                    fingerprint: "test-notification".to_owned(),
                    part: Part::Drift,
                    check: "test-notification".to_owned(),
                    // Every channel wants it.
                    severity: Severity::Critical,
                    state: SignalState::Failing,
                    scope: Scope::Account { account },
                    unit_path: None,
                    title: "an example of `orgtrail service test-notification`".to_owned(),
                    expected: None,
                    found: "a test".to_owned(),
                    fix: None,
                    cause: None,
                    events: None,
                    suppressed: false,
                    since: now,
                },
            }],
        })
    }
}
