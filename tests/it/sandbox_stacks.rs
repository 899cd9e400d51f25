//! The sandbox's CloudFormation: stacks of roles, and stack sets in an organization.

use jiff::SignedDuration;
use orgtrail::aws::{AwsError, StackRead, StackWrite, WriteClients, XmlElement};
use orgtrail::names::AccountId;
use serde_json::json;

use crate::bootstrap_env::{BootstrapEnv, MANAGEMENT};

fn template(role: &str, description: &str) -> String {
    json!({ "Resources": { "Role": { "Type": "AWS::IAM::Role", "Properties": {
        "RoleName": role,
        "Description": description,
        "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "ec2.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }] },
    } } } })
    .to_string()
}

/// The management account of an organization, with calls of CloudFormation.
struct Stacks {
    env: BootstrapEnv,
    clients: WriteClients,
    root: String,
}

impl Stacks {
    async fn start(accounts: usize) -> Self {
        let env = BootstrapEnv::invited(accounts).await;
        let clients = env.management().await;
        let roots = clients.organizations().list_roots().send().await.unwrap();
        let root = roots.roots()[0].id().unwrap().to_owned();
        Self { env, clients, root }
    }

    async fn activated(accounts: usize) -> Self {
        let stacks = Self::start(accounts).await;
        stacks.write(StackWrite::ActivateOrganizationsAccess, &[]).await.unwrap();
        stacks
    }

    async fn write(
        &self,
        call: StackWrite,
        parameters: &[(&str, &str)],
    ) -> Result<XmlElement, AwsError> {
        self.clients.write_stacks(call, &owned(parameters)).await
    }

    async fn read(
        &self,
        call: StackRead,
        parameters: &[(&str, &str)],
    ) -> Result<XmlElement, AwsError> {
        self.clients.read_stacks(call, &owned(parameters)).await
    }

    async fn create_set(&self, role: &str, automatic: bool) -> Result<XmlElement, AwsError> {
        let body = template(role, "first");
        let mut parameters = vec![
            ("StackSetName", "roles"),
            ("PermissionModel", "SERVICE_MANAGED"),
            ("TemplateBody", &body),
            ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
            ("AutoDeployment.Enabled", if automatic { "true" } else { "false" }),
        ];
        if automatic {
            parameters.push(("AutoDeployment.RetainStacksOnAccountRemoval", "false"));
        }
        self.write(StackWrite::CreateStackSet, &parameters).await
    }

    /// Starts an operation on the instances below the root.
    async fn instances(&self, call: StackWrite, more: &[(&str, &str)]) -> Result<String, AwsError> {
        let mut parameters = vec![
            ("StackSetName", "roles"),
            ("Regions.member.1", "us-east-1"),
            ("DeploymentTargets.OrganizationalUnitIds.member.1", self.root.as_str()),
        ];
        parameters.extend(more);
        let answer = self.write(call, &parameters).await?;
        Ok(answer.text("OperationId").unwrap().to_owned())
    }

    async fn status(&self, operation: &str) -> String {
        let parameters = [("StackSetName", "roles"), ("OperationId", operation)];
        let answer = self.read(StackRead::DescribeStackSetOperation, &parameters).await.unwrap();
        answer.child("StackSetOperation").unwrap().text("Status").unwrap().to_owned()
    }

    async fn ended(&self, operation: &str) -> String {
        loop {
            let status = self.status(operation).await;
            if !["RUNNING", "QUEUED"].contains(&status.as_str()) {
                return status;
            }
        }
    }

    /// The statuses of all instances: account, status, detailed status.
    async fn summaries(&self) -> Vec<(String, String, String)> {
        let answer = self.read(StackRead::ListStackInstances, &[("StackSetName", "roles")]).await;
        let answer = answer.unwrap();
        let summaries = answer.members("Summaries").map(|one| {
            let text = |name: &str| one.text(name).unwrap_or_default().to_owned();
            let detailed = one.child("StackInstanceStatus").unwrap().text("DetailedStatus");
            (text("Account"), text("Status"), detailed.unwrap().to_owned())
        });
        summaries.collect()
    }
}

