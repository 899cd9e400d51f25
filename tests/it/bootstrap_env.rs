//! Accounts without an organization, and a configuration for all of them.

use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Stdio};

use aws_credential_types::Credentials;
use orgtrail::aws::SignedRead;
use orgtrail::names::AccountId;
use orgtrail::sandbox::{Effect, Fault};

use crate::env::{HOME, TestEnv, session_keys, working_day, writer};
use crate::program::{Finished, finish_apart, sign};

pub(crate) const MANAGEMENT: &str = "111111111111";
pub(crate) const ARCHIVE: &str = "222222222222";
pub(crate) const MEMBER: &str = "333333333333";

/// A configuration whose roles bootstrap creates.
pub(crate) const CONFIG: &str = r#"
[organization]
management_account = "111111111111"
log_archive_account = "222222222222"
home_region = "us-east-1"
[roles]
name = "OrgTrailMember"
external_id = "orgtrail-test"
[roles.accounts.222222222222]
name = "OrgTrailArchive"
[landing_zone]
pilot_account = "333333333333"
[archive]
bucket = "acme-log-archive"
[guardrail]
enabled = true
[new_accounts]
queue = "orgtrail-accounts"
"#;

pub(crate) struct BootstrapEnv {
    env: TestEnv,
}

impl Deref for BootstrapEnv {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.env
    }
}

impl BootstrapEnv {
    /// Accounts that are in no organization.
    pub(crate) async fn nothing(accounts: usize) -> Self {
        let env = TestEnv::builder().accounts(accounts).without_organization();
        Self { env: env.at(working_day()).start().await }
    }

    /// An organization that invited all accounts but the last, before anything else.
    pub(crate) async fn invited(accounts: usize) -> Self {
        let env = Self::nothing(accounts).await;
        env.create_organization().await;
        let all = env.all_accounts();
        for account in &all[1..all.len() - 1] {
            env.sandbox.join(account).unwrap();
        }
        env
    }

    /// The same, with everything that bootstrap creates.
    pub(crate) async fn bootstrapped(accounts: usize) -> Self {
        let env = Self::invited(accounts).await;
        env.ends(&["bootstrap", "--apply", "--yes"], 0).await;
        env
    }

    async fn create_organization(&self) {
        let management = self.root(MANAGEMENT).await;
        management.organizations().create_organization().send().await.unwrap();
    }

    /// Every account of the sandbox, the management account first.
    pub(crate) fn all_accounts(&self) -> Vec<AccountId> {
        self.sandbox.accounts()
    }

    /// A command of the management account's administrator.
    pub(crate) fn bootstrap(&self, folder: &Path, config: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(folder, config, arguments);
        command.env("ORGTRAIL_PROPAGATION_SECONDS", "0");
        command
    }

    /// Runs a command of the administrator.
    pub(crate) async fn runs(&self, config: &str, arguments: &[&str]) -> Finished {
        let folder = tempfile::tempdir().unwrap();
        finish_apart(self.bootstrap(folder.path(), config, arguments)).await
    }

    /// The same with the usual configuration; it must end with an exit code.
    pub(crate) async fn ends(&self, arguments: &[&str], code: i32) -> Finished {
        let finished = self.runs(CONFIG, arguments).await;
        assert_eq!(finished.code, code, "{arguments:?}: {}", finished.text());
        finished
    }

    /// A session of a role in the management account.
    pub(crate) async fn session(&self, role: &str) -> Credentials {
        let sts = aws_sdk_sts::Client::new(&self.sdk_config(self.administrator(), HOME));
        let assume = sts.assume_role().role_arn(format!("arn:aws:iam::{MANAGEMENT}:role/{role}"));
        let session = assume.role_session_name("nightly").send().await.unwrap();
        session_keys(session.credentials.unwrap())
    }

    /// Runs a command with other credentials; it must end with an exit code.
    pub(crate) async fn ends_as(
        &self,
        keys: &Credentials,
        arguments: &[&str],
        code: i32,
    ) -> Finished {
        self.ends_with(keys, CONFIG, arguments, code).await
    }

    /// The same with another configuration.
    pub(crate) async fn ends_with(
        &self,
        keys: &Credentials,
        config: &str,
        arguments: &[&str],
        code: i32,
    ) -> Finished {
        let folder = tempfile::tempdir().unwrap();
        let mut command = self.bootstrap(folder.path(), config, arguments);
        sign(&mut command, keys);
        let finished = finish_apart(command).await;
        assert_eq!(finished.code, code, "{arguments:?}: {}", finished.text());
        finished
    }

    /// Runs a command until a call would be made, and kills it there. Without keys it is the
    /// administrator's.
    pub(crate) async fn killed_before(
        &self,
        keys: Option<&Credentials>,
        arguments: &[&str],
        call: &str,
        after: u64,
    ) {
        self.sandbox.faults().clear();
        self.sandbox.faults().inject(Fault::every(call, Effect::Hang).after(after));
        let folder = tempfile::tempdir().unwrap();
        let mut command = self.bootstrap(folder.path(), CONFIG, arguments);
        if let Some(keys) = keys {
            sign(&mut command, keys);
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.until_struck().await;
        child.kill().unwrap();
        child.wait().unwrap();
        self.sandbox.faults().clear();
    }

    /// Whether a role exists in an account.
    pub(crate) async fn has_role(&self, account: &str, role: &str) -> bool {
        let clients = self.root(account).await;
        clients.iam().get_role().role_name(role).send().await.is_ok()
    }

    /// Whether the queue of account events exists.
    pub(crate) async fn has_queue(&self) -> bool {
        let named = serde_json::json!({ "QueueName": "orgtrail-accounts" });
        match self.management().await.read(SignedRead::GetQueueUrl, &named).await {
            Ok(_) => true,
            Err(error) if error.is_not_found() => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Creates a role that anybody of its account may assume.
    pub(crate) async fn create_role(&self, account: &str, role: &str) {
        let trust = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "sts:AssumeRole",
        }] });
        let clients = self.root(account).await;
        let create = clients.iam().create_role().role_name(role);
        create.assume_role_policy_document(trust.to_string()).send().await.unwrap();
    }

    /// Clients of the administrator in the management account.
    pub(crate) async fn management(&self) -> orgtrail::aws::WriteClients {
        writer(&self.sign_in().await.own_clients())
    }
}
