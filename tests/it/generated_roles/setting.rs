//! An organization in which orgtrail has the generated roles, and nothing else.

use std::collections::BTreeSet;
use std::process::Output;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_cloudtrail::types::{EventSelector, InsightSelector, InsightType, ReadWriteType};
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use jiff::SignedDuration;
use orgtrail::aws::{Aws, Clients, Pacing, Settings};
use orgtrail::config::Config;
use orgtrail::names::{AccountId, Arn};
use orgtrail::resources::roles::{Role, RoleKind, roles};
use orgtrail::sandbox::{Options, Pace, Sandbox};
use serde_json::{Value, json};

use crate::apply_command::command;
use crate::stage::{Writing as _, parse, sign_in, working_day};

pub(super) const MANAGEMENT: &str = "111111111111";
pub(super) const ARCHIVE: &str = "222222222222";
/// Where orgtrail is started.
pub(super) const TOOLS: &str = "333333333333";
pub(super) const VAULT: &str = "100000000004";
pub(super) const MEMBER: &str = "100000000005";
pub(super) const OTHER: &str = "100000000006";
/// Who starts orgtrail.
const RUNNER: &str = "scheduler";
/// The inline policy of every role.
const POLICY: &str = "orgtrail";

pub(super) struct Setting {
    pub(super) sandbox: Sandbox,
    pub(super) roles: Vec<Role>,
    pub(super) config: Config,
    text: String,
    session: aws_sdk_sts::types::Credentials,
}

impl Setting {
    /// orgtrail is started outside of the management account, and goes through a hub.
    pub(super) async fn through_a_hub() -> Self {
        Self::new(TOOLS, |config| config).await
    }

    /// orgtrail is started as the management account's role.
    pub(super) async fn in_the_management_account() -> Self {
        Self::new(MANAGEMENT, |config| {
            let lines = config.lines().filter(|line| !line.starts_with("hub = "));
            lines.collect::<Vec<_>>().join("\n")
        })
        .await
    }

    async fn new(start: &str, change: impl Fn(String) -> String) -> Self {
        let mut options = Options::new("us-east-1".parse().unwrap());
        // The last one is suspended.
        options.accounts = 7;
        options.start = Some(working_day());
        options.pace = Pace::Frozen;
        let sandbox = Sandbox::start(options).await.unwrap();
        sandbox.set_volume(2.0, None);
        let text = change(config(&sandbox, start).await);
        let config = parse(&text);
        let roles = roles(&config);
        let admin: Arn = format!("arn:aws:iam::{MANAGEMENT}:user/admin").parse().unwrap();
        let runner: Arn = format!("arn:aws:iam::{TOOLS}:role/{RUNNER}").parse().unwrap();
        let first = if start == MANAGEMENT { RoleKind::Management } else { RoleKind::Runner };
        for role in &roles {
            let name = role.name.as_ref().map_or(RUNNER, |name| name.as_str());
            let trusted = match role.kind {
                kind if kind == first => &admin,
                RoleKind::Hub => &runner,
                _ => role.trusted.as_ref().unwrap(),
            };
            for account in accounts_of(role, &roles, &sandbox) {
                let clients = root(&sandbox, account.as_str(), "us-east-1").await;
                let create = clients.writing().iam().create_role().role_name(name);
                let create = create.assume_role_policy_document(role.trust(trusted).to_json());
                create.send().await.unwrap();
                let put =
                    clients.writing().iam().put_role_policy().role_name(name).policy_name(POLICY);
                put.policy_document(role.policy().to_json()).send().await.unwrap();
            }
        }
        let first = roles.iter().find(|role| role.kind == first).unwrap();
        let arn = first.arn().unwrap_or(runner);
        let keys = sandbox.administrator().unwrap();
        let aws = sign_in(&sandbox, keys.access_key_id, keys.secret_access_key).await;
        let sts = aws.clients(&MANAGEMENT.parse().unwrap(), &"us-east-1".parse().unwrap());
        let assume = sts.writing().sts().assume_role().role_arn(arn.to_string());
        let session = assume.role_session_name("nightly").send().await.unwrap();
        let session = session.credentials.unwrap();
        Self { sandbox, roles, config, text, session }
    }

    pub(super) fn role(&self, kind: RoleKind) -> &Role {
        self.roles.iter().rev().find(|role| role.kind == kind).unwrap()
    }

    /// Gives a role another policy.
    pub(super) async fn put_policy(&self, role: &Role, policy: &Value) {
        let name = role.name.as_ref().map_or(RUNNER, |name| name.as_str());
        for account in accounts_of(role, &self.roles, &self.sandbox) {
            let clients = self.root(account.as_str()).await;
            let put = clients.writing().iam().put_role_policy().role_name(name).policy_name(POLICY);
            put.policy_document(policy.to_string()).send().await.unwrap();
        }
    }

    /// The same configuration with a change.
    pub(super) fn declaring(self, change: impl Fn(&str) -> String) -> Self {
        let text = change(&self.text);
        Self { config: parse(&text), text, ..self }
    }

