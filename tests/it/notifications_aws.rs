//! Notifications to SNS, EventBridge and Security Hub.

use jiff::{SignedDuration, Timestamp};
use orgtrail::aws::Pacing;
use orgtrail::config::Environment;
use orgtrail::names::Arn;
use orgtrail::ops::{Connection, Env};
use orgtrail::report::contract::checks::Severity;
use orgtrail::report::contract::drift::Scope;
use orgtrail::report::contract::round::{Outcome, Part};
use orgtrail::report::contract::service::{
    CellStates, Knowledge, Round, Signal, SignalCounts, SignalState, Signals, Trigger, Verdict,
};
use orgtrail::sandbox::{Effect, Fault};
use orgtrail::serve::board::Board;
use orgtrail::serve::notify::{Delivery, DeliveryResult, Notifier};
use orgtrail::store::{DirectoryStore, Store};
use serde_json::Value;

use crate::configured::parse;
use crate::env::{HOME, MINIMAL, TestEnv, home};

const TOPIC: &str = "arn:aws:sns:us-east-1:111111111111:findings";

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A sandbox with a topic, and a notifier with one channel in a folder.
async fn with_channel(kind: &str, target: &str) -> (TestEnv, tempfile::TempDir, Notifier) {
    let env = TestEnv::start().await;
    let owner = env.root("111111111111").await;
    owner.sns().create_topic().name("findings").send().await.unwrap();
    let text = format!(
        "{MINIMAL}[service]\npublic_url = \"https://orgtrail.example\"\n\
         [[service.notify]]\nname = \"aws\"\nkind = \"{kind}\"\ntarget = \"{target}\"\n"
    );
    let connection = Connection {
        pacing: Pacing::Off,
        base: Some(env.sdk_config(env.administrator(), HOME)),
        ..Connection::default()
    };
    let operations = Env::new(connection, now).with_config(Ok(parse(&text)));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::Directory(DirectoryStore::open(folder.path()).unwrap());
    let notifier = Notifier::new(&operations, &Environment::default(), store).unwrap();
    (env, folder, notifier)
}

fn round(number: i64) -> Round {
    let ended_at = now().checked_add(SignedDuration::from_hours(number)).unwrap();
    Round {
        id: format!("251634977354-nightly-{number:08x}"),
        program: "orgtrail".to_owned(),
        management_account: "111111111111".parse().unwrap(),
        schedule: "nightly".to_owned(),
        trigger: Trigger::Schedule,
        scheduled_at: ended_at,
        attempt: 1,
        replica: "a".to_owned(),
        started_at: ended_at,
        ended_at,
        exit_code: 11,
        outcome: Outcome::Drift,
        parts: Vec::new(),
        knowledge: Knowledge {
            verdict: Verdict::Attention,
            since: ended_at,
            verified_through: None,
            cells: CellStates::default(),
            accounts: CellStates::default(),
            signals: SignalCounts::default(),
            new: 0,
            resolved: 0,
        },
    }
}

