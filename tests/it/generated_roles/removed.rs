//! A role without one of its actions: the command that needs it ends with 14 and names the
//! action.

use orgtrail::resources::roles::{Role, RoleKind};
use serde_json::{Value, json};

use super::setting::Setting;

/// The role's policy without an action.
fn without(role: &Role, action: &str) -> Value {
    let statements: Vec<Value> = role
        .grants
        .iter()
        .filter_map(|grant| {
            let mut statement = serde_json::to_value(&grant.statement).unwrap();
            let left: Vec<&str> =
                grant.statement.action.iter().filter(|one| *one != action).collect();
            if left.is_empty() {
                return None;
            }
            statement["Action"] = json!(left);
            Some(statement)
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Runs a command, which needs the action.
async fn fails(setting: &Setting, kind: RoleKind, action: &str, arguments: &[&str]) {
    let role = setting.role(kind);
    setting.put_policy(role, &without(role, action)).await;
    let output = setting.output(arguments).await;
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(14), "{kind:?} without {action}: {said}");
    assert!(said.contains(action), "{action}: {said}");
    let complete = serde_json::to_value(role.policy()).unwrap();
    setting.put_policy(role, &complete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_needs_every_action_that_reads_the_archive() {
    let setting = Setting::through_a_hub().await;
    setting.runs(&["apply", "--yes"], 0).await;
    setting.runs(&["plan"], 0).await;
    let role = setting.role(RoleKind::Archive);
    let mut read = 0;
    for sid in ["ConfigureArchive", "ReadKeys", "ManageReplicationRole"] {
        let grant = role.grants.iter().find(|one| one.statement.sid.as_deref() == Some(sid));
        for action in grant.unwrap().statement.action.iter().filter(|it| it.contains(":Get")) {
            fails(&setting, RoleKind::Archive, action, &["plan"]).await;
            read += 1;
        }
    }
    assert!(read > 12, "{read}");
    setting.runs(&["plan"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_needs_what_it_writes_in_every_role() {
    // Each step builds on those before it, so that the next run does the rest.
    let setting = Setting::through_a_hub().await;
    for (kind, action) in [
        (RoleKind::Runner, "sts:AssumeRole"),
        (RoleKind::Hub, "sts:AssumeRole"),
        (RoleKind::Management, "organizations:EnableAWSServiceAccess"),
        (RoleKind::Archive, "s3:CreateBucket"),
        (RoleKind::Archive, "kms:CreateKey"),
        (RoleKind::Archive, "kms:CreateAlias"),
        (RoleKind::Archive, "s3:PutEncryptionConfiguration"),
        (RoleKind::Archive, "s3:PutBucketPolicy"),
        (RoleKind::Vault, "kms:CreateKey"),
        (RoleKind::Archive, "iam:PassRole"),
        (RoleKind::Management, "iam:PutRolePolicy"),
        (RoleKind::Management, "iam:PassRole"),
        (RoleKind::Management, "cloudtrail:CreateTrail"),
    ] {
        fails(&setting, kind, action, &["apply", "--yes"]).await;
    }
    setting.runs(&["apply", "--yes"], 0).await;
    setting.runs(&["plan"], 0).await;
}
