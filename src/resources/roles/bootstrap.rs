//! What `orgtrail bootstrap` does in the management account: it lets CloudTrail and stack sets
//! work in the organization, creates the other roles, and the queue of account events. And what
//! the other roles read of it.

use super::grant::{Grant, Scope};
use super::{Role, hub, new_accounts};
use crate::names::Arn;
use crate::resources::landing_zone::OWNER_TAG;

const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";
const ORGANIZATIONS: &str = "organizations.amazonaws.com";
/// The service principal of stack sets in the management account.
const STACK_SETS: &str = "stacksets.cloudformation.amazonaws.com";
/// That in members, which has trusted access.
const STACK_SET_MEMBERS: &str = "member.org.stacksets.cloudformation.amazonaws.com";

/// The statements; `roles` are all other roles of the configuration.
pub(super) fn grants(scope: &Scope<'_>, roles: &[Role]) -> Vec<Grant> {
    let mut grants = organization(scope);
    grants.extend(service_linked_roles(scope));
    grants.extend(stacks(scope));
    grants.extend(management_roles(scope, roles));
    grants.extend(new_accounts::manage(scope));
    if scope.partition().has_cloudtrail_delegated_administrators() {
        grants.extend(hub::delegated_administrators());
    }
    grants
}

fn organization(scope: &Scope<'_>) -> Vec<Grant> {
    let mut grants =
        vec![
        Grant::new(
            "ReadOrganization",
            [
                "organizations:DescribeOrganization",
                "organizations:ListAWSServiceAccessForOrganization",
                "organizations:ListAccountsForParent",
                "organizations:ListDelegatedAdministrators",
                "organizations:ListOrganizationalUnitsForParent",
                "organizations:ListRoots",
            ],
            ["*"],
            "Lists the accounts and what works in them. AWS has no resource for most of these \
             actions, and the ids of the others are not known in advance.",
        ),
        Grant::new(
            "CreateOrganization",
            ["organizations:CreateOrganization"],
            ["*"],
            "Creates the organization, on request. AWS has no resource for this action; remove \
             the statement where there is an organization.",
        ),
        Grant::new(
            "EnableTrustedAccess",
            ["organizations:EnableAWSServiceAccess"],
            ["*"],
            "Lets CloudTrail and stack sets work in the organization, and no other service. AWS \
             has no resource for this action.",
        )
        .when("StringEquals", "organizations:ServicePrincipal", [CLOUDTRAIL, STACK_SET_MEMBERS]),
        Grant::new(
            "ReadTrail",
            ["cloudtrail:DescribeTrails"],
            ["*"],
            "Checks that the trail was deleted before the roles are. AWS has no resource for this \
             action.",
        ),
        Grant::new(
            "ListRoles",
            ["iam:ListRoles"],
            ["*"],
            "Finds CloudTrail's service-linked role. AWS has no resource for this action.",
        ),
    ];
    if scope.config.guardrail.enabled {
        grants.push(
            Grant::new(
                "EnablePolicyType",
                ["organizations:EnablePolicyType"],
                ["*"],
                "Allows service control policies, for the guardrail. The root's id is not known \
                 in advance.",
            )
            .when(
                "StringEquals",
                "organizations:PolicyType",
                ["SERVICE_CONTROL_POLICY"],
            ),
        );
    }
    grants
}

fn service_linked_roles(scope: &Scope<'_>) -> [Grant; 1] {
    let management = scope.management();
    let folder = format!("arn:{}:iam::{management}:role/aws-service-role/", scope.partition());
    let services = [
        (CLOUDTRAIL, "AWSServiceRoleForCloudTrail"),
        (ORGANIZATIONS, "AWSServiceRoleForOrganizations"),
        (STACK_SETS, "AWSServiceRoleForCloudFormationStackSetsOrgAdmin"),
    ];
    [Grant::new(
        "CreateServiceLinkedRoles",
        ["iam:CreateServiceLinkedRole"],
        services.map(|(service, role)| format!("{folder}{service}/{role}")),
        "The services create their roles with their caller's permissions: Organizations with the \
         organization, CloudFormation when stack sets are activated, CloudTrail for the trail.",
    )
    .when("StringEquals", "iam:AWSServiceName", services.map(|(service, _)| service))]
}

