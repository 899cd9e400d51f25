"""Queues, and the rules that send events to them: what noticing new accounts leans on."""

import json

from . import behaviour, outcome

SQS = "SQS API Reference"
EVENTS = "EventBridge API Reference"
NEEDS = ("sqs",)
BOTH = ("events", "sqs")


def queue(t, **attributes):
    """A new queue; its URL."""
    return t.client("sqs").create_queue(QueueName=t.name("queue"), Attributes=attributes)["QueueUrl"]


def attributes(t, url):
    return t.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def received(t, url, **more):
    answer = t.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, **more)
    return answer.get("Messages", [])


@behaviour("sqs-defaults", "what a queue has that is created without attributes", "30 345600 true", f"{SQS}: CreateQueue", needs=NEEDS)
def defaults(t):
    found = attributes(t, queue(t))
    return f"{found['VisibilityTimeout']} {found['MessageRetentionPeriod']} {found.get('SqsManagedSseEnabled')}"


@behaviour("sqs-again", "creating a queue again with the same attributes gives it back", "same", f"{SQS}: CreateQueue", needs=NEEDS)
def again(t):
    name = t.name("queue")
    urls = {t.client("sqs").create_queue(QueueName=name)["QueueUrl"] for _ in range(2)}
    return "same" if len(urls) == 1 else "another"


@behaviour("sqs-again-otherwise", "and with others does not", ("QueueAlreadyExists", "QueueNameExists"), f"{SQS}: CreateQueue", needs=NEEDS)
def again_otherwise(t):
    name = t.name("queue")
    t.client("sqs").create_queue(QueueName=name)
    return outcome(t.client("sqs").create_queue, QueueName=name, Attributes={"DelaySeconds": "9"})


@behaviour("sqs-missing", "a queue that does not exist has no URL", ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
           f"{SQS}: GetQueueUrl", needs=NEEDS)
def missing(t):
    return outcome(t.client("sqs").get_queue_url, QueueName=t.name("none"))


@behaviour("sqs-unknown-attribute", "an attribute that SQS does not have is refused", "InvalidAttributeName", f"{SQS}: SetQueueAttributes", needs=NEEDS)
def unknown_attribute(t):
    return outcome(t.client("sqs").set_queue_attributes, QueueUrl=queue(t), Attributes={"Color": "red"})


@behaviour("sqs-delay-too-long", "a delay of more than 15 minutes is refused", ("InvalidParameterValue", "InvalidAttributeValue"),
           f"{SQS}: SetQueueAttributes", needs=NEEDS)
def delay(t):
    return outcome(t.client("sqs").set_queue_attributes, QueueUrl=queue(t), Attributes={"DelaySeconds": "901"})


@behaviour("sqs-hidden", "a received message is hidden, and gone once it is deleted", "1 0 0", f"{SQS}: ReceiveMessage, DeleteMessageBatch", needs=NEEDS)
def hidden(t):
    url, client = queue(t), t.client("sqs")
    client.send_message(QueueUrl=url, MessageBody="body")
    first = received(t, url)
    second = received(t, url)
    entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(first)]
    client.delete_message_batch(QueueUrl=url, Entries=entries)
    left = attributes(t, url)["ApproximateNumberOfMessagesNotVisible"]
    return f"{len(first)} {len(second)} {left}"


@behaviour("sqs-bad-handle", "a receipt handle that is none is refused", "ReceiptHandleIsInvalid", f"{SQS}: DeleteMessage", needs=NEEDS)
def bad_handle(t):
    return outcome(t.client("sqs").delete_message, QueueUrl=queue(t), ReceiptHandle="nonsense")


@behaviour("sqs-dead-letters", "what was received too often goes to the dead-letter queue", "1 1 0 1", "SQS Developer Guide: dead-letter queues", needs=NEEDS)
def dead_letters(t):
    dead = queue(t)
    redrive = json.dumps({"deadLetterTargetArn": attributes(t, dead)["QueueArn"], "maxReceiveCount": 2})
    url = queue(t, RedrivePolicy=redrive)
    t.client("sqs").send_message(QueueUrl=url, MessageBody="poison")
    counts = [len(received(t, url, VisibilityTimeout=0)) for _ in range(3)]
    return " ".join(str(count) for count in [*counts, len(received(t, dead))])


