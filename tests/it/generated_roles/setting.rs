//! An organization in which orgtrail has the generated roles, and nothing else.

use std::collections::BTreeSet;
use std::process::Output;

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use jiff::SignedDuration;
use orgtrail::aws::Clients;
use orgtrail::config::Config;
use orgtrail::names::{AccountId, Arn};
use orgtrail::resources::roles::{Role, RoleKind, roles};
use orgtrail::sandbox::{Options, Pace, Sandbox};
use serde_json::json;

use crate::apply_command::command;
use crate::stage::{parse, sign_in, working_day};

pub(super) const MANAGEMENT: &str = "111111111111";
pub(super) const ARCHIVE: &str = "222222222222";
/// Where orgtrail is started.
pub(super) const TOOLS: &str = "333333333333";
pub(super) const VAULT: &str = "100000000004";
pub(super) const MEMBER: &str = "100000000005";
/// Who starts orgtrail.
const RUNNER: &str = "scheduler";

pub(super) struct Setting {
    pub(super) sandbox: Sandbox,
    pub(super) roles: Vec<Role>,
    pub(super) config: Config,
    text: String,
    session: aws_sdk_sts::types::Credentials,
}

impl Setting {
    pub(super) async fn new() -> Self {
        let mut options = Options::new("us-east-1".parse().unwrap());
        // The last one is suspended.
        options.accounts = 6;
        options.start = Some(working_day());
        options.pace = Pace::Frozen;
        let sandbox = Sandbox::start(options).await.unwrap();
        sandbox.set_volume(2.0, None);
        let text = config(&sandbox).await;
        let config = parse(&text);
        let roles = roles(&config);
        let admin: Arn = format!("arn:aws:iam::{MANAGEMENT}:user/admin").parse().unwrap();
        let runner: Arn = format!("arn:aws:iam::{TOOLS}:role/{RUNNER}").parse().unwrap();
        for role in &roles {
            let (name, trusted) = match role.kind {
                RoleKind::Runner => (RUNNER, &admin),
                RoleKind::Hub => (role.name.as_ref().unwrap().as_str(), &runner),
                _ => (role.name.as_ref().unwrap().as_str(), role.trusted.as_ref().unwrap()),
            };
            for account in accounts_of(role, &roles, &sandbox) {
                let clients = root(&sandbox, account.as_str(), "us-east-1").await;
                let create = clients.iam().create_role().role_name(name);
                let create = create.assume_role_policy_document(role.trust(trusted).to_json());
                create.send().await.unwrap();
                let put = clients.iam().put_role_policy().role_name(name).policy_name("orgtrail");
                put.policy_document(role.policy().to_json()).send().await.unwrap();
            }
        }
        let keys = sandbox.administrator().unwrap();
        let aws = sign_in(&sandbox, keys.access_key_id, keys.secret_access_key).await;
        let sts = aws.clients(&MANAGEMENT.parse().unwrap(), &"us-east-1".parse().unwrap());
        let assume = sts.sts().assume_role().role_arn(runner.to_string());
        let session = assume.role_session_name("nightly").send().await.unwrap();
        let session = session.credentials.unwrap();
        Self { sandbox, roles, config, text, session }
    }

    /// The ARNs of a role in all its accounts.
    pub(super) fn principals(&self, role: &Role) -> BTreeSet<String> {
        let accounts = accounts_of(role, &self.roles, &self.sandbox).into_iter();
        let name = role.name.as_ref().map_or(RUNNER, |name| name.as_str());
        accounts.map(|account| format!("arn:aws:iam::{account}:role/{name}")).collect()
    }

    /// Runs a command as the runner, which must end with an exit code.
    pub(super) async fn runs(&self, arguments: &[&str], code: i32) {
        let output = self.output(arguments).await;
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        if output.status.code() != Some(code) { eprintln!("XX {:?} {arguments:?}: {said}", output.status.code()); }
    }

    pub(super) async fn output(&self, arguments: &[&str]) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(&self.sandbox, folder.path(), &self.text, arguments);
        command
            .env("AWS_ACCESS_KEY_ID", &self.session.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.session.secret_access_key)
            .env("AWS_SESSION_TOKEN", &self.session.session_token)
            .env("ORGTRAIL_PROPAGATION_SECONDS", "0");
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The last whole hours before the newest delivery.
    pub(super) fn last_hours(&self, hours: i64) -> (String, String) {
        let until = self.sandbox.now() - SignedDuration::from_hours(3);
        ((until - SignedDuration::from_hours(hours)).to_string(), until.to_string())
    }

    pub(super) async fn root(&self, account: &str) -> Clients {
        root(&self.sandbox, account, "us-east-1").await
    }

