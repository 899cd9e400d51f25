//! What orgtrail does in the management account, and how it gets from there, or from where it
//! is started, to all other accounts.

use super::grant::{Grant, Scope};
use crate::names::AccountId;

const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";

pub(super) fn grants(scope: &Scope<'_>) -> Vec<Grant> {
    let mut grants = vec![
        Grant::new(
            "ReadOrganization",
            [
                "organizations:DescribeAccount",
                "organizations:DescribeOrganization",
                "organizations:DescribePolicy",
                "organizations:ListAWSServiceAccessForOrganization",
                "organizations:ListAccountsForParent",
                "organizations:ListDelegatedAdministrators",
                "organizations:ListOrganizationalUnitsForParent",
                "organizations:ListParents",
                "organizations:ListPolicies",
                "organizations:ListPoliciesForTarget",
                "organizations:ListRoots",
                "organizations:ListTargetsForPolicy",
            ],
            ["*"],
            "Lists the accounts and the policies that bind them. AWS has no resource for most of \
             these actions, and the ids of the others are not known in advance.",
        ),
        Grant::new(
            "EnableTrustedAccess",
            ["organizations:EnableAWSServiceAccess"],
            ["*"],
            "Lets CloudTrail work in the organization, and no other service. AWS has no resource \
             for this action.",
        )
        .when("StringEquals", "organizations:ServicePrincipal", [CLOUDTRAIL]),
        Grant::new(
            "ListRoles",
            ["iam:ListRoles"],
            ["*"],
            "Finds CloudTrail's service-linked role. AWS has no resource for this action.",
        ),
        Grant::new(
            "ReadLandingZone",
            [
                "controltower:GetLandingZone",
                "controltower:ListLandingZones",
                "iam:ListOrganizationsFeatures",
            ],
            ["*"],
            "Finds out whether AWS Control Tower manages the trail, and whether centralized root \
             access is on. AWS has no resource for these actions.",
        ),
        manage_trail(scope),
        Grant::new(
            "ListAlarmTopics",
            ["sns:ListSubscriptionsByTopic"],
            [format!("arn:{}:sns:*:*:*", scope.partition())],
            "Checks that each alarm on the trail's events has a subscriber: alarms that orgtrail \
             did not create notify topics that are not known in advance.",
        ),
        Grant::new(
            "ListLogGroups",
            ["logs:DescribeLogGroups"],
            ["*"],
            "Reads the retention of the trail's log group. AWS has no resource for this action.",
        ),
        Grant::new(
            "ReadAlarms",
            ["cloudwatch:DescribeAlarms"],
            [scope.at_home("cloudwatch", "alarm:*")],
            "Lists the alarms: those that orgtrail did not create are not known in advance.",
        ),
    ];
    grants.extend(read_event_data_stores(scope));
    grants.extend(service_linked_role(scope));
    if scope.partition().has_cloudtrail_delegated_administrators() {
        grants.extend(delegated_administrators());
    }
    if scope.config.guardrail.enabled {
        grants.push(guardrail());
    }
    if scope.config.cloudwatch_logs.enabled {
        grants.extend(log_group(scope));
    }
    grants.extend(topics(scope));
    grants.extend(super::new_accounts::grants(scope));
    grants.extend(super::athena::definitions(scope));
    if scope.config.alarms.is_some() {
        grants.push(alarms(scope));
    }
    grants
}

fn service_linked_role(scope: &Scope<'_>) -> [Grant; 2] {
    let management = scope.management();
    let folder = format!("arn:{}:iam::{management}:role/aws-service-role/", scope.partition());
    let role = format!("{folder}{CLOUDTRAIL}/AWSServiceRoleForCloudTrail");
    [
        Grant::new(
            "CreateServiceLinkedRole",
            ["iam:CreateServiceLinkedRole"],
            [role.clone()],
            "CloudTrail needs its service-linked role for an organization trail.",
        )
        .when("StringEquals", "iam:AWSServiceName", [CLOUDTRAIL]),
        Grant::new(
            "ReadServiceLinkedRole",
            ["iam:GetRole"],
            [role],
            "CloudTrail looks for that role with its caller's permissions.",
        ),
    ]
}

/// Reading the event data stores of CloudTrail Lake.
pub(super) fn read_event_data_stores(scope: &Scope<'_>) -> [Grant; 2] {
    let account = scope.account.map_or("*", AccountId::as_str);
    [
        Grant::new(
            "ListEventDataStores",
            ["cloudtrail:ListEventDataStores"],
            ["*"],
            "Finds the event data stores of CloudTrail Lake, which record events as well and are \
             charged for. AWS has no resource for this action.",
        ),
        Grant::new(
            "ReadEventDataStores",
            ["cloudtrail:GetEventDataStore"],
            [format!("arn:{}:cloudtrail:*:{account}:eventdatastore/*", scope.partition())],
            "Reports their scope, retention and protection. Their ids are not known in advance.",
        ),
    ]
}

fn manage_trail(scope: &Scope<'_>) -> Grant {
    let mut actions = vec![
        "cloudtrail:CreateTrail",
        "cloudtrail:GetInsightSelectors",
        "cloudtrail:ListTags",
        "cloudtrail:PutEventSelectors",
        "cloudtrail:PutInsightSelectors",
        "cloudtrail:UpdateTrail",
    ];
    if !scope.config.trail.tags.is_empty() {
        actions.push("cloudtrail:AddTags");
    }
    let trail = scope.at_home("cloudtrail", format!("trail/{}", scope.config.trail.name));
    Grant::new("ManageTrail", actions, [trail], "Creates and configures the organization trail.")
}

