"""The Terraform module, parsed with python-hcl2: no Terraform is available here to plan it."""

import json
import re

import hcl2

from . import ecs

VALUES = {"partition": "aws", "dns_suffix": "amazonaws.com", "account": "111111111111",
          "log_archive_account": "222222222222", "member_role": "OrgTrailMember",
          "archive_role": "OrgTrailArchive", "state_bucket": "acme-orgtrail-state"}


def unquote(value):
    """python-hcl2 keeps the quotes of labels and texts."""
    if isinstance(value, str):
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if isinstance(value, list):
        return [unquote(one) for one in value]
    if isinstance(value, dict):
        return {unquote(key): unquote(one) for key, one in value.items() if key != "__is_block__"}
    return value


def parse(files, folder):
    blocks = {}
    for name in files.names(".tf"):
        if name.rpartition("/")[0] != folder:
            continue
        for kind, found in unquote(hcl2.loads(files.text(name))).items():
            blocks.setdefault(kind, []).extend(found)
    return blocks


def names(blocks):
    return {name for block in blocks for name in block}


def run(check, files):
    module, example = parse(files, "terraform"), parse(files, "terraform/example")
    text = "\n".join(files.text(name) for name in files.names(".tf") if name.startswith("terraform/")
                     and "example" not in name)
    declared = names(module["variable"])
    check.equal("terraform: every variable is used, and declared", set(re.findall(r"\bvar\.(\w+)", text)), declared)
    resources = {f"{kind}.{name}" for block in module["resource"] for kind, one in block.items() for name in one}
    data = {f"{kind}.{name}" for block in module["data"] for kind, one in block.items() for name in one}
    used = set(re.findall(r"(?<![\w.])(aws_\w+\.\w+)", re.sub(r"\bdata\.aws_\w+\.\w+", "", text)))
    check("terraform: every resource that is named exists", used <= resources, used - resources)
    used = set(re.findall(r"\bdata\.(aws_\w+\.\w+)", text))
    check.equal("terraform: every data source is used, and declared", used, data)
    required = {name for block in module["variable"] for name, one in block.items() if "default" not in one}
    given = set(example["module"][0]["orgtrail"]) - {"source"}
    check("terraform: the example sets what is required", required <= given, required - given)
    check("terraform: the example sets variables only", given <= declared, given - declared)
    outputs = set(re.findall(r"module\.orgtrail\.(\w+)", files.text("terraform/example/main.tf")))
    check("terraform: the example reads outputs", outputs and outputs <= names(module["output"]))
    parameters(check, files, text)
    policy(check, files)
    state(check, files, module, text)


def parameters(check, files, text):
    """The stack sets set every parameter of the generated templates that has no default."""
    given = set(re.findall(r"^    (\w+) +=", re.search(r"role_parameters = \{(.*?)\n  \}", text, re.DOTALL)[1],
                           re.MULTILINE))
    for name in ("member", "archive"):
        wanted = {key for key, one in files.json(f"roles/{name}.json")["Parameters"].items() if "Default" not in one}
        check(f"terraform: the parameters of {name}.json", wanted <= given, wanted - given)


def policy(check, files):
    """The template of the policy, with the example's values, is the policy of the example."""
    template = files.text("terraform/service-policy.json.tftpl")
    call = re.search(r'templatefile\("\$\{path\.module\}/service-policy\.json\.tftpl", \{(.*?)\}\)',
                     files.text("terraform/service.tf"), re.DOTALL)
    given = set(re.findall(r"^\s+(\w+)\s+=", call[1], re.MULTILINE))
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)\}", template))
    check.equal("terraform: the template's values", given, wanted)
    rendered = re.sub(r"(?<!\$)\$\{(\w+)\}", lambda found: VALUES[found[1]], template).replace("$${", "${")
    rendered = {one["Sid"]: one for one in json.loads(rendered)["Statement"]}
    example = {one["Sid"]: one for one in files.json("policies/service.json")["Statement"]}
    example.pop("AuthenticateRecords")
    check.equal("terraform: the policy's statements", set(rendered), set(example))
    for sid, one in example.items():
        found = rendered[sid]
        check.equal(f"terraform: {sid}", (found["Action"], found.get("Condition")), (one["Action"], one.get("Condition")))
        if sid in ("WriteState", "AssumeRoles"):
            check.equal(f"terraform: the resources of {sid}", found["Resource"], one["Resource"])


def state(check, files, module, text):
    """The bucket of the state is that of CloudFormation."""
    local = re.search(r"state_lifetimes = \{(.*?)\}", text, re.DOTALL)[1]
    found = {f"{name}/": None if value == "var.state_retention_days" else int(value)
             for name, value in re.findall(r"(\w+)\s+= (\S+)", local)}
    check.equal("terraform: what expires", found, ecs.LIFETIMES)
    default = next(block["state_retention_days"]["default"] for block in module["variable"]
                   if "state_retention_days" in block)
    check.equal("terraform: for how long, as in CloudFormation", default,
                files.template("state/bucket.yaml")["Parameters"]["RetentionDays"]["Default"])
    kinds = {kind for block in module["resource"] for kind in block}
    check("terraform: no versions and no Object Lock",
          not {"aws_s3_bucket_versioning", "aws_s3_bucket_object_lock_configuration"} & kinds)
    for kind in ("public_access_block", "ownership_controls", "server_side_encryption_configuration",
                 "lifecycle_configuration", "policy"):
        check(f"terraform: the state's {kind}", f"aws_s3_bucket_{kind}" in kinds)
