use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::*;
use crate::config::{Config, SMALLEST};
use crate::ops::Connection as Signing;
use crate::report::contract::checks::Severity;
use crate::report::contract::drift::Scope;
use crate::report::contract::round::{Outcome, Part};
use crate::report::contract::service::{
    CellStates, Knowledge, RoundPart, Signal, SignalCounts, SignalState, Trigger, Verdict,
};
use crate::store::DirectoryStore;
use crate::test_env::receiver::{Answer, Receiver};

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A notifier with one channel, in a state.
fn notifier(folder: &Path, kind: &str, url: &str, more: &str) -> Notifier {
    let text = format!(
        "{SMALLEST}[service]\npublic_url = \"https://orgtrail.example/\"\n\
         [[service.notify]]\nname = \"team\"\nkind = \"{kind}\"\ntarget = \"{url}\"\n\
         allow_private = true\n{more}"
    );
    let config: Config = text.parse().unwrap();
    let env = Env::new(Signing::default(), now).with_config(Ok(config));
    let environment: Environment = [("HOOK_KEY", "key")].into_iter().collect();
    let store = Store::Directory(DirectoryStore::open(folder).unwrap());
    let limits = Limits { tries: 1, ..Limits::default() };
    Notifier::with(&env, &environment, store, limits, Totals::default()).unwrap()
}

fn round(number: u8, parts: &[(Part, bool)]) -> Round {
    let minutes = jiff::SignedDuration::from_mins(i64::from(number));
    let ended_at = now().checked_add(minutes).unwrap();
    Round {
        id: format!("251634977354-nightly-{number:08x}"),
        program: "orgtrail".to_owned(),
        management_account: "111111111111".parse().unwrap(),
        schedule: "nightly".to_owned(),
        trigger: Trigger::Schedule,
        scheduled_at: now(),
        attempt: 1,
        replica: "a".to_owned(),
        started_at: now(),
        ended_at,
        exit_code: 11,
        outcome: Outcome::Drift,
        parts: parts
            .iter()
            .map(|(part, has_report)| RoundPart {
                part: *part,
                exit_code: 11,
                outcome: Outcome::Drift,
                started_at: now(),
                ended_at,
                summary: String::new(),
                verified_from: None,
                was_stopped: false,
                report_bytes: has_report.then_some(1),
            })
            .collect(),
        knowledge: Knowledge {
            verdict: Verdict::Attention,
            since: now(),
            verified_through: None,
            cells: CellStates::default(),
            accounts: CellStates::default(),
            signals: SignalCounts::default(),
            new: 0,
            resolved: 0,
        },
    }
}

fn signals(severities: &[Severity]) -> Signals {
    let signal = |(number, severity): (usize, &Severity)| Signal {
        fingerprint: format!("{number:032x}"),
        part: Part::Drift,
        check: "bucket-tls-only".to_owned(),
        severity: *severity,
        state: SignalState::Failing,
        scope: Scope::Bucket { bucket: "acme-log-archive".parse().unwrap() },
        unit_path: None,
        title: "the bucket policy denies unencrypted requests".to_owned(),
        expected: Some("denied".to_owned()),
        found: "allowed".to_owned(),
        fix: Some("orgtrail apply".to_owned()),
        cause: None,
        events: None,
        suppressed: false,
        since: now(),
    };
    Signals {
        round: String::new(),
        parts: vec![Part::Drift],
        signals: severities.iter().enumerate().map(signal).collect(),
    }
}

async fn after(notifier: &Notifier, number: u8, severities: &[Severity]) -> Vec<Delivery> {
    let round = round(number, &[(Part::Drift, true)]);
    // As the scheduler calls it: in a task of its own.
    let (notifier, signals) = (notifier.clone(), signals(severities));
    let task = async move { notifier.after(&round, &signals, &Board::default()).await };
    tokio::spawn(task).await.unwrap()
}

#[tokio::test]
async fn a_webhook_receives_a_signed_document_once() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Vec::new()).await;
    let url = format!("{}/hook", receiver.origin);
    let notifier = notifier(folder.path(), "webhook", &url, "secret_env = \"HOOK_KEY\"\n");
    let deliveries = after(&notifier, 1, &[Severity::High]).await;
    assert!(deliveries.len() == 1 && deliveries[0].error.is_none(), "{deliveries:?}");
    assert_eq!(after(&notifier, 2, &[Severity::High]).await, []);
    let requests = receiver.received();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    let header = |name: &str| request.headers[name].to_str().unwrap();
    assert_eq!(request.path, "/hook");
    assert_eq!(header("orgtrail-timestamp"), "1767323045");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"key");
    let signed = [b"1767323045.", &request.body[..]].concat();
    let signature = hex::decode(header("orgtrail-signature").strip_prefix("v1=").unwrap()).unwrap();
    aws_lc_rs::hmac::verify(&key, &signed, &signature).unwrap();
    let document: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(document["id"], header("idempotency-key"));
    assert_eq!(document["document"], "service-notification");
    assert_eq!(document["findings"][0]["transition"], "new");
    let page = "https://orgtrail.example/rounds/251634977354-nightly-00000001";
    assert_eq!(document["url"], page);
    let totals = notifier.totals();
    assert_eq!(totals[&("team".to_owned(), DeliveryResult::Delivered)], 1);
}

#[tokio::test]
async fn a_channel_is_notified_of_the_severities_that_it_wants() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Vec::new()).await;
    let more = "min_severity = \"critical\"\nsecret_env = \"HOOK_KEY\"\n";
    let notifier = notifier(folder.path(), "webhook", &receiver.origin, more);
    assert_eq!(after(&notifier, 1, &[Severity::High]).await, []);
    assert_eq!(after(&notifier, 2, &[Severity::High, Severity::Critical]).await.len(), 1);
    // The lower severity was recorded and not sent; its end is not sent either.
    assert_eq!(after(&notifier, 3, &[]).await.len(), 1);
    let last: Value = serde_json::from_slice(&receiver.received()[1].body).unwrap();
    assert_eq!(last["changes"]["resolved"], 1);
    assert_eq!(last["findings"][0]["finding"]["severity"], "critical");
}

