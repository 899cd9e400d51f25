//! An organization in which orgtrail has the generated roles, and nothing else.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use aws_credential_types::Credentials;
use aws_sdk_cloudtrail::types::{EventSelector, InsightSelector, InsightType, ReadWriteType};
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use jiff::SignedDuration;
use orgtrail::aws::{Settings, SignedCall, SignedRead, StackWrite, WriteClients};
use orgtrail::config::Config;
use orgtrail::names::{AccountId, Arn, Region};
use orgtrail::resources::landing_zone::LandingZone;
use orgtrail::resources::roles::{Role, RoleKind, roles};
use orgtrail::sandbox::Sandbox;
use orgtrail::store::{S3Store, Store};
use serde_json::{Value, json};

use crate::configured::parse;
use crate::env::{HOME, TestEnv, home, session_keys, working_day, writer};
use crate::program::{Finished, finish_apart, sign};

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

pub(super) struct RolesEnv {
    env: TestEnv,
    pub(super) roles: Vec<Role>,
    pub(super) config: Config,
    text: String,
    /// The keys of the role that orgtrail starts with.
    session: Credentials,
}

impl Deref for RolesEnv {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.env
    }
}

impl RolesEnv {
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
        // The last one is suspended.
        let env = TestEnv::builder().accounts(7).at(working_day()).start().await;
        // One Region is enough to ask for everything, and the least to verify.
        env.sandbox.set_volume(2.0, Some(vec![home()]));
        for account in env.sandbox.accounts() {
            for region in Region::enabled_by_default() {
                env.sandbox.enable_neighbors(&account, &region);
            }
        }
        // It is asked whether it manages the trail.
        let no_logging = json!({ "centralizedLogging": { "enabled": false } });
        env.sandbox.set_up_landing_zone("4.0", no_logging);
        let organizations = env.root(MANAGEMENT).await;
        let enable = organizations.organizations().enable_aws_service_access();
        enable.service_principal("iam.amazonaws.com").send().await.unwrap();
        let text = change(config(&env, start).await);
        let config = parse(&text);
        // The others are there already.
        let mut roles = roles(&config);
        roles.retain(|role| role.kind != RoleKind::Bootstrap);
        let organization = env.sandbox.organization_id();
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
            for account in accounts_of(role, &roles, &env.sandbox) {
                let clients = env.root(account.as_str()).await;
                let create = clients.iam().create_role().role_name(name);
                let create = create.assume_role_policy_document(
                    role.trust(trusted, organization.as_ref()).to_json(),
                );
                create.send().await.unwrap();
                let put = clients.iam().put_role_policy().role_name(name).policy_name(POLICY);
                put.policy_document(role.policy().to_json()).send().await.unwrap();
            }
        }
        let first = roles.iter().find(|role| role.kind == first).unwrap();
        let arn = first.arn().unwrap_or(runner);
        let sts = aws_sdk_sts::Client::new(&env.sdk_config(env.administrator(), HOME));
        let assume = sts.assume_role().role_arn(arn.to_string());
        let session = assume.role_session_name("nightly").send().await.unwrap();
        let session = session_keys(session.credentials.unwrap());
        Self { env, roles, config, text, session }
    }

    pub(super) fn role(&self, kind: RoleKind) -> &Role {
        self.roles.iter().rev().find(|role| role.kind == kind).unwrap()
    }

    /// Gives a role another policy.
    pub(super) async fn put_policy(&self, role: &Role, policy: &Value) {
        let name = role.name.as_ref().map_or(RUNNER, |name| name.as_str());
        for account in accounts_of(role, &self.roles, &self.sandbox) {
            let clients = self.root(account.as_str()).await;
            let put = clients.iam().put_role_policy().role_name(name).policy_name(POLICY);
            put.policy_document(policy.to_string()).send().await.unwrap();
        }
    }

    /// The same configuration with a change.
    pub(super) fn declaring(self, change: impl Fn(&str) -> String) -> Self {
        let text = change(&self.text);
        Self { config: parse(&text), text, ..self }
    }

    /// Clients of the role in an account, as orgtrail assumes it.
    pub(super) async fn session(&self, account: &str) -> WriteClients {
        let settings = Settings { roles: self.config.roles.clone(), ..self.settings() };
        let aws = self.sign_in_as(self.session.clone(), settings).await;
        writer(&aws.clients(&account.parse().unwrap(), &home()))
    }

    /// The ARNs of a role in all its accounts.
    pub(super) fn principals(&self, role: &Role) -> BTreeSet<String> {
        let accounts = accounts_of(role, &self.roles, &self.sandbox).into_iter();
        let name = role.name.as_ref().map_or(RUNNER, |name| name.as_str());
        accounts.map(|account| format!("arn:aws:iam::{account}:role/{name}")).collect()
    }

    /// Receives and deletes an account event, as the service does that no command starts.
    pub(super) async fn receive_account_events(&self) {
        let arn = format!("arn:aws:sqs:us-east-1:{MANAGEMENT}:orgtrail-new-accounts");
        self.sandbox.send_raw(&arn.parse().unwrap(), "{}");
        let clients = self.session(MANAGEMENT).await;
        let named = json!({ "QueueName": "orgtrail-new-accounts" });
        let url = clients.read(SignedRead::GetQueueUrl, &named).await.unwrap();
        let receive = json!({ "QueueUrl": url["QueueUrl"] });
        let answer = clients.send(SignedCall::ReceiveMessages, &receive).await.unwrap();
        let handle = &answer["Messages"][0]["ReceiptHandle"];
        let entries = json!([{ "Id": "0", "ReceiptHandle": handle }]);
        let delete = json!({ "QueueUrl": url["QueueUrl"], "Entries": entries });
        clients.send(SignedCall::DeleteMessages, &delete).await.unwrap();
    }

    /// Runs a command as the runner, which must end with an exit code.
    pub(super) async fn runs(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments).await;
        assert_eq!(output.code, code, "{arguments:?}: {}", output.text());
        output.text()
    }

    pub(super) async fn output(&self, arguments: &[&str]) -> Finished {
        let folder = tempfile::tempdir().unwrap();
        finish_apart(self.command_of_session(folder.path(), arguments)).await
    }

    /// A command in a folder, as the runner.
    pub(super) fn command_of_session(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command(folder, &self.text, arguments);
        sign(&mut command, &self.session);
        command.env("ORGTRAIL_PROPAGATION_SECONDS", "0");
        command
    }

    /// A stack and a stack set of the roles, as `orgtrail bootstrap` would create them: without
    /// the roles, which exist.
    pub(super) async fn create_stacks(&self) {
        let zone = LandingZone::new(self.config.clone(), false).unwrap();
        let clients = self.root(MANAGEMENT).await;
        let activate = StackWrite::ActivateOrganizationsAccess;
        clients.write_stacks(activate, &Vec::new()).await.unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let tagged = || {
            vec![
                pair("Tags.member.1.Key", "orgtrail:managed-by"),
                pair("Tags.member.1.Value", "orgtrail-bootstrap"),
                pair("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
            ]
        };
        let member = zone.deployments.iter().find(|one| &*one.id == "role/member").unwrap();
        let organization = self.sandbox.organization_id();
        let values = member.parameters(&zone.trusted(member), organization.as_ref());
        let mut set = tagged();
        set.extend([
            pair("StackSetName", &member.name),
            pair("PermissionModel", "SERVICE_MANAGED"),
            pair("AutoDeployment.Enabled", "false"),
            pair("TemplateBody", &member.template.to_string()),
        ]);
        for (at, (key, value)) in values.iter().enumerate() {
            set.push(pair(&format!("Parameters.member.{}.ParameterKey", at + 1), key));
            set.push(pair(&format!("Parameters.member.{}.ParameterValue", at + 1), value));
        }
        clients.write_stacks(StackWrite::CreateStackSet, &set).await.unwrap();
        let body = json!({ "Resources": { "Role": { "Type": "AWS::IAM::Role", "Properties": {
            "RoleName": "Other",
            "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{MANAGEMENT}:root") },
                "Action": "sts:AssumeRole",
            }] },
        } } } });
        let mut stack = tagged();
        stack.extend([
            pair("StackName", "orgtrail-management"),
            pair("TemplateBody", &body.to_string()),
        ]);
        clients.write_stacks(StackWrite::CreateStack, &stack).await.unwrap();
    }

    /// What the service stores, in the declared state bucket.
    pub(super) async fn store_state(&self) {
        let bucket = self.config.service.state.as_ref().unwrap().bucket().unwrap().clone();
        let store = S3Store::new(self.session(ARCHIVE).await, bucket, Some("prod"));
        assert!(Store::S3(store).refuses_to_overwrite().await.unwrap());
    }

    /// Exports events, and once more where a manifest is not what it was, which is left.
    pub(super) async fn export_events(&self) {
        const BUCKET: &str = "acme-events-export";
        let archive = self.root(ARCHIVE).await;
        archive.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
        let export = ["events", "export", "--yes", "--region", "us-east-1", "--since", "3d"];
        self.runs(&export, 0).await;
        let keys = self.sandbox.keys_raw(BUCKET, "orgtrail/events/");
        let manifest = keys.iter().find(|key| key.contains("/_manifest-")).unwrap();
        let body = self.sandbox.body_raw(BUCKET, manifest).unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let other = text.replacen("\"schema_version\": 1", "\"schema_version\": 0", 1);
        assert_ne!(text, other);
        self.sandbox.put_raw(BUCKET, manifest, other.into_bytes()).unwrap();
        self.runs(&export, 12).await;
    }

    /// The last whole hours before the newest delivery.
    pub(super) fn last_hours(&self, hours: i64) -> (String, String) {
        let until = self.sandbox.now() - SignedDuration::from_hours(3);
        ((until - SignedDuration::from_hours(hours)).to_string(), until.to_string())
    }

    /// Somebody's keys that orgtrail cannot see, and an organization without policies.
    pub(super) async fn before_the_first_apply(&self) {
        use aws_sdk_organizations::types::PolicyType;

        for (account, region) in [(ARCHIVE, "us-east-1"), (VAULT, "eu-central-1")] {
            let clients = self.root_in(account, &region.parse().unwrap()).await;
            let policy = json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{account}:role/OrganizationAccountAccessRole") },
                "Action": "kms:*",
                "Resource": "*",
            }] });
            let create = clients.kms().create_key().policy(policy.to_string());
            let create = create.bypass_policy_lockout_safety_check(true);
            let key = create.send().await.unwrap().key_metadata.unwrap().key_id;
            let admin = self.access(account, region).await;
            let alias = admin.kms().create_alias().alias_name("alias/hidden").target_key_id(key);
            alias.send().await.unwrap();
        }
        let management = self.root(MANAGEMENT).await;
        let organizations = management.organizations();
        let roots = organizations.list_roots().send().await.unwrap();
        let disable = organizations.disable_policy_type().root_id(roots.roots()[0].id().unwrap());
        let disable = disable.policy_type(PolicyType::ServiceControlPolicy);
        disable.send().await.unwrap();
    }

    /// Clients of the role that Organizations made in an account.
    async fn access(&self, account: &str, region: &str) -> WriteClients {
        let aws = self.sign_in().await;
        writer(&aws.clients(&account.parse().unwrap(), &region.parse().unwrap()))
    }

    /// Administrators of the accounts change what orgtrail manages.
    pub(super) async fn change_everything(&self) {
        let management = self.root(MANAGEMENT).await;
        let archive = self.root(ARCHIVE).await;
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
        let put = archive.kms().put_key_policy().key_id(&id).policy(policy.to_string());
        put.send().await.unwrap();
        archive.kms().disable_key().key_id(id).send().await.unwrap();
        self.change_athena(&archive).await;
    }

    /// Tables, a workgroup and a named query that are not as they were.
    async fn change_athena(&self, archive: &WriteClients) {
        for name in ["cloudtrail_logs", "cloudtrail_events"] {
            let owner = self.sandbox.organization_id().unwrap();
            let parameters = json!({ "orgtrail:organization": owner.as_str() });
            let input = json!({ "Name": name, "Parameters": parameters });
            let body = json!({ "DatabaseName": "orgtrail", "TableInput": input });
            archive.send(SignedCall::UpdateTable, &body).await.unwrap();
        }
        let updates = json!({ "RequesterPaysEnabled": true });
        let body = json!({ "WorkGroup": "orgtrail", "ConfigurationUpdates": updates });
        archive.send(SignedCall::UpdateWorkGroup, &body).await.unwrap();
        let ids = json!({ "WorkGroup": "orgtrail" });
        let ids = archive.read(SignedRead::ListNamedQueries, &ids).await.unwrap();
        let some = json!({ "NamedQueryIds": ids["NamedQueryIds"] });
        let found = archive.read(SignedRead::BatchGetNamedQuery, &some).await.unwrap();
        let query = &found["NamedQueries"][0];
        let body = json!({
            "NamedQueryId": query["NamedQueryId"], "Name": query["Name"], "QueryString": "SELECT 1",
        });
        archive.send(SignedCall::UpdateNamedQuery, &body).await.unwrap();
    }
}

