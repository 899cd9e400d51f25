//! The whole life of a landing zone in the sandbox, under the generated roles only, with a kill
//! in each step.

use jiff::SignedDuration;
use orgtrail::names::AccountId;
use serde_json::Value;

use crate::bootstrap_env::BootstrapEnv;

const CLOUDTRAIL: &str = "cloudtrail.amazonaws.com";
const CREATE: [&str; 4] = ["bootstrap", "--create-organization", "--apply", "--yes"];
const BOOTSTRAP: [&str; 3] = ["bootstrap", "--apply", "--yes"];
const APPLY: [&str; 2] = ["apply", "--yes"];
const FIX: [&str; 3] = ["drift", "--fix", "--yes"];
const DESTROY: [&str; 3] = ["destroy", "--confirm-trail", "orgtrail"];

/// An account that Organizations creates.
async fn create_account(env: &BootstrapEnv) -> AccountId {
    let management = env.management().await;
    let create = management.organizations().create_account();
    let create = create.account_name("created").email("created@example.com");
    let status = create.send().await.unwrap().create_account_status.unwrap();
    let describe = management.organizations().describe_create_account_status();
    let status = describe.create_account_request_id(status.id.unwrap()).send().await.unwrap();
    status.create_account_status.unwrap().account_id.unwrap().parse().unwrap()
}

/// Whether every Region of an account delivers, in a coverage report.
fn delivers(report: &Value, account: &AccountId) -> bool {
    let accounts = report["accounts"].as_array().unwrap();
    let found = accounts.iter().find(|it| it["account"] == account.as_str()).unwrap();
    found["cells"].as_array().unwrap().iter().all(|cell| cell["state"] == "covered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_landing_zone_goes_from_nothing_to_its_removal_with_each_step_killed_once() {
    let env = BootstrapEnv::nothing(5).await;
    env.killed_before(None, &CREATE, "cloudformation:CreateStackSet", 0).await;
    // The log archive's account is not a member yet.
    env.ends(&CREATE, 10).await;
    let accounts = env.all_accounts();
    let (late, first) = accounts[1..].split_last().unwrap();
    for account in first {
        env.sandbox.join(account).unwrap();
    }
    env.killed_before(None, &BOOTSTRAP, "cloudformation:CreateStackInstances", 1).await;
    env.ends(&BOOTSTRAP, 0).await;

    // From here on, only the roles are used.
    let keys = env.session("OrgTrailManagement").await;
    env.killed_before(Some(&keys), &APPLY, "cloudtrail:CreateTrail", 0).await;
    env.ends_as(&keys, &APPLY, 0).await;
    env.ends_as(&keys, &["plan"], 0).await;

    // An invited and a created account join, and are covered without anybody's doing.
    env.sandbox.tick(SignedDuration::from_hours(1));
    env.sandbox.join(late).unwrap();
    let created = create_account(&env).await;
    // Stack sets deploy to one of them after the other.
    for _ in 0..3 {
        env.sandbox.tick(SignedDuration::from_hours(1));
    }
    env.ends_as(&keys, &["accounts"], 0).await;
    let report = env.ends_as(&keys, &["coverage", "--format", "json"], 0).await.json();
    assert!(delivers(&report, late) && delivers(&report, &created), "{report:#}");

    // One leaves: it loses its role, and its logs stay.
    let management = env.management().await;
    let remove = management.organizations().remove_account_from_organization();
    remove.account_id(late.as_str()).send().await.unwrap();
    assert!(!env.has_role(late.as_str(), "OrgTrailMember").await);
    let logs = env.sandbox.keys_raw("acme-log-archive", "AWSLogs/");
    assert!(logs.iter().any(|key| key.contains(late.as_str())));
    env.ends_as(&keys, &["plan"], 0).await;

    // Somebody turns trusted access off: the trail records one account only.
    let disable = management.organizations().disable_aws_service_access();
    disable.service_principal(CLOUDTRAIL).send().await.unwrap();
    let drift = env.ends_as(&keys, &["drift"], 11).await;
    assert!(drift.stdout.contains("trusted access"), "{}", drift.stdout);
    env.killed_before(Some(&keys), &FIX, "organizations:EnableAWSServiceAccess", 0).await;
    env.ends_as(&keys, &FIX, 0).await;
    env.ends_as(&keys, &["plan"], 0).await;

    env.killed_before(Some(&keys), &DESTROY, "cloudtrail:DeleteTrail", 0).await;
    env.ends_as(&keys, &DESTROY, 0).await;
    let id = env.sandbox.organization_id().unwrap();
    let remove = ["bootstrap", "--destroy", "--confirm-organization", id.as_str()];
    env.killed_before(None, &remove, "cloudformation:DeleteStackSet", 0).await;
    env.ends(&remove, 0).await;
    for account in &accounts {
        for role in ["OrgTrailManagement", "OrgTrailArchive", "OrgTrailMember"] {
            assert!(!env.has_role(account.as_str(), role).await, "{account}: {role}");
        }
    }
}
