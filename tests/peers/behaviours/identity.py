"""Who is who: sessions, trust policies, roles, permissions."""

import json

from . import behaviour, outcome

TRUST = "IAM User Guide: roles and trust policies"
NEEDS = ("iam", "accounts")


def trust(principal, **condition):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole",
         **({"Condition": condition} if condition else {})}]})


def role(t, document, policy=None):
    """A role in the member account; its ARN."""
    iam = t.member("iam")
    name = t.name("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": policy}))
    return arn


@behaviour("identity-member", "a session in the member account acts in the member account", "member account, assumed-role",
           "STS API Reference: GetCallerIdentity", needs=NEEDS)
def member(t):
    who = t.member("sts").get_caller_identity()
    return (f"{'member' if who['Account'] == t.member_account else who['Account']} account, "
            f"{who['Arn'].split(':')[5].split('/')[0]}")


@behaviour("assume-missing-role", "a missing role cannot be assumed", "AccessDenied", "STS API Reference: AssumeRole", needs=NEEDS)
def missing_role(t):
    return outcome(t.client("sts").assume_role, RoleArn=f"arn:aws:iam::{t.member_account}:role/none",
                   RoleSessionName="session")


@behaviour("assume-untrusted", "a role that trusts another account cannot be assumed", "AccessDenied", TRUST, needs=NEEDS)
def untrusted(t):
    arn = role(t, trust(f"arn:aws:iam::{t.member_account}:root"))
    return outcome(t.client("sts").assume_role, RoleArn=arn, RoleSessionName="session")


@behaviour("assume-trusted", "a role that trusts the account can be assumed", "ok", TRUST, needs=NEEDS)
def trusted(t):
    arn = role(t, trust(f"arn:aws:iam::{t.main_account}:root"))
    return outcome(t.client("sts").assume_role, RoleArn=arn, RoleSessionName="session")


@behaviour("assume-external-id-missing", "without the external id that the trust policy wants, refused", "AccessDenied", TRUST, needs=NEEDS)
def external_id_missing(t):
    arn = role(t, trust(f"arn:aws:iam::{t.main_account}:root", StringEquals={"sts:ExternalId": "orgtrail"}))
    return outcome(t.client("sts").assume_role, RoleArn=arn, RoleSessionName="session")


@behaviour("assume-external-id-wrong", "with a wrong one, refused", "AccessDenied", TRUST, needs=NEEDS)
def external_id_wrong(t):
    arn = role(t, trust(f"arn:aws:iam::{t.main_account}:root", StringEquals={"sts:ExternalId": "orgtrail"}))
    return outcome(t.client("sts").assume_role, RoleArn=arn, RoleSessionName="session", ExternalId="other")


@behaviour("assume-external-id-right", "with the right one, allowed", "ok", TRUST, needs=NEEDS)
def external_id_right(t):
    arn = role(t, trust(f"arn:aws:iam::{t.main_account}:root", StringEquals={"sts:ExternalId": "orgtrail"}))
    return outcome(t.client("sts").assume_role, RoleArn=arn, RoleSessionName="session", ExternalId="orgtrail")


@behaviour("assume-too-long", "a session of more than 12 hours is refused", "ValidationError", "STS API Reference: AssumeRole", needs=NEEDS)
def too_long(t):
    arn = role(t, trust(f"arn:aws:iam::{t.main_account}:root"))
    return outcome(t.client("sts").assume_role, RoleArn=arn, RoleSessionName="session", DurationSeconds=43_201)


@behaviour("role-without-policy", "a role without a policy may do nothing", ("AccessDenied", "AccessDeniedException"),
           "IAM User Guide: policy evaluation logic", needs=NEEDS)
def powerless(t):
    arn = role(t, trust(f"arn:aws:iam::{t.main_account}:root"))
    return outcome(t.as_role(arn, "s3").list_buckets)


@behaviour("role-allowed", "a role may do what its policy allows", "ok", "IAM User Guide: policy evaluation logic", needs=NEEDS)
def allowed(t):
    arn = role(t, trust(f"arn:aws:iam::{t.main_account}:root"),
               [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}])
    return outcome(t.as_role(arn, "s3").list_buckets)


@behaviour("role-denied", "an explicit deny wins over an allow", ("AccessDenied", "AccessDeniedException"),
           "IAM User Guide: policy evaluation logic", needs=NEEDS)
def denied(t):
    arn = role(t, trust(f"arn:aws:iam::{t.main_account}:root"),
               [{"Effect": "Allow", "Action": "*", "Resource": "*"},
                {"Effect": "Deny", "Action": "s3:ListAll*", "Resource": "*"}])
    return outcome(t.as_role(arn, "s3").list_buckets)


@behaviour("role-missing", "GetRole for a missing role", "NoSuchEntity", "IAM API Reference: GetRole", needs=("iam",))
def role_missing(t):
    return outcome(t.client("iam").get_role, RoleName=t.name("none"))


@behaviour("role-twice", "CreateRole of a role that is there", "EntityAlreadyExists", "IAM API Reference: CreateRole", needs=("iam",))
def role_twice(t):
    name = t.name("role")
    document = trust(f"arn:aws:iam::{t.main_account}:root")
    t.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return outcome(t.client("iam").create_role, RoleName=name, AssumeRolePolicyDocument=document)


@behaviour("role-malformed-trust", "a trust policy that is no JSON is refused", "MalformedPolicyDocument", "IAM API Reference: CreateRole", needs=("iam",))
def role_malformed(t):
    return outcome(t.client("iam").create_role, RoleName=t.name("role"), AssumeRolePolicyDocument="{not json")


@behaviour("role-delete-conflict", "a role that still has a policy is not deleted", "DeleteConflict", "IAM API Reference: DeleteRole", needs=("iam",))
def role_conflict(t):
    name = t.name("role")
    iam = t.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(f"arn:aws:iam::{t.main_account}:root"))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
    return outcome(iam.delete_role, RoleName=name)