impl RolesEnv {
    /// The guardrail binds everybody but the management account, which changes it.
    async fn change_guardrail(&self, management: &WriteClients) {
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
    let starts_there = all.iter().any(|one| one.kind == RoleKind::Runner);
    let has_own = |account: &AccountId| {
        (starts_there && account.as_str() == TOOLS)
            || all.iter().any(|one| one.account.as_ref() == Some(account))
    };
    let accounts = sandbox.accounts();
    let [active @ .., _suspended] = accounts.as_slice() else { return Vec::new() };
    active.iter().filter(|account| !has_own(account)).cloned().collect()
}

/// The example configuration, with keys that exist.
async fn config(env: &TestEnv, start: &str) -> String {
    let example = include_str!("../../../infra/example.toml");
    let management = env.root(MANAGEMENT).await;
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
    let starting = env.root(start).await;
    let mac = starting.kms().create_key().key_spec(KeySpec::Hmac256);
    let mac = mac.key_usage(KeyUsageType::GenerateVerifyMac).send().await.unwrap();
    let arn = |key: Option<aws_sdk_kms::types::KeyMetadata>| key.unwrap().arn.unwrap();
    let (logs, mac) = (arn(logs.key_metadata), arn(mac.key_metadata));
    let archive = env.root(ARCHIVE).await;
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
