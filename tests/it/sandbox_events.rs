//! Rules of the sandbox's event bus, and the queues that they fill.

use orgtrail::aws::{AwsError, SignedCall, SignedRead, WriteClients};
use orgtrail::names::Arn;
use serde_json::{Value, json};

use crate::env::{TestEnv, writer};
use crate::trail_env::TrailEnv;

const QUEUE: &str = "events";

struct Events<'a> {
    env: &'a TestEnv,
    clients: WriteClients,
    url: String,
}

fn code(error: &AwsError) -> &str {
    error.code.as_deref().unwrap_or("no code")
}

impl<'a> Events<'a> {
    /// A queue in the management account that lets a rule's events in.
    async fn new(env: &'a TestEnv) -> Self {
        let aws = env.sign_in().await;
        let clients = writer(&aws.clients(&env.account(0), env.sandbox.home_region()));
        let made = clients.send(SignedCall::CreateQueue, &json!({ "QueueName": QUEUE })).await;
        let url = made.unwrap()["QueueUrl"].as_str().unwrap().to_owned();
        let this = Self { env, clients, url };
        this.set(&json!({ "Policy": this.policy("orgtrail").to_string() })).await.unwrap();
        this
    }

    fn arn(&self) -> Arn {
        format!("arn:aws:sqs:us-east-1:{}:{QUEUE}", self.env.account(0)).parse().unwrap()
    }

    fn policy(&self, rule: &str) -> Value {
        let rule = format!("arn:aws:events:us-east-1:{}:rule/{rule}", self.env.account(0));
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": self.arn(),
            "Condition": { "ArnEquals": { "aws:SourceArn": rule } },
        }] })
    }

    async fn set(&self, attributes: &Value) -> Result<Value, AwsError> {
        let body = json!({ "QueueUrl": self.url, "Attributes": attributes });
        self.clients.send(SignedCall::SetQueueAttributes, &body).await
    }

    async fn rule(&self, pattern: &Value) {
        let rule = json!({ "Name": "orgtrail", "EventPattern": pattern.to_string() });
        self.clients.send(SignedCall::PutRule, &rule).await.unwrap();
        let targets = json!({ "Rule": "orgtrail", "Targets": [{ "Id": "1", "Arn": self.arn() }] });
        self.clients.send(SignedCall::PutTargets, &targets).await.unwrap();
    }

    /// The names of the events in the queue.
    fn arrived(&self) -> Vec<String> {
        let bodies = self.env.sandbox.queue_raw(&self.arn());
        let name = |body: &String| {
            let event: Value = serde_json::from_str(body).unwrap();
            event["detail"]["eventName"].as_str().unwrap().to_owned()
        };
        bodies.iter().map(name).collect()
    }

    async fn receive(&self, more: Value) -> Vec<Value> {
        let mut body = more;
        body["QueueUrl"] = self.url.as_str().into();
        let answer = self.clients.send(SignedCall::ReceiveMessages, &body).await.unwrap();
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }
}

fn membership() -> Value {
    json!({
        "source": ["aws.organizations"],
        "detail": { "eventName": [
            "AccountJoinedOrganization", "AccountDepartedOrganization", "CreateAccountResult",
            "MoveAccount",
        ] },
    })
}

async fn create_account(env: &TrailEnv, name: &str) {
    let client = aws_sdk_organizations::Client::new(&env.config(0, "us-east-1"));
    let create = client.create_account().account_name(name);
    create.email(format!("{name}@example.com")).send().await.unwrap();
}

