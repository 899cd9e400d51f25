"""Stacks of IAM roles, and stack sets of the organization's units."""

import json
import time

import botocore.exceptions
import botocore.parsers

from . import behaviour, code, outcome

API = "CloudFormation API Reference"
NEEDS = ("cloudformation",)
SETS = ("cloudformation", "organizations", "accounts")
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
NAMED = ["CAPABILITY_NAMED_IAM"]


def template(role, **more):
    properties = {"RoleName": role, "AssumeRolePolicyDocument": TRUST, **more}
    return json.dumps({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}})


def settled(client, name):
    for _ in range(100):
        status = client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(0.05)
    return status


@behaviour("stack-role", "a stack creates its role, and deletes it", "CREATE_COMPLETE there NoSuchEntity", f"{API}: CreateStack, DeleteStack", needs=NEEDS)
def creates_role(t):
    client, name = t.client("cloudformation"), t.name("stack")
    client.create_stack(StackName=name, TemplateBody=template(name), Capabilities=NAMED)
    status = settled(client, name)
    there = "there" if t.client("iam").get_role(RoleName=name)["Role"]["RoleName"] == name else "missing"
    client.delete_stack(StackName=name)
    for _ in range(100):
        gone = outcome(t.client("iam").get_role, RoleName=name)
        if gone != "ok":
            break
        time.sleep(0.05)
    return f"{status} {there} {gone}"


@behaviour("stack-missing", "a stack that does not exist", "ValidationError", f"{API}: DescribeStacks", needs=NEEDS)
def missing(t):
    return outcome(t.client("cloudformation").describe_stacks, StackName=t.name("none"))


@behaviour("stack-once", "a stack of a name that is taken", "AlreadyExistsException", f"{API}: CreateStack", needs=NEEDS)
def once(t):
    client, name = t.client("cloudformation"), t.name("stack")
    client.create_stack(StackName=name, TemplateBody=template(name), Capabilities=NAMED)
    return outcome(client.create_stack, StackName=name, TemplateBody=template(name), Capabilities=NAMED)


@behaviour("stack-capability", "a role with a name needs a capability", "InsufficientCapabilitiesException", f"{API}: CreateStack, Capabilities", needs=NEEDS)
def capability(t):
    name = t.name("stack")
    return outcome(t.client("cloudformation").create_stack, StackName=name, TemplateBody=template(name))


@behaviour("stack-role-taken", "a role name that is in use rolls the stack back", "ROLLBACK_COMPLETE", "CloudFormation User Guide: stack status codes", needs=NEEDS)
def role_taken(t):
    client, name = t.client("cloudformation"), t.name("stack")
    t.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    try:
        client.create_stack(StackName=name, TemplateBody=template(name), Capabilities=NAMED)
    except botocore.exceptions.ClientError as error:
        return code(error)
    return settled(client, name)


@behaviour("stack-same", "an update without a change", "ValidationError", f"{API}: UpdateStack", needs=NEEDS)
def same(t):
    client, name = t.client("cloudformation"), t.name("stack")
    client.create_stack(StackName=name, TemplateBody=template(name), Capabilities=NAMED)
    settled(client, name)
    return outcome(client.update_stack, StackName=name, TemplateBody=template(name), Capabilities=NAMED)


def root_of(t):
    return t.client("organizations").list_roots()["Roots"][0]["Id"]


def unit_with_member(t):
    """A unit of its own, with the member in it; and what moves it back."""
    client = t.client("organizations")
    root, member = root_of(t), t.member_account
    before = client.list_parents(ChildId=member)["Parents"][0]["Id"]
    unit = client.create_organizational_unit(ParentId=root, Name=t.name("unit"))["OrganizationalUnit"]["Id"]
    client.move_account(AccountId=member, SourceParentId=before, DestinationParentId=unit)
    return unit, lambda: client.move_account(AccountId=member, SourceParentId=unit, DestinationParentId=before)


