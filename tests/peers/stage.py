"""What a behaviour plays on: clients, accounts, buckets of its own."""

import itertools
import uuid

from servers import MEMBER_ROLE, REGION


class Stage:
    """One server, with a main account and, where it can, a member of its
    organization. Every name it gives is new."""

    def __init__(self, server):
        self.server = server
        self.run = uuid.uuid4().hex[:8]
        self.counter = itertools.count()
        self.clients = {}
        self.main_account = self.member_account = None
        if "iam" in server.has:
            self.main_account = self.client("sts").get_caller_identity()["Account"]
        if "accounts" in server.has:
            self.member_account = self._member_account()
            server.prepare_member(self.main_account, self.member_account)

    def client(self, service, region=REGION):
        return self._cached((service, region, "main"), lambda: self.server.client(service, region))

    @property
    def s3(self):
        return self.client("s3")

    @property
    def bare_s3(self):
        """An S3 client that adds no checksum of its own."""
        return self._cached("bare", lambda: self.server.client(
            "s3", request_checksum_calculation="when_required"))

    @property
    def root_s3(self):
        """The S3 client of the root user who owns the MFA device."""
        return self._cached("root", lambda: self.server.client("s3", credentials=self.server.root_credentials()))

    def mfa_token(self):
        return self.server.mfa_token()

    def member(self, service, region=REGION):
        """A client in the member account, through the role that every member has."""
        arn = f"arn:aws:iam::{self.member_account}:role/{MEMBER_ROLE}"
        return self._cached((service, region, "member"), lambda: self.as_role(arn, service, region))

    def as_role(self, arn, service, region=REGION):
        got = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="behaviour")["Credentials"]
        return self.server.client(service, region, credentials={
            "aws_access_key_id": got["AccessKeyId"], "aws_secret_access_key": got["SecretAccessKey"],
            "aws_session_token": got["SessionToken"]})

    def stranger(self, service, key, secret):
        return self.server.client(service, credentials={"aws_access_key_id": key, "aws_secret_access_key": secret})

    def name(self, prefix):
        return f"{prefix}-{self.run}-{next(self.counter)}"

    def bucket(self, lock=False, versioned=False, default=None, client=None):
        s3, name = client or self.s3, self.name("bucket")
        s3.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if lock else {}))
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        if default:
            mode, days = default
            s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, "Days": days}}})
        return name

    def org_id(self):
        """The organization's id, where there is one."""
        if "organizations" not in self.server.has:
            return None
        return self.client("organizations").describe_organization()["Organization"]["Id"]

    def _cached(self, key, make):
        if key not in self.clients:
            self.clients[key] = make()
        return self.clients[key]

    def _member_account(self):
        """A member of the organization that can be entered; made where there is none."""
        client = self.client("organizations")
        try:
            client.describe_organization()
        except client.exceptions.ClientError:
            client.create_organization(FeatureSet="ALL")
        others = [a["Id"] for page in client.get_paginator("list_accounts").paginate() for a in page["Accounts"]
                  if a["Id"] != self.main_account and a.get("State", a.get("Status")) == "ACTIVE"]
        if others:
            return others[0]
        made = client.create_account(Email=f"{self.name('m')}@example.com", AccountName="member")["CreateAccountStatus"]
        return made.get("AccountId") or client.describe_create_account_status(
            CreateAccountRequestId=made["Id"])["CreateAccountStatus"]["AccountId"]
