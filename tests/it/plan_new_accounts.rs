//! The queue of account events and the rule that fills it: created, healed, and deleted with
//! the trail.

use orgtrail::aws::{SignedCall, SignedRead, WriteClients};
use orgtrail::plan::Action;
use orgtrail::sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::configured::{ConfiguredEnv, actions};
use crate::env::{MINIMAL, home};

const NAME: &str = "new-accounts";

fn config() -> String {
    format!("{MINIMAL}[new_accounts]\nqueue = \"{NAME}\"\n")
}

/// Clients of the management account in the Region of Organizations.
fn clients(env: &ConfiguredEnv) -> WriteClients {
    env.clients(env.desired.management(), &home())
}

async fn url(clients: &WriteClients) -> Value {
    let answer = clients.read(SignedRead::GetQueueUrl, &json!({ "QueueName": NAME })).await;
    answer.unwrap()["QueueUrl"].clone()
}

fn named(found: &[(String, Action)], id: &str) -> Option<Action> {
    found.iter().find(|(of, _)| of == id).map(|(_, action)| *action)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_and_its_rule_are_created_and_heal() {
    let env = ConfiguredEnv::new(&config()).await;
    let plan = env.plan().await;
    for id in ["new-accounts-queue", "new-accounts-queue/policy", "new-accounts-rule"] {
        assert_eq!(named(&actions(&plan), id), Some(Action::Create), "{}", plan.to_text());
    }
    env.converge().await;

    let clients = clients(&env);
    let url = url(&clients).await;
    let other = format!("arn:aws:sqs:us-east-1:{}:other", env.account(0));
    clients.send(SignedCall::CreateQueue, &json!({ "QueueName": "other" })).await.unwrap();
    let target = json!({ "Rule": NAME, "Targets": [{ "Id": "theirs", "Arn": other }] });
    clients.send(SignedCall::PutTargets, &target).await.unwrap();
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}", plan.to_text());
    assert!(plan.to_text().contains("an unmanaged target `theirs` is kept"), "{}", plan.to_text());

    // Everything that matters is changed by hand.
    let pattern = json!({ "source": ["aws.s3"] }).to_string();
    let rule = json!({ "Name": NAME, "EventPattern": pattern, "State": "DISABLED" });
    clients.send(SignedCall::PutRule, &rule).await.unwrap();
    let remove = json!({ "Rule": NAME, "Ids": ["orgtrail"] });
    clients.send(SignedCall::RemoveTargets, &remove).await.unwrap();
    let attributes = json!({
        "SqsManagedSseEnabled": "false", "MessageRetentionPeriod": "60", "Policy": "",
    });
    let set = json!({ "QueueUrl": url, "Attributes": attributes });
    clients.send(SignedCall::SetQueueAttributes, &set).await.unwrap();
    let plan = env.plan().await;
    let found = actions(&plan);
    assert_eq!(named(&found, "new-accounts-queue"), Some(Action::Update), "{}", plan.to_text());
    assert_eq!(named(&found, "new-accounts-rule"), Some(Action::Update), "{}", plan.to_text());
    assert_eq!(
        named(&found, "new-accounts-queue/policy"),
        Some(Action::Create),
        "{}",
        plan.to_text()
    );
    let ran = env.run(&config(), &["drift"]).await;
    assert_eq!(ran.code, 11, "{}", ran.text());
    env.converge().await;
    let targets = clients.read(SignedRead::ListTargetsByRule, &json!({ "Rule": NAME })).await;
    assert_eq!(targets.unwrap()["Targets"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_a_key_of_its_own_is_as_good() {
    let env = ConfiguredEnv::new(&config()).await;
    env.converge().await;
    let clients = clients(&env);
    let key = clients.kms().create_key().send().await.unwrap().key_metadata.unwrap().key_id;
    let set = json!({ "QueueUrl": url(&clients).await, "Attributes": { "KmsMasterKeyId": key } });
    clients.send(SignedCall::SetQueueAttributes, &set).await.unwrap();
    let plan = env.plan().await;
    assert!(plan.is_empty(), "{}", plan.to_text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_or_a_rule_that_cannot_be_read_is_never_created() {
    let env = ConfiguredEnv::new(&config()).await;
    for (call, id) in
        [("sqs:GetQueueUrl", "new-accounts-queue"), ("events:DescribeRule", "new-accounts-rule")]
    {
        env.sandbox.faults().inject(Fault::every(call, Effect::Deny));
        let plan = env.plan().await;
        assert_eq!(named(&actions(&plan), id), Some(Action::Blocked), "{}", plan.to_text());
        env.sandbox.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_of_somebody_elses_that_keeps_events_out_is_named() {
    let env = ConfiguredEnv::new(&config()).await;
    env.converge().await;
    let clients = clients(&env);
    let queue = format!("arn:aws:sqs:us-east-1:{}:{NAME}", env.account(0));
    let organization = env.sandbox.organization_id().unwrap();
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "OrganizationOnly", "Effect": "Deny", "Principal": "*", "Action": "sqs:*",
        "Resource": queue,
        "Condition": { "StringNotEquals": { "aws:PrincipalOrgID": organization } },
    }] });
    let attributes = json!({ "Policy": policy.to_string() });
    let root = env.root(env.account(0).as_str()).await;
    let set = json!({ "QueueUrl": url(&clients).await, "Attributes": attributes });
    root.send(SignedCall::SetQueueAttributes, &set).await.unwrap();
    let text = env.plan().await.to_text();
    assert!(
        text.contains("`OrganizationOnly` denies events.amazonaws.com sqs:SendMessage"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn destroy_deletes_the_rule_and_the_queue_and_no_others() {
    let env = ConfiguredEnv::new(&config()).await;
    env.converge().await;
    let clients = clients(&env);
    let pattern = json!({ "source": ["aws.s3"] }).to_string();
    let rule = json!({ "Name": "other", "EventPattern": pattern });
    clients.send(SignedCall::PutRule, &rule).await.unwrap();
    let ran = env.run(&config(), &["destroy", "--confirm-trail", "orgtrail"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
    let read = |name: &'static str| {
        let clients = clients.clone();
        async move { clients.read(SignedRead::DescribeRule, &json!({ "Name": name })).await }
    };
    assert!(read(NAME).await.unwrap_err().is_not_found());
    read("other").await.unwrap();
    let queue = clients.read(SignedRead::GetQueueUrl, &json!({ "QueueName": NAME })).await;
    assert!(queue.unwrap_err().is_not_found());
    // Again: resources that do not exist are deleted already.
    let ran = env.run(&config(), &["destroy", "--confirm-trail", "orgtrail"]).await;
    assert_eq!(ran.code, 0, "{}", ran.text());
}
