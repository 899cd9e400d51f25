//! Someone who creates a role, a stack or a stack set before orgtrail does, under the name that
//! it would have.

use jiff::SignedDuration;
use orgtrail::aws::{StackRead, StackWrite};
use serde_json::json;

use crate::bootstrap_env::{ARCHIVE, BootstrapEnv, CONFIG, MANAGEMENT, MEMBER};

/// A template of a role that trusts somebody else.
fn template(name: &str) -> String {
    json!({ "Resources": { "Role": { "Type": "AWS::IAM::Role", "Properties": {
        "RoleName": name,
        "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{MEMBER}:root") },
            "Action": "sts:AssumeRole",
        }] },
    } } } })
    .to_string()
}

fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_role_of_the_expected_name_is_not_adopted_and_named_as_the_cause() {
    let env = BootstrapEnv::invited(6).await;
    // A member's administrator trusts itself with the role that orgtrail would create.
    let squatter = env.all_accounts()[3].to_string();
    env.create_role(&squatter, "OrgTrailMember").await;
    let failed = env.ends(&["bootstrap", "--apply", "--yes"], 14).await;
    let message = failed.text();
    assert!(message.contains("a role of this name exists that the stack set did not create"));
    assert!(message.contains(&squatter), "{message}");
    // Every other account has its role.
    assert!(env.has_role(MEMBER, "OrgTrailMember").await);
    let report = env.ends(&["bootstrap", "--format", "json"], 10).await.json();
    let member = report["roles"].as_array().unwrap().iter().find(|it| it["id"] == "role/member");
    let cause = &member.unwrap()["causes"][0];
    assert_eq!(cause["accounts"], json!([squatter]), "{cause:#}");
    // Its own trust policy was not touched.
    let owner = env.root(&squatter).await;
    let role = owner.iam().get_role().role_name("OrgTrailMember").send().await.unwrap();
    let trust = role.role.unwrap().assume_role_policy_document.unwrap();
    assert!(trust.contains(&squatter), "{trust}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_stack_set_of_the_name_is_neither_changed_nor_deleted() {
    let env = BootstrapEnv::invited(5).await;
    let management = env.management().await;
    management.write_stacks(StackWrite::ActivateOrganizationsAccess, &Vec::new()).await.unwrap();
    let body = template("Payroll");
    let create = parameters(&[
        ("StackSetName", "orgtrail-member"),
        ("PermissionModel", "SERVICE_MANAGED"),
        ("AutoDeployment.Enabled", "false"),
        ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
        ("TemplateBody", &body),
    ]);
    management.write_stacks(StackWrite::CreateStackSet, &create).await.unwrap();
    let refused = env.ends(&["bootstrap"], 12).await;
    assert!(refused.stdout.contains("orgtrail did not create it"), "{}", refused.text());
    env.ends(&["bootstrap", "--apply", "--yes"], 12).await;
    let id = env.sandbox.organization_id().unwrap();
    let destroy = ["bootstrap", "--destroy", "--confirm-organization", id.as_str()];
    env.ends(&destroy, 0).await;
    let name = parameters(&[("StackSetName", "orgtrail-member")]);
    let found = management.read_stacks(StackRead::DescribeStackSet, &name).await.unwrap();
    let found = found.child("StackSet").unwrap();
    assert_eq!(found.text("TemplateBody"), Some(body.as_str()));
    // Under another prefix, bootstrap works beside it.
    let other = CONFIG.replace("[landing_zone]", "[landing_zone]\nprefix = \"acme-trail\"");
    let applied = env.runs(&other, &["bootstrap", "--apply", "--yes"]).await;
    assert_eq!(applied.code, 0, "{}", applied.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_or_stack_of_the_name_in_the_management_account_is_not_taken_over() {
    let env = BootstrapEnv::invited(4).await;
    env.create_role(MANAGEMENT, "OrgTrailManagement").await;
    let refused = env.ends(&["bootstrap", "--apply", "--yes"], 12).await;
    assert!(refused.stderr.contains("OrgTrailManagement"), "{}", refused.text());
    let owner = env.root(MANAGEMENT).await;
    owner.iam().delete_role().role_name("OrgTrailManagement").send().await.unwrap();
    let management = env.management().await;
    let body = template("Payroll");
    let create = parameters(&[
        ("StackName", "orgtrail-management"),
        ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
        ("TemplateBody", &body),
    ]);
    management.write_stacks(StackWrite::CreateStack, &create).await.unwrap();
    let refused = env.ends(&["bootstrap", "--apply", "--yes"], 12).await;
    assert!(refused.stderr.contains("orgtrail did not create it"), "{}", refused.text());
    assert!(!env.has_role(ARCHIVE, "OrgTrailArchive").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_denies_stack_sets_is_the_cause_that_is_named() {
    use aws_sdk_organizations::types::PolicyType;

    let env = BootstrapEnv::invited(6).await;
    let management = env.management().await;
    let organizations = management.organizations();
    let roots = organizations.list_roots().send().await.unwrap();
    let root = roots.roots()[0].id().unwrap().to_owned();
    let enable = organizations.enable_policy_type().root_id(&root);
    enable.policy_type(PolicyType::ServiceControlPolicy).send().await.unwrap();
    let policy = |exempt: &str| {
        let content = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny",
            "Action": "iam:*",
            "Resource": "*",
            "Condition": { "ArnNotLike": { "aws:PrincipalArn": exempt } },
        }] });
        content.to_string()
    };
    let create = organizations.create_policy().r#type(PolicyType::ServiceControlPolicy);
    let create =
        create.name("no-iam").description("").content(policy("arn:aws:iam::*:role/Nobody"));
    let made = create.send().await.unwrap();
    let id = made.policy.unwrap().policy_summary.unwrap().id.unwrap();
    organizations.attach_policy().policy_id(&id).target_id(&root).send().await.unwrap();
    let failed = env.ends(&["bootstrap", "--apply", "--yes"], 14).await;
    let message = failed.text();
    assert!(message.contains("a service control policy denies it"), "{message}");
    assert!(message.contains("stacksets-exec-*"), "{message}");
    // The policy exempts the role of stack sets.
    let update = organizations.update_policy().policy_id(&id);
    update.content(policy("arn:aws:iam::*:role/stacksets-exec-*")).send().await.unwrap();
    env.sandbox.tick(SignedDuration::from_mins(5));
    env.ends(&["bootstrap", "--apply", "--yes"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_declared_role_of_the_organization_assumes_a_members_role() {
    let env = BootstrapEnv::bootstrapped(5).await;
    let arn = format!("arn:aws:iam::{MEMBER}:role/OrgTrailMember");
    let assume = async |keys: aws_credential_types::Credentials, external_id: &str| {
        let sts = aws_sdk_sts::Client::new(&env.sdk_config(keys, "us-east-1"));
        let assume = sts.assume_role().role_arn(&arn).role_session_name("test");
        assume.external_id(external_id).send().await.is_ok()
    };
    let role = env.session("OrgTrailManagement").await;
    assert!(assume(role.clone(), "orgtrail-test").await);
    assert!(!assume(role, "another").await);
    // The account is trusted for this role only, not for its administrator.
    assert!(!assume(env.administrator(), "orgtrail-test").await);
}