/// What the management account's role reads of the other roles, for `orgtrail doctor` and the
/// service.
pub(super) fn read(scope: &Scope<'_>, roles: &[Role]) -> Vec<Grant> {
    let prefix = &scope.config.landing_zone.prefix;
    let mut grants = vec![
        Grant::new(
            "ReadStackSetsAccess",
            ["cloudformation:DescribeOrganizationsAccess"],
            ["*"],
            "Checks whether stack sets may work in the organization. AWS has no resource for this \
             action.",
        ),
        Grant::new(
            "ReadStacks",
            [
                "cloudformation:DescribeStackSet",
                "cloudformation:DescribeStacks",
                "cloudformation:GetTemplate",
                "cloudformation:ListStackInstances",
                "cloudformation:ListStackSetOperations",
            ],
            [
                scope.at_home("cloudformation", format!("stack/{prefix}-*/*")),
                scope.at_home("cloudformation", format!("stackset/{prefix}-*:*")),
            ],
            "Reads which accounts have their role, and whether it is the one of this version. The \
             ids in the ARNs of stacks are not known in advance.",
        ),
    ];
    let arns = arns_in_management(scope, roles);
    if !arns.is_empty() {
        grants.push(Grant::new(
            "ReadRoles",
            ["iam:GetRole"],
            arns,
            "Checks whether the roles of the management account exist.",
        ));
    }
    grants
}

/// The ARNs of the roles in the management account.
fn arns_in_management(scope: &Scope<'_>, roles: &[Role]) -> Vec<String> {
    let own = roles.iter().filter(|role| role.account.as_ref() == Some(scope.management()));
    own.filter_map(Role::arn).map(|arn: Arn| arn.to_string()).collect()
}

fn stacks(scope: &Scope<'_>) -> [Grant; 6] {
    let prefix = &scope.config.landing_zone.prefix;
    [
        Grant::new(
            "FindOldStacks",
            ["cloudformation:DescribeStacks", "cloudformation:ListStackSets"],
            ["*"],
            "Finds the stacks and stack sets of roles that an earlier configuration declared: \
             their names are not known. AWS has no resource for these lists.",
        ),
        Grant::new(
            "ReadOldStackSets",
            ["cloudformation:DescribeStackSet"],
            [scope.at_home("cloudformation", "stackset/*:*")],
            "Reads the tags of these stack sets, which say whose they are.",
        ),
        Grant::new(
            "ActivateStackSets",
            [
                "cloudformation:ActivateOrganizationsAccess",
                "cloudformation:DescribeOrganizationsAccess",
            ],
            ["*"],
            "Lets stack sets work in the organization. AWS has no resource for these actions.",
        ),
        Grant::new(
            "ManageStacks",
            [
                "cloudformation:CreateStack",
                "cloudformation:DeleteStack",
                "cloudformation:DescribeStackEvents",
                "cloudformation:GetTemplate",
                "cloudformation:UpdateStack",
            ],
            [scope.at_home("cloudformation", format!("stack/{prefix}-*/*"))],
            "Creates the roles in the management account. The ids in the ARNs of stacks are not \
             known in advance.",
        ),
        Grant::new(
            "CreateStackSets",
            ["cloudformation:CreateStackSet"],
            ["*"],
            "Creates stack sets with orgtrail's tag, and no others. AWS has no resource for this \
             action.",
        )
        .when("StringEquals", &format!("aws:RequestTag/{}", OWNER_TAG.0), [OWNER_TAG.1]),
        Grant::new(
            "ManageStackSets",
            [
                "cloudformation:CreateStackInstances",
                "cloudformation:DeleteStackInstances",
                "cloudformation:DeleteStackSet",
                "cloudformation:DescribeStackSetOperation",
                "cloudformation:ListStackInstances",
                "cloudformation:ListStackSetOperations",
                "cloudformation:TagResource",
                "cloudformation:UpdateStackInstances",
                "cloudformation:UpdateStackSet",
            ],
            [
                scope.at_home("cloudformation", format!("stackset/{prefix}-*:*")),
                scope.at_home("cloudformation", format!("stackset-target/{prefix}-*:*")),
                format!("arn:{}:cloudformation:*::type/resource/AWS-IAM-Role", scope.partition()),
            ],
            "Creates the roles in all other accounts. The ids in the ARNs of stack sets are not \
             known in advance; CloudFormation also asks for the targets and the type of the \
             resources.",
        ),
    ]
}

/// The roles of the management account, which CloudFormation creates with its caller's
/// permissions.
fn management_roles(scope: &Scope<'_>, roles: &[Role]) -> Option<Grant> {
    let arns = arns_in_management(scope, roles);
    let mut actions = vec![
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:DeleteRolePolicy",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListRolePolicies",
        "iam:PutRolePolicy",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
        "iam:UpdateRoleDescription",
    ];
    if scope.config.landing_zone.permissions_boundary.is_some() {
        actions.push("iam:PutRolePermissionsBoundary");
    }
    (!arns.is_empty()).then(|| {
        Grant::new(
            "ManageRoles",
            actions,
            arns,
            "Creates, changes and deletes the roles of the management account: CloudFormation \
             does it with its caller's permissions.",
        )
    })
}