#[tokio::test]
async fn events_of_accounts_that_join_arrive_in_the_queue_of_the_management_account() {
    let env = TrailEnv::start(3).await;
    let events = Events::new(&env).await;
    events.rule(&membership()).await;
    // Without a trail that records, nothing reaches the bus.
    create_account(&env, "early").await;
    assert!(events.arrived().is_empty());
    env.organization_trail().await;
    create_account(&env, "new").await;
    assert_eq!(events.arrived(), ["AccountJoinedOrganization", "CreateAccountResult"]);
    let [joined, created] =
        events.receive(json!({ "MaxNumberOfMessages": 10 })).await.try_into().unwrap();
    let event: Value = serde_json::from_str(joined["Body"].as_str().unwrap()).unwrap();
    assert_eq!(event["detail-type"], "AWS Service Event via CloudTrail");
    assert_eq!(
        (&event["region"], &event["source"]),
        (&json!("us-east-1"), &json!("aws.organizations"))
    );
    assert_eq!(event["detail"]["serviceEventDetails"]["joinedMethod"], "Created");
    let event: Value = serde_json::from_str(created["Body"].as_str().unwrap()).unwrap();
    assert_eq!(event["detail"]["serviceEventDetails"]["createAccountStatus"]["state"], "SUCCEEDED");
    // Calls that only read are not sent, whatever the pattern.
    events.rule(&json!({ "source": ["aws.organizations"] })).await;
    let client = aws_sdk_organizations::Client::new(&env.config(0, "us-east-1"));
    client.list_accounts().send().await.unwrap();
    assert_eq!(events.arrived().len(), 2);
    client.create_organizational_unit().parent_id("r-none").name("x").send().await.unwrap_err();
    assert_eq!(events.arrived()[2], "CreateOrganizationalUnit");
}

#[tokio::test]
async fn a_queue_takes_events_of_the_rule_that_its_policy_names_only() {
    let env = TrailEnv::start(3).await;
    env.organization_trail().await;
    let events = Events::new(&env).await;
    events.rule(&membership()).await;
    events.set(&json!({ "Policy": events.policy("another").to_string() })).await.unwrap();
    create_account(&env, "one").await;
    assert!(events.arrived().is_empty());
    events.set(&json!({ "Policy": events.policy("orgtrail").to_string() })).await.unwrap();
    create_account(&env, "two").await;
    assert_eq!(events.arrived().len(), 2);
}