/// Assuming the roles of the organization's accounts.
pub(super) fn assume_roles(scope: &Scope<'_>) -> Grant {
    let roles = &scope.config.roles;
    let partition = scope.partition();
    let mut resources = vec![format!("arn:{partition}:iam::*:role{}{}", roles.path, roles.name)];
    // Without a hub, the account that orgtrail is started in is not assumed into.
    let own = roles.hub.is_none().then(|| scope.management());
    let declared = roles.accounts.keys().filter(|account| Some(*account) != own);
    resources.extend(declared.map(|account| roles.arn_in(partition, account).to_string()));
    Grant::new(
        "AssumeRoles",
        ["sts:AssumeRole"],
        resources,
        "Assumes the role of [roles] in the organization's accounts. The accounts are not all \
         known in advance; the role's name is.",
    )
    .when("StringEquals", "aws:ResourceOrgID", ["${aws:PrincipalOrgID}"])
}

pub(super) fn delegated_administrators() -> [Grant; 2] {
    [
        Grant::new(
            "DelegateTrail",
            [
                "cloudtrail:DeregisterOrganizationDelegatedAdmin",
                "cloudtrail:RegisterOrganizationDelegatedAdmin",
            ],
            ["*"],
            "Registers exactly the declared delegated administrators with CloudTrail. AWS has no \
             resource for these actions.",
        ),
        Grant::new(
            "DelegateAdministrators",
            [
                "organizations:DeregisterDelegatedAdministrator",
                "organizations:RegisterDelegatedAdministrator",
            ],
            ["*"],
            "CloudTrail registers them with its caller's permissions, for itself and no other \
             service. The organization's id in the accounts' ARNs is not known in advance.",
        )
        .when("StringEquals", "organizations:ServicePrincipal", [CLOUDTRAIL]),
    ]
}

fn guardrail() -> Grant {
    Grant::new(
        "ManageGuardrail",
        [
            "organizations:AttachPolicy",
            "organizations:CreatePolicy",
            "organizations:DeletePolicy",
            "organizations:DetachPolicy",
            "organizations:EnablePolicyType",
            "organizations:UpdatePolicy",
        ],
        ["*"],
        "Writes and attaches the guardrail, a service control policy. AWS chooses its id when \
         it is created.",
    )
    .when("StringEquals", "organizations:PolicyType", ["SERVICE_CONTROL_POLICY"])
}

fn log_group(scope: &Scope<'_>) -> [Grant; 3] {
    let logs = &scope.config.cloudwatch_logs;
    let group = scope.at_home("logs", format!("log-group:{}", logs.group));
    let role = scope.role(scope.management(), &logs.role);
    let mut actions = vec!["logs:CreateLogGroup", "logs:DescribeMetricFilters"];
    actions.push(if logs.keep_forever {
        "logs:DeleteRetentionPolicy"
    } else {
        "logs:PutRetentionPolicy"
    });
    if logs.kms_key.is_some() {
        actions.push("logs:AssociateKmsKey");
    }
    if scope.config.alarms.is_some() {
        actions.extend(["logs:DeleteMetricFilter", "logs:PutMetricFilter"]);
    }
    let pass = "Gives CloudTrail the role with which it writes to the log group, and no other \
                service or role.";
    [
        Grant::new(
            "ManageLogGroup",
            actions,
            [group.clone(), format!("{group}:*")],
            "Creates and configures the trail's log group and its metric filters.",
        ),
        super::service_role("ManageLogGroupRole", &role),
        Grant::new("PassLogGroupRole", ["iam:PassRole"], [role], pass).when(
            "StringEquals",
            "iam:PassedToService",
            [CLOUDTRAIL],
        ),
    ]
}

fn topics(scope: &Scope<'_>) -> Vec<Grant> {
    let config = scope.config;
    let own = config.topic.as_ref().filter(|topic| topic.arn.is_none());
    let names = own.map(|topic| &topic.name);
    let names = names.into_iter().chain(config.alarms.as_ref().map(|alarms| &alarms.topic));
    let topics: Vec<String> = names.map(|name| scope.at_home("sns", name.as_str())).collect();
    let mut grants = Vec::new();
    if !topics.is_empty() {
        grants.push(Grant::new(
            "ManageTopics",
            ["sns:CreateTopic", "sns:GetTopicAttributes", "sns:SetTopicAttributes"],
            topics,
            "Creates the topics of log files and alarms, and lets CloudTrail and CloudWatch \
             publish to them.",
        ));
    }
    if let Some(alarms) = config.alarms.as_ref().filter(|alarms| !alarms.subscribers.is_empty()) {
        let topic = scope.at_home("sns", alarms.topic.as_str());
        let why = "Subscribes the declared addresses to the alarms.";
        grants.push(
            Grant::new("SubscribeToAlarms", ["sns:Subscribe"], [topic], why)
                .when("StringEquals", "sns:Protocol", ["email"])
                .when("StringEquals", "sns:Endpoint", &alarms.subscribers),
        );
    }
    grants
}

fn alarms(scope: &Scope<'_>) -> Grant {
    Grant::new(
        "ManageAlarms",
        ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm"],
        [scope.at_home("cloudwatch", "alarm:orgtrail-*")],
        "Creates, changes and deletes orgtrail's alarms.",
    )
}

/// Assuming the hub role, for a caller outside of the management account.
pub(super) fn assume_hub(hub: &str) -> Grant {
    Grant::new(
        "AssumeHub",
        ["sts:AssumeRole"],
        [hub],
        "Assumes the hub role, from which orgtrail assumes all others.",
    )
}
