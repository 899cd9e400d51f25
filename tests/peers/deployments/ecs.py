"""The CloudFormation templates, beyond what cfn-lint sees."""

import os
import re
import subprocess
import tempfile

from . import CONFIG, GRACE, STATE_HOME, USER, WRITABLE, flag

# What expires in a bucket that orgtrail manages; None is `service.state_retention_days`.
LIFETIMES = {"claims/": 30, "heartbeats/": 30, "probes/": 1, "notifications/": None, "reports/": None, "rounds/": None}


def run(check, files, program):
    service = files.template("ecs/service.yaml")["Resources"]
    port = files.port("ecs/orgtrail.toml")
    container = task(check, "ecs/service.yaml", service, program)
    check.equal("ecs: the port", container["PortMappings"], [{"ContainerPort": port}])
    balanced = service["Service"]["Properties"]["LoadBalancers"][0]
    check.equal("ecs: the balanced port", (balanced["ContainerName"], balanced["ContainerPort"]), ("orgtrail", port))
    check.equal("ecs: the target's port", service["Target"]["Properties"]["Port"], port)
    rules = [service["ServiceGroup"]["Properties"]["SecurityGroupIngress"][0],
             service["LoadBalancerEgress"]["Properties"]]
    check.equal("ecs: the port of the security groups",
                {rule[end] for rule in rules for end in ("FromPort", "ToPort")}, {port})
    check("ecs: time to stop", container["StopTimeout"] > GRACE)
    writable = {mount["ContainerPath"] for mount in container["MountPoints"] if not mount.get("ReadOnly")}
    check.equal("ecs: what is writable", writable, WRITABLE)
    before = service["Task"]["Properties"]["ContainerDefinitions"][0]
    owned = re.search(rf"^chown {USER}:{USER} (.*)$", before["Command"][-1], re.MULTILINE)
    check.equal("ecs: it belongs to the user", set(owned[1].split()) if owned else None, WRITABLE)
    environment = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    check.equal("ecs: the place of its own files", environment.get("XDG_STATE_HOME"), STATE_HOME)
    check("ecs: only the load balancer is reachable, from inside",
          service["LoadBalancer"]["Properties"]["Scheme"] == "internal"
          and "CidrIp" not in service["ServiceGroup"]["Properties"]["SecurityGroupIngress"][0])
    path = service["Target"]["Properties"]["HealthCheckPath"]
    check.equal("ecs: what takes traffic away is the documented path", path, "/livez")
    task(check, "schedule/ecs.yaml", files.template("schedule/ecs.yaml")["Resources"], program)
    state(check, files)
    return path


def task(check, name, resources, program):
    """The task definition; returns orgtrail's container."""
    before, container = resources["Task"]["Properties"]["ContainerDefinitions"]
    complaint = program.complaint(container["Command"])
    check(f"{name}: the arguments", complaint is None, complaint)
    check.equal(f"{name}: the configuration", flag(container["Command"], "--config"), CONFIG)
    check(f"{name}: it is written before", f"> {CONFIG}" in before["Command"][-1])
    check.equal(f"{name}: the user", container["User"], str(USER))
    check(f"{name}: the file system is read-only", container["ReadonlyRootFilesystem"] is True)
    listed = [policy for policy in resources["TaskRole"]["Properties"]["Policies"] if "PolicyName" in policy]
    written(check, name, before)
    statements = [one for policy in listed for one in policy["PolicyDocument"]["Statement"]]
    check(f"{name}: the role has its permissions", len(statements) > 10, len(statements))
    return container


def written(check, name, container):
    """What the first container writes is byte for byte what the parameters have."""
    content = {entry["Name"]: f"a = \"%s \\\\ ${{x}} '\"\n# {entry['Name']}\n" for entry in container["Secrets"]}
    with tempfile.TemporaryDirectory() as directory:
        paths = [*WRITABLE, "/etc/orgtrail"]
        for path in paths:
            os.makedirs(directory + path)
        # At once: the directory may itself be below one of the paths.
        command = re.sub(rf"(?<=[ >])({'|'.join(paths)})(?=[/\s]|$)", directory + r"\1", container["Command"][-1])
        ran = subprocess.run([*container["Command"][:-1], command], env={"PATH": os.environ["PATH"], **content},
                             capture_output=True, text=True, timeout=60, check=False)
        check(f"{name}: the first container ends", ran.returncode == 0, ran.stderr)
        found = set()
        for file in os.listdir(f"{directory}/etc/orgtrail"):
            with open(f"{directory}/etc/orgtrail/{file}", encoding="utf-8") as opened:
                found.add(opened.read())
            check(f"{name}: nobody else changes {file}", os.stat(opened.name).st_mode & 0o022 == 0)
        check.equal(f"{name}: the files are the parameters", found, set(content.values()))


def lifetimes(files):
    bucket = files.template("state/bucket.yaml")["Resources"]["State"]["Properties"]
    days = {rule["Prefix"]: rule["ExpirationInDays"] for rule in bucket["LifecycleConfiguration"]["Rules"]
            if rule["Status"] == "Enabled"}
    return {prefix: None if value == {"Ref": "RetentionDays"} else value for prefix, value in days.items()}


def state(check, files):
    """The bucket of the state."""
    resources = files.template("state/bucket.yaml")["Resources"]
    bucket = resources["State"]["Properties"]
    check("state: no versions and no Object Lock",
          not {"VersioningConfiguration", "ObjectLockEnabled", "ObjectLockConfiguration"} & set(bucket))
    check("state: nothing public", all(bucket["PublicAccessBlockConfiguration"].values())
          and len(bucket["PublicAccessBlockConfiguration"]) == 4)
    check("state: encrypted", bucket["BucketEncryption"])
    check.equal("state: what expires", lifetimes(files), LIFETIMES)
    statement = resources["Policy"]["Properties"]["PolicyDocument"]["Statement"][0]
    check("state: TLS only", statement["Effect"] == "Deny" and statement["Principal"] == "*"
          and statement["Condition"] == {"Bool": {"aws:SecureTransport": False}})
