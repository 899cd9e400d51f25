//! `orgtrail accounts` and `orgtrail init` against the sandbox, through the
//! binary: the SDK's default credential chain and endpoint variables included.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use orgtrail::sandbox::{Options, Pace, Sandbox};
use serde_json::Value;

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

async fn sandbox(accounts: usize) -> Sandbox {
    let mut options = Options::new("us-east-1".parse().unwrap());
    options.accounts = accounts;
    options.start = Some("2026-01-01T00:00:00Z".parse().unwrap());
    options.pace = Pace::Frozen;
    Sandbox::start(options).await.unwrap()
}

async fn orgtrail(
    sandbox: &Sandbox,
    dir: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Ran {
    let keys = sandbox.administrator().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orgtrail"));
    command
        .current_dir(dir)
        .args(arguments)
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", &keys.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &keys.secret_access_key)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", sandbox.endpoint())
        .env("ORGTRAIL_PACING", "off")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    // On a thread of its own, so that the sandbox can answer.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn config(sandbox: &Sandbox, more: &str) -> String {
    let accounts = sandbox.accounts();
    format!(
        "[organization]\nmanagement_account = \"{}\"\nlog_archive_account = \"{}\"\n\
         home_region = \"us-east-1\"\n{more}\n[archive]\nbucket = \"acme-log-archive\"\n",
        accounts[0], accounts[1]
    )
}

#[tokio::test]
async fn every_account_of_the_sandbox_can_be_entered() {
    let sandbox = sandbox(12).await;
    let dir = tempfile::tempdir().unwrap();
    let excluded = sandbox.accounts()[3].to_string();
    let toml = config(&sandbox, &format!("excluded_accounts = [\"{excluded}\"]"));
    std::fs::write(dir.path().join("orgtrail.toml"), toml).unwrap();
    let ran = orgtrail(&sandbox, dir.path(), &["accounts", "--format", "json"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
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
    let sandbox = sandbox(4).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orgtrail.toml"), config(&sandbox, "")).unwrap();
    let nobody = [("ORGTRAIL__ROLES__NAME", "Nobody")];
    let ran = orgtrail(&sandbox, dir.path(), &["accounts"], &nobody).await;
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert!(ran.stdout.contains("failed: access denied: arn:aws:iam::"), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 entered, 3 failed, 0 left out"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: the role must exist"), "{}", ran.stderr);
}

#[tokio::test]
async fn another_management_account_than_the_configs_is_refused() {
    let sandbox = sandbox(4).await;
    let dir = tempfile::tempdir().unwrap();
    let toml = config(&sandbox, "")
        .replace("management_account = \"111111111111\"", "management_account = \"333333333333\"");
    std::fs::write(dir.path().join("orgtrail.toml"), toml).unwrap();
    let ran = orgtrail(&sandbox, dir.path(), &["accounts"], &[]).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let said = "the configuration says 333333333333";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[tokio::test]
async fn unknown_keys_are_one_clear_error() {
    let sandbox = sandbox(3).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orgtrail.toml"), config(&sandbox, "")).unwrap();
    let unknown = [("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN00")];
    let ran = orgtrail(&sandbox, dir.path(), &["accounts"], &unknown).await;
    assert_eq!(ran.code, 14);
    assert!(ran.stderr.contains("InvalidClientTokenId"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: AWS does not know these credentials"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("error: ").count(), 1);
}

#[tokio::test]
async fn a_drafted_config_is_valid_and_never_overwrites() {
    let sandbox = sandbox(5).await;
    let dir = tempfile::tempdir().unwrap();
    let ran = orgtrail(&sandbox, dir.path(), &["init"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let text = std::fs::read_to_string(dir.path().join("orgtrail.toml")).unwrap();
    let drafted: orgtrail::config::Config = text.parse().unwrap();
    assert_eq!(drafted.organization.management_account.as_str(), "111111111111");
    assert_eq!(drafted.organization.log_archive_account, sandbox.accounts()[1]);
    assert_eq!(drafted.organization.audit_account.as_ref(), Some(&sandbox.accounts()[2]));
    let ran = orgtrail(&sandbox, dir.path(), &["config", "check"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);

    let file = dir.path().join("orgtrail.toml");
    std::fs::write(&file, "mine").unwrap();
    let ran = orgtrail(&sandbox, dir.path(), &["init"], &[]).await;
    assert_eq!(ran.code, 2);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let ran = orgtrail(&sandbox, dir.path(), &["init", "--yes"], &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("# orgtrail's config for o-"));
}

#[tokio::test]
async fn the_variables_of_single_services_win_over_the_general_endpoint() {
    let sandbox = sandbox(3).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("orgtrail.toml"), config(&sandbox, "")).unwrap();
    let endpoint = sandbox.endpoint();
    let ran = orgtrail(
        &sandbox,
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
    assert!(ran.stderr.contains("3 entered, 0 failed"), "{}", ran.stderr);
}
