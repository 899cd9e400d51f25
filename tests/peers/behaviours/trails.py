"""Trails: what CreateTrail refuses, what it keeps, what a member may not."""

import json

from . import behaviour, outcome

API = "CloudTrail API Reference"
NEEDS = ("cloudtrail", "s3")


def bucket_for_trails(t, policy=True):
    """A bucket that the main account's trails may write to."""
    bucket = t.bucket()
    if policy:
        org = t.org_id()
        resources = [f"arn:aws:s3:::{bucket}/AWSLogs/{owner}/*" for owner in (t.main_account, org) if owner]
        t.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:GetBucketAcl",
             "Resource": f"arn:aws:s3:::{bucket}"},
            {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject",
             "Resource": resources, "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}}]}))
    return bucket


def created(t, **arguments):
    """What CreateTrail answers; a trail that it should have refused is taken away again."""
    client, name = t.client("cloudtrail"), arguments.pop("Name", None) or t.name("trail")
    seen = outcome(client.create_trail, Name=name, **arguments)
    if seen == "ok":
        client.delete_trail(Name=name)
    return seen


def described(client, name):
    """The trail of this name among those that a Region shows."""
    return next((x for x in client.describe_trails()["trailList"] if x["Name"] == name), None)


class Trail:
    """A trail for the length of a behaviour: a Region takes five of them."""

    def __init__(self, t, **more):
        self.client, self.name = t.client("cloudtrail"), t.name("trail")
        self.made = self.client.create_trail(Name=self.name, S3BucketName=bucket_for_trails(t), **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.delete_trail(Name=self.name)


@behaviour("trail-missing-bucket", "CreateTrail with a missing bucket", "S3BucketDoesNotExistException", f"{API}: CreateTrail", needs=NEEDS)
def missing_bucket(t):
    return created(t, S3BucketName=t.name("none"))


@behaviour("trail-missing-policy", "CreateTrail into a bucket that lets CloudTrail write nothing", "InsufficientS3BucketPolicyException", f"{API}: CreateTrail", needs=NEEDS)
def missing_policy(t):
    return created(t, S3BucketName=bucket_for_trails(t, policy=False))


@behaviour("trail-bad-name", "a trail's name has 3 characters at least", "InvalidTrailNameException", f"{API}: CreateTrail", needs=NEEDS)
def bad_name(t):
    return created(t, Name="ab", S3BucketName=bucket_for_trails(t))


@behaviour("trail-unknown-key", "CreateTrail with a missing key", ("KmsKeyNotFoundException", "KmsException"), f"{API}: CreateTrail", needs=NEEDS)
def unknown_key(t):
    return created(t, S3BucketName=bucket_for_trails(t),
                   KmsKeyId=f"arn:aws:kms:us-east-1:{t.main_account}:key/00000000-0000-0000-0000-000000000000")


@behaviour("trail-key-policy", "CreateTrail with a key whose policy does not let CloudTrail use it", "InsufficientEncryptionPolicyException", f"{API}: CreateTrail", needs=NEEDS + ("kms",))
def key_policy(t):
    arn = t.client("kms").create_key()["KeyMetadata"]["Arn"]
    return created(t, S3BucketName=bucket_for_trails(t), KmsKeyId=arn)


@behaviour("trail-twice", "a trail's name is taken once", "TrailAlreadyExistsException", f"{API}: CreateTrail", needs=NEEDS)
def twice(t):
    with Trail(t) as trail:
        return outcome(trail.client.create_trail, Name=trail.name, S3BucketName=bucket_for_trails(t))


@behaviour("trail-unknown", "a missing trail", "TrailNotFoundException", f"{API}: GetTrailStatus", needs=("cloudtrail",))
def unknown(t):
    return outcome(t.client("cloudtrail").get_trail_status, Name=t.name("none"))


@behaviour("trail-logging", "a new trail logs nothing until it is started, and nothing after it is stopped", "False True False", f"{API}: StartLogging", needs=NEEDS)
def logging(t):
    with Trail(t) as trail:
        seen = []
        for call in (None, trail.client.start_logging, trail.client.stop_logging):
            if call:
                call(Name=trail.name)
            seen.append(str(trail.client.get_trail_status(Name=trail.name)["IsLogging"]))
        return " ".join(seen)


@behaviour("trail-flags", "multi-Region, global events and validation are kept", "True True True", f"{API}: DescribeTrails", needs=NEEDS)
def flags(t):
    with Trail(t, IsMultiRegionTrail=True, IncludeGlobalServiceEvents=True, EnableLogFileValidation=True) as trail:
        got = described(trail.client, trail.name)
        return f"{got['IsMultiRegionTrail']} {got['IncludeGlobalServiceEvents']} {got['LogFileValidationEnabled']}"


@behaviour("trail-shadow", "another Region shows a multi-Region trail as a shadow with its home Region", "us-east-1, shadow", f"{API}: DescribeTrails", needs=NEEDS)
def shadow(t):
    with Trail(t, IsMultiRegionTrail=True) as trail:
        there = t.client("cloudtrail", region="eu-west-1")
        shown = described(there, trail.name)
        if shown is None:
            return "not shown"
        at_home = any(x["Name"] == trail.name for x in there.describe_trails(includeShadowTrails=False)["trailList"])
        return f"{shown['HomeRegion']}, {'home' if at_home else 'shadow'}"


@behaviour("trail-shadow-stop", "a shadow trail is stopped in its home Region only", "InvalidHomeRegionException", f"{API}: StopLogging", needs=NEEDS)
def shadow_stop(t):
    with Trail(t, IsMultiRegionTrail=True) as trail:
        arn = trail.made["TrailARN"]
        return outcome(t.client("cloudtrail", region="eu-west-1").stop_logging, Name=arn)


@behaviour("trail-default-selector", "a new trail selects all management events", "All True", f"{API}: GetEventSelectors", needs=NEEDS)
def default_selector(t):
    with Trail(t) as trail:
        got = trail.client.get_event_selectors(TrailName=trail.name).get("EventSelectors") or [{}]
        return f"{got[0].get('ReadWriteType')} {got[0].get('IncludeManagementEvents')}"


ADVANCED = [{"Name": "Management events selector", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]


@behaviour("trail-advanced-selectors", "advanced selectors take the classic ones' place", "1 advanced, 0 classic", f"{API}: PutEventSelectors", needs=NEEDS)
def advanced(t):
    with Trail(t) as trail:
        trail.client.put_event_selectors(TrailName=trail.name, AdvancedEventSelectors=ADVANCED)
        got = trail.client.get_event_selectors(TrailName=trail.name)
        return f"{len(got.get('AdvancedEventSelectors') or [])} advanced, {len(got.get('EventSelectors') or [])} classic"


@behaviour("trail-selectors-both", "both kinds in one call are refused", ("InvalidEventSelectorsException", "InvalidParameterCombinationException"), f"{API}: PutEventSelectors", needs=NEEDS)
def both(t):
    with Trail(t) as trail:
        return outcome(trail.client.put_event_selectors, TrailName=trail.name, AdvancedEventSelectors=ADVANCED,
                       EventSelectors=[{"ReadWriteType": "All", "IncludeManagementEvents": True}])


@behaviour("trail-insights-off", "Insights that were never switched on", "InsightNotEnabledException", f"{API}: GetInsightSelectors", needs=NEEDS)
def insights_off(t):
    with Trail(t) as trail:
        return outcome(trail.client.get_insight_selectors, TrailName=trail.name)


@behaviour("trail-insights", "Insights selectors come back", "ApiCallRateInsight ApiErrorRateInsight", f"{API}: PutInsightSelectors", needs=NEEDS)
def insights(t):
    with Trail(t) as trail:
        trail.client.put_insight_selectors(TrailName=trail.name, InsightSelectors=[
            {"InsightType": "ApiCallRateInsight"}, {"InsightType": "ApiErrorRateInsight"}])
        got = trail.client.get_insight_selectors(TrailName=trail.name)["InsightSelectors"]
        return " ".join(sorted(item["InsightType"] for item in got))


@behaviour("trail-quota", "a Region takes five trails of an account", "MaximumNumberOfTrailsExceededException", "CloudTrail User Guide: quotas", needs=NEEDS)
def quota(t):
    import contextlib
    with contextlib.ExitStack() as stack:
        there = len(t.client("cloudtrail").describe_trails()["trailList"])
        for _ in range(5 - there):
            stack.enter_context(Trail(t))
        return created(t, S3BucketName=bucket_for_trails(t))


@behaviour("org-trail-without-trusted-access", "an organization trail needs trusted access", "CloudTrailAccessNotEnabledException", f"{API}: CreateTrail", needs=NEEDS + ("organizations", "accounts"))
def without_trusted_access(t):
    outcome(t.client("organizations").disable_aws_service_access, ServicePrincipal="cloudtrail.amazonaws.com")
    return created(t, S3BucketName=bucket_for_trails(t),
                   IsMultiRegionTrail=True, IsOrganizationTrail=True)


class OrgTrail(Trail):
    """An organization trail, with what it needs."""

    def __init__(self, t):
        # Where a server no such call, it may still have the trail.
        outcome(t.client("organizations").enable_aws_service_access, ServicePrincipal="cloudtrail.amazonaws.com")
        outcome(t.client("iam").create_service_linked_role, AWSServiceName="cloudtrail.amazonaws.com")
        super().__init__(t, IsMultiRegionTrail=True, IsOrganizationTrail=True, EnableLogFileValidation=True)


ORG = NEEDS + ("organizations", "accounts")


@behaviour("org-trail-flags", "an organization trail says that it is one", "True", f"{API}: GetTrail", needs=ORG)
def org_flags(t):
    with OrgTrail(t) as trail:
        return str(trail.client.get_trail(Name=trail.name)["Trail"]["IsOrganizationTrail"])


@behaviour("org-trail-in-member", "a member sees the organization's trail under the same ARN", "same ARN", f"{API}: DescribeTrails", needs=ORG)
def org_in_member(t):
    with OrgTrail(t) as trail:
        arns = [x["TrailARN"] for x in t.member("cloudtrail").describe_trails()["trailList"]]
        return "same ARN" if trail.made["TrailARN"] in arns else f"{len(arns)} trails"


@behaviour("org-trail-member-stop", "a member cannot stop it", ("InsufficientDependencyServiceAccessPermissionException", "NotOrganizationMasterAccountException", "NotOrganizationManagementAccountException", "AccessDeniedException"), f"{API}: StopLogging", needs=ORG)
def org_member_stop(t):
    with OrgTrail(t) as trail:
        return outcome(t.member("cloudtrail").stop_logging, Name=trail.made["TrailARN"])


@behaviour("org-trail-member-create", "a member cannot create one", ("NotOrganizationMasterAccountException", "NotOrganizationManagementAccountException", "OrganizationNotInAllFeaturesModeException"), f"{API}: CreateTrail", needs=ORG)
def org_member_create(t):
    return outcome(t.member("cloudtrail").create_trail, Name=t.name("trail"), S3BucketName=bucket_for_trails(t),
                   IsMultiRegionTrail=True, IsOrganizationTrail=True)


@behaviour("org-trail-delegated-admin", "CloudTrail's delegated administrator is listed by Organizations", "listed", f"{API}: RegisterOrganizationDelegatedAdmin", needs=ORG)
def delegated(t):
    with OrgTrail(t):
        t.client("cloudtrail").register_organization_delegated_admin(MemberAccountId=t.member_account)
        try:
            listed = t.client("organizations").list_delegated_administrators(ServicePrincipal="cloudtrail.amazonaws.com")["DelegatedAdministrators"]
            return "listed" if t.member_account in [a["Id"] for a in listed] else "not listed"
        finally:
            t.client("cloudtrail").deregister_organization_delegated_admin(DelegatedAdminAccountId=t.member_account)
