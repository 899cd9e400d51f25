//! Somebody sends messages to the queue of account events: whatever they say, the list of
//! accounts alone decides who joined and who left.

use jiff::SignedDuration;
use orgtrail::names::Arn;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::configured::ConfiguredEnv;
use crate::service_accounts::{config, create, organization};
use crate::service_client::Service;

fn queue(env: &ConfiguredEnv) -> Arn {
    format!("arn:aws:sqs:us-east-1:{}:new-accounts", env.account(0)).parse().unwrap()
}

/// An event as `EventBridge` sends it.
fn event(name: &str, details: Value) -> String {
    let mut detail = json!({
        "eventSource": "organizations.amazonaws.com", "eventName": name,
        "eventType": "AwsServiceEvent", "recipientAccountId": "111111111111",
    });
    detail["serviceEventDetails"] = details;
    json!({
        "version": "0", "detail-type": "AWS Service Event via CloudTrail",
        "source": "aws.organizations", "account": "111111111111", "region": "us-east-1",
        "detail": detail,
    })
    .to_string()
}

fn landing_zone(service: &Service) -> Value {
    let (status, document) = service.get("/api/v1/landing-zone");
    assert_eq!(status, 200, "{document}");
    document
}

/// Waits until the service has read the list.
fn until(service: &Service, is_met: impl Fn(&Value) -> bool) -> Value {
    loop {
        let document = landing_zone(service);
        if is_met(&document) {
            return document;
        }
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_nobody_sent_for_aws_change_nothing_and_real_accounts_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let env = organization(&folder.path().join("state")).await;
    let config = config(&folder.path().join("state"));
    let service = Service::start(env.command(folder.path(), &config, &["serve"]));
    tokio::task::block_in_place(|| until(&service, |document| document["accounts"] == 4));

    // Counts how often the list is read.
    let counted = Effect::Latency { milliseconds: 0 };
    env.sandbox.faults().inject(Fault::every("organizations:ListRoots", counted));
    let stranger = json!({ "memberAccountId": "999999999999", "joinedMethod": "Invited" });
    let member = json!({ "memberAccountId": env.account(3), "departedMethod": "Left" });
    let forged = [
        event("AccountJoinedOrganization", stranger),
        event("AccountDepartedOrganization", member),
        "{".to_owned(),
        "\u{202e}\u{0007}<script>".to_owned(),
        "x".repeat(1 << 20),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
    ];
    for body in forged.iter().cycle().take(60) {
        env.sandbox.send_raw(&queue(&env), body);
    }
    env.sandbox.tick(SignedDuration::from_secs(40));
    env.until(|sandbox| sandbox.queue_raw(&queue(&env)).is_empty()).await;
    env.until_struck().await;
    let document = tokio::task::block_in_place(|| landing_zone(&service));
    assert_eq!(document["joined"], json!([]), "{document:#}");
    assert_eq!(document["departed"], json!([]), "{document:#}");
    assert_eq!(document["accounts"], 4);
    assert_eq!(document["error"], Value::Null);
    // A flood costs one reading, not sixty.
    let read: u64 = env.sandbox.faults().triggered().iter().map(|(_, times)| *times).sum();
    assert!((1..=2).contains(&read), "{read}");

    let created = create(&env, "real").await;
    env.sandbox.tick(SignedDuration::from_secs(60));
    let document = tokio::task::block_in_place(|| {
        until(&service, |document| document["joined"].as_array().is_some_and(|it| it.len() == 1))
    });
    assert_eq!(document["joined"][0]["account"], created.as_str());
    assert_eq!(document["joined"][0]["name"], "real");
}
