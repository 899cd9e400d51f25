"""AWS Config, GuardDuty and Security Hub: whether they work, as doctor and drift read it."""

from . import behaviour, outcome

CONFIG = "AWS Config API Reference: PutConfigurationRecorder, DescribeConfigurationRecorderStatus"
GUARDDUTY = "GuardDuty API Reference: CreateDetector, ListDetectors, GetDetector"
HUB = "Security Hub API Reference: DescribeHub"

# Where no other behaviour enables them.
ELSEWHERE = "eu-west-2"


def recorder(t):
    config = t.client("config", region=ELSEWHERE)
    role = f"arn:aws:iam::{t.main_account}:role/config"
    outcome(config.put_configuration_recorder, ConfigurationRecorder={
        "name": "default", "roleARN": role, "recordingGroup": {"allSupported": True}})
    return config


@behaviour("config-none", "a Region without a recorder has no status", "0", CONFIG, needs=("config",))
def no_recorder(t):
    config = t.client("config", region="eu-north-1")
    return str(len(config.describe_configuration_recorder_status()["ConfigurationRecordersStatus"]))


@behaviour("config-no-channel", "a recorder without a delivery channel does not start",
           "NoAvailableDeliveryChannelException", CONFIG, needs=("config",))
def no_channel(t):
    return outcome(recorder(t).start_configuration_recorder, ConfigurationRecorderName="default")


@behaviour("config-stopped", "a recorder that was not started does not record", "False", CONFIG, needs=("config",))
def stopped(t):
    status = recorder(t).describe_configuration_recorder_status()["ConfigurationRecordersStatus"]
    return str(status[0]["recording"])


@behaviour("guardduty-none", "a Region without a detector lists none", "0", GUARDDUTY, needs=("guardduty",))
def no_detector(t):
    return str(len(t.client("guardduty", region="eu-north-1").list_detectors()["DetectorIds"]))


@behaviour("guardduty-enabled", "an enabled detector says so", "ENABLED", GUARDDUTY, needs=("guardduty",))
def detector(t):
    client = t.client("guardduty", region=ELSEWHERE)
    created = client.create_detector(Enable=True)["DetectorId"]
    assert client.list_detectors()["DetectorIds"] == [created]
    return client.get_detector(DetectorId=created)["Status"]


@behaviour("hub-not-enabled", "where Security Hub is not enabled, there is no hub", "InvalidAccessException", HUB,
           needs=("securityhub",))
def no_hub(t):
    return outcome(t.client("securityhub", region="eu-north-1").describe_hub)


@behaviour("hub-enabled", "where it is, its ARN ends in hub/default", "hub/default", HUB, needs=("securityhub",))
def hub(t):
    client = t.client("securityhub", region=ELSEWHERE)
    outcome(client.enable_security_hub)
    return client.describe_hub()["HubArn"].split(":")[-1]