    /// Administrators of the accounts change what orgtrail manages.
    pub(super) async fn change_everything(&self) {
        let management = self.root(MANAGEMENT).await;
        let archive = self.root(ARCHIVE).await;
        let trail = management.cloudtrail();
        trail.update_trail().name("orgtrail").enable_log_file_validation(false).send().await.unwrap();
        trail.stop_logging().name("orgtrail").send().await.unwrap();
        let register = trail.register_organization_delegated_admin();
        register.member_account_id(MEMBER).send().await.unwrap();
        for (clients, role) in [
            (&management, self.config.cloudwatch_logs.role.as_str()),
            (&archive, self.config.archive.replication.as_ref().unwrap().role.as_str()),
        ] {
            let trust = json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "ec2.amazonaws.com" },
                "Action": "sts:AssumeRole",
            }] });
            let update = clients.iam().update_assume_role_policy().role_name(role);
            update.policy_document(trust.to_string()).send().await.unwrap();
        }
        self.change_guardrail(&management).await;
        let key = self.config.key.alias.as_str();
        let described = archive.kms().describe_key().key_id(key).send().await.unwrap();
        let id = described.key_metadata.unwrap().key_id;
        archive.kms().disable_key().key_id(id).send().await.unwrap();
    }
}

impl Setting {
    /// The guardrail binds everybody but the management account, which changes it.
    async fn change_guardrail(&self, management: &Clients) {
        use aws_sdk_organizations::types::PolicyType;

        let organizations = management.organizations();
        let policies = organizations.list_policies().filter(PolicyType::ServiceControlPolicy);
        let policies = policies.send().await.unwrap();
        let name = self.config.guardrail.name.as_str();
        let guardrail = policies.policies().iter().find(|policy| policy.name() == Some(name));
        let id = guardrail.and_then(|policy| policy.id()).unwrap();
        let nothing = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Action": "ec2:*", "Resource": "*",
        }] });
        let update = organizations.update_policy().policy_id(id).content(nothing.to_string());
        update.send().await.unwrap();
    }
}

/// The accounts that a role is for: its own, or all without a role of their own.
fn accounts_of(role: &Role, all: &[Role], sandbox: &Sandbox) -> Vec<AccountId> {
    if role.kind == RoleKind::Runner {
        return vec![TOOLS.parse().unwrap()];
    }
    if let Some(account) = &role.account {
        return vec![account.clone()];
    }
    let has_own = |account: &AccountId| {
        account.as_str() == TOOLS || all.iter().any(|one| one.account.as_ref() == Some(account))
    };
    let accounts = sandbox.accounts();
    let [active @ .., _suspended] = accounts.as_slice() else { return Vec::new() };
    active.iter().filter(|account| !has_own(account)).cloned().collect()
}

pub(super) async fn root(sandbox: &Sandbox, account: &str, region: &str) -> Clients {
    let account = account.parse().unwrap();
    let keys = sandbox.root(&account).unwrap();
    let aws = sign_in(sandbox, keys.access_key_id, keys.secret_access_key).await;
    aws.clients(&account, &region.parse().unwrap())
}

/// The example configuration, with keys that exist.
async fn config(sandbox: &Sandbox) -> String {
    let example = include_str!("../../../infra/example.toml");
    let management = root(sandbox, MANAGEMENT, "us-east-1").await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        {
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{MANAGEMENT}:root") },
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Principal": { "Service": "logs.us-east-1.amazonaws.com" },
            "Action": "kms:*",
            "Resource": "*",
        },
    ] });
    let logs = management.kms().create_key().policy(policy.to_string()).send().await.unwrap();
    let tools = root(sandbox, TOOLS, "us-east-1").await;
    let mac = tools.kms().create_key().key_spec(KeySpec::Hmac256);
    let mac = mac.key_usage(KeyUsageType::GenerateVerifyMac).send().await.unwrap();
    let arn = |key: Option<aws_sdk_kms::types::KeyMetadata>| key.unwrap().arn.unwrap();
    let (logs, mac) = (arn(logs.key_metadata), arn(mac.key_metadata));
    let archive = root(sandbox, ARCHIVE, "us-east-1").await;
    let topic = archive.sns().create_topic().name("archive-objects").send().await.unwrap();
    let topic = topic.topic_arn.unwrap();
    let publish = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": "s3.amazonaws.com" },
        "Action": "sns:Publish",
        "Resource": topic,
    }] });
    let set = archive.sns().set_topic_attributes().topic_arn(&topic).attribute_name("Policy");
    set.attribute_value(publish.to_string()).send().await.unwrap();
    let of = |account, id| format!("arn:aws:kms:us-east-1:{account}:key/{id}");
    let text = example
        .replace(&of(MANAGEMENT, "11111111-2222-4333-8444-555555555555"), &logs)
        .replace(&of(TOOLS, "66666666-7777-4888-9999-000000000000"), &mac)
        .replace("444444444444", VAULT);
    assert!(text.contains(&logs) && text.contains(&mac), "{text}");
    format!("{text}\n[retire]\noverlap_days = 1\n")
}
