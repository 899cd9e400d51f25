"""The organization: accounts, trusted access, delegated administrators, SCPs."""

import json

from . import behaviour, outcome

API = "Organizations API Reference"
NEEDS = ("organizations",)


@behaviour("org-all-features", "the organization has all features", "ALL", f"{API}: DescribeOrganization", needs=NEEDS)
def all_features(t):
    return t.client("organizations").describe_organization()["Organization"]["FeatureSet"]


@behaviour("org-once", "an account that has an organization creates no other", "AlreadyInOrganizationException",
           f"{API}: CreateOrganization", needs=NEEDS)
def once(t):
    return outcome(t.client("organizations").create_organization, FeatureSet="ALL")


@behaviour("org-account-state", "accounts carry their state", "ACTIVE", f"{API}: DescribeAccount", needs=("organizations", "accounts"))
def state(t):
    account = t.client("organizations").describe_account(AccountId=t.member_account)["Account"]
    return account.get("State") or f"no State, Status {account.get('Status')}"


@behaviour("org-account-missing", "DescribeAccount of an account that is not in it", "AccountNotFoundException",
           f"{API}: DescribeAccount", needs=NEEDS)
def account_missing(t):
    return outcome(t.client("organizations").describe_account, AccountId="999999999999")


@behaviour("org-account-created", "CreateAccount ends as SUCCEEDED with a 12-digit id", "SUCCEEDED 12", f"{API}: CreateAccount", needs=NEEDS)
def account_created(t):
    import time
    client = t.client("organizations")
    status = client.create_account(Email=f"{t.name('a')}@example.com", AccountName=t.name("a"))["CreateAccountStatus"]
    for _ in range(50):
        if status["State"] != "IN_PROGRESS":
            break
        time.sleep(0.1)
        status = client.describe_create_account_status(CreateAccountRequestId=status["Id"])["CreateAccountStatus"]
    return f"{status['State']} {len(status.get('AccountId', ''))}"


@behaviour("org-accounts-paged", "ListAccounts pages", "each once", f"{API}: ListAccounts", needs=("organizations", "accounts"))
def paged(t):
    client = t.client("organizations")
    every = [a["Id"] for page in client.get_paginator("list_accounts").paginate() for a in page["Accounts"]]
    small = [a["Id"] for page in client.get_paginator("list_accounts").paginate(PaginationConfig={"PageSize": 1})
             for a in page["Accounts"]]
    return "each once" if sorted(every) == sorted(small) == sorted(set(every)) else f"{len(every)}, {len(small)} by ones"


@behaviour("org-member-may-not-list", "a member that is no delegated administrator lists no accounts", "AccessDeniedException",
           f"{API}: ListAccounts", needs=("organizations", "accounts"))
def member_may_not(t):
    return outcome(t.member("organizations").list_accounts)


@behaviour("org-trusted-access", "trusted access that was enabled is listed", "yes", f"{API}: EnableAWSServiceAccess", needs=NEEDS)
def trusted_access(t):
    client = t.client("organizations")
    client.enable_aws_service_access(ServicePrincipal="config.amazonaws.com")
    listed = [s["ServicePrincipal"] for s in client.list_aws_service_access_for_organization()["EnabledServicePrincipals"]]
    return "yes" if "config.amazonaws.com" in listed else "no"


SCP = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "NoTrails", "Effect": "Deny", "Action": "cloudtrail:DescribeTrails", "Resource": "*"}]})


@behaviour("org-scp-binds-member", "an SCP attached to a member binds its administrators", ("AccessDenied", "AccessDeniedException"),
           "Organizations User Guide: SCPs", needs=("organizations", "accounts", "cloudtrail"))
def scp_binds(t):
    client = t.client("organizations")
    root = client.list_roots()["Roots"][0]
    if not any(p["Type"] == "SERVICE_CONTROL_POLICY" for p in root.get("PolicyTypes", [])):
        client.enable_policy_type(RootId=root["Id"], PolicyType="SERVICE_CONTROL_POLICY")
    policy = client.create_policy(Name=t.name("scp"), Description="x", Type="SERVICE_CONTROL_POLICY", Content=SCP)["Policy"]["PolicySummary"]["Id"]
    client.attach_policy(PolicyId=policy, TargetId=t.member_account)
    try:
        return outcome(t.member("cloudtrail").describe_trails)
    finally:
        client.detach_policy(PolicyId=policy, TargetId=t.member_account)


@behaviour("org-scp-malformed", "an SCP that is no policy is refused", "MalformedPolicyDocumentException", f"{API}: CreatePolicy", needs=NEEDS)
def scp_malformed(t):
    return outcome(t.client("organizations").create_policy, Name=t.name("scp"), Description="x",
                   Type="SERVICE_CONTROL_POLICY", Content="{not json")


@behaviour("org-email-taken", "CreateAccount with an address that is taken fails, and says why", "FAILED EMAIL_ALREADY_EXISTS",
           f"{API}: CreateAccountStatus", needs=NEEDS)
def email_taken(t):
    client, email = t.client("organizations"), f"{t.name('taken')}@example.com"
    for _ in range(2):
        status = client.create_account(Email=email, AccountName=t.name("a"))["CreateAccountStatus"]
    status = client.describe_create_account_status(CreateAccountRequestId=status["Id"])["CreateAccountStatus"]
    return f"{status['State']} {status.get('FailureReason', '')}".strip()


@behaviour("org-management-stays", "the management account does not leave", "MasterCannotLeaveOrganizationException",
           f"{API}: RemoveAccountFromOrganization", needs=NEEDS)
def management_stays(t):
    return outcome(t.client("organizations").remove_account_from_organization, AccountId=t.main_account)


@behaviour("org-young-stays", "an account does not leave in the first days after it was created", "ConstraintViolationException",
           f"{API}: ConstraintViolationException, WAIT_PERIOD_ACTIVE", needs=NEEDS)
def young_stays(t):
    client = t.client("organizations")
    status = client.create_account(Email=f"{t.name('y')}@example.com", AccountName=t.name("y"))["CreateAccountStatus"]
    status = client.describe_create_account_status(CreateAccountRequestId=status["Id"])["CreateAccountStatus"]
    return outcome(client.remove_account_from_organization, AccountId=status["AccountId"])


@behaviour("org-handshake-missing", "an invitation that does not exist is not accepted", "HandshakeNotFoundException",
           f"{API}: AcceptHandshake", needs=NEEDS)
def handshake_missing(t):
    return outcome(t.client("organizations").accept_handshake, HandshakeId="h-0123456789")