#[tokio::test]
async fn what_a_failing_channel_missed_arrives_after_the_next_round() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(vec![Answer::Status(500, "down".to_owned())]).await;
    let notifier = notifier(folder.path(), "slack", &receiver.origin, "");
    let failed = after(&notifier, 1, &[Severity::High]).await;
    assert_eq!(failed[0].result, DeliveryResult::Failed);
    assert!(failed[0].error.as_ref().unwrap().contains("responded with 500: down"), "{failed:?}");
    let delivered = after(&notifier, 2, &[Severity::High]).await;
    assert_eq!(delivered[0].result, DeliveryResult::Delivered);
    let document: Value = serde_json::from_slice(&receiver.received()[1].body).unwrap();
    assert_eq!(document["text"], "orgtrail: 1 new");
}

#[tokio::test]
async fn alertmanager_receives_alerts_and_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Vec::new()).await;
    let more = "secret_env = \"HOOK_KEY\"\n";
    let notifier = notifier(folder.path(), "alertmanager", &receiver.origin, more);
    after(&notifier, 1, &[Severity::High]).await;
    after(&notifier, 2, &[]).await;
    let requests = receiver.received();
    assert_eq!(requests[0].path, "/api/v2/alerts");
    assert_eq!(requests[0].headers["authorization"], "Bearer key");
    let alerts = |at: usize| serde_json::from_slice::<Value>(&requests[at].body).unwrap();
    assert_eq!(alerts(0)[0]["labels"], alerts(1)[0]["labels"]);
    assert_eq!(alerts(1)[0]["endsAt"], "2026-01-02T03:06:05Z");
}

#[tokio::test]
async fn opensearch_receives_ocsf_in_lines_and_errors_of_single_findings_count() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Answer::Status(200, r#"{"errors":true}"#.to_owned());
    let accepted = Answer::Status(200, r#"{"errors":false}"#.to_owned());
    let receiver = Receiver::start(vec![refused, accepted]).await;
    let url = format!("{}/findings", receiver.origin);
    let notifier = notifier(folder.path(), "opensearch", &url, "");
    let failed = after(&notifier, 1, &[Severity::High]).await;
    assert!(failed[0].error.as_ref().unwrap().contains("did not index"), "{failed:?}");
    assert_eq!(after(&notifier, 2, &[Severity::High]).await[0].error, None);
    let requests = receiver.received();
    assert!(requests[1].path.starts_with("/findings/_bulk?filter_path=errors"));
    assert_eq!(requests[1].headers["content-type"], "application/x-ndjson");
    let text = String::from_utf8(requests[1].body.to_vec()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["class_uid"], 2003);
    // The second attempt has the same id.
    assert_eq!(requests[0].body, requests[1].body);
}

#[tokio::test]
async fn a_monitor_is_notified_of_rounds_that_proved_something_only() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Vec::new()).await;
    let url = format!("{}/ping/uuid", receiver.origin);
    let more = "schedule = \"nightly\"\n";
    let notifier = notifier(folder.path(), "dead_man", &url, more);
    let schedules = notifier.0.configured.env.config().unwrap().service.schedule.clone();
    for schedule in &schedules {
        notifier.started(schedule).await;
    }
    for parts in [&[(Part::Drift, true)][..], &[(Part::Verify, false)], &[(Part::Verify, true)]] {
        notifier.after(&round(1, parts), &signals(&[]), &Board::default()).await;
    }
    let other = Round { schedule: "hourly".to_owned(), ..round(1, &[(Part::Verify, true)]) };
    notifier.after(&other, &signals(&[]), &Board::default()).await;
    let paths: Vec<String> = receiver.received().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, ["/ping/uuid/start", "/ping/uuid/11"]);
}

#[tokio::test]
async fn an_unreachable_state_fails_no_round_and_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(Vec::new()).await;
    let notifier = notifier(folder.path(), "slack", &receiver.origin, "");
    // A file where the folder must be.
    std::fs::write(folder.path().join("notifications"), "").unwrap();
    let failed = after(&notifier, 1, &[Severity::High]).await;
    assert_eq!(failed[0].result, DeliveryResult::Failed);
    assert!(failed[0].error.as_ref().unwrap().contains("the file"), "{failed:?}");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn another_configuration_keeps_the_state_and_the_totals() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Receiver::start(Vec::new()).await, Receiver::start(Vec::new()).await);
    let before = notifier(folder.path(), "slack", &first.origin, "");
    after(&before, 1, &[Severity::High]).await;
    let other = notifier(folder.path(), "slack", &second.origin, "");
    let reloaded = before.reloaded(&other.0.configured.env, &Environment::default()).unwrap();
    after(&reloaded, 2, &[]).await;
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
    assert_eq!(before.totals(), reloaded.totals());
    assert_eq!(reloaded.totals()[&("team".to_owned(), DeliveryResult::Delivered)], 2);
    // A configuration that cannot be used leaves the old one in use.
    let closed = format!(
        "{SMALLEST}[[service.notify]]\nname = \"a\"\nkind = \"slack\"\n\
                          target = \"https://127.0.0.1\"\n"
    );
    let env = other.0.configured.env.clone().with_config(Ok(closed.parse().unwrap()));
    let error = reloaded.reloaded(&env, &Environment::default()).unwrap_err();
    assert_eq!(error.outcome(), crate::ops::Outcome::Usage);
}