#[tokio::test]
async fn a_received_message_is_hidden_for_a_while_and_gone_once_deleted() {
    let env = TrailEnv::start(3).await;
    let events = Events::new(&env).await;
    env.sandbox.send_raw(&events.arn(), "body");
    let [message] = events.receive(json!({})).await.try_into().unwrap();
    assert_eq!(message["MD5OfBody"], "841a2d689ad86bd1611447453c22c6fc");
    assert!(events.receive(json!({})).await.is_empty());
    env.sandbox.tick(jiff::SignedDuration::from_secs(30));
    let all = json!({ "MessageSystemAttributeNames": ["All"] });
    let [again] = events.receive(all).await.try_into().unwrap();
    assert_eq!(again["Attributes"]["ApproximateReceiveCount"], "2");
    let delete = json!({ "QueueUrl": events.url, "Entries": [
        { "Id": "a", "ReceiptHandle": again["ReceiptHandle"] },
        { "Id": "b", "ReceiptHandle": "nonsense" },
    ] });
    let deleted = events.clients.send(SignedCall::DeleteMessages, &delete).await.unwrap();
    assert_eq!(deleted["Successful"], json!([{ "Id": "a" }]));
    assert_eq!(deleted["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    env.sandbox.tick(jiff::SignedDuration::from_secs(30));
    assert!(events.receive(json!({})).await.is_empty());
}

#[tokio::test]
async fn a_receiver_waits_for_a_message_by_the_simulated_clock() {
    let env = TrailEnv::start(3).await;
    let events = Events::new(&env).await;
    let wait = || events.receive(json!({ "WaitTimeSeconds": 20 }));
    let sent = async {
        tokio::task::yield_now().await;
        env.sandbox.send_raw(&events.arn(), "late");
    };
    assert_eq!(tokio::join!(wait(), sent).0.len(), 1);
    let passed = async {
        tokio::task::yield_now().await;
        env.sandbox.tick(jiff::SignedDuration::from_secs(29));
    };
    assert!(tokio::join!(wait(), passed).0.is_empty());
}

#[tokio::test]
async fn what_is_received_too_often_goes_to_the_dead_letter_queue() {
    let env = TrailEnv::start(3).await;
    let events = Events::new(&env).await;
    let dead: Arn = format!("arn:aws:sqs:us-east-1:{}:dead", env.account(0)).parse().unwrap();
    let redrive = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": 2 }).to_string();
    let error = events.set(&json!({ "RedrivePolicy": redrive })).await.unwrap_err();
    assert_eq!(code(&error), "InvalidParameterValue");
    events.clients.send(SignedCall::CreateQueue, &json!({ "QueueName": "dead" })).await.unwrap();
    events.set(&json!({ "RedrivePolicy": redrive })).await.unwrap();
    env.sandbox.send_raw(&events.arn(), "poison");
    for received in [1, 1, 0] {
        let messages = events.receive(json!({ "VisibilityTimeout": 0 })).await;
        assert_eq!(messages.len(), received);
    }
    assert_eq!(env.sandbox.queue_raw(&dead), ["poison"]);
    assert!(env.sandbox.queue_raw(&events.arn()).is_empty());
}

#[tokio::test]
async fn calls_that_sqs_and_event_bridge_refuse_are_refused() {
    use SignedCall::{CreateQueue, DeleteRule, PutRule, PutTargets, SetQueueAttributes};

    let env = TrailEnv::start(3).await;
    let events = Events::new(&env).await;
    let refused = async |call, body: Value| {
        let error = events.clients.send(call, &body).await.unwrap_err();
        code(&error).to_owned()
    };
    let long = json!({ "QueueName": QUEUE, "Attributes": { "DelaySeconds": "9" } });
    assert_eq!(refused(CreateQueue, long).await, "QueueNameExists");
    assert_eq!(
        refused(CreateQueue, json!({ "QueueName": "a.fifo" })).await,
        "InvalidParameterValue"
    );
    let url = &events.url;
    let set = |name: &str, value: &str| json!({ "QueueUrl": url, "Attributes": { name: value } });
    assert_eq!(refused(SetQueueAttributes, set("Unknown", "1")).await, "InvalidAttributeName");
    for (name, value) in [("DelaySeconds", "901"), ("Policy", "{}"), ("VisibilityTimeout", "x")] {
        assert_eq!(refused(SetQueueAttributes, set(name, value)).await, "InvalidParameterValue");
    }
    let read = events.clients.read(SignedRead::GetQueueUrl, &json!({ "QueueName": "none" })).await;
    assert!(read.unwrap_err().is_not_found());
    let delete = json!({ "QueueUrl": url });
    events.clients.send(SignedCall::DeleteQueue, &delete).await.unwrap();
    assert_eq!(refused(CreateQueue, json!({ "QueueName": QUEUE })).await, "QueueDeletedRecently");

    let pattern = json!({ "Name": "r", "EventPattern": "{}" });
    assert_eq!(refused(PutRule, pattern).await, "InvalidEventPatternException");
    let targets = json!({ "Rule": "r", "Targets": [{ "Id": "1", "Arn": events.arn() }] });
    assert_eq!(refused(PutTargets, targets).await, "ResourceNotFoundException");
    events.rule(&membership()).await;
    assert_eq!(refused(DeleteRule, json!({ "Name": "orgtrail" })).await, "ValidationException");
    let target = |arn: &str| json!({ "Rule": "orgtrail", "Targets": [{ "Id": "2", "Arn": arn }] });
    for arn in ["arn:aws:sns:us-east-1:111111111111:t", "arn:aws:sqs:eu-west-1:111111111111:q"] {
        assert_eq!(refused(PutTargets, target(arn)).await, "ValidationException");
    }
    let missing = events.clients.read(SignedRead::DescribeRule, &json!({ "Name": "none" })).await;
    assert!(missing.unwrap_err().is_not_found());
}