    /// The session of the role in an account, as orgtrail assumes it.
    pub(super) async fn session(&self, account: &str) -> Clients {
        let credentials = Credentials::from_keys(
            &self.session.access_key_id,
            &self.session.secret_access_key,
            Some(self.session.session_token.clone()),
        );
        let base = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url(self.sandbox.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let home = "us-east-1".parse().unwrap();
        let settings = Settings {
            home_region: Some("us-east-1".parse().unwrap()),
            roles: self.config.roles.clone(),
            pacing: Pacing::Off,
            ..Settings::default()
        };
        let aws = Aws::with_base(settings, base).await.unwrap();
        aws.clients(&account.parse().unwrap(), &home)
    }

    /// The ARNs of a role in all its accounts.
    pub(super) fn principals(&self, role: &Role) -> BTreeSet<String> {
        let accounts = accounts_of(role, &self.roles, &self.sandbox).into_iter();
        let name = role.name.as_ref().map_or(RUNNER, |name| name.as_str());
        accounts.map(|account| format!("arn:aws:iam::{account}:role/{name}")).collect()
    }

    /// Runs a command as the runner, which must end with an exit code.
    pub(super) async fn runs(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments).await;
        let said =
            String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
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

    /// Somebody's keys that orgtrail cannot see, and an organization without policies.
    pub(super) async fn before_the_first_apply(&self) {
        use aws_sdk_organizations::types::PolicyType;

        for (account, region) in [(ARCHIVE, "us-east-1"), (VAULT, "eu-central-1")] {
            let clients = root(&self.sandbox, account, region).await;
            let policy = json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole") },
                "Action": "kms:*",
                "Resource": "*",
            }] });
            let create = clients.writing().kms().create_key().policy(policy.to_string());
            let create = create.bypass_policy_lockout_safety_check(true);
            let key = create.send().await.unwrap().key_metadata.unwrap().key_id;
            let admin = self.access(account, region).await;
            let alias =
                admin.writing().kms().create_alias().alias_name("alias/hidden").target_key_id(key);
            alias.send().await.unwrap();
        }
        let management = self.root(MANAGEMENT).await;
        let management = management.writing();
        let organizations = management.organizations();
        let roots = organizations.list_roots().send().await.unwrap();
        let disable = organizations.disable_policy_type().root_id(roots.roots()[0].id().unwrap());
        let disable = disable.policy_type(PolicyType::ServiceControlPolicy);
        disable.send().await.unwrap();
    }

    /// Clients of the role that Organizations made in an account.
    async fn access(&self, account: &str, region: &str) -> Clients {
        let keys = self.sandbox.administrator().unwrap();
        let aws = sign_in(&self.sandbox, keys.access_key_id, keys.secret_access_key).await;
        aws.clients(&account.parse().unwrap(), &region.parse().unwrap())
    }

    /// Administrators of the accounts change what orgtrail manages.
    pub(super) async fn change_everything(&self) {
        let management = self.root(MANAGEMENT).await;
        let archive = self.root(ARCHIVE).await.writing();
        let management = management.writing();
        let trail = management.cloudtrail();
        trail
            .update_trail()
            .name("orgtrail")
            .enable_log_file_validation(false)
            .send()
            .await
            .unwrap();
        trail.stop_logging().name("orgtrail").send().await.unwrap();
        let selector = EventSelector::builder().read_write_type(ReadWriteType::WriteOnly);
        let put = trail.put_event_selectors().trail_name("orgtrail");
        put.event_selectors(selector.build()).send().await.unwrap();
        let insight = InsightSelector::builder().insight_type(InsightType::ApiCallRateInsight);
        let put = trail.put_insight_selectors().trail_name("orgtrail");
        put.insight_selectors(insight.build()).send().await.unwrap();
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
        let mut policy: Value = {
            let read = archive.kms().get_key_policy().key_id(&id).send().await.unwrap();
            serde_json::from_str(&read.policy.unwrap()).unwrap()
        };
        policy["Statement"].as_array_mut().unwrap().retain(|it| it["Sid"] != "OrgTrailDescribe");
        let put = archive.writing().kms().put_key_policy().key_id(&id).policy(policy.to_string());
        put.send().await.unwrap();
        archive.writing().kms().disable_key().key_id(id).send().await.unwrap();
    }
}

impl Setting {
    /// The guardrail binds everybody but the management account, which changes it.
    async fn change_guardrail(&self, management: &Clients) {
        use aws_sdk_organizations::types::PolicyType;

        let management = management.writing();
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
    let starts_there = all.iter().any(|one| one.kind == RoleKind::Runner);
    let has_own = |account: &AccountId| {
        (starts_there && account.as_str() == TOOLS)
            || all.iter().any(|one| one.account.as_ref() == Some(account))
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
async fn config(sandbox: &Sandbox, start: &str) -> String {
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
    let logs =
        management.writing().kms().create_key().policy(policy.to_string()).send().await.unwrap();
    let starting = root(sandbox, start, "us-east-1").await;
    let mac = starting.writing().kms().create_key().key_spec(KeySpec::Hmac256);
    let mac = mac.key_usage(KeyUsageType::GenerateVerifyMac).send().await.unwrap();
    let arn = |key: Option<aws_sdk_kms::types::KeyMetadata>| key.unwrap().arn.unwrap();
    let (logs, mac) = (arn(logs.key_metadata), arn(mac.key_metadata));
    let archive = root(sandbox, ARCHIVE, "us-east-1").await;
    let topic =
        archive.writing().sns().create_topic().name("archive-objects").send().await.unwrap();
    let topic = topic.topic_arn.unwrap();
    let publish = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": { "Service": "s3.amazonaws.com" },
        "Action": "sns:Publish",
        "Resource": topic,
    }] });
    let set =
        archive.writing().sns().set_topic_attributes().topic_arn(&topic).attribute_name("Policy");
    set.attribute_value(publish.to_string()).send().await.unwrap();
    let of = |account, id| format!("arn:aws:kms:us-east-1:{account}:key/{id}");
    let text = example
        .replace(&of(MANAGEMENT, "11111111-2222-4333-8444-555555555555"), &logs)
        .replace(&of(TOOLS, "66666666-7777-4888-9999-000000000000"), &mac)
        .replace("444444444444", VAULT);
    assert!(text.contains(&logs) && text.contains(&mac), "{text}");
    format!("{text}\n[retire]\noverlap_days = 1\n")
}