def create_set(t, name, role, **more):
    client = t.client("cloudformation")
    try:
        client.activate_organizations_access()
    except (botocore.exceptions.ClientError, botocore.parsers.ResponseParserError):
        pass  # moto has no such call, and needs none.
    client.create_stack_set(StackSetName=name, TemplateBody=template(role), Capabilities=NAMED, PermissionModel="SERVICE_MANAGED",
                            AutoDeployment={"Enabled": False}, **more)
    return client


def ended(client, name, operation):
    for _ in range(200):
        status = client.describe_stack_set_operation(StackSetName=name, OperationId=operation)["StackSetOperation"]["Status"]
        if status not in ("RUNNING", "QUEUED"):
            return status
        time.sleep(0.05)
    return status


@behaviour("stack-set-once", "a stack set of a name that is taken", "NameAlreadyExistsException", f"{API}: CreateStackSet", needs=SETS)
def set_once(t):
    name = t.name("set")
    create_set(t, name, name)
    return outcome(create_set, t, name, name)


@behaviour("stack-set-missing", "a stack set that does not exist", "StackSetNotFoundException", f"{API}: DescribeStackSet", needs=NEEDS)
def set_missing(t):
    return outcome(t.client("cloudformation").describe_stack_set, StackSetName=t.name("none"))


@behaviour("stack-set-unit", "a stack set creates its role in the accounts of a unit", "SUCCEEDED ['CURRENT'] role", f"{API}: CreateStackInstances", needs=SETS)
def deploys_to_unit(t):
    name = t.name("set")
    client = create_set(t, name, name)
    unit, back = unit_with_member(t)
    try:
        operation = client.create_stack_instances(StackSetName=name, DeploymentTargets={"OrganizationalUnitIds": [unit]}, Regions=["us-east-1"],
                                                  OperationPreferences={"MaxConcurrentPercentage": 100})["OperationId"]
        status = ended(client, name, operation)
        found = client.list_stack_instances(StackSetName=name)["Summaries"]
        role = "role" if outcome(t.member("iam").get_role, RoleName=name) == "ok" else "no role"
        return f"{status} {[one['Status'] for one in found]} {role}"
    finally:
        back()


@behaviour("stack-set-accounts", "service-managed stack sets take no accounts", "ValidationError", f"{API}: CreateStackInstances", needs=SETS)
def set_accounts(t):
    name = t.name("set")
    client = create_set(t, name, name)
    return outcome(client.create_stack_instances, StackSetName=name, Accounts=[t.member_account], Regions=["us-east-1"])


@behaviour("stack-set-not-empty", "a stack set with instances is not deleted", "StackSetNotEmptyException", f"{API}: DeleteStackSet", needs=SETS)
def not_empty(t):
    name = t.name("set")
    client = create_set(t, name, name)
    unit, back = unit_with_member(t)
    try:
        operation = client.create_stack_instances(StackSetName=name, DeploymentTargets={"OrganizationalUnitIds": [unit]}, Regions=["us-east-1"])["OperationId"]
        ended(client, name, operation)
        return outcome(client.delete_stack_set, StackSetName=name)
    finally:
        back()


@behaviour("stack-set-never-management", "stack sets do not deploy to the management account", "False", "CloudFormation User Guide: service-managed permissions", needs=SETS)
def never_management(t):
    name = t.name("set")
    client = create_set(t, name, name)
    operation = client.create_stack_instances(StackSetName=name, DeploymentTargets={"OrganizationalUnitIds": [root_of(t)]}, Regions=["us-east-1"],
                                              OperationPreferences={"MaxConcurrentPercentage": 100, "FailureTolerancePercentage": 100})["OperationId"]
    ended(client, name, operation)
    management = t.client("organizations").describe_organization()["Organization"]["MasterAccountId"]
    found = [one["Account"] for page in client.get_paginator("list_stack_instances").paginate(StackSetName=name) for one in page["Summaries"]]
    return str(management in found)
