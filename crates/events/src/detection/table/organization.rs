use super::call_rules;
use crate::detection::facts::Kind;
use crate::detection::rule::{About, Calls, Condition};

const POLICY: About = About::Resource(Kind::Policy);
const ROLE: About = About::Resource(Kind::Role);
/// `Modify Cloud Resource Hierarchy`.
const HIERARCHY: &[&str] = &["T1666"];
/// `Domain or Tenant Policy Modification`, and changes of what guards the logs.
const GUARDRAIL: &[&str] = &["T1484", "T1685.002", "T1562.008"];
const OF_CLOUDTRAIL: Condition = Condition {
    parameter: "servicePrincipal",
    values: &["cloudtrail.amazonaws.com"],
    contains: false,
};
const OF_CONTROL_POLICIES: Condition = Condition {
    parameter: "policyType",
    values: &["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"],
    contains: false,
};

pub(super) const CALLS: &[Calls] = call_rules! {
    "trusted-access-disabled" Critical "organizations.amazonaws.com" ["DisableAWSServiceAccess"]
        about About::Organization, if OF_CLOUDTRAIL;
        techniques &["T1685.002", "T1562.008", "T1666"];
        title "CloudTrail's access to the organization was disabled";
        why "The organization trail no longer records member accounts, and CloudTrail cannot create it in new ones.";
        fix "Enable the access again (`orgtrail apply`), and check what was not recorded (`orgtrail coverage`).";
    "service-administrator-removed" High "organizations.amazonaws.com"
        ["DeregisterDelegatedAdministrator", "RegisterDelegatedAdministrator"]
        about About::Organization, if OF_CLOUDTRAIL;
        techniques &["T1685.002", "T1562.008", "T1098"];
        title "A delegated administrator of CloudTrail was added or removed in the organization";
        why "A delegated administrator can change and delete the organization's trails.";
        fix "Compare the delegated administrators with the configuration (`orgtrail drift`).";
    "guardrail-detached" High "organizations.amazonaws.com" ["DetachPolicy", "DeletePolicy"]
        about POLICY;
        techniques GUARDRAIL;
        title "The policy that guards the trail was detached or deleted";
        why "Members can then change the trail's resources in their accounts.";
        fix "Attach the policy again (`orgtrail apply`), and find out what was done meanwhile.";
    "guardrail-changed" High "organizations.amazonaws.com" ["UpdatePolicy"] applied true
        about POLICY;
        techniques GUARDRAIL;
        title "The policy that guards the trail was changed";
        why "Members may then change the trail's resources in their accounts.";
        fix "Compare the policy with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "policy-type-disabled" High "organizations.amazonaws.com" ["DisablePolicyType"]
        about About::Organization, if OF_CONTROL_POLICIES;
        techniques GUARDRAIL;
        title "Control policies were disabled in the organization";
        why "All policies of the type are detached from all accounts, and enabling the type again does not attach them.";
        fix "Enable the type, and attach the policies again (`orgtrail apply`).";
    "organization-left" Critical "organizations.amazonaws.com" ["LeaveOrganization"]
        about About::Organization;
        techniques HIERARCHY;
        title "An account left the organization";
        why "The organization trail no longer records the account, and no guardrail applies to it.";
        fix "Find out who did it, invite the account again, and read its Event history for the time between.";
    "account-removed" High "organizations.amazonaws.com"
        ["RemoveAccountFromOrganization", "CloseAccount"]
        about About::Organization;
        techniques HIERARCHY;
        title "An account was removed from the organization, or closed";
        why "The organization trail no longer records the account, and no guardrail applies to it.";
        fix "Check that it was intended; otherwise invite the account again.";
    "account-moved" Medium "organizations.amazonaws.com" ["MoveAccount"]
        about About::Organization;
        techniques HIERARCHY;
        title "An account was moved within the organization";
        why "The policies of its former place no longer apply to it.";
        fix "Check that it was intended, and that the guardrail applies to its new place (`orgtrail drift`).";
    "organization-deleted" Critical "organizations.amazonaws.com" ["DeleteOrganization"]
        about About::Organization;
        techniques HIERARCHY;
        title "The organization was deleted";
        why "There is no organization trail without it.";
        fix "Create a trail in each account, and the organization again (`orgtrail bootstrap`).";
    "role-changed" Medium "iam.amazonaws.com" [
        "DeleteRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "DeleteRolePolicy",
        "AttachRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary",
    ] applied true
        about ROLE;
        techniques &["T1685.002", "T1562.008", "T1098.003"];
        title "A role of the trail or of orgtrail was changed";
        why "Without its role, CloudTrail does not reach CloudWatch Logs, S3 does not replicate, and orgtrail cannot check; with more permissions, others can use it.";
        fix "Compare the role with the configuration (`orgtrail drift`), and restore it.";
    "root-session-of-archive" Critical "sts.amazonaws.com" ["AssumeRoot"]
        about About::ArchiveAccount;
        techniques &["T1548.005", "T1078.004"];
        title "A session of the root user of the archive's account was issued";
        why "Such a session can delete the policy of the archive's bucket.";
        fix "Find out who did it and what the session did, and check the archive (`orgtrail drift`, `orgtrail verify`).";
    "root-session" Medium "sts.amazonaws.com" ["AssumeRoot"]
        about About::Organization;
        techniques &["T1548.005", "T1078.004"];
        title "A session of the root user of a member account was issued";
        why "Such a session can delete bucket and queue policies, and the root user's credentials.";
        fix "Find out who did it and what the session did.";
};