async fn after(notifier: &Notifier, number: i64, findings: usize) -> Delivery {
    let signal = |number: usize| Signal {
        fingerprint: format!("{number:032x}"),
        part: Part::Drift,
        check: "org-coverage".to_owned(),
        severity: Severity::High,
        state: SignalState::Failing,
        scope: Scope::Account { account: format!("{:012}", 300 + number).parse().unwrap() },
        unit_path: Some("Root".to_owned()),
        title: "every account is covered".to_owned(),
        expected: None,
        found: "not recorded \u{1b}[2J <!channel>".to_owned(),
        fix: Some("run `orgtrail apply`".to_owned()),
        cause: None,
        events: None,
        suppressed: false,
        since: now(),
    };
    let signals = Signals {
        round: String::new(),
        parts: vec![Part::Drift],
        signals: (0..findings).map(signal).collect(),
    };
    let mut deliveries = notifier.after(&round(number), &signals, &Board::default()).await;
    assert_eq!(deliveries.len(), 1, "{deliveries:?}");
    deliveries.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_receives_what_changed_as_text() {
    let (env, _folder, notifier) = with_channel("sns", TOPIC).await;
    assert_eq!(after(&notifier, 1, 3).await.error, None);
    assert_eq!(after(&notifier, 2, 0).await.error, None);
    let topic: Arn = TOPIC.parse().unwrap();
    let messages = env.sandbox.published_raw(&topic);
    let subjects: Vec<&Value> = messages.iter().map(|it| &it["Subject"]).collect();
    assert_eq!(subjects, ["orgtrail: 3 new", "orgtrail: 3 resolved"]);
    let text = messages[0]["Message"].as_str().unwrap();
    assert!(text.contains("- high, new: every account is covered: 3 accounts"), "{text}");
    assert!(text.contains("https://orgtrail.example/rounds/"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_bus_receives_the_document_also_after_throttling() {
    let bus = "arn:aws:events:us-east-1:222222222222:event-bus/default";
    let (env, _folder, notifier) = with_channel("event_bridge", bus).await;
    env.sandbox.faults().inject(Fault::every("events:PutEvents", Effect::Throttle).times(1));
    let failure = Effect::Fail { status: 503 };
    env.sandbox.faults().inject(Fault::every("events:PutEvents", failure).after(1).times(1));
    assert_eq!(after(&notifier, 1, 1).await.error, None);
    let events = env.sandbox.events_raw(&env.account(1));
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["source"], "orgtrail");
    assert_eq!(events[0]["detail-type"], "orgtrail notification");
    assert_eq!(events[0]["detail"]["document"], "service-notification");
    assert_eq!(events[0]["detail"]["findings"][0]["finding"]["check"], "org-coverage");
}

#[tokio::test(flavor = "multi_thread")]
async fn security_hub_has_one_finding_for_each_and_archives_what_is_resolved() {
    let hub = "arn:aws:securityhub:us-east-1:222222222222:hub/default";
    let (env, _folder, notifier) = with_channel("security_hub", hub).await;
    let failed = after(&notifier, 1, 250).await;
    assert_eq!(failed.result, DeliveryResult::Failed);
    let error = failed.error.unwrap();
    assert!(error.contains("securityhub:BatchImportFindings in account 222222222222"), "{error}");
    assert!(error.contains("not subscribed to AWS Security Hub"), "{error}");
    env.sandbox.enable_security_hub(&env.account(1), &home());
    // What was not delivered arrives with the next round.
    let delivered = after(&notifier, 2, 250).await;
    assert_eq!(delivered.error, None);
    let findings = env.sandbox.findings_raw(&env.account(1));
    assert_eq!(findings.len(), 250);
    let finding = &findings[0];
    assert_eq!(finding["AwsAccountId"], "222222222222");
    assert_eq!(finding["Compliance"]["Status"], "FAILED");
    assert!(
        finding["Resources"][0]["Id"].as_str().unwrap().starts_with("AWS::::Account:000000000")
    );
    let resolved = after(&notifier, 3, 1).await;
    assert_eq!(resolved.error, None);
    let findings = env.sandbox.findings_raw(&env.account(1));
    let archived = findings.iter().filter(|it| it["RecordState"] == "ARCHIVED").count();
    assert_eq!((findings.len(), archived), (250, 249));
    // A reminder updates what is open: Security Hub deletes what nobody updates.
    let reminded = after(&notifier, 3 + 7 * 24, 1).await;
    assert_eq!(reminded.error, None);
    let findings = env.sandbox.findings_raw(&env.account(1));
    let open = findings.iter().find(|it| it["RecordState"] == "ACTIVE").unwrap();
    assert!(open["UpdatedAt"].as_str() > Some("2026-01-09"), "{open}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_denies_is_reported_with_the_action_that_it_needs() {
    let (env, _folder, notifier) = with_channel("sns", TOPIC).await;
    env.sandbox.faults().inject(Fault::every("sns:Publish", Effect::Deny));
    let error = after(&notifier, 1, 1).await.error.unwrap();
    assert!(error.contains("sns:Publish in account 111111111111"), "{error}");
    assert!(error.contains("access denied"), "{error}");
}
