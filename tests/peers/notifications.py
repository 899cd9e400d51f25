"""`orgtrail service test-notification` against moto and Alertmanager: what topics, event
buses and Security Hub received, as their own calls and queues return it, and what
Alertmanager counted.

    notifications.py [--verbose]
"""

import argparse
import json
import os
import re
import sys
import tempfile
import urllib.request

sys.dont_write_bytecode = True

import servers  # noqa: E402
from provision import Tally, accounts, keys, orgtrail, said, write_config  # noqa: E402


def queue(server, name):
    """A queue: its ARN, and what reads all that is in it."""
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def bodies():
        found = []
        while True:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            if not messages:
                return found
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    return arn, bodies


def channels(account):
    region = servers.REGION
    targets = {
        "sns": f"arn:aws:sns:{region}:{account}:findings",
        "event_bridge": f"arn:aws:events:{region}:{account}:event-bus/default",
        "security_hub": f"arn:aws:securityhub:{region}:{account}:hub/default",
    }
    return "".join(f'[[service.notify]]\nname = "{kind.replace("_", "-")}"\nkind = "{kind}"\ntarget = "{target}"\n'
                   for kind, target in targets.items())


def notify(server, tally):
    main, archive = accounts(server, True)
    topic = server.client("sns").create_topic(Name="findings")["TopicArn"]
    of_topic, messages = queue(server, "of-topic")
    server.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=of_topic)
    of_bus, events = queue(server, "of-bus")
    bus = server.client("events")
    bus.put_rule(Name="orgtrail", EventPattern=json.dumps({"source": ["orgtrail"], "detail-type": ["orgtrail notification"]}))
    bus.put_targets(Rule="orgtrail", Targets=[{"Id": "queue", "Arn": of_bus}])
    server.client("securityhub").enable_security_hub()

    folder = tempfile.mkdtemp(dir=server.directory)
    write_config(folder, main, archive, channels(main))
    environment = {"AWS_ENDPOINT_URL": server.endpoint, **keys(server.access_key, server.secret_key)}
    ran = orgtrail(folder, environment, "service", "test-notification")
    tally.check("moto", "`service test-notification` exits with 0", ran.returncode == 0, said(ran))

    received = messages()
    tally.check("moto", "the topic's subscriber has both messages, with their subjects",
                [one.get("Subject") for one in received] == ["Test: orgtrail: 1 new", "Test: orgtrail: 1 resolved"], received)
    received = events()
    documents = [one["detail"] for one in received]
    tally.check("moto", "the rule matched both events, and their detail is the document",
                [one["source"] for one in received] == ["orgtrail"] * 2
                and [one["document"] for one in documents] == ["service-notification"] * 2
                and [one["findings"][0]["transition"] for one in documents] == ["new", "resolved"], received)
    findings = server.client("securityhub").get_findings()["Findings"]
    tally.check("moto", "Security Hub has one finding, which passed and is archived",
                [(one["RecordState"], one["Compliance"]["Status"], one["AwsAccountId"]) for one in findings]
                == [("ARCHIVED", "PASSED", main)], findings)


class Alertmanager(servers.Server):
    """Prometheus Alertmanager, without receivers."""

    name = "alertmanager"

    def program(self):
        return "/usr/bin/prometheus-alertmanager"

    def start(self):
        port = servers.free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        config = os.path.join(self.directory, "alertmanager.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("route: {receiver: none}\nreceivers: [{name: none}]\n")
        self.spawn([self.program(), f"--config.file={config}", f"--storage.path={self.directory}/data",
                    f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="])
        self.wait(f"{self.endpoint}/-/ready")

    def counted(self):
        """The alerts that it received by their status, and the invalid ones."""
        with urllib.request.urlopen(f"{self.endpoint}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        received = re.findall(r'^alertmanager_alerts_received_total\{status="(\w+)",version="v2"\} (\d+)', text, re.MULTILINE)
        invalid = re.findall(r'^alertmanager_alerts_invalid_total\{version="v2"\} (\d+)', text, re.MULTILINE)
        return {status: int(number) for status, number in received}, [int(number) for number in invalid]


def alert(server, tally):
    folder = tempfile.mkdtemp(dir=server.directory)
    write_config(folder, "111111111111", "222222222222",
                 f'[[service.notify]]\nname = "alerts"\nkind = "alertmanager"\ntarget = "{server.endpoint}"\n'
                 "allow_private = true\n")
    ran = orgtrail(folder, {}, "service", "test-notification")
    tally.check("alertmanager", "`service test-notification` exits with 0", ran.returncode == 0, said(ran))
    received, invalid = server.counted()
    tally.check("alertmanager", "one alert fired and was resolved, and none was invalid",
                received == {"firing": 1, "resolved": 1} and invalid == [0], (received, invalid))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--verbose", action="store_true", help="print every check")
    tally = Tally(parser.parse_args().verbose)
    for server, check in ((servers.Moto(), notify), (Alertmanager(), alert)):
        reason = server.missing()
        if reason:
            print(f"FAILED {server.name}: {reason}")
            tally.failures += 1
            continue
        server.start()
        try:
            check(server, tally)
        finally:
            server.stop()
    print(f"{tally.passed} passed, {tally.failures} failed")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