fn owned(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn code<T: std::fmt::Debug>(answer: Result<T, AwsError>) -> String {
    answer.unwrap_err().code.clone().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn trusted_access_of_organizations_alone_does_not_activate_stack_sets() {
    let stacks = Stacks::start(4).await;
    let service = "member.org.stacksets.cloudformation.amazonaws.com";
    let enable = stacks.clients.organizations().enable_aws_service_access();
    enable.service_principal(service).send().await.unwrap();
    let access = async || {
        let answer = stacks.read(StackRead::DescribeOrganizationsAccess, &[]).await.unwrap();
        answer.text("Status").unwrap().to_owned()
    };
    assert_eq!(access().await, "DISABLED");
    let refused = stacks.create_set("Auditor", false).await.unwrap_err();
    assert!(refused.message.as_deref().unwrap().contains("organizations access"), "{refused}");
    stacks.write(StackWrite::ActivateOrganizationsAccess, &[]).await.unwrap();
    assert_eq!(access().await, "ENABLED");
    let roles = stacks.clients.iam().list_roles().path_prefix("/aws-service-role/stacksets");
    assert_eq!(roles.send().await.unwrap().roles().len(), 1);
    stacks.create_set("Auditor", false).await.unwrap();
    assert_eq!(code(stacks.create_set("Auditor", false).await), "NameAlreadyExistsException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_set_deploys_to_every_member_but_never_to_the_management_account() {
    let stacks = Stacks::activated(5).await;
    stacks.create_set("Auditor", false).await.unwrap();
    // One account at a time, by default.
    let operation = stacks.instances(StackWrite::CreateStackInstances, &[]).await.unwrap();
    assert_eq!(stacks.status(&operation).await, "RUNNING");
    // While an operation is running, no other one starts.
    let busy = stacks.instances(StackWrite::UpdateStackInstances, &[]).await;
    assert_eq!(code(busy), "OperationInProgressException");
    assert!(stacks.summaries().await.iter().any(|(_, _, detailed)| detailed == "PENDING"));
    // The clock moves it on, too.
    stacks.env.sandbox.tick(SignedDuration::from_mins(10));
    assert_eq!(stacks.status(&operation).await, "SUCCEEDED");
    let found = stacks.summaries().await;
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|(account, status, _)| account != MANAGEMENT && status == "CURRENT"));
    assert!(stacks.env.has_role(&found[0].0, "Auditor").await);
    let full = stacks.write(StackWrite::DeleteStackSet, &[("StackSetName", "roles")]).await;
    assert_eq!(code(full), "StackSetNotEmptyException");
    let retain = [("RetainStacks", "false")];
    let operation = stacks.instances(StackWrite::DeleteStackInstances, &retain).await.unwrap();
    assert_eq!(stacks.ended(&operation).await, "SUCCEEDED");
    assert!(!stacks.env.has_role(&found[0].0, "Auditor").await);
    stacks.write(StackWrite::DeleteStackSet, &[("StackSetName", "roles")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_beyond_the_tolerance_cancel_the_rest() {
    let stacks = Stacks::activated(7).await;
    let members: Vec<AccountId> = stacks.env.all_accounts()[1..6].to_vec();
    let mut sorted = members.clone();
    sorted.sort();
    // The first one that the operation reaches.
    stacks.env.create_role(sorted[0].as_str(), "Auditor").await;
    stacks.create_set("Auditor", false).await.unwrap();
    let operation = stacks.instances(StackWrite::CreateStackInstances, &[]).await.unwrap();
    assert_eq!(stacks.ended(&operation).await, "FAILED");
    let found = stacks.summaries().await;
    let count = |detailed: &str| found.iter().filter(|one| one.2 == detailed).count();
    assert_eq!((count("FAILED"), count("CANCELLED")), (1, 4), "{found:?}");
    let tolerant = [
        ("OperationPreferences.FailureToleranceCount", "1"),
        ("OperationPreferences.MaxConcurrentCount", "2"),
    ];
    let operation = stacks.instances(StackWrite::CreateStackInstances, &tolerant).await.unwrap();
    assert_eq!(stacks.ended(&operation).await, "SUCCEEDED");
    let found = stacks.summaries().await;
    assert_eq!(found.iter().filter(|one| one.1 == "CURRENT").count(), 4, "{found:?}");
    // More at once than may fail is refused in the strict mode.
    let strict = [
        ("OperationPreferences.MaxConcurrentCount", "3"),
        ("OperationPreferences.FailureToleranceCount", "0"),
    ];
    let refused = stacks.instances(StackWrite::CreateStackInstances, &strict).await;
    assert_eq!(code(refused), "ValidationError");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_for_one_account_leaves_the_others_outdated() {
    let stacks = Stacks::activated(5).await;
    stacks.create_set("Auditor", false).await.unwrap();
    let operation = stacks.instances(StackWrite::CreateStackInstances, &[]).await.unwrap();
    stacks.ended(&operation).await;
    let pilot = stacks.summaries().await[0].0.clone();
    let body = template("Auditor", "second");
    let parameters = [
        ("TemplateBody", body.as_str()),
        ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
        ("DeploymentTargets.Accounts.member.1", &pilot),
        ("DeploymentTargets.AccountFilterType", "INTERSECTION"),
    ];
    let operation = stacks.instances(StackWrite::UpdateStackSet, &parameters).await.unwrap();
    assert_eq!(stacks.ended(&operation).await, "SUCCEEDED");
    let found = stacks.summaries().await;
    for (account, status, _) in &found {
        let wanted = if *account == pilot { "CURRENT" } else { "OUTDATED" };
        assert_eq!(status, wanted, "{found:?}");
    }
    let operation = stacks.instances(StackWrite::UpdateStackInstances, &[]).await.unwrap();
    stacks.ended(&operation).await;
    assert!(stacks.summaries().await.iter().all(|one| one.1 == "CURRENT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_join_and_leave_get_and_lose_the_role_by_themselves() {
    let stacks = Stacks::activated(5).await;
    stacks.create_set("Auditor", true).await.unwrap();
    let operation = stacks.instances(StackWrite::CreateStackInstances, &[]).await.unwrap();
    stacks.ended(&operation).await;
    let late = stacks.env.all_accounts()[4].clone();
    stacks.env.sandbox.join(&late).unwrap();
    assert!(!stacks.env.has_role(late.as_str(), "Auditor").await);
    stacks.env.sandbox.tick(SignedDuration::from_mins(1));
    assert!(stacks.env.has_role(late.as_str(), "Auditor").await);
    let remove = stacks.clients.organizations().remove_account_from_organization();
    remove.account_id(late.as_str()).send().await.unwrap();
    assert!(!stacks.env.has_role(late.as_str(), "Auditor").await);
    assert_eq!(stacks.summaries().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_accounts_are_skipped_and_fail_nothing() {
    let stacks = Stacks::activated(5).await;
    let closed = stacks.env.all_accounts()[3].clone();
    let close = stacks.clients.organizations().close_account().account_id(closed.as_str());
    close.send().await.unwrap();
    stacks.create_set("Auditor", false).await.unwrap();
    let operation = stacks.instances(StackWrite::CreateStackInstances, &[]).await.unwrap();
    assert_eq!(stacks.ended(&operation).await, "SUCCEEDED");
    let found = stacks.summaries().await;
    let skipped = found.iter().find(|one| one.0 == closed.as_str()).unwrap();
    assert_eq!(skipped.2, "SKIPPED_SUSPENDED_ACCOUNT");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stack_sets_do_not_take_is_refused() {
    let stacks = Stacks::activated(4).await;
    stacks.create_set("Auditor", false).await.unwrap();
    let refused = [
        // Accounts instead of units; a unit that does not exist; a filter without accounts.
        vec![("Accounts.member.1", "222222222222")],
        vec![("DeploymentTargets.OrganizationalUnitIds.member.2", "ou-ab12-99999999")],
        vec![("DeploymentTargets.AccountFilterType", "INTERSECTION")],
    ];
    for more in refused {
        let answer = stacks.instances(StackWrite::CreateStackInstances, &more).await;
        assert_eq!(code(answer), "ValidationError", "{more:?}");
    }
    let units: Vec<(String, String)> = (1..=51)
        .map(|at| {
            let name = format!("DeploymentTargets.OrganizationalUnitIds.member.{at}");
            (name, stacks.root.clone())
        })
        .collect();
    let units: Vec<_> = units.iter().map(|(name, unit)| (name.as_str(), unit.as_str())).collect();
    let many = stacks.instances(StackWrite::CreateStackInstances, &units).await;
    assert_eq!(code(many), "ValidationError");
    let retain = stacks.instances(StackWrite::DeleteStackInstances, &[]).await;
    assert_eq!(code(retain), "ValidationError");
    let body = template("Auditor", "x");
    let unnamed = [("StackName", "one"), ("TemplateBody", body.as_str())];
    let capability = stacks.write(StackWrite::CreateStack, &unnamed).await;
    assert_eq!(code(capability), "InsufficientCapabilitiesException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_whose_role_name_is_in_use_is_rolled_back_with_the_reason_in_its_events() {
    let stacks = Stacks::start(4).await;
    stacks.env.create_role(MANAGEMENT, "Auditor").await;
    let body = template("Auditor", "x");
    let create = [
        ("StackName", "one"),
        ("TemplateBody", body.as_str()),
        ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
    ];
    stacks.write(StackWrite::CreateStack, &create).await.unwrap();
    let status = async || {
        let answer = stacks.read(StackRead::DescribeStacks, &[("StackName", "one")]).await.unwrap();
        answer.members("Stacks").next().unwrap().text("StackStatus").unwrap().to_owned()
    };
    assert_eq!(status().await, "ROLLBACK_IN_PROGRESS");
    assert_eq!(status().await, "ROLLBACK_COMPLETE");
    let events = stacks.read(StackRead::DescribeStackEvents, &[("StackName", "one")]).await;
    let events = events.unwrap();
    let reason = events.members("StackEvents").find_map(|it| it.text("ResourceStatusReason"));
    assert!(reason.unwrap().contains("already exists"), "{reason:?}");
    // It can only be deleted; the role of somebody else stays.
    assert_eq!(code(stacks.write(StackWrite::UpdateStack, &create).await), "ValidationError");
    stacks.write(StackWrite::DeleteStack, &[("StackName", "one")]).await.unwrap();
    assert!(stacks.env.has_role(MANAGEMENT, "Auditor").await);
    let gone = stacks.read(StackRead::DescribeStacks, &[("StackName", "one")]).await;
    assert_eq!(code(gone), "ValidationError");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_organization_takes_no_accounts_at_first() {
    let env = BootstrapEnv::nothing(4).await;
    let clients = env.root(MANAGEMENT).await;
    let organizations = clients.organizations();
    let missing = organizations.describe_organization().send().await.unwrap_err();
    assert!(format!("{missing:?}").contains("AWSOrganizationsNotInUseException"));
    organizations.create_organization().send().await.unwrap();
    let create = || organizations.create_account().account_name("new").email("new@example.com");
    let early = create().send().await.unwrap_err();
    assert!(format!("{early:?}").contains("FinalizingOrganizationException"), "{early:?}");
    env.sandbox.tick(SignedDuration::from_mins(10));
    create().send().await.unwrap();
}
