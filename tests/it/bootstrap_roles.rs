//! `orgtrail bootstrap` under exactly the permissions that it prints.

use std::collections::BTreeSet;

use orgtrail::config::matches_any;
use orgtrail::resources::roles::{RoleKind, roles};
use orgtrail::sandbox::{Effect, Fault};

use crate::bootstrap_env::{BootstrapEnv, CONFIG, MANAGEMENT, MEMBER};
use crate::configured::parse;

/// Statements and actions that CloudFormation asks for in AWS only: it checks the types and
/// targets of stack sets, and reads the roles of stacks.
const NOT_MODELED: [&str; 6] = [
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:UntagRole",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
];

/// Who runs bootstrap.
const INSTALLER: &str = "arn:aws:iam::111111111111:role/Installer";

#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_that_are_printed_for_bootstrap_are_enough_and_needed() {
    let env = BootstrapEnv::nothing(4).await;
    let all = roles(&parse(CONFIG));
    let role = all.iter().find(|role| role.kind == RoleKind::Bootstrap).unwrap();
    env.create_role(MANAGEMENT, "Installer").await;
    let owner = env.root(MANAGEMENT).await;
    let put = owner.iam().put_role_policy().role_name("Installer").policy_name("bootstrap");
    put.policy_document(role.policy().to_json()).send().await.unwrap();
    let keys = env.session("Installer").await;

    env.sandbox.record_authorization();
    let apply = ["bootstrap", "--create-organization", "--apply", "--yes"];
    // Somebody creates the role between the plan and its step, once.
    env.create_role(MANAGEMENT, "OrgTrailManagement").await;
    let hidden = Effect::Refuse {
        code: "NoSuchEntity".to_owned(),
        message: "The role cannot be found.".to_owned(),
        status: 404,
    };
    env.sandbox.faults().inject(Fault::every("iam:GetRole", hidden));
    let failed = env.ends_as(&keys, &apply, 14).await;
    assert!(failed.stderr.contains("a role of this name exists"), "{}", failed.text());
    env.sandbox.faults().clear();
    owner.iam().delete_role().role_name("OrgTrailManagement").send().await.unwrap();
    env.ends_as(&keys, &apply, 10).await;
    for account in &env.all_accounts()[1..] {
        env.sandbox.join(account).unwrap();
    }
    // A role that somebody created is in the way once.
    env.create_role(MEMBER, "OrgTrailMember").await;
    env.ends_as(&keys, &apply, 14).await;
    let member = env.root(MEMBER).await;
    member.iam().delete_role().role_name("OrgTrailMember").send().await.unwrap();
    env.ends_as(&keys, &apply, 0).await;
    // The trust policies change, and an administrator is declared; then neither.
    let other = CONFIG
        .replace("orgtrail-test", "another")
        .replace("[roles]\n", "delegated_administrators = [\"333333333333\"]\n[roles]\n")
        .replace("[landing_zone]", &format!("[landing_zone]\ntrusted_principal = \"{INSTALLER}\""));
    // So is a role of its own for an account, which the second run finds as an old stack set.
    let other = format!("{other}[roles.accounts.333333333333]\nname = \"OrgTrailTools\"\n");
    env.ends_with(&keys, &other, &apply, 0).await;
    env.ends_as(&keys, &apply, 0).await;
    let id = env.sandbox.organization_id().unwrap();
    let old = ["--old-stack", "orgtrail-member-333333333333"];
    let confirm = ["--confirm-organization", id.as_str()];
    env.ends_as(&keys, &[&["bootstrap", "--destroy"][..], &old, &confirm].concat(), 0).await;
    assert!(!env.has_role(MEMBER, "OrgTrailTools").await);
    let destroy = ["bootstrap", "--destroy", "--confirm-organization", id.as_str()];
    env.ends_as(&keys, &destroy, 0).await;

    let records = env.sandbox.take_authorization();
    let records: Vec<_> = records.iter().filter(|it| it.principal == INSTALLER).collect();
    let denied: Vec<_> = records.iter().filter(|record| !record.allowed).collect();
    assert!(denied.is_empty(), "{denied:#?}");
    let mut unused = BTreeSet::new();
    for grant in &role.grants {
        let sid = grant.statement.sid.as_deref().unwrap();
        let used: Vec<_> = records.iter().filter(|it| it.statements.contains(sid)).collect();
        for action in grant.statement.action.iter() {
            if !used.iter().any(|record| record.action == action) {
                unused.insert(format!("{sid}: {action}"));
            }
        }
        for resource in grant.statement.resource.iter() {
            let pattern = [resource.to_owned()];
            if !used.iter().any(|record| matches_any(&pattern, &record.resource)) {
                unused.insert(format!("{sid}: {resource}"));
            }
        }
    }
    unused.retain(|one| {
        let (_, what) = one.split_once(": ").unwrap();
        !NOT_MODELED.contains(&what)
            && !what.contains("stackset-target/")
            && !what.contains("type/resource/")
    });
    assert!(unused.is_empty(), "{unused:#?}");
}
