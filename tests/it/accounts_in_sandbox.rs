//! `orgtrail accounts` and `orgtrail init` against the sandbox, through the
//! binary: the SDK's default credential chain and endpoint variables included.

use std::path::Path;

use serde_json::Value;

use crate::env::TestEnv;
use crate::program::{Finished, finish_apart};

async fn started(accounts: usize) -> TestEnv {
    TestEnv::builder().accounts(accounts).start().await
}

/// Runs orgtrail in a folder that has a configuration or not, with more variables.
async fn run(
    env: &TestEnv,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Finished {
    let mut command = env.signed_in(folder, arguments);
    command.envs(variables.iter().copied());
    finish_apart(command).await
}

fn config(env: &TestEnv, more: &str) -> String {
    let accounts = env.sandbox.accounts();
    format!(
        "[organization]\nmanagement_account = \"{}\"\nlog_archive_account = \"{}\"\n\
         home_region = \"us-east-1\"\n{more}\n[archive]\nbucket = \"acme-log-archive\"\n",
        accounts[0], accounts[1]
    )
}

#[tokio::test]
async fn every_account_of_the_sandbox_can_be_entered() {
    let env = started(12).await;
    let dir = tempfile::tempdir().unwrap();
    let excluded = env.sandbox.accounts()[3].to_string();
    let toml = config(&env, &format!("excluded_accounts = [\"{excluded}\"]"));
    std::fs::write(dir.path().join("orgtrail.toml"), toml).unwrap();
    let ran = run(&env, dir.path(), &["accounts", "--format", "json"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report = ran.json();
    assert_eq!(report["version"], 1);
    assert_eq!(report["organization"]["management_account"], "111111111111");
    assert_eq!(report["identity"]["caller"], "arn:aws:iam::111111111111:user/admin");
    assert_eq!(
        report["summary"],
        serde_json::json!({ "accounts": 12, "granted": 10, "failed": 0, "excluded": 2 })
    );
    for account in report["accounts"].as_array().unwrap() {
        let id = account["account"].as_str().unwrap();
        assert!(account["unit_path"].as_str().unwrap().starts_with("/Root"), "{account}");
        if id == excluded {
            assert_eq!(account["access"]["status"], "excluded");
            assert_eq!(account["regions"], Value::Null);
            continue;
        }
        if account["state"] != "ACTIVE" {
            assert_eq!(account["access"]["reason"], "the account is suspended");
            continue;
        }
        assert_eq!(account["access"]["status"], "granted", "{account}");
        assert_eq!(account["regions_error"], Value::Null, "{account}");
        assert!(account["regions"].as_array().unwrap().len() >= 17, "{account}");
        let principal = account["access"]["principal"].as_str().unwrap();
        let assumed =
            format!("arn:aws:sts::{id}:assumed-role/OrganizationAccountAccessRole/orgtrail");
        assert!(id == "111111111111" || principal == assumed, "{principal}");
    }
}

#[tokio::test]
async fn a_role_that_is_not_there_makes_the_list_incomplete() {
    let env = started(4).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orgtrail.toml"), config(&env, "")).unwrap();
    let nobody = [("ORGTRAIL__ROLES__NAME", "Nobody")];
    let ran = run(&env, dir.path(), &["accounts"], &nobody).await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert!(ran.stdout.contains("failed: access denied: arn:aws:iam::"), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 accessible, 3 failed, 0 excluded"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: the role must exist"), "{}", ran.stderr);
}

#[tokio::test]
async fn another_management_account_than_the_configs_is_refused() {
    let env = started(4).await;
    let dir = tempfile::tempdir().unwrap();
    let toml = config(&env, "")
        .replace("management_account = \"111111111111\"", "management_account = \"333333333333\"");
    std::fs::write(dir.path().join("orgtrail.toml"), toml).unwrap();
    let ran = run(&env, dir.path(), &["accounts"], &[]).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let said = "expected 333333333333";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[tokio::test]
async fn unknown_keys_are_one_clear_error() {
    let env = started(3).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orgtrail.toml"), config(&env, "")).unwrap();
    let unknown = [("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00")];
    let ran = run(&env, dir.path(), &["accounts"], &unknown).await;
    assert_eq!(ran.code, 14);
    assert!(ran.stderr.contains("InvalidClientTokenId"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: AWS rejects these credentials"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error: ").count(), 1);
}

#[tokio::test]
async fn a_drafted_config_is_valid_and_never_overwrites() {
    let env = started(5).await;
    let dir = tempfile::tempdir().unwrap();
    let ran = run(&env, dir.path(), &["init"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let text = std::fs::read_to_string(dir.path().join("orgtrail.toml")).unwrap();
    let drafted: orgtrail::config::Config = text.parse().unwrap();
    assert_eq!(drafted.organization.management_account.as_str(), "111111111111");
    assert_eq!(drafted.organization.log_archive_account, env.sandbox.accounts()[1]);
    assert_eq!(drafted.organization.audit_account.as_ref(), Some(&env.sandbox.accounts()[2]));
    let ran = run(&env, dir.path(), &["config", "check"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);

    let file = dir.path().join("orgtrail.toml");
    std::fs::write(&file, "mine").unwrap();
    let ran = run(&env, dir.path(), &["init"], &[]).await;
    assert_eq!(ran.code, 2);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let ran = run(&env, dir.path(), &["init", "--yes"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("# orgtrail configuration for o-"));
}

#[tokio::test]
async fn the_variables_of_single_services_win_over_the_general_endpoint() {
    let env = started(3).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orgtrail.toml"), config(&env, "")).unwrap();
    let endpoint = env.sandbox.endpoint();
    let ran = run(
        &env,
        dir.path(),
        &["accounts"],
        &[
            // Nobody listens there.
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_STS", &endpoint),
            ("AWS_ENDPOINT_URL_ORGANIZATIONS", &endpoint),
            ("AWS_ENDPOINT_URL_ACCOUNT", &endpoint),
        ],
    )
    .await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("3 accessible, 0 failed"), "{}", ran.stderr);
}
