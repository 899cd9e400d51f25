//! The generated roles, tried: what orgtrail does with them, and what they refuse.

use orgtrail::names::AccountId;
use serde_json::{Value, json};

use crate::apply_command::{Ran, run};
use crate::retire_command::{BUCKET, config, stage};
use crate::stage::{Stage, Writing as _};

const HUB: &str = "arn:aws:iam::111111111111:role/OrgTrailHub";

fn policy(name: &str) -> String {
    let path = format!("{}/infra/policies/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A role of an account that a principal may assume, with a generated policy.
async fn role(stage: &Stage, account: &str, name: &str, trusted: &str, permissions: &str) {
    let account: AccountId = account.parse().unwrap();
    let clients = stage.aws.clients(&account, &"us-east-1".parse().unwrap());
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": trusted }, "Action": "sts:AssumeRole",
    }] });
    let create = clients.writing().iam().create_role().role_name(name);
    create.assume_role_policy_document(trust.to_string()).send().await.unwrap();
    let put = clients.writing().iam().put_role_policy().role_name(name).policy_name("orgtrail");
    put.policy_document(permissions).send().await.unwrap();
}

async fn roles(stage: &Stage) {
    let admin = "arn:aws:iam::111111111111:user/admin";
    role(stage, "111111111111", "OrgTrailHub", admin, &policy("hub")).await;
    role(stage, "222222222222", "OrgTrailArchive", HUB, &policy("archive")).await;
    for member in &stage.sandbox.accounts()[2..] {
        role(stage, member.as_str(), "OrgTrailMember", HUB, &policy("member")).await;
    }
    // It trusts the hub, and no configuration names it.
    role(stage, "333333333333", "Administration", HUB, &policy("member")).await;
}

fn with_roles(member: &str) -> String {
    format!(
        "{}[roles]\nname = \"{member}\"\nhub = \"{HUB}\"\n\
         [roles.accounts.222222222222]\nname = \"OrgTrailArchive\"\n",
        config()
    )
}

fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_generated_roles_are_enough_to_enter_every_account() {
    let stage = stage(5).await;
    roles(&stage).await;
    let config = with_roles("OrgTrailMember");
    // The bucket's policy, and the guardrail, let the role of before alone change them.
    let archive = stage.archive();
    archive.s3().delete_bucket_policy().bucket("acme-log-archive").send().await.unwrap();
    for arguments in [
        &["apply", "--yes", "--confirm-weakened-guard"][..],
        &["accounts"],
        &["consolidate", "--yes"],
        &["verify"],
        &["records"],
    ] {
        let ran = run(&stage, &config, arguments).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", said(&ran));
    }
    let legacy = stage.sandbox.keys_raw(BUCKET, "AWSLogs/").len();
    assert!(legacy > 4, "{legacy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_assumes_no_role_that_the_configuration_does_not_name() {
    let stage = stage(5).await;
    roles(&stage).await;
    let ran = run(&stage, &with_roles("Administration"), &["sources"]).await;
    assert_eq!(ran.code, Some(14), "{}", said(&ran));
    let said = said(&ran);
    assert!(said.contains("sts:AssumeRole") && said.contains("role/Administration"), "{said}");
}

#[test]
fn a_role_is_written_or_passed_by_its_name_alone() {
    for (name, role) in [("hub", "orgtrail-cloudwatch-logs"), ("archive", "orgtrail-replication")] {
        let policy: Value = serde_json::from_str(&policy(name)).unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        for action in
            ["iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:PassRole"]
        {
            let has = |statement: &&Value| statement["Action"].to_string().contains(action);
            let found: Vec<_> = statements.iter().filter(has).collect();
            let [statement] = found.as_slice() else { panic!("{name} {action}: {found:?}") };
            assert_eq!(statement["Resource"], format!("arn:*:iam::*:role/{role}"), "{action}");
        }
    }
}