def rule(t, pattern, arn):
    """A rule with a target; its name."""
    name, client = t.name("rule"), t.client("events")
    client.put_rule(Name=name, EventPattern=json.dumps(pattern))
    client.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    return name


def queue_for(t, rule_name):
    """A queue that lets a rule's events in."""
    url = queue(t)
    arn = attributes(t, url)["QueueArn"]
    source = f"arn:aws:events:us-east-1:{t.main_account}:rule/{rule_name}"
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": source}}}]}
    t.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    return url, arn


def sent(t, pattern, *, let_in=True, **event):
    """How many events of a pattern's rule arrive in its queue."""
    name, client = t.name("rule"), t.client("events")
    url, arn = queue_for(t, name if let_in else "another")
    client.put_rule(Name=name, EventPattern=json.dumps(pattern))
    client.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    entry = {"Source": t.name("source"), "DetailType": "test", "Detail": json.dumps({"eventName": "MoveAccount"}), **event}
    client.put_events(Entries=[entry])
    return str(len(received(t, url)))


@behaviour("events-to-queue", "an event that a rule's pattern matches arrives in its queue", "1", "EventBridge User Guide: targets", needs=BOTH)
def to_queue(t):
    return sent(t, {"source": ["test.arrives"], "detail": {"eventName": ["MoveAccount", "CloseAccount"]}}, Source="test.arrives")


@behaviour("events-other-detail", "one whose detail differs does not", "0", "EventBridge User Guide: event patterns", needs=BOTH)
def other_detail(t):
    return sent(t, {"source": ["test.differs"], "detail": {"eventName": ["CloseAccount"]}}, Source="test.differs")


@behaviour("events-exists", "a pattern can want that a field is missing", "1", "EventBridge User Guide: comparison operators", needs=BOTH)
def exists(t):
    return sent(t, {"source": ["test.exists"], "detail": {"errorCode": [{"exists": False}]}}, Source="test.exists")


@behaviour("events-queue-policy", "a queue whose policy names another rule gets nothing", "0",
           "EventBridge User Guide: Amazon SQS permissions", needs=BOTH)
def queue_policy(t):
    return sent(t, {"source": ["test.policy"]}, let_in=False, Source="test.policy")


@behaviour("events-malformed-pattern", "a pattern that is no JSON object is refused", "InvalidEventPatternException", f"{EVENTS}: PutRule", needs=("events",))
def malformed_pattern(t):
    return outcome(t.client("events").put_rule, Name=t.name("rule"), EventPattern="[1]")


@behaviour("events-rule-with-targets", "a rule that has targets is not deleted", "ValidationException", f"{EVENTS}: DeleteRule", needs=BOTH)
def with_targets(t):
    arn = attributes(t, queue(t))["QueueArn"]
    return outcome(t.client("events").delete_rule, Name=rule(t, {"source": ["x"]}, arn))


@behaviour("events-rule-missing", "a rule that does not exist is not described", "ResourceNotFoundException", f"{EVENTS}: DescribeRule", needs=("events",))
def rule_missing(t):
    return outcome(t.client("events").describe_rule, Name=t.name("none"))


@behaviour("events-target-missing", "removing a target that a rule does not have is reported, and succeeds", "1 ResourceNotFoundException",
           f"{EVENTS}: RemoveTargets", needs=BOTH)
def target_missing(t):
    arn = attributes(t, queue(t))["QueueArn"]
    answer = t.client("events").remove_targets(Rule=rule(t, {"source": ["x"]}, arn), Ids=["2"])
    return f"{answer['FailedEntryCount']} {answer['FailedEntries'][0]['ErrorCode']}"
